"""What may be said of where light, dark and detail lie; it holds in every picture of the clip."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synflow.media.findings import Findings
from synflow.models.signals.said import HALVES, PLACES, Said

_CELLS = tuple((across, down) for down in ("top", "middle", "bottom") for across in ("left", "center", "right"))


def layout(found: Findings) -> Iterator[Said]:
    """Yield what may be said of detail and brightness over the picture."""
    yield from _detail(found)
    yield from _busy(found)
    yield from _brightness(found)
    yield from _lightest(found)
    yield from _lines(found)


def _detail(found: Findings) -> Iterator[Said]:
    if float(np.mean([seen.detail for seen in found.looks])) < 0.015:
        return
    shares = {region: [seen.detail_of[region] for seen in found.looks] for region in (*HALVES, "center")}
    half = max(HALVES, key=lambda region: float(np.mean(shares[region])))
    if float(np.mean(shares[half])) >= 0.66 and min(shares[half]) >= 0.58:
        yield Said(
            "spatial", "detail", 0.65,
            (
                f"Most of the fine detail is in the {HALVES[half]}.",
                f"The {HALVES[half]} holds most of the shapes and edges.",
                f"The busier part of the picture is its {HALVES[half]}.",
            ),
            f"with most of its detail in the {HALVES[half]}",
        )  # fmt: skip
    elif float(np.mean(shares["center"])) >= 0.5 and min(shares["center"]) >= 0.42:
        yield Said(
            "spatial", "detail", 0.65,
            (
                "The fine detail is gathered around the middle of the picture.",
                "Shapes and edges crowd together in the centre.",
                "The centre holds most of what there is to look at.",
            ),
            "with its detail gathered in the middle",
        )  # fmt: skip


def _busy(found: Findings) -> Iterator[Said]:
    details = [seen.detail for seen in found.looks]
    if min(details) >= 0.38:
        yield Said(
            "spatial", "busy", 0.45,
            (
                "The picture is busy, with edges and texture over much of it.",
                "Texture and small shapes fill much of the frame.",
                "There is fine detail over a large part of the view.",
            ),
            "full of fine detail", "fine detail", "detailed",
        )  # fmt: skip
    elif max(details) <= 0.12:
        yield Said(
            "spatial", "busy", 0.45,
            (
                "Large parts of the picture are plain and smooth.",
                "Smooth, even areas take up most of the frame.",
                "The layout is simple, with wide areas of even tone.",
            ),
            "with large plain areas", "plain areas", "simple",
        )  # fmt: skip
    elif min(details) >= 0.14 and max(details) <= 0.36:
        yield Said(
            "spatial", "busy", 0.1,
            (
                "Plain areas and areas of fine detail lie side by side.",
                "Some parts of the picture are smooth, others are full of detail.",
                "Smooth surfaces share the frame with finer shapes.",
            ),
        )  # fmt: skip


def _brightness(found: Findings) -> Iterator[Said]:
    gaps = {
        (one, other): [seen.light_of[one] - seen.light_of[other] for seen in found.looks]
        for one, other in (("top", "bottom"), ("left", "right"))
    }
    for (one, other), row in gaps.items():
        bright, dark = (one, other) if np.mean(row) > 0 else (other, one)
        if abs(float(np.mean(row))) >= 0.1 and min(abs(gap) for gap in row) >= 0.05 and (min(row) > 0 or max(row) < 0):
            yield Said(
                "spatial", f"brightness-{one}", 0.55,
                (
                    f"The {HALVES[bright]} is brighter than the {HALVES[dark]}.",
                    f"It is lighter in the {HALVES[bright]} of the picture and darker in the {HALVES[dark]}.",
                    f"The {HALVES[dark]} is darker than the {HALVES[bright]}.",
                ),
                f"with a brighter {HALVES[bright]}", f"bright {HALVES[bright]}",
            )  # fmt: skip
    middle = [seen.light_of["center"] - seen.light_of["edges"] for seen in found.looks]
    if min(abs(gap) for gap in middle) >= 0.08 and (min(middle) > 0 or max(middle) < 0):
        tone, other = ("lighter", "darker") if middle[0] > 0 else ("darker", "lighter")
        yield Said(
            "spatial", "brightness-middle", 0.55,
            (
                f"The middle of the picture is {tone} than what lies around it.",
                f"Around a {tone} centre, the rest of the picture is {other}.",
                f"The surroundings are {other} than the centre.",
            ),
            f"with a {tone} centre",
        )  # fmt: skip
    if all(abs(gap) < 0.05 for row in [*gaps.values(), middle] for gap in row):
        yield Said(
            "spatial", "brightness-even", 0.15,
            (
                "Light is spread evenly over the picture.",
                "Left and right, top and bottom are about equally bright.",
                "All sides of the picture have about the same brightness.",
            ),
        )  # fmt: skip


def _lightest(found: Findings) -> Iterator[Said]:
    """Say which ninth of the picture is the lightest and which the darkest."""
    grid = np.array([seen.cells for seen in found.looks])
    mean = grid.mean(axis=0)
    bright, dark = int(np.argmax(mean)), int(np.argmin(mean))
    clear_bright = mean[bright] - np.sort(mean)[-2] >= 0.025 and bool(
        (grid[:, bright] >= grid.max(axis=1) - 0.03).all()
    )
    clear_dark = np.sort(mean)[1] - mean[dark] >= 0.025 and bool((grid[:, dark] <= grid.min(axis=1) + 0.03).all())
    if mean[bright] - mean[dark] < 0.15:
        return
    light_at, dark_at = PLACES[_CELLS[bright]], PLACES[_CELLS[dark]]
    if clear_bright and clear_dark:
        yield Said(
            "spatial", "lightest", 0.4,
            (
                f"The lightest area lies {light_at}, the darkest {dark_at}.",
                f"It is brightest {light_at} and darkest {dark_at}.",
                f"The brightest part is {light_at}, the darkest {dark_at}.",
            ),
        )  # fmt: skip
    elif clear_bright or clear_dark:
        tone, where = ("brightest", light_at) if clear_bright else ("darkest", dark_at)
        yield Said(
            "spatial", "lightest", 0.35,
            (
                f"The {tone} area of the picture lies {where}.",
                f"It is {tone} {where}.",
                f"The {tone} part of the scene can be found {where}.",
            ),
        )  # fmt: skip


def _lines(found: Findings) -> Iterator[Said]:
    shares = [seen.upright for seen in found.looks]
    if min(seen.detail for seen in found.looks) < 0.02:
        return
    if min(shares) >= 0.62 or max(shares) <= 0.36:
        more, less = ("Upright", "level") if min(shares) >= 0.62 else ("Level", "upright")
        yield Said(
            "spatial", "lines", 0.25,
            (
                f"{more} edges outnumber {less} ones.",
                f"{more} lines are more common than {less} ones.",
                f"There are more {more.lower()} lines than {less} ones.",
            ),
        )  # fmt: skip
