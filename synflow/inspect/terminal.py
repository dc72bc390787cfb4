"""A finished run in the terminal: counts, sample pairs with their frames, rejects, neighbours of the cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from synflow.console import clean, count_of, duration_of, number_of, size_of
from synflow.inspect.films import film_frames
from synflow.inspect.index import DOMAINS, RunIndex
from synflow.inspect.provenance import Link
from synflow.inspect.reasons import meaning
from synflow.inspect.sampler import SIDES, Stored
from synflow.inspect.strip import Pixels, can_draw, decode, strip
from synflow.inspect.thresholds import Limits, Near, Neighbour, known_cuts, limit_of

if TYPE_CHECKING:
    from rich.console import Console

BAR = 16
"""Columns of the longest bar beside a count."""

TEXT_LIMIT = 700
"""Characters of a caption that are shown."""

Examples = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]


def heading(text: str, note: str = "") -> Text:
    """Return a line that begins a part of the view."""
    return Text.assemble("\n", (text, "bold"), (f"  {note}" if note else "", "dim"))


def show_overview(console: Console, index: RunIndex, facts: Mapping[str, Any]) -> None:
    """Print the counts by task and by domain, side by side, and what is known of styles and licences."""
    console.print(Text.assemble((clean(index.name), "bold"), (f"  {clean(str(index.root))}", "dim")))
    line = [
        count_of(facts["pairs"], "pair"),
        f"{facts['kept']:,} of {count_of(facts['clips'], 'clip')} kept",
        f"{facts['dropped']:,} dropped",
        count_of(facts["shards"], "shard") + (f", {size_of(facts['bytes'])}" if facts["bytes"] else ""),
    ]
    console.print(Text(" · ".join(line)))
    if not facts["pairs"]:
        return
    grid = Table.grid(padding=(0, 4))
    domains = {f"{name}  {DOMAINS.get(name, '')}": number for name, number in facts["domains"].items()}
    grid.add_row(_bars("task", facts["tasks"]), _bars("domain", domains))
    console.print(Text(""))
    console.print(grid)
    for name in ("styles", "licences"):
        if facts[name]:
            parts = [f"{clean(kind, 60)} {number:,}" for kind, number in list(facts[name].items())[:8]]
            console.print(Text.assemble("\n" if name == "styles" else "", (f"{name:<10}", "dim"), " · ".join(parts)))


def _bars(title: str, counts: Mapping[str, int]) -> Table:
    most = max(counts.values(), default=0) or 1
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    table.add_column(title, no_wrap=True)
    table.add_column("pairs", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, number in counts.items():
        bar = "━" * max(round(BAR * number / most), 1 if number else 0)
        table.add_row(
            Text(clean(name, 40)), Text(f"{number:,}", style="" if number else "dim"), Text(bar, style="cyan")
        )
    return table


def show_rejects(console: Console, facts: Mapping[str, Any], found: Examples, limits: Limits) -> None:
    """Print each reason with its count, what it means, and example records with measure and threshold."""
    console.print(heading("Dropped", "records and clips, by reason" if facts["drops"] else "nothing"))
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True, min_width=6)
    table.add_column(ratio=1)
    for name, number in facts["drops"].items():
        stage, _, reason = name.partition("/")
        title = Text.assemble((clean(reason, 60), "yellow"), (f"  {clean(stage, 40)}", "dim"))
        if means := meaning(stage, reason):
            title.append(f"  {means}")
        table.add_row(Text(f"{number:,}"), title)
        for row in found.get((stage, reason), ()):
            table.add_row("", _example(row, limits))
    console.print(table)


def _example(row: Mapping[str, Any], limits: Limits) -> Text:
    parts = [clean(row["source_uri"] or row["record_id"], 60)]
    cut = next((one for one in known_cuts() if one.stage == row["stage"] and one.reason == row["reason"]), None)
    if row["detail"] and not (cut and row["detail"].startswith(cut.terms[0][0].rpartition(".")[2])):
        parts.append(clean(row["detail"], 120))
    for measure, parameter in cut.terms if cut else ():
        value = row["measures"].get(measure)
        if isinstance(value, (int, float)):
            limit = limit_of(cut, parameter, limits) if cut else None
            against = f" ({parameter} {number_of(limit)})" if limit is not None else ""
            parts.append(f"{measure.rpartition('.')[2]} {number_of(value)}{against}")
    return Text("  " + " · ".join(parts), style="dim")


def show_thresholds(console: Console, nears: Sequence[Near]) -> None:
    """Print for each numeric cut the clips nearest to it: looser keeps the upper ones, tighter drops the lower."""
    if not nears:
        return
    console.print(heading("Near the cuts", "what a slightly different threshold would have changed"))
    for near in nears:
        sign = "≥" if near.cut.keeps == "above" else "≤"
        bound = f" {sign} {number_of(near.threshold)}" if near.threshold is not None else ""
        note = f"{near.cut.reason}, {count_of(near.dropped_in_all, 'drop')}"
        console.print(Text.assemble((f"  {near.cut.title}{bound}", "cyan"), (f"  {note}", "dim")))
        table = Table.grid(padding=(0, 2))
        table.add_column(width=7)
        table.add_column(justify="right", no_wrap=True, min_width=8)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for one in reversed(near.dropped):
            table.add_row("    ", Text(number_of(one.value), style="yellow"), _neighbour("dropped", one))
        for one in near.kept:
            table.add_row("    ", Text(number_of(one.value), style="green"), _neighbour("kept   ", one))
        console.print(table)


def _neighbour(what: str, one: Neighbour) -> Text:
    name = clean(one.source_uri or one.record_id, 80)
    return Text.assemble((what, "dim"), f"  {name}", (f"  {clean(one.clip_id, 24)}", "dim"))


def show_pair(console: Console, pair: Stored) -> None:
    """Print one pair: what asks, what answers, and the frames of both where the terminal can show them."""
    row = pair.row
    tags = {
        "domain": DOMAINS.get(row["domain"], row["domain"]),
        "style": row["style"],
        "emphasis": row["emphasis"],
        "relation": str(pair.record.get("relation", "")),
    }
    title = Text.assemble((clean(row["task"], 8), "bold cyan"))
    for name, tag in tags.items():
        if tag:
            title.append(f"  {name} ", style="dim").append(clean(tag, 40))
    console.print(Text(""))
    console.print(Rule(title, align="left", style="dim", characters="─"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, width=8)
    table.add_column(ratio=1)
    table.add_row("instruct", Text(clean(str(pair.record.get("instruction", "")), TEXT_LIMIT), style="italic"))
    console.print(table)
    for side in SIDES:
        _show_side(console, pair, side)
    foot = [clean(row["id"], 24), clean(row["source_uri"], 80), clean(row["licence"], 60)]
    if row["scores"]:
        foot.append(", ".join(f"{clean(name, 40)} {number_of(value)}" for name, value in sorted(row["scores"].items())))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, width=8)
    table.add_column(ratio=1, style="dim")
    table.add_row("pair", Text(" · ".join(foot)))
    console.print(table)


def _show_side(console: Console, pair: Stored, side: str) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, width=8)
    table.add_column(ratio=1)
    label = side
    if side in pair.texts:
        table.add_row(label, Text(clean(pair.texts[side], TEXT_LIMIT)))
        label = ""
    times, what = _times(pair.record.get(side, {}))
    frames, trouble = _frames(pair, side, times)
    drawn = bool(frames) and can_draw(console)
    if what:
        note = f"  {_at(times)}" if frames and not drawn else ""
        sizes = "" if drawn or not frames else f"  {frames[0].shape[1]}x{frames[0].shape[0]}"
        table.add_row(label, Text(what + sizes + note + (f"  {trouble}" if trouble else ""), style="dim"))
    if table.row_count:
        console.print(table)
    if drawn:
        labels = [f"{time:.1f} s" for time in times] or [""] * len(frames)
        lines = strip(frames, labels[: len(frames)] + [""] * (len(frames) - len(labels)), console.width - 10)
        for line in lines:
            console.print(Text.assemble(" " * 10, line), no_wrap=True, crop=True)


def _times(side: Mapping[str, Any]) -> tuple[list[float], str]:
    """Return the times of the pictures of a side in seconds, and what it is in words."""
    video, image = side.get("video"), side.get("image")
    if isinstance(video, dict):
        start, end = float(video.get("start", 0)), float(video.get("end", 0))
        times = [float(time) for time in video.get("times", ())]
        length = f" ({duration_of(end - start)})" if start else ""
        return times, f"video {start:.1f}-{end:.1f} s{length}, {count_of(len(times), 'frame')}"
    if isinstance(image, dict):
        return [float(image.get("time", 0))], f"picture at {float(image.get('time', 0)):.1f} s"
    return [], ""


def _frames(pair: Stored, side: str, times: Sequence[float]) -> tuple[list[Pixels], str]:
    if side in pair.films:
        return film_frames(pair.path, *pair.films[side], count=max(len(times), 1))
    decoded = [decode(jpeg) for jpeg in pair.pictures.get(side, ())]
    frames = [rgb for rgb in decoded if rgb is not None]
    lost = len(decoded) - len(frames)
    return frames, f"{count_of(lost, 'picture')} cannot be decoded" if lost else ""


def _at(times: Sequence[float]) -> str:
    return "at " + " ".join(f"{time:.1f}" for time in times) + " s"


def show_chain(console: Console, links: Sequence[Link]) -> None:
    """Print where a pair comes from, link by link."""
    console.print(heading("Provenance"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, width=13)
    table.add_column(ratio=1)
    for place, link in enumerate(links):
        stem = "└" if place == len(links) - 1 else "├"
        table.add_row(f"{stem} {link.kind}", _flow(link, console.width - 15))
    console.print(table)


def _flow(link: Link, width: int) -> Text:
    """Return a link as lines that break between facts, not inside them, where a fact fits a line."""
    body = Text(clean(link.title, 120), style="bold")
    used = len(body)
    for name, value in link.facts.items():
        label, told = clean(name, 80), clean(value, 900)
        length = len(label) + 1 + len(told)
        fits = used + 2 + length <= width
        body.append("  " if fits else "\n")
        used = used + 2 + length if fits else length
        body.append(f"{label} ", style="dim not bold")
        body.append(told, style="not bold")
    return body
