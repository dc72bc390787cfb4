"""What may be said of colours and of where they are; it holds in every picture of the clip."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synflow.media.colors import COLORS, NEUTRAL
from synflow.media.findings import Findings
from synflow.models.signals.layout import layout
from synflow.models.signals.said import HALVES, Said, listed, place, within

_ACROSS = (("top", "bottom", "above", "below"), ("left", "right", "on the left", "on the right"))


def spatial(found: Findings) -> Iterator[Said]:
    """Yield what may be said of where things are: colours first, then light and detail."""
    if not all(seen.colorless for seen in found.looks):
        yield from _overall(found)
        halves = list(_halves(found))
        yield from halves
        yield from _middle(found)
        patches = list(_patches(found))
        yield from patches
        told = {said.topic.partition("-")[2] for said in patches}
        # Where two halves have their colours, it is said already that each colour is in its half.
        if not halves:
            yield from _gathered(found, told)
        yield from _others(found)
        yield from _leading(found, bool(halves))
    yield from layout(found)


def dominant(found: Findings, region: str = "") -> str:
    """Return the colour of more than half of a region in every picture, or an empty text."""
    best = max(COLORS, key=lambda color: found.mean(color, region))
    return best if found.mean(best, region) >= 0.53 and found.least(best, region) >= 0.45 else ""


def named_colors(found: Findings, least: float = 0.12) -> list[str]:
    """Return the colours that every picture holds at ``least`` of, most common first, neutral ones last."""
    held = [color for color in COLORS if found.least(color) >= least]
    return sorted(held, key=lambda color: (color in NEUTRAL, -found.mean(color)))


def _overall(found: Findings) -> Iterator[Said]:
    first, second = sorted(COLORS, key=lambda color: -found.mean(color))[:2]
    share, runner = found.mean(first), found.mean(second)
    some = second if runner >= 0.1 and found.least(second) >= 0.06 else ""
    if found.least(first) >= 0.8:
        yield Said(
            "spatial", "color", 0.8,
            (
                f"Nearly all of the picture is {first}.",
                f"{first.capitalize()} covers almost the whole picture.",
                f"Almost everything in view is {first}.",
            ),
            f"almost entirely in {first}", f"almost entirely {first}",
        )  # fmt: skip
    elif dominant(found):
        yield Said(
            "spatial", "color", 0.75,
            (
                f"Most of the picture is {first}" + (f", with some {some} in it." if some else "."),
                f"{first.capitalize()} fills over half of the picture" + (f", then comes {some}." if some else "."),
                f"The main colour of the scene is {first}" + (f", followed by {some}." if some else "."),
            ),
            f"in which {first} covers most of the picture", f"mostly {first}",
        )  # fmt: skip
    elif share + runner >= 0.5 and runner >= 0.2 and min(found.least(first), found.least(second)) >= 0.12:
        yield Said(
            "spatial", "color", 0.6,
            (
                f"{first.capitalize()} and {second} together cover most of the picture.",
                f"The picture is made up mainly of {first} and {second}.",
                f"Two colours, {first} and {second}, take up more than half of the view.",
            ),
            f"in {first} and {second}", f"{first} and {second}",
        )  # fmt: skip
    elif share >= 0.25 and share - runner >= 0.08 and found.least(first) >= 0.15:
        yield Said(
            "spatial", "color", 0.5,
            (
                f"The commonest colour is {first}" + (f", and there is some {some}." if some else "."),
                f"A good part of the picture is {first}" + (f", and some of it is {some}." if some else "."),
                f"{first.capitalize()} takes up a good part of the view" + (f", with some {some}." if some else "."),
            ),
            f"with a good deal of {first}", f"much {first}",
        )  # fmt: skip


def _halves(found: Findings) -> Iterator[Said]:
    """Say that two halves are of two colours."""
    for one, other, here, there in _ACROSS:
        first, second = dominant(found, one), dominant(found, other)
        if first and second and first != second:
            yield Said(
                "spatial", f"halves-{one}", 1.0,
                (
                    f"The {HALVES[one]} is mostly {first}, the {HALVES[other]} mostly {second}.",
                    f"{here[0].upper()}{here[1:]} there is mainly {first}, {there} mainly {second}.",
                    f"{first.capitalize()} fills most of the {HALVES[one]} and {second} most of the {HALVES[other]}.",
                ),
                f"with {first} {here} and {second} {there}", f"{first} {here}, {second} {there}",
            )  # fmt: skip


def _middle(found: Findings) -> Iterator[Said]:
    inner, outer = dominant(found, "center"), dominant(found, "edges")
    if inner and outer and inner != outer:
        yield Said(
            "spatial", "middle", 0.95,
            (
                f"The middle is mostly {inner}, while the area around it is mostly {outer}.",
                f"In the centre there is mainly {inner}, framed by {outer}.",
                f"{outer.capitalize()} surrounds a centre that is mostly {inner}.",
            ),
            f"with {inner} in the middle and {outer} around it", f"{inner} centre",
        )  # fmt: skip
    elif inner and inner != dominant(found):
        yield Said(
            "spatial", "middle", 0.6,
            (
                f"In the middle of the picture the main colour is {inner}.",
                f"The centre of the view is mostly {inner}.",
                f"Most of the central part is {inner}.",
            ),
            f"with {inner} in the middle", f"{inner} centre",
        )  # fmt: skip


def _gathered(found: Findings, told: set[str]) -> Iterator[Said]:
    """Say in which half nearly all of a colour is, for the two colours that lean most to one side."""
    leaning: list[tuple[float, str, str]] = []
    for color in COLORS:
        if color == "grey" or color in told or not 0.05 <= found.mean(color) <= 0.5 or found.least(color) < 0.035:
            continue
        whole = found.series(color)
        for half in HALVES:
            rows = zip(found.series(color, half), whole, strict=True)
            parts = [0.5 * inside / max(total, 1e-6) for inside, total in rows]
            if float(np.mean(parts)) >= 0.78 and min(parts) >= 0.68:
                leaning.append((float(np.mean(parts)), color, half))
    leaning.sort(reverse=True)
    used: set[str] = set()
    for lean, color, half in leaning:
        if color in used or len(used) == 2:
            continue
        used.add(color)
        nearly = "Nearly all" if lean >= 0.93 else "Most"
        yield Said(
            "spatial", f"gathered-{color}", 0.85,
            (
                f"{nearly} of the {color} is in the {HALVES[half]} of the picture.",
                f"The {HALVES[half]} holds {nearly.lower()} of the {color}.",
                f"{color.capitalize()} appears chiefly in the {HALVES[half]}.",
            ),
            f"with {color} in the {HALVES[half]}", f"{color} in {HALVES[half]}",
        )  # fmt: skip


def _patches(found: Findings) -> Iterator[Said]:
    """Say where a single patch of a clear colour stays."""
    for color in COLORS:
        row = [patch for seen in found.looks for patch in seen.patches if patch.color == color]
        if not row or len(row) < len(found.looks):
            continue
        places = {place(patch.x, patch.y) for patch in row}
        if len(places) > 1 or np.ptp([patch.x for patch in row]) > 0.2 or np.ptp([patch.y for patch in row]) > 0.2:
            continue
        where = places.pop()
        thing = within(color, where, float(np.mean([patch.share for patch in row])))
        bare = thing.removesuffix(f" {where}")
        yield Said(
            "spatial", f"patch-{color}", 0.9,
            (
                f"{bare[0].upper()}{bare[1:]} can be seen {where}.",
                f"{where[0].upper()}{where[1:]} there is {bare}.",
                f"There is {thing}.",
            ),
            f"with {thing}", f"{color} {where}",
        )  # fmt: skip


def _others(found: Findings) -> Iterator[Said]:
    """Name the colours that are in every picture."""
    held = [color for color in named_colors(found, 0.04) if color != "grey"][:4]
    if len(held) >= 2:
        yield Said(
            "spatial", "colors", 0.3,
            (
                f"Among the colours in view are {listed(held)}.",
                f"{listed(held).capitalize()} can all be found in the picture.",
                f"The scene brings together {listed(held)}.",
            ),
            "", " ".join(held[:2]),
        )  # fmt: skip


def _leading(found: Findings, told: bool) -> Iterator[Said]:
    """Name the commonest colour of each half, where nothing stronger was said of the halves."""
    for one, other, _, _ in () if told else _ACROSS:
        leads = []
        for half in (one, other):
            ranked = sorted(COLORS, key=lambda color, half=half: -found.mean(color, half))  # type: ignore[misc]
            gap = found.mean(ranked[0], half) - found.mean(ranked[1], half)
            leads.append(ranked[0] if gap >= 0.1 and found.least(ranked[0], half) >= 0.25 else "")
        first, second = leads
        if first and first == second:
            yield Said(
                "spatial", f"leading-{one}", 0.15,
                (
                    f"Both the {HALVES[one]} and the {HALVES[other]} have {first} as their commonest colour.",
                    f"{first.capitalize()} leads in the {HALVES[one]} as well as in the {HALVES[other]}.",
                    f"In both the {HALVES[one]} and the {HALVES[other]} there is more {first} than anything else.",
                ),
            )  # fmt: skip
        elif first and second:
            yield Said(
                "spatial", f"leading-{one}", 0.5,
                (
                    f"The commonest colour is {first} in the {HALVES[one]} and {second} in the {HALVES[other]}.",
                    f"{first.capitalize()} leads in the {HALVES[one]}, {second} in the {HALVES[other]}.",
                    f"The {HALVES[one]} is led by {first}, the {HALVES[other]} by {second}.",
                ),
                f"with much {first} in the {HALVES[one]}", f"{first} {HALVES[one]}",
            )  # fmt: skip
        elif first or second:
            color, half = (first, one) if first else (second, other)
            yield Said(
                "spatial", f"leading-{one}", 0.25,
                (
                    f"In the {HALVES[half]} of the picture, {color} is the commonest colour.",
                    f"{color.capitalize()} is the leading colour of the {HALVES[half]}.",
                    f"The {HALVES[half]} shows more {color} than any other colour.",
                ),
            )  # fmt: skip
