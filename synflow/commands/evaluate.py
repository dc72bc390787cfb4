"""``synflow evaluate``: scores of an embedder by retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synflow.commands.output import shell, write_json
from synflow.commands.ticker import Ticker
from synflow.console import clean, count_of, people
from synflow.errors import Interrupted, Refused, UsageError

if TYPE_CHECKING:
    from synflow.evaluate.evaluation import Evaluation
    from synflow.evaluate.outcome import Benchmark
    from synflow.evaluate.recipe import Recipe


def evaluate_recipe(
    path: Path, out: Path | None, sets: Sequence[str], *, check: bool, strict: bool, as_json: bool
) -> int:
    """Evaluate as a recipe says; return 0, or with ``strict`` 3 where a dataset was skipped.

    Args:
        path: of the recipe.
        out: output folder, instead of the recipe's.
        sets: changes of the recipe.
        check: only see whether the embedder holds what an embedder must.
        strict: a dataset that is missing or broken is a failure.
        as_json: answer as JSON.
    """
    from synflow.evaluate.embedders import opened
    from synflow.evaluate.evaluation import check_places, evaluate
    from synflow.evaluate.media import Decoder
    from synflow.evaluate.recipe import load_recipe
    from synflow.evaluate.report import write_report
    from synflow.models.contract import Checked
    from synflow.store.lock import Lock

    recipe, folder = load_recipe(path, sets), path.absolute().parent
    embedder, identity = opened(recipe.embedder, str(path), folder)
    if isinstance(embedder, Checked):
        embedder.check()
    if check:
        return _check(embedder, as_json=as_json)
    check_places(recipe, folder)
    target = out.absolute() if out else folder / recipe.output
    _own(target)
    try:
        with Lock(target / "lock"), Decoder() as decoder:
            made = evaluate(recipe, folder, embedder, identity, decoder, Ticker(), target)
            report = write_report(made, recipe, target)
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; what was embedded and scored is kept", "type the command again: it goes on from there"
        ) from None
    if as_json:
        write_json(made.results)
    else:
        _show(recipe, made, report)
    missing = {name: why for name, why in made.skipped.items() if why != "not asked for"}
    return 3 if strict and missing else 0


def _own(target: Path) -> None:
    """Make the output folder.

    Raises:
        Refused: it holds something other than an evaluation.
    """
    from synflow.durable import make_folder
    from synflow.evaluate.outcome import DATASETS, RESULTS

    ours = {DATASETS, RESULTS, "lock", "vectors"}
    if target.is_dir():
        names = {one.name for one in target.iterdir()}
        if names and not names & ours:
            raise Refused(f"{target} holds something other than an evaluation", "choose another `output`, or --out")
    make_folder(target)


def _check(embedder: Any, *, as_json: bool) -> int:
    from synflow.evaluate.conformance import shortfalls

    found = shortfalls(embedder)
    if as_json:
        write_json({"model": embedder.model, "sound": not found, "shortfalls": found})
    elif found:
        raise UsageError(f"{embedder.model}: {'; '.join(found)}", "docs/evaluate.md tells what an embedder must hold")
    else:
        people().print(f"{clean(embedder.model)} holds what an embedder must")
    return 2 if found else 0


def _show(recipe: Recipe, made: Evaluation, report: Path) -> None:
    from rich.text import Text

    from synflow.evaluate.probes import overall

    console = people()
    console.print(Text.assemble((clean(recipe.name), "bold"), ("  " + clean(made.results["model"]), "dim")))
    for benchmark in made.benchmarks:
        _show_benchmark(benchmark)
    for name, told in made.results["probes"].items():
        if told:
            words = "  ".join(f"{key} {value}" for key, value in overall(list(told.values())).items())
            line = Text.assemble((f"{name}  ", "bold"), count_of(len(told), "dataset"), ("  " + words, "dim"))
            console.print(line, soft_wrap=True)
    console.print(Text.assemble("\n", ("Report", "bold"), f"  {shell(report)}"), soft_wrap=True)


def _show_benchmark(benchmark: Benchmark) -> None:
    from rich.table import Table
    from rich.text import Text

    console = people()
    there = f"{len(benchmark.datasets)} of {count_of(len(benchmark.abilities), 'dataset')}"
    console.print(Text.assemble("\n", (clean(benchmark.name), "bold"), (f"  {there}", "dim")))
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for title in ("dataset", "ability", "metric", "score", "queries", "items"):
        table.add_column(title, justify="left" if title in ("dataset", "ability", "metric") else "right", no_wrap=True)
    for name, one in benchmark.datasets.items():
        score = "none" if one["score"] is None else f"{one['score']:.3f}"
        counts = (f"{one['queries']:,}", f"{one['corpus']:,}")
        table.add_row(clean(name), one["ability"], one["metric"], score, *counts)
    console.print(table)
    parts = [
        f"{name} {average.value:.3f}{'' if average.whole else '*'}"
        for name, average in benchmark.averages.items()
        if average.value is not None
    ]
    console.print(Text("  ".join(parts)), soft_wrap=True)
    lacking = dict.fromkeys(name for average in benchmark.averages.values() for name in average.missing)
    if lacking:
        console.print(
            Text(f"* of what is there; it also needs {', '.join(map(clean, lacking))}", style="dim"), soft_wrap=True
        )
    for name, why in benchmark.skipped.items():
        console.print(Text(f"skipped {clean(name)}: {clean(why, 300)}", style="yellow"), soft_wrap=True)
    for name, one in benchmark.datasets.items():
        if one["notes"]:
            console.print(Text(f"{clean(name)}: {clean('; '.join(one['notes']), 600)}", style="dim"), soft_wrap=True)
