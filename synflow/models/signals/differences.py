"""Measured differences of a target from its reference, as clauses: colours and where, light and where, movement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synflow.media.colors import COLORS, NEUTRAL
from synflow.media.findings import Findings
from synflow.media.told import sure_camera
from synflow.models.signals.motion import temporal
from synflow.models.signals.said import HALVES, PLACES, direction

_SIDES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
          "center": "in the middle"}  # fmt: skip
_CELLS = tuple((across, down) for down in ("top", "middle", "bottom") for across in ("left", "center", "right"))


@dataclass(frozen=True)
class Change:
    """A measured difference of the target from the reference.

    Attributes:
        kind: ``look`` (light, colour, place of a colour) or ``action`` (movement, camera).
        clause: a clause with subject and verb, for example ``the view is darker``.
        without: the same as a trait ruled out, for example ``not as bright``; empty where that cannot be said.
        tail: the same as a phrase, for example ``with more green on the left``; empty where none reads well.
        alone: it says enough to be the only difference that a query names.
    """

    kind: str
    clause: str
    without: str = ""
    tail: str = ""
    alone: bool = True


def looks(reference: Findings, target: Findings) -> Iterator[Change]:
    """Yield differences in place of a colour, colour and light, most telling first."""
    yield from _patches(reference, target)
    yield from _colors(reference, target)
    yield from _light(reference, target)


def _patches(reference: Findings, target: Findings) -> Iterator[Change]:
    for color in COLORS:
        old = [patch for seen in reference.looks for patch in seen.patches if patch.color == color]
        new = [patch for seen in target.looks for patch in seen.patches if patch.color == color]
        if len(old) < len(reference.looks) or len(new) < len(target.looks):
            continue
        across = float(np.mean([p.x for p in new]) - np.mean([p.x for p in old]))
        down = float(np.mean([p.y for p in new]) - np.mean([p.y for p in old]))
        if direction((0.0, 0.0), (across, down), 0.12):
            sideways = "further to the right" if across > 0 else "further to the left"
            upright = "lower down" if down > 0 else "higher up"
            where = sideways if abs(across) >= abs(down) else upright
            yield Change("look", f"the patch of {color} is {where}", tail=f"with the patch of {color} {where}")


def _colors(reference: Findings, target: Findings) -> Iterator[Change]:
    """Yield what colour there is more of, or less, and where; it holds for every picture of the target."""
    gains: list[tuple[float, str, str]] = []
    for color in COLORS:
        for side in _SIDES:
            old, new = reference.series(color, side), target.series(color, side)
            gap = float(np.mean(new) - np.mean(old))
            clear = min(new) > max(old) if gap > 0 else max(new) < min(old)
            if abs(gap) >= 0.1 and clear:
                gains.append((gap, color, side))
    # A change from grey to black is often one of light only.
    gains.sort(key=lambda gain: -abs(gain[0]) * (0.5 if gain[1] in NEUTRAL else 1.0))
    up = next((gain for gain in gains if gain[0] > 0), None)
    down = next((gain for gain in gains if gain[0] < 0), None)
    if up and down and up[2] == down[2] and up[1] != down[1]:
        where = _SIDES[up[2]]
        both = f"more {up[1]} and less {down[1]} {where}"
        yield Change("look", f"there is {both}", f"without so much {down[1]} {where}", f"with more {up[1]} {where}")
    elif up:
        more = f"more {up[1]} {_SIDES[up[2]]}"
        yield Change("look", f"there is {more}", tail=f"with {more}")
    if down and not (up and up[2] == down[2]):
        less = f"{down[1]} {_SIDES[down[2]]}"
        yield Change("look", f"there is less {less}", f"without so much {less}", f"with less {less}")


def _light(reference: Findings, target: Findings) -> Iterator[Change]:
    old, new = [seen.light for seen in reference.looks], [seen.light for seen in target.looks]
    gap = float(np.mean(new) - np.mean(old))
    if abs(gap) >= 0.06 and (min(new) > max(old) or max(new) < min(old)):
        more, less = ("brighter", "dark") if gap > 0 else ("darker", "bright")
        yield Change("look", f"the whole view is {more}", f"not as {less}", f"{more} as a whole")
        return
    before, after = (np.array([seen.cells for seen in part.looks]) for part in (reference, target))
    gaps = after.mean(axis=0) - before.mean(axis=0)
    cell = int(np.argmax(np.abs(gaps)))
    clear = after[:, cell].min() > before[:, cell].max() or after[:, cell].max() < before[:, cell].min()
    if abs(gaps[cell]) >= 0.1 and clear:
        more, less = ("brighter", "dark") if gaps[cell] > 0 else ("darker", "bright")
        where = PLACES[_CELLS[cell]]
        yield Change("look", f"it is {more} {where}", f"not as {less} {where}", f"{more} {where}")


def action(target: Findings, facts: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what happens in the target: things that travel, the camera, where the movement is."""
    # The facts are of the whole clip: its camera is that of every part, its paths and cuts are not.
    camera = {"camera": facts["camera"]} if facts.get("camera") and not facts.get("cuts") else {}
    for said in temporal(target, camera):
        if said.topic == "way" and said.phrase.startswith("in which "):
            yield Change("action", said.phrase.removeprefix("in which "))
        elif said.topic == "camera" and said.phrase.startswith("as "):
            yield Change("action", said.phrase.removeprefix("as "))
        elif said.topic == "light-change" and said.phrase.startswith("that "):
            yield Change("action", f"the view {said.phrase.removeprefix('that ')}")
        elif said.topic == "color-change" and said.phrase.startswith("in which "):
            yield Change("action", said.phrase.removeprefix("in which "))
        elif said.topic == "color-change":
            yield Change("action", f"there is {said.phrase.removeprefix('with ')}")
        elif said.topic == "where" and said.weight >= 0.7:
            yield Change("action", f"there is movement {said.phrase.removeprefix('with movement ')}", alone=False)


def shift(reference: Findings, target: Findings, facts: Mapping[str, Any]) -> Iterator[Change]:
    """Yield how movement and camera of the target differ from those of the reference."""
    motion, way = sure_camera(facts)
    if facts.get("same_clip") and motion in ("pan", "tilt") and way:
        side = f"to the {way}" if way in ("left", "right") else way
        yield Change("action", f"the camera has moved further {side}")
    if not reference.steps or not target.steps:
        return
    before, after = float(np.mean(reference.steps)), float(np.mean(target.steps))
    if max(reference.border, target.border) <= 0.1 and min(before, after) >= 0.004:
        old, new = (max(HALVES, key=lambda side: part.change_of[side]) for part in (reference, target))
        clear = reference.change_of[old] >= 0.62 and target.change_of[new] >= 0.62
        if clear and old != new and target.change_of[old] <= 0.5:
            yield Change("action", f"the movement is mainly in the {HALVES[new]}")
