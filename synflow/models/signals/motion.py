"""What may be said of the camera, of cuts and of things that move; `changes` adds what changes over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from synflow.media.findings import Findings, Path
from synflow.media.told import sure_camera, sure_paths
from synflow.models.signals.changes import changing
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
    yield from changing(found, cuts)


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
        yield Said("temporal", "camera", 0.35 if motion in ("still", "mixed") else 0.8, sentences, phrase, words)
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
                f"What moves is mostly in the {HALVES[half]}.",
            ),
            f"with movement mainly in the {HALVES[half]}", f"movement in {HALVES[half]}",
        )  # fmt: skip
    elif found.change_of["center"] >= 0.55:
        yield Said(
            "temporal", "where", 0.7,
            (
                "Most of the movement takes place near the middle.",
                "Movement is seen mainly around the centre of the picture.",
                "What moves is mostly near the centre.",
            ),
            "with movement mainly in the middle", "movement in the centre",
        )  # fmt: skip
