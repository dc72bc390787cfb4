"""``synflow run`` and ``synflow resume``: go, and say at the end what was made, what was dropped and what is next."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from synflow.blas import begin_with_one
from synflow.commands.output import existing_folder, shell
from synflow.console import clean, count_of, duration_of, people
from synflow.errors import Incomplete, Interrupted, UsageError
from synflow.store.lock import early_lock

if TYPE_CHECKING:
    from rich.console import Console

    from synflow.progress import Listener, Tally
    from synflow.store.survey import Reused, RunState


def run_manifest(manifest: Path, out: Path | None, sets: Sequence[str], reuse: Path | None = None) -> int:
    """Run a manifest, or continue its unfinished run; return the exit code."""
    begin_with_one()
    _refuse_url(str(out or ""))
    with (early_lock(out.resolve()) if out is not None else None) or nullcontext() as lock:
        from synflow import run as engine
        from synflow.manifest import load_manifest

        loaded = load_manifest(manifest, sets)
        if out is None:
            _refuse_url(loaded.output)
        folder = out if out is not None else loaded.out
        return _watched(folder, lambda listener: engine.run(loaded, folder, listener, reuse=reuse, lock=lock))


def _refuse_url(name: str) -> None:
    """Refuse a URL where a folder must be: it would be taken for a folder of that name."""
    if re.match(r"[a-z][a-z0-9+.-]+:/", name, re.IGNORECASE):
        raise UsageError(
            f"output: {name} is no folder, and a run works in one",
            "give a folder; when the run is complete, `synflow export DIR URL --to shards` copies its dataset",
        )


def resume_run(folder: Path, *, failed_only: bool) -> int:
    """Continue a run; return the exit code."""
    begin_with_one()
    with early_lock(existing_folder(folder).resolve()) or nullcontext() as lock:
        from synflow import run as engine

        return _watched(folder, lambda listener: engine.resume(folder, failed_only, listener, lock=lock))


def _watched(folder: Path, work: Callable[[Listener], RunState]) -> int:
    """Show progress while ``work`` goes on, and its end when it is over."""
    from synflow.progress import progress_for
    from synflow.store.survey import survey

    console = people()
    progress = progress_for(console)
    # What is loaded by now stays: later collections need not look at it.
    gc.freeze()
    try:
        with progress:
            state = work(progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what is done is kept", f"`synflow resume {shell(folder)}` goes on") from None
    except Incomplete:
        show_end(console, survey(folder), progress.tally)
        raise
    show_end(console, state, progress.tally)
    return end_code(state)


def end_code(state: RunState) -> int:
    """Return the exit code of a run that ended in ``state``."""
    return 0 if state.complete else 3


def show_end(console: Console, state: RunState, tally: Tally) -> None:
    """Print what was made, what was dropped and why, and what to type next."""
    from rich.text import Text

    if state.complete and not tally.passes:
        console.print(Text(f"{clean(state.name)} is complete already: nothing to do"))
        show_next(console, state)
        return
    what, style = ("complete", "bold green") if state.complete else ("not complete", "bold yellow")
    sums = f"{count_of(sum(state.pairs.values()), 'pair')}, {sum(state.drops.values()):,} dropped"
    spent = duration_of(tally.clock() - tally.began)
    console.print(Text.assemble("\n", (clean(state.name), "bold"), " is ", (what, style), f": {sums}, in {spent}"))
    console.print(Text(clean(str(state.root), 4096), style="dim"), soft_wrap=True)
    show_reused(console, state)
    show_counts(console, "Made", state.pairs)
    show_shortfalls(console, state)
    show_drops(console, state.drops)
    show_failures(console, state)
    show_next(console, state)


def show_reused(console: Console, state: RunState) -> None:
    """Print what was taken over from an earlier run, where there was one."""
    from rich.text import Text

    if state.reused is not None:
        line = Text(f"  {reused_line(state.reused)}")
        console.print(Text.assemble("\n", ("Taken over", "bold"), (f"  from {clean(state.reused.root, 4096)}", "dim")))
        console.print(line, soft_wrap=True)


def reused_line(found: Reused) -> str:
    """Return in one line what was taken over and what was done anew."""
    taken = f"{found.shards:,} of {count_of(found.total, 'shard')} whole, {count_of(found.answers, 'answer')}"
    return f"{taken}; anew: {count_of(found.decoded, 'video')} decoded, {count_of(found.calls, 'model call')}"


def show_counts(console: Console, title: str, counts: Mapping[str, int]) -> None:
    """Print pairs by task, as one line where it fits."""
    from rich.text import Text

    from synflow.records import TASKS

    if not counts:
        return
    order = [task for task in TASKS if task in counts]
    parts = "   ".join(f"{task} {counts[task]:,}" for task in order)
    console.print(Text.assemble("\n", (title, "bold"), "\n  ", parts))


def show_shortfalls(console: Console, state: RunState) -> None:
    """Print which targets were not met, and why."""
    import json

    from rich.text import Text

    from synflow.store.layout import RunLayout
    from synflow.store.quotas import CAUSES

    if not state.complete:
        return
    targets = json.loads(RunLayout(state.root).dataset.read_bytes()).get("targets", {})
    short = {task: one for task, one in targets.items() if one["short"]}
    if short:
        console.print(Text("\nShort of their targets", style="bold"))
    for task, one in short.items():
        counts = f"  {task}  {one['made']:,} of {one['target']:,}, {one['offered']:,} offered"
        console.print(Text.assemble(counts, (f"   {CAUSES[one['cause']]}", "dim")), soft_wrap=True)


def show_drops(console: Console, drops: Mapping[str, int]) -> None:
    """Print drops by reason, the most frequent first, each with what it means."""
    from rich.table import Table
    from rich.text import Text

    from synflow.inspect.reasons import meaning

    if not drops:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True, min_width=6)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for name, number in sorted(drops.items(), key=lambda item: (-item[1], item[0])):
        stage, _, reason = name.partition("/")
        means = meaning(stage, reason) or f"stage {stage}"
        table.add_row(f"{number:,}", Text(clean(reason, 60), style="yellow"), Text(clean(means), style="dim"))
    console.print(Text.assemble("\n", ("Dropped", "bold")))
    console.print(table)


def show_failures(console: Console, state: RunState) -> None:
    """Print failed shards, the ones with the same cause together."""
    from rich.text import Text

    causes: dict[tuple[str, str], list[str]] = {}
    for one in state.passes:
        for failure in one.failed:
            causes.setdefault((failure.cause, failure.remedy), []).append(f"{failure.pass_name} {failure.shard}")
    if not causes:
        return
    console.print(Text.assemble("\n", ("Failed", "bold red")))
    for (cause, remedy), places in causes.items():
        shown = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
        console.print(Text(f"  {count_of(len(places), 'shard')}: {clean(shown, 200)}"), soft_wrap=True)
        console.print(Text(f"    cause:  {clean(cause)}"), soft_wrap=True)
        if remedy:
            console.print(Text(f"    remedy: {clean(remedy)}"), soft_wrap=True)


def show_next(console: Console, state: RunState, *, driven: bool = False) -> None:
    """Print what to type next; ``driven`` where a driver is at work on the run."""
    from rich.text import Text

    name = shell(state.root)
    if state.complete:
        steps = [
            (f"synflow inspect {name}", "sample pairs and their frames"),
            (f"synflow verify {name}", "check every byte"),
        ]
    elif driven:
        steps = [(f"synflow status {name} --watch", "follow it")]
    else:
        steps = [(f"synflow resume {name}", "go on"), (f"synflow status {name}", "how far it is")]
    width = max(len(command) for command, _ in steps)
    console.print(Text.assemble("\n", ("Next", "bold")))
    for command, does in steps:
        console.print(Text.assemble(f"  {command:<{width}}", (f"   {does}", "dim")), soft_wrap=True)
