"""What may be said of what changes over time: light, colour, the amount of movement, beginning and end, length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from synflow.media.colors import COLORS, NEUTRAL
from synflow.media.findings import Findings, trend
from synflow.models.signals.said import Said


def changing(found: Findings, cuts: int) -> Iterator[Said]:
    """Yield what may be said of the change from the first picture to the last, over ``cuts`` cuts."""
    yield from _light_change(found)
    yield from _color_change(found)
    yield from _activity(found)
    yield from _pace(found, cuts)
    yield from _ends(found)
    yield from _duration(found)


def _light_change(found: Findings) -> Iterator[Said]:
    lights = [seen.light for seen in found.looks]
    change = trend(lights)
    # What goes and comes back has not grown: the last picture must bear it out as well.
    kept = bool(lights) and (lights[-1] - lights[0]) * np.sign(change) >= 0.6 * abs(change)
    if len(lights) >= 4 and abs(change) >= 0.1 and kept:
        more, less = ("brighter", "darker") if change > 0 else ("darker", "brighter")
        yield Said(
            "temporal", "light-change", 1.0,
            (
                f"The picture grows {more} as time goes on.",
                f"It is {less} at the beginning and {more} at the end.",
                f"Little by little the scene gets {more}.",
            ),
            f"that grows {more}", f"getting {more}",
        )  # fmt: skip
    elif len(lights) >= 4 and max(lights) - min(lights) >= 0.12:
        yield Said(
            "temporal", "light-change", 0.6,
            (
                "The brightness changes along the way.",
                "There are lighter moments and darker ones.",
                "It is brighter at some moments and darker at others.",
            ),
            "with changing light", "changing light",
        )  # fmt: skip
    elif len(lights) >= 4 and max(lights) - min(lights) <= 0.05:
        yield Said(
            "temporal", "light-change", 0.25,
            (
                "The light stays much the same from beginning to end.",
                "The brightness holds steady throughout.",
                "From the first moment to the last, the brightness hardly changes.",
            ),
            "in steady light", "steady light",
        )  # fmt: skip


def _color_change(found: Findings) -> Iterator[Said]:
    if len(found.looks) < 4 or all(seen.colorless for seen in found.looks):
        return
    # A change from grey to black or white is often one of light only.
    changes = {color: trend(found.series(color)) * (0.5 if color in NEUTRAL else 1.0) for color in COLORS}
    up = max(COLORS, key=lambda color: changes[color])
    down = min(COLORS, key=lambda color: changes[color])
    if changes[up] >= 0.12 and changes[down] <= -0.12:
        yield Said(
            "temporal", "color-change", 0.95,
            (
                f"As time goes on, {down} gives way to {up}.",
                f"At first there is more {down}, later more {up}.",
                f"{up.capitalize()} spreads while {down} shrinks back.",
            ),
            f"in which {down} gives way to {up}", f"{down} to {up}",
        )  # fmt: skip
    elif changes[up] >= 0.1:
        yield Said(
            "temporal", "color-change", 0.8,
            (
                f"More {up} comes into view towards the end.",
                f"There is less {up} at the start than at the end.",
                f"The share of {up} grows as time goes on.",
            ),
            f"with more and more {up}", f"more {up} at the end",
        )  # fmt: skip
    elif changes[down] <= -0.1:
        yield Said(
            "temporal", "color-change", 0.8,
            (
                f"There is more {down} at the start than at the end.",
                f"The {down} parts shrink as time goes on.",
                f"Some of the {down} leaves the view towards the end.",
            ),
            f"with less and less {down}", f"more {down} at the start",
        )  # fmt: skip


def _activity(found: Findings) -> Iterator[Said]:
    if len(found.steps) < 3:
        return
    mean = float(np.mean(found.steps))
    if mean <= 0.012:
        yield Said(
            "temporal", "activity", 0.6,
            (
                "Very little changes while it lasts.",
                "It is a quiet view in which hardly anything stirs.",
                "Only small changes can be seen over its length.",
            ),
            "in which little changes", "hardly any movement", "quiet",
        )  # fmt: skip
    elif mean <= 0.07 and max(found.steps) <= 0.15:
        yield Said(
            "temporal", "activity", 0.45,
            (
                "The movement is limited to a small part of the picture.",
                "Changes are gentle, and most of the picture keeps as it is.",
                "At any moment only a small part of the picture is moving.",
            ),
            "with gentle movement", "gentle movement", "calm",
        )  # fmt: skip
    elif 0.07 < mean < 0.3 and min(found.steps) >= 0.03:
        yield Said(
            "temporal", "activity", 0.3,
            (
                "There is movement at every moment, in a part of the picture.",
                "Some part of the picture is always on the move.",
                "Movement goes on all the while, in parts of the view.",
            ),
            "with steady movement", "steady movement",
        )  # fmt: skip
    elif mean >= 0.3 and min(found.steps) >= 0.12:
        yield Said(
            "temporal", "activity", 0.6,
            (
                "There is a lot of movement, and large parts of the picture keep changing.",
                "Large parts of the view change from one moment to the next.",
                "The view is lively and keeps changing.",
            ),
            "full of movement", "lively movement", "lively",
        )  # fmt: skip


def _pace(found: Findings, cuts: int) -> Iterator[Said]:
    """Say that it is calm first and lively then, or the other way round."""
    if cuts or len(found.steps) < 6:
        return
    half = len(found.steps) // 2
    first, last = float(np.mean(found.steps[:half])), float(np.mean(found.steps[-half:]))
    if max(first, last) >= 0.05 and min(first, last) * 2.5 <= max(first, last):
        yield Said("temporal", "pace", 0.85, *(_QUICKENING if first < last else _CALMING))
    elif max(found.steps) >= 0.08:
        place = int(np.argmax(found.steps)) / (len(found.steps) - 1)
        others = float(np.mean(sorted(found.steps)[:-1]))
        when = "near the beginning" if place < 0.3 else "near the end" if place > 0.7 else "about halfway through"
        if max(found.steps) >= 1.7 * others:
            yield Said(
                "temporal", "pace", 0.45,
                (
                    f"The largest change comes {when}.",
                    f"The picture changes most {when}.",
                    f"It is {when} that most of the picture changes." if max(found.steps) > 0.55 else
                    f"The strongest movement is seen {when}.",
                ),
            )  # fmt: skip


_QUICKENING: tuple[tuple[str, ...], str, str] = (
    (
        "It begins calmly and moves more later on.",
        "There is little movement at first and more of it afterwards.",
        "The second half is livelier than the first.",
    ),
    "that grows livelier",
    "more movement later",
)
_CALMING: tuple[tuple[str, ...], str, str] = (
    (
        "It begins with more movement and then calms down.",
        "There is more movement at first and less of it afterwards.",
        "The first half is livelier than the second.",
    ),
    "that calms down",
    "more movement at first",
)


def _ends(found: Findings) -> Iterator[Said]:
    if len(found.looks) < 4:
        return
    if found.ends <= 0.04 and float(np.mean(found.steps)) >= 0.004:
        yield Said(
            "temporal", "ends", 0.4,
            (
                "The end looks much like the beginning.",
                "At the end the picture is nearly the same as at the start.",
                "Beginning and end are much alike.",
            ),
            "that ends much as it begins",
        )  # fmt: skip
    elif found.ends >= 0.6:
        yield Said(
            "temporal", "ends", 0.5,
            (
                "By the end, most of the picture looks different from the start.",
                "At the end there is quite another view than at the beginning.",
                "Between beginning and end the view changes a good deal.",
            ),
            "that ends on another view",
        )  # fmt: skip


def _duration(found: Findings) -> Iterator[Said]:
    n = len(found.times)
    if n < 3:
        return
    seconds = (found.times[-1] - found.times[0]) * n / (n - 1)
    for low, high, words in _LENGTHS:
        if low <= seconds < high:
            yield Said(
                "temporal", "duration", 0.15,
                (f"The whole clip takes {words}.", f"The clip lasts {words}.", f"It takes {words}."),
            )  # fmt: skip


_LENGTHS: Sequence[tuple[float, float, str]] = (
    (0.5, 2.7, "less than three seconds"),
    (2.7, 6.0, "only a few seconds"),
    (8.0, 12.0, "about ten seconds"),
    (13.0, 17.0, "about a quarter of a minute"),
    (18.0, 22.0, "about twenty seconds"),
    (26.0, 34.0, "about half a minute"),
)
