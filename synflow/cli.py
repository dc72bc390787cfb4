"""The command line: parse, call, print, exit code. Each command imports what it needs when it is called."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from typer.main import get_command

from synflow import __version__
from synflow.commands.arguments import AsJson, ManifestFile, OutFolder, Reuse, RunFolder, Seed, Sets
from synflow.commands.endings import end_on_sigterm, leave_memory, silence
from synflow.commands.failures import disk_failure, log_of, misuse, tell
from synflow.errors import SynflowError

Job: TypeAlias = Callable[[], int]
"""What a command line asks for: parsed, not yet begun, so that its failures are told here and not by typer."""

SIGPIPE_CODE = 128 + signal.SIGPIPE

app = typer.Typer(
    name="synflow",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Turn raw web videos with weak captions into verified training pairs for video retrieval.",
    epilog="Begin with: synflow run manifests/demo.yaml",
)


@app.callback(invoke_without_command=True)
def synflow(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> Job:
    """Hold the options of all commands."""
    if ctx.invoked_subcommand is None:
        print(f"synflow {__version__}" if version else ctx.get_help())
    return partial(int, 0)


@app.command()
def run(
    manifest: ManifestFile,
    out: OutFolder = None,
    sets: Sets = None,
    reuse: Reuse = None,
) -> Job:
    """Make the dataset of a manifest, or go on with it."""
    from synflow.commands.run import run_manifest

    return partial(run_manifest, manifest, out, sets or (), reuse)


@app.command()
def resume(
    folder: RunFolder,
    failed: Annotated[bool, typer.Option("--failed", help="Only the shards that failed.")] = False,
) -> Job:
    """Continue a run that was interrupted or has failed shards."""
    from synflow.commands.run import resume_run

    return partial(resume_run, folder, failed_only=failed)


@app.command()
def plan(
    manifest: ManifestFile,
    sets: Sets = None,
    reuse: Reuse = None,
    needs: Annotated[bool, typer.Option("--needs", help="What the targets take; inputs are not read.")] = False,
    rates: Annotated[Path | None, typer.Option(metavar="DIR", help="A finished run to take rates from.")] = None,
    rate: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A rate of your own.")] = None,
    as_json: AsJson = False,
) -> Job:
    """Check a manifest and estimate what it takes and gives."""
    from synflow.commands.needs import show_needs
    from synflow.commands.plan import show_plan

    if needs or rates or rate:
        return partial(show_needs, manifest, sets or (), rates, rate or (), as_json=as_json)
    return partial(show_plan, manifest, sets or (), reuse, as_json=as_json)


@app.command()
def status(
    folder: RunFolder,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw until the run is complete.")] = False,
    as_json: AsJson = False,
) -> Job:
    """Show how far a run is, and what failed."""
    from synflow.commands.status import status as show

    return partial(show, folder, watch=watch, as_json=as_json)


@app.command()
def inspect(
    folder: RunFolder,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="Only pairs of t2v, t2i, i2v, t2t, ti2v, v2v, tv2v.")
    ] = None,
    sample: Annotated[int | None, typer.Option(metavar="N", min=1, help="How many pairs to show.")] = None,
    seed: Seed = 0,
    pair: Annotated[str | None, typer.Option(metavar="ID", help="One pair and all it came from.")] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="What another threshold would change; see replay."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a report that opens in any browser, offline.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Browse the run in a web page on this machine.")] = False,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where --serve listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port of --serve; 0 for a free one.")] = 8350,
    against: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="Another finished run, to compare it with under --serve.")
    ] = None,
    as_json: AsJson = False,
) -> Job:
    """Look at pairs and their frames, and at what was dropped."""
    from synflow.commands.inspect import inspect_run, report_run, serve_pages
    from synflow.commands.replay import replay_run

    if serve:
        return partial(serve_pages, folder, host=host, port=port, against=against)
    if html is not None:
        return partial(report_run, folder, html, task=task, sample=sample, seed=seed)
    if sets:
        return partial(replay_run, folder, sets, as_json=as_json)
    return partial(inspect_run, folder, task=task, sample=sample, seed=seed, pair=pair, as_json=as_json)


@app.command()
def replay(folder: RunFolder, sets: Sets = None, as_json: AsJson = False) -> Job:
    """Tell what other thresholds would keep and drop."""
    from synflow.commands.replay import replay_run

    return partial(replay_run, folder, sets or (), as_json=as_json)


@app.command()
def verify(folder: RunFolder, as_json: AsJson = False) -> Job:
    """Hash everything again and compare it with the receipts."""
    from synflow.commands.verify import verify_run

    return partial(verify_run, folder, as_json=as_json)


@app.command()
def stages(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One stage in full.", show_default=False)] = None,
    schema: Annotated[bool, typer.Option("--schema", help="JSON Schema of the manifest, or of the stage.")] = False,
    as_json: AsJson = False,
) -> Job:
    """List the stages, their parameters and their reasons to drop."""
    from synflow.commands.stages import show_stages

    return partial(show_stages, name, schema=schema, as_json=as_json)


@app.command()
def world(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the clips go.")],
    clips: Annotated[int, typer.Option(metavar="N", min=1, help="How many clips.")] = 60,
    seed: Seed = 0,
    defects: Annotated[
        float, typer.Option(metavar="F", min=0, max=1, help="Share of clips with a known defect.")
    ] = 0.0,
) -> Job:
    """Render a miniature world: clips whose truth is known."""
    from synflow.commands.world import render_world

    return partial(render_world, folder, clips=clips, seed=seed, defects=defects)


@app.command()
def serve(
    manifest: ManifestFile,
    sets: Sets = None,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=1, max=65535, help="First port, where the manifest names no address.")
    ] = 8000,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="How long a start may take.")] = 1800.0,
    logs: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the output of the servers goes.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the commands.")] = False,
) -> Job:
    """Start the vLLM servers that a manifest names."""
    from synflow.commands.serve import serve as start

    return partial(start, manifest, sets or (), host=host, port=port, wait=wait, logs=logs, dry_run=dry_run)


@app.command()
def fingerprint(
    lists: Annotated[
        list[Path] | None, typer.Argument(metavar="[LIST]...", help="Videos: whatever a manifest takes as `clips`.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The list to write (.jsonl).")] = Path(
        "hashes.jsonl"
    ),
    captions: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Captions alone: one a line, or JSON lines; may be repeated."),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="What reports call the list.")] = "",
) -> Job:
    """Hash videos and captions into a list that `dedup` can forbid."""
    from synflow.commands.fingerprint import make_list

    return partial(make_list, lists or (), captions or (), out, name)


@app.command()
def withdraw(
    folder: RunFolder,
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="source_id or source_uri of the index, or a record id.")
    ],
    as_json: AsJson = False,
) -> Job:
    """Take everything out of a dataset that was made of a source."""
    from synflow.commands.withdraw import withdraw_sources

    return partial(withdraw_sources, folder, sources, as_json=as_json)


@app.command()
def export(
    folder: RunFolder,
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder to make; for shards also a URL.")],
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="parquet, hf (as `datasets` loads it), or shards as they are.")
    ],
    what: Annotated[str, typer.Option(metavar="PART", help="pairs (with their media) or index.")] = "pairs",
    task: Annotated[list[str] | None, typer.Option(metavar="TASK", help="Only these pairs; may be repeated.")] = None,
    as_json: AsJson = False,
) -> Job:
    """Write a dataset as parquet files, or copy it to a bucket."""
    from synflow.commands.export import export_run

    return partial(export_run, folder, out, to, what, task or (), as_json=as_json)


@app.command()
def mine(
    folder: RunFolder,
    embedder: Annotated[str, typer.Option(metavar="E", help="run (that of the run), or what `use` may be.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Of the embedder, as in a manifest.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="t2v=2 (mined ones of a pair), segments=1 ..."),
    ] = None,
    as_json: AsJson = False,
) -> Job:
    """Find hard negatives for the pairs of a finished run."""
    from synflow.commands.mine import mine_run

    return partial(mine_run, folder, embedder, sets or (), options or (), as_json=as_json)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file that says what to train on what.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell steps, batches and memory; train nothing.")] = False,
    out: OutFolder = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Job:
    """Train an embedder on the pairs of a finished run."""
    from synflow.commands.train import train_recipe

    return partial(train_recipe, recipe, sets or (), out, resume=resume, dry_run=dry_run, as_json=as_json)


@app.command()
def evaluate(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file that says which model on which data.")],
    out: OutFolder = None,
    sets: Sets = None,
    check: Annotated[bool, typer.Option("--check", help="Only check what the embedder holds.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 where a dataset was skipped.")] = False,
    as_json: AsJson = False,
) -> Job:
    """Score an embedder by retrieval, on UVRB or your own data."""
    from synflow.commands.evaluate import evaluate_recipe

    return partial(evaluate_recipe, recipe, out, sets or (), check=check, strict=strict, as_json=as_json)


@app.command()
def doctor(
    manifest: Annotated[
        Path | None, typer.Argument(metavar="[MANIFEST]", help="Also try the models it names.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> Job:
    """Tell what this machine has and lacks for synflow."""
    from synflow.commands.doctor import show_doctor

    return partial(show_doctor, manifest, as_json=as_json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return its exit code. Failures are told here, in two lines."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    end_on_sigterm()
    leave_memory()
    try:
        code = _parsed([one for one in given if one != "--debug"])()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away (`| head`); there is nobody left to tell.
        silence(sys.stdout, sys.stderr)
        return SIGPIPE_CODE
    except KeyboardInterrupt:
        return tell(130, "interrupted", "type the command again", debug=debug)
    except SynflowError as error:
        return tell(error.exit_code, error.cause, error.remedy, debug=debug)
    except typer.TyperException as error:
        return tell(2, *misuse(error), debug=debug)
    except Exception as error:  # noqa: BLE001  the one place that turns a bug into a line
        if isinstance(error, OSError) and (known := disk_failure(error)):
            return tell(*known, debug=debug)
        log = log_of(given)
        remedy = (
            f"this is a bug: run it again with --debug and report the traceback{f'; {log} tells more' if log else ''}"
        )
        return tell(1, f"{type(error).__name__}: {error}", remedy, debug=debug)
    return code


def _parsed(arguments: list[str]) -> Job:
    job: Any = get_command(app).main(args=arguments, prog_name="synflow", standalone_mode=False)
    # Where typer itself answers (--help) it gives an exit code.
    return job if callable(job) else partial(int, job or 0)
