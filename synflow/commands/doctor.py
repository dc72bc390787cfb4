"""``synflow doctor``: what this machine has and lacks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from synflow.commands.output import write_json
from synflow.console import clean, people
from synflow.doctor import Check, examine

MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "missing": ("missing", "red")}


def show_doctor(manifest: Path | None, *, as_json: bool) -> int:
    """Examine this machine; return 3 where something is missing without which nothing runs."""
    folder, models, tokens = Path.cwd(), {}, 0
    if manifest is not None:
        from synflow.estimate import largest_request
        from synflow.manifest import load_manifest

        loaded = load_manifest(manifest)
        folder, models, tokens = loaded.out, loaded.models.model_dump(mode="json"), largest_request(loaded)
    if as_json:
        checks = list(examine(folder, models, tokens))
        write_json([dataclasses.asdict(check) for check in checks])
        return _code(checks)
    checks = _print(folder, models, tokens)
    return _code(checks)


def _print(folder: Path, models: dict[str, Any], tokens: int) -> list[Check]:
    """Print each line as soon as it is known; the last ones take seconds."""
    from rich.table import Table
    from rich.text import Text

    console = people()
    checks = []
    for check in examine(folder, models, tokens):
        checks.append(check)
        mark, style = MARKS[check.state]
        if check.state == "missing" and not check.needed:
            mark, style = "-", "dim"
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=7, no_wrap=True)
        grid.add_column(width=12, no_wrap=True)
        grid.add_column(ratio=1)
        told = Text(clean(check.found))
        if check.remedy:
            told.append(f"\n{clean(check.remedy)}", style="dim")
        grid.add_row(Text(mark, style=style), Text(check.name, style="bold"), told)
        console.print(grid)
    return checks


def _code(checks: list[Check]) -> int:
    return 3 if any(check.state == "missing" and check.needed for check in checks) else 0
