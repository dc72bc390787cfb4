"""``synflow plan --needs``: what the targets of a manifest take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synflow.commands.output import existing_folder, shell, write_json
from synflow.console import clean, count_of, duration_of, people, size_of


def show_needs(
    manifest: Path, sets: Sequence[str], measured: Path | None, given: Sequence[str], *, as_json: bool
) -> int:
    """Print what the targets of a manifest take; return 0."""
    from rich.table import Table
    from rich.text import Text

    from synflow.manifest import load_manifest
    from synflow.needs import needs

    loaded = load_manifest(manifest, sets)
    if measured is not None:
        existing_folder(measured)
    found = needs(loaded, measured, given)
    if as_json:
        write_json({"name": loaded.name, **found.as_json()})
        return 0
    console = people()
    console.print(Text.assemble((clean(loaded.name), "bold"), ("  what its targets take; nothing has run", "dim")))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=10)
    table.add_column(ratio=1)
    table.add_row("targets", count_of(sum(found.targets.values()), "pair"))
    table.add_row("videos", f"{count_of(found.videos, 'source video')}, by {found.tightest or 'no task'}")
    each = "   ".join(f"{task} {number:,}" for task, number in sorted(found.by_task.items(), key=lambda one: -one[1]))
    table.add_row("", Text(each, style="dim"))
    if found.short:
        table.add_row("never", Text(f"no video gives a pair of {', '.join(found.short)}", style="yellow"))
    table.add_row("model", f"{clean(str(getattr(loaded.models.vlm, 'model', 'signals')), 80)}, {found.calls:,} calls")
    read, cached, told = (found.tokens[kind] for kind in ("prompt", "cached", "answer"))
    table.add_row("tokens", f"{read:,} read, {cached:,} of them cached, {told:,} written")
    table.add_row("disk", size_of(found.disk))
    table.add_row("CPU", f"{found.cpu_hours:,.0f} hours of one core ({duration_of(found.cpu_hours * 3600)})")
    table.add_row("GPU", f"{found.gpu_hours:,.0f} hours of one GPU" if found.gpu_hours else "none")
    table.add_row("rates", Text(clean(found.origin, 4096), style="dim"))
    console.print(table)
    if not found.origin.startswith("measured"):
        more = f"  synflow plan {shell(manifest)} --rates DIR"
        console.print(
            Text.assemble("\n", ("Next", "bold"), f"\n{more}", ("   from a finished run", "dim")), soft_wrap=True
        )
    return 0
