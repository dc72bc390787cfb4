"""``synflow withdraw``: a source goes out of a dataset; only the shards that it was in are packed again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synflow.commands.output import existing_folder, shell, write_json
from synflow.console import clean, count_of, people

if TYPE_CHECKING:
    from synflow.store.survey import RunState

SHOWN = 12
"""Shards that are named; ``--json`` has all of them."""


def withdraw_sources(folder: Path, sources: Sequence[str], *, as_json: bool) -> int:
    """Withdraw sources from a run; return the exit code."""
    from rich.text import Text

    from synflow.commands.run import end_code
    from synflow.progress import progress_for
    from synflow.run import withdraw
    from synflow.store.layout import RunLayout

    layout = RunLayout(existing_folder(folder).resolve())
    before = _shards(layout.dataset)
    console = people()
    with progress_for(console) as progress:
        state = withdraw(folder, sources, progress)
    found = _outcome(state, before, _shards(layout.dataset), layout.dataset)
    if as_json:
        write_json(found)
        return end_code(state)
    if not state.complete:
        told = f"written down; `synflow resume {shell(folder)}` finishes the run without it"
        console.print(Text(told), soft_wrap=True)
        return end_code(state)
    gone = found["withdrawn"]
    sums = f"{count_of(gone['records'], 'record')}, {count_of(gone['clips'], 'clip')}, "
    console.print(
        Text(f"withdrawn from {clean(state.name)} so far: {sums}{count_of(sum(gone['pairs'].values()), 'pair')}")
    )
    console.print(Text(f"packed again: {_named(found['rebuilt'])}"), soft_wrap=True)
    if found["removed"]:
        console.print(Text(f"not there any more: {_named(found['removed'])}"), soft_wrap=True)
    console.print(Text(f"as they were: {count_of(found['untouched'], 'shard')}"))
    note = "objects/ and journal/ still hold what was made of it on the way: publish the dataset, not the run directory"
    console.print(Text(note, style="dim"), soft_wrap=True)
    return end_code(state)


def _named(shards: Sequence[str]) -> str:
    more = f" and {len(shards) - SHOWN} more" if len(shards) > SHOWN else ""
    return (", ".join(shards[:SHOWN]) + more) or "no shard"


def _outcome(state: RunState, before: dict[str, str], after: dict[str, str], dataset: Path) -> dict[str, Any]:
    """Return what a withdrawal did, as JSON: shards that it packed again, took away, and left alone."""
    value = json.loads(dataset.read_bytes()) if state.complete else {}
    nothing = {"records": 0, "clips": 0, "pairs": {}}
    return {
        "complete": state.complete,
        "withdrawn": value.get("withdrawn", nothing),
        "rebuilt": sorted(path for path, found in after.items() if before.get(path) not in (found, None)),
        "removed": sorted(set(before) - set(after)),
        "untouched": sum(before.get(path) == found for path, found in after.items()),
    }


def _shards(dataset: Path) -> dict[str, str]:
    """Return path -> sha256 of the shards of a dataset; nothing where it is not finished."""
    try:
        return {one["path"]: one["sha256"] for one in json.loads(dataset.read_bytes())["shards"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
