"""``synflow replay``: what other thresholds would keep and drop of a finished run, from what it measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synflow.commands.output import existing_folder, shell, write_json
from synflow.console import clean, count_of, people
from synflow.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from synflow.replay import Fate, Replay

SHOWN = 8
"""Clips of one kind that are named; ``--json`` has all of them."""


def replay_run(folder: Path, sets: Sequence[str], *, as_json: bool) -> int:
    """Show what a run would be under other thresholds; return 0."""
    from synflow.replay import replay

    existing_folder(folder)
    if not sets:
        raise UsageError("there is nothing to replay without --set", "for example --set dynamics.min_residual=0.1")
    found = replay(folder, sets)
    if as_json:
        write_json(found.as_json())
    else:
        _show(people(), folder, found)
        _next(people(), folder, sets)
    return 0


def _next(console: Console, folder: Path, sets: Sequence[str]) -> None:
    """Print how to have it: by a run that does only what these thresholds touch."""
    from rich.text import Text

    options = "".join(f" --set {shell(Path(one))}" for one in sets)
    command = f"\n  synflow run MANIFEST --out DIR --reuse {shell(folder)}{options}"
    console.print(Text.assemble("\n", ("Next", "bold"), command), soft_wrap=True)


def _show(console: Console, folder: Path, found: Replay) -> None:
    from rich.text import Text

    before, after = found.kept
    console.print(Text(clean(folder.resolve().name), style="bold"))
    for name, (old, new) in found.changes.items():
        console.print(Text.assemble((f"  {name}  ", "cyan"), f"{_value(old)} → {_value(new)}"))
    if not found.changes:
        console.print(Text("  nothing differs from the run", style="dim"))
    line = [
        f"{before:,} → {count_of(after, 'clip')} kept",
        f"{len(found.lost):,} lost",
        f"{len(found.gained):,} gained",
    ]
    console.print(Text(" · ".join([*line, f"{len(found.undecided):,} undecided"])))
    _funnel(console, found)
    if found.pairs:
        parts = [f"{task} {every:,} → {every - gone:,}" for task, (every, gone) in found.pairs.items()]
        console.print(Text("\nPairs of the clips that stay", style="bold"))
        console.print(Text(f"  {' · '.join(parts)}"))
    _names(console, "Lost", found.lost, "red")
    _names(console, "Gained", found.gained, "green")
    _names(console, "Undecided", found.undecided, "yellow")
    if found.undecided:
        note = (
            "These were dropped before the later stages saw them: only a run can tell what becomes of them, "
            "and what a corpus stage (duplicates, quantile) makes of the others beside them."
        )
        console.print(Text(note, style="dim"))


def _value(value: object) -> str:
    return "none" if value is None else clean(str(value), 60)


def _funnel(console: Console, found: Replay) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for title in ("dropped by", "because"):
        table.add_column(title, no_wrap=True)
    for title in ("before", "after", ""):
        table.add_column(title, justify="right", no_wrap=True)
    for (stage, reason), (old, new) in found.funnel().items():
        style = "dim" if old == new else "bold"
        change = f"{new - old:+,}" if old != new else ""
        cells = (clean(stage, 40), clean(reason, 60), f"{old:,}", f"{new:,}", change)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    if table.row_count:
        console.print(Text(""))
        console.print(table)


def _names(console: Console, title: str, fates: Sequence[Fate], style: str) -> None:
    from rich.text import Text

    if not fates:
        return
    console.print(Text.assemble("\n", (title, f"bold {style}"), (f"  {count_of(len(fates), 'clip')}", "dim")))
    for fate in fates[:SHOWN]:
        told = fate.now or fate.was
        why = f"{told.reason}, {told.detail}" if told and told.detail else told.reason if told else fate.undecided
        name = clean(fate.clip.source_uri or fate.clip.record_id, 80)
        line = Text.assemble(f"  {name}", (f"  {clean(fate.clip.clip_id, 24)}  {clean(why, 160)}", "dim"))
        console.print(line, soft_wrap=True)
    if len(fates) > SHOWN:
        console.print(Text(f"  and {len(fates) - SHOWN:,} more (--json names all)", style="dim"))
