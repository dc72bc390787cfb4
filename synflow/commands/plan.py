"""``synflow plan``: what a manifest takes and gives; nothing runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synflow.commands.output import shell, write_json
from synflow.console import clean, count_of, duration_of, people, size_of

if TYPE_CHECKING:
    from rich.console import Console

    from synflow.estimate import Estimate
    from synflow.forecast import Forecast


def show_plan(manifest: Path, sets: Sequence[str], reuse: Path | None = None, *, as_json: bool) -> int:
    """Print the plan of a manifest; return the exit code."""
    from synflow.estimate import estimate
    from synflow.forecast import forecast
    from synflow.manifest import load_manifest
    from synflow.sources import read_inputs

    loaded = load_manifest(manifest, sets)
    found = estimate(loaded, read_inputs(loaded))
    foreseen = forecast(loaded, read_inputs(loaded), reuse) if reuse is not None else None
    if as_json:
        write_json(found.as_json() if foreseen is None else {**found.as_json(), "reuse": foreseen.as_json()})
        return 0
    console = people()
    _show(console, found)
    if foreseen is not None:
        _reuse(console, foreseen)
    _next(console, manifest, sets, reuse)
    return 0


def _reuse(console: Console, found: Forecast) -> None:
    """Print what would be taken over."""
    from rich.table import Table
    from rich.text import Text

    console.print(
        Text.assemble("\n", ("Taken over", "bold"), (f"  from {clean(found.root, 4096)}", "dim")), soft_wrap=True
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=10)
    table.add_column(ratio=1)
    for one in found.passes:
        what = f"{one['taken']:,} of {count_of(one['shards'], 'shard')} as they are" if one["taken"] else "done anew"
        table.add_row(
            one["name"], what if one["same"] or one["taken"] else f"{what}: its stages, models or settings differ"
        )
    table.add_row("videos", f"{found.known:,} measured already, {found.decoded:,} to decode")
    fits = "none fits: the model or the seed is another" if found.asks_again else "used where the request is the same"
    table.add_row("answers", f"{found.answers:,} in its journals; {fits}")
    console.print(table)
    note = "If the videos are unchanged (a run checks that), and duplicates and quantiles fall as they did."
    console.print(Text(note, style="dim"))


def _show(console: Console, found: Estimate) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text.assemble((clean(found.name), "bold"), ("  plan; nothing has run", "dim")))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=10)
    table.add_column(ratio=1)
    bad = [count_of(found.faulty, "line") + " that cannot be used"] if found.faulty else []
    bad += [count_of(found.duplicates, "duplicate")] if found.duplicates else []
    table.add_row(
        "inputs", " · ".join([count_of(found.records, "record"), *bad, f"in {count_of(found.shards, 'shard')}"])
    )
    for place, one in enumerate(found.passes):
        settled = f"  then settle {', '.join(one['corpus'])}" if one["corpus"] else ""
        stages = " ".join(one["stages"]) or "apply decisions"
        table.add_row(
            "passes" if place == 0 else "", Text.assemble((f"{one['name']}  ", "bold"), stages, (settled, "dim"))
        )
    table.add_row("", Text.assemble(("pack  ", "bold"), "write shards and index"))
    console.print(table)
    console.print(Text("\nExpected, from rates; the first shard will tell more", style="dim"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=10)
    table.add_column(ratio=1)
    table.add_row("clips", f"about {found.clips:,} cut, {found.kept:,} kept")
    pairs = "   ".join(f"{task} {number:,}" for task, number in found.pairs.items())
    table.add_row(
        "pairs", f"about {sum(found.pairs.values()):,}" if found.pairs else "none: the manifest has no stage expand"
    )
    if pairs:
        table.add_row("", Text(pairs, style="dim"))
    table.add_row("model", f"{clean(found.model, 80)}, about {count_of(found.calls, 'call')}")
    if found.tokens:
        from synflow.estimate import RETRIED

        kinds = "   ".join(f"{name} {number:,}" for name, number in found.asked.items())
        table.add_row("", Text(f"{kinds} (assumed: {RETRIED:.0%} of the texts)", style="dim"))
        read, cached, told = (found.tokens[kind] for kind in ("prompt", "cached", "answer"))
        table.add_row("tokens", f"{read:,} read, {cached:,} of them pictures shown before, {told:,} written")
    if found.vision:
        seen = found.vision
        each = f"{seen['frames']} frames x {seen['picture']} tokens (16:9 seen at {seen['width']} x {seen['height']})"
        table.add_row("a clip", f"{each}: media.frames, media.short_side, models.vlm.max_pixels")
    table.add_row("disk", size_of(found.disk))
    table.add_row("CPU", duration_of(found.cpu_hours * 3600) + " of one core")
    table.add_row("GPU", duration_of(found.gpu_hours * 3600) + " of one GPU" if found.gpu_hours else "none")
    console.print(table)


def _next(console: Console, manifest: Path, sets: Sequence[str], reuse: Path | None) -> None:
    from rich.text import Text

    options = "".join(f" --set {shell(Path(one))}" for one in sets)
    options += f" --out DIR --reuse {shell(reuse)}" if reuse is not None else ""
    console.print(Text.assemble("\n", ("Next", "bold"), f"\n  synflow run {shell(manifest)}{options}"), soft_wrap=True)
