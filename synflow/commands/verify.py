"""``synflow verify``: everything is hashed again and compared with what the receipts promise."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synflow.commands.output import existing_folder, shell, write_json
from synflow.console import clean, count_of, people, size_of
from synflow.errors import ServiceDown, UsageError

SHOWN = 20
"""Findings of one kind that are listed; ``--json`` has all of them."""


def verify_run(folder: Path, *, as_json: bool) -> int:
    """Verify a run; return 0 where it is sound and 5 where there is damage or an account does not add up."""
    from synflow.store.verify import verify

    existing_folder(folder)
    report = verify(folder)
    code = 0 if report.sound else 5
    if not report.sound:
        _remember(folder, [finding.path for finding in (*report.damage, *report.accounts)])
    if as_json:
        write_json({"sound": report.sound, **dataclasses.asdict(report)})
        return code
    from rich.text import Text

    console = people()
    verdict = ("sound", "bold green") if report.sound else ("damaged", "bold red")
    read = f"{count_of(report.objects, 'file')} hashed, {size_of(report.bytes)}"
    console.print(Text.assemble((clean(folder.resolve().name), "bold"), " is ", verdict, f": {read}"))
    if not report.complete:
        console.print(
            Text(f"the run is not complete: `synflow resume {shell(folder)}` goes on", style="dim"), soft_wrap=True
        )
    _part("damage", report.damage, "red", f"`synflow resume {shell(folder)}` makes again what is damaged")
    _part("accounts", report.accounts, "red", f"`synflow resume {shell(folder)}` makes it again")
    _part("litter", report.litter, "dim", "harmless: left by attempts that were interrupted")
    return code


def _remember(folder: Path, damaged: list[str]) -> None:
    """Note the damage in the run's log, so that `synflow resume` need not hash everything to find it again."""
    from synflow.store.layout import RunLayout
    from synflow.store.log import RunLog

    # A run that may only be read can be verified all the same.
    with contextlib.suppress(UsageError, ServiceDown):
        RunLog(RunLayout(folder).log)({"event": "damage-found", "objects": damaged})


def _part(title: str, findings: Sequence[Any], style: str, remedy: str) -> None:
    from rich.text import Text

    console = people()
    if not findings:
        console.print(Text.assemble((f"  {title:<9}", "dim"), "none"))
        return
    console.print(
        Text.assemble((f"  {title:<9}", "dim"), (f"{len(findings):,}", style), (f"   {remedy}", "dim")), soft_wrap=True
    )
    for finding in findings[:SHOWN]:
        parts = [clean(str(value)) for value in vars(finding).values() if value not in (None, "")]
        console.print(Text("    " + "  ".join(parts), style="" if style == "red" else style), soft_wrap=True)
    if len(findings) > SHOWN:
        console.print(Text(f"    and {len(findings) - SHOWN:,} more (--json lists all)", style="dim"))
