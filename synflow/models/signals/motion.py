"""What may be said of movement, of the camera, of cuts and of what changes in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from synflow.media.colors import COLORS
from synflow.media.findings import Findings, Path, trend
from synflow.media.told import sure_camera, sure_paths
from synflow.models.signals.said import HALVES, Said, direction, place

_NUMBERS = {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}


def temporal(found: Findings, facts: Mapping[str, Any]) -> Iterator[Said]:
    """Yield what may be said of time; ``facts`` are what the stages measured on dense pictures."""
    cuts = len(facts.get("cuts") or ())
    if cuts:
        yield from _cuts(cuts)
    else:
        yield from _camera(facts, found)
        yield from _moving(found, facts)
    yield from _light_change(found)
    yield from _color_change(found)
    yield from _activity(found)
    yield from _pace(found, cuts)
    yield from _ends(found)
    yield from _duration(found)


def _cuts(cuts: int) -> Iterator[Said]:
    shots = _NUMBERS.get(cuts + 1, "Several").lower()
    once = {1: "once", 2: "twice"}.get(cuts, f"{_NUMBERS[cuts].lower()} times" if cuts in _NUMBERS else "many times")
    yield Said(
        "temporal", "cuts", 1.0,
        (
            f"It is made up of {shots} shots.",
            f"The view cuts to another one {once}.",
            f"{shots.capitalize()} shots follow one another.",
        ),
        f"in {shots} shots", f"{shots} shots",
    )  # fmt: skip


_CAMERA: dict[tuple[str, str], tuple[tuple[str, ...], str, str]] = {
    ("still", ""): (
        ("The camera stays still.", "The camera keeps its place.", "The scene is seen by a camera that does not move."),
        "seen by a still camera", "still camera",
    ),
    ("zoom", "in"): (
        ("The camera moves in closer.", "Bit by bit the view closes in.", "The view tightens, as in a zoom."),
        "as the view closes in", "zoom in",
    ),
    ("zoom", "out"): (
        ("The view widens.", "Bit by bit the view opens up.", "The view grows wider as time goes on."),
        "as the view opens up", "zoom out",
    ),
    ("shake", ""): (
        ("The camera is unsteady.", "Small jolts of the camera are felt.", "The view trembles with the camera."),
        "seen by an unsteady camera", "shaky camera",
    ),
    ("roll", ""): (
        ("The camera turns around its axis.", "The whole view turns as it rolls.", "The camera rolls to one side."),
        "as the camera rolls", "camera roll",
    ),
    ("mixed", ""): (
        ("The camera itself is on the move.", "The view shifts as the camera moves.", "The camera moves along."),
        "seen by a moving camera", "moving camera",
    ),
}  # fmt: skip


def _camera(facts: Mapping[str, Any], found: Findings) -> Iterator[Said]:
    motion, way = sure_camera(facts)
    if motion == "still" and found.border > 0.3:
        return
    if motion in ("pan", "tilt") and way in ("left", "right", "up", "down"):
        side = f"to the {way}" if way in ("left", "right") else f"{way}wards"
        yield Said(
            "temporal", "camera", 0.9,
            (
                f"The camera {motion}s {side}.",
                f"The view turns {side} with the camera.",
                f"Meanwhile the camera makes its way {side}.",
            ),
            f"as the camera {motion}s {side}", f"camera {motion}s {way}",
        )  # fmt: skip
        return
    known = _CAMERA.get((motion, way)) or _CAMERA.get((motion, ""))
    if known:
        sentences, phrase, words = known
        yield Said("temporal", "camera", 0.6 if motion in ("still", "mixed") else 0.8, sentences, phrase, words)
    elif not motion and len(found.looks) >= 4 and found.border <= 0.01 and max(found.steps) >= 0.004:
        yield Said(
            "temporal", "camera", 0.4,
            (
                "The borders of the view stay as they are.",
                "What lies at the border keeps its place from start to end.",
                "The outer parts of the view keep still.",
            ),
            "",
        )  # fmt: skip


def _moving(found: Findings, facts: Mapping[str, Any]) -> Iterator[Said]:
    """Say what travels through the picture: by the stills, else by what was followed on dense pictures."""
    path = found.patch or found.mover
    if path is None:
        told = sure_paths(facts)
        path = Path(*told[0]) if told else None
    if path is not None:
        yield from _way(path, f"A patch of {path.color}" if path.color else "Something")
    yield from _where(found)


def _way(path: Path, thing: str) -> Iterator[Said]:
    way = direction(path.start, path.end)
    if not way:
        return
    low = thing[0].lower() + thing[1:]
    first, last = place(*path.start), place(*path.end)
    yield Said(
        "temporal", "way", 1.0,
        (
            f"{thing} moves {way}.",
            f"{thing} starts {first} and ends up {last}." if first != last else f"{thing} travels {way}.",
            f"{low[0].upper()}{low[1:]} makes its way through the picture {way}.",
        ),
        f"in which {low} moves {way}",
        f"{path.color} moves {way}" if path.color else f"moves {way}",
    )  # fmt: skip


def _where(found: Findings) -> Iterator[Said]:
    if found.border > 0.1 or not found.steps or not 0.004 <= float(np.mean(found.steps)) <= 0.4:
        return
    half = max(HALVES, key=lambda region: found.change_of[region])
    if found.change_of[half] >= 0.75:
        yield Said(
            "temporal", "where", 0.8,
            (
                f"Most of the movement takes place in the {HALVES[half]}.",
                f"Movement is seen mainly in the {HALVES[half]} of the picture.",
                f"The {HALVES[half]} sees most of the change.",
            ),
            f"with movement mainly in the {HALVES[half]}", f"movement in {HALVES[half]}",
        )  # fmt: skip
    elif found.change_of["center"] >= 0.55:
        yield Said(
            "temporal", "where", 0.7,
            (
                "Most of the movement takes place near the middle.",
                "Movement is seen mainly around the centre of the picture.",
                "The centre sees most of the change.",
            ),
            "with movement mainly in the middle", "movement in the centre",
        )  # fmt: skip


def _light_change(found: Findings) -> Iterator[Said]:
    lights = [seen.light for seen in found.looks]
    change = trend(lights)
    if len(lights) >= 4 and abs(change) >= 0.1:
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
    changes = {color: trend(found.series(color)) for color in COLORS}
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
    "movement later on",
)
_CALMING: tuple[tuple[str, ...], str, str] = (
    (
        "It begins with more movement and then calms down.",
        "There is more movement at first and less of it afterwards.",
        "The first half is livelier than the second.",
    ),
    "that calms down",
    "movement early on",
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
