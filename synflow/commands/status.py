"""``synflow status``: how far a run is, from its receipts alone."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synflow.commands.output import existing_folder, write_json
from synflow.commands.run import reused_line, show_failures, show_next
from synflow.console import clean, count_of, duration_of, listed, people

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group
    from rich.text import Text

    from synflow.records import Pair, Side
    from synflow.store.survey import PassState, RunState

EVERY = 1.0
"""Seconds between two looks of ``--watch``."""

NEWEST = 5
"""Pairs that ``--watch`` shows."""

LOCKS = Path("/proc/locks")
"""Where the kernel lists who holds which lock."""


def driver_of(folder: Path, locks: Path = LOCKS) -> int | None:
    """Return the process that drives a run on this machine; None where none is seen.

    The kernel's list is read, the lock is not touched: to try it would refuse a driver that starts just then.
    """
    try:
        held = (folder / "lock").stat()
        lines = locks.read_text().splitlines()
    except OSError:
        return None
    place = f"{os.major(held.st_dev):02x}:{os.minor(held.st_dev):02x}:{held.st_ino}"
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and place in fields:
            return int(fields[4])
    return None


def status(folder: Path, *, watch: bool, as_json: bool) -> int:
    """Show how far a run is; return 0 where it is complete and 3 where it is not."""
    from synflow.store.survey import survey

    existing_folder(folder)
    state = survey(folder)
    if as_json:
        while watch and not state.complete:
            time.sleep(EVERY)
            state = survey(folder)
        write_json({**as_dict(state), "driver": driver_of(folder)})
        return 0 if state.complete else 3
    console = people()
    if watch and not state.complete:
        state = _watch(folder, state)
    else:
        console.print(state_view(state))
    show_failures(console, state)
    show_next(console, state, driven=not state.complete and driver_of(folder) is not None)
    return 0 if state.complete else 3


def _watch(folder: Path, state: RunState) -> RunState:
    """Redraw until the run is complete or the user has seen enough."""
    from rich.live import Live

    from synflow.store.layout import RunLayout
    from synflow.store.newest import newest_pairs
    from synflow.store.survey import survey

    layout = RunLayout(folder)
    with Live(state_view(state, newest_pairs(layout, NEWEST)), console=people(), auto_refresh=False) as live:
        try:
            while not state.complete:
                time.sleep(EVERY)
                state = survey(folder)
                live.update(state_view(state, newest_pairs(layout, NEWEST)), refresh=True)
        except KeyboardInterrupt:
            return state
    return state


def as_dict(state: RunState) -> dict[str, Any]:
    """Return a state as JSON."""
    value = dataclasses.asdict(state)
    value["root"] = str(state.root)
    return value


def state_view(state: RunState, newest: Sequence[Pair] = ()) -> Group:
    """Return a line for each pass, the sums, and the newest pairs."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    driver = None if state.complete else driver_of(state.root)
    what = ("complete", "green") if state.complete else ("not complete", "yellow")
    if driver is not None:
        what = (f"running (process {driver})", "cyan")
    head = Text.assemble((clean(state.name), "bold"), "  ", what, (f"  {clean(str(state.root))}", "dim"))
    table = Table.grid(padding=(0, 2))
    for one in state.passes:
        bar = ProgressBar(total=max(one.total, 1), completed=one.done, width=24)
        count = Text(f"{one.done:,}/{count_of(one.total, 'shard')}" if one.total else "", justify="right")
        table.add_row(Text(one.name), bar, count, Text(_note(one), style="red" if one.failed else "dim"))
    facts = Table.grid(padding=(0, 2))
    facts.add_row(Text("pairs", style="dim"), f"{sum(state.pairs.values()):,}", Text(listed(state.pairs), style="dim"))
    largest = dict(sorted(state.drops.items(), key=lambda item: -item[1]))
    reasons = {clean(name.rpartition("/")[2], 60): number for name, number in largest.items()}
    facts.add_row(Text("dropped", style="dim"), f"{sum(state.drops.values()):,}", Text(listed(reasons, 4), style="dim"))
    if state.asked:
        facts.add_row(Text("asked", style="dim"), f"{state.asked['calls']:,}", Text(_asked(state.asked), style="dim"))
    if state.reused is not None:
        facts.add_row(Text("taken over", style="dim"), "", Text(reused_line(state.reused), style="dim"))
    if state.clips_per_second:
        facts.add_row(Text("rate", style="dim"), f"{state.clips_per_second:.1f}", Text("clips/s", style="dim"))
    if state.seconds_left is not None and not state.complete:
        facts.add_row(Text("left", style="dim"), duration_of(state.seconds_left), "")
    if state.dashboard and not state.complete:
        facts.add_row(Text("ray", style="dim"), "", Text(clean(state.dashboard, 200), style="dim"))
    return Group(head, Text(""), table, Text(""), facts, *_newest(newest))


def _newest(pairs: Sequence[Pair]) -> list[Text]:
    """Return the newest pairs, one a line: task, query, target."""
    from rich.text import Text

    if not pairs:
        return []
    lines = [Text("\nNewest pairs", style="bold")]
    for pair in pairs:
        sides = [_side(pair.query), _side(pair.target)]
        line = Text.assemble((f"  {pair.task:<5}", "cyan"), sides[0], ("  →  ", "dim"), sides[1])
        line.truncate(200)
        lines.append(line)
    return lines


def _side(side: Side) -> str:
    shown = [f"[{len(side.video.frames)} frames]"] if side.video else ["[picture]"] if side.image else []
    return " ".join([*shown, *([clean(side.text.text, 90)] if side.text else [])])


def _asked(asked: dict[str, int]) -> str:
    """Return what came of the calls of models, tokens only where a model counts them."""
    told = f"model calls; {asked['hits']:,} answers known already"
    read = asked["prompt_tokens"]
    if not read:
        return told
    told += (
        f"; {read:,} tokens read, {asked['cached_tokens'] / read:.0%} of them cached, "
        f"{asked['answer_tokens']:,} written"
    )
    if again := asked["again"]:
        told += f"; {asked['again_cached'] / again:.0%} of {again:,} calls on pictures shown before found them cached"
    return told


def _note(one: PassState) -> str:
    if not one.done and not one.failed:
        return "waits"
    parts = [f"{len(one.failed)} failed"] if one.failed else []
    inputs = one.counts.get("inputs", 0)
    if inputs and one.seconds > 0:
        parts.append(f"{inputs / one.seconds:.1f} clips/s a worker")
    return " · ".join(parts)
