"""Rules on what pictures show over time: camera, shots, changes of light and colour, ways, number of movers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from stages.rules.course_claims import count_claims
from stages.rules.evidence import Measured, Verdict, series
from synflow.claims import colors_of
from synflow.media.colors import COLORS
from synflow.media.findings import one_way, trend
from synflow.media.told import STEADY, STILL, sure_camera, sure_paths

_COLOR = "|".join((*COLORS, "gray"))
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "single": 1, "once": 1, "twice": 2}
_NUMBER = "|".join(_NUMBERS)
_OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up", "in": "out", "out": "in"}

RESTS = STILL
"""Largest camera speed (widths a second, over the whole clip) at which it surely did not pan or zoom meanwhile."""

TURNS = {"pan": 0.03, "tilt": 0.03, "zoom": 0.012, "roll": 0.1}
"""Least speed of each kind of motion that speaks against the opposite way, or against a camera at rest. Lower than what
may be said of a clip (`synflow.media.told`): here a caption and a measurement have to be wrong together."""

_STILL = re.compile(
    r"(?:camera|view) (stays|remains|is|keeps|holds) (\w+ )?(still|static|fixed|stationary)"
    r"|(static|fixed|still|stationary|locked-off) (camera|shot)\b"
)
_TURN = re.compile(
    r"\b(?:(?:camera|view|shot) (?:slowly |quickly |gently )?(?:pan|tilt|turn|move|swing|sweep)s"
    r"|pans|panning|tilts|tilting)"
    r"(?: slowly| quickly| gently)?(?: to)?(?: the)? (left|right|up|down)(?:wards?)?\b"
    r"|\bzoom(?:s|ing)? (?:slowly |quickly )?(in|out)\b"
)
_CLOSER = re.compile(r"camera (?:slowly )?(?:moves in closer|pushes in)|view closes in")
_BACK = re.compile(r"camera (?:slowly )?(?:draws|pulls) back|view opens up|view widens")

_CAME = (
    r"(?:enter|come|walk|run|drive|slide|fl(?:y|ie)|roll|ride|swim|drop|move|glide|step|jump|crawl|travel)(?:e?s|ing)?"
)
_WENT = (
    r"(?:exit|leave|vanish|disappear|(?:walk|run|drive|slide|fl(?:y|ie)|roll|move|go|swim)(?:e?s|ing)? (?:out|off))"
    r"(?:e?s)?"
)
_WAYS = (
    re.compile(r"\bfrom (?:the )?(left|right|top|bottom) (?:side )?to (?:the )?(left|right|top|bottom)\b"),
    re.compile(r"\b(left) to (right)\b|\b(right) to (left)\b"),
)
_FROM = re.compile(
    rf"\b{_CAME}(?: in| into (?:the )?(?:view|picture|frame|scene|shot))?"
    r" from (?:the )?(left|right|top|bottom|above|below)\b(?! of\b)"
)
_TO = re.compile(
    rf"\b{_WENT}(?: of (?:the )?(?:view|picture|frame))? (?:to|on|at|through) the (left|right|top|bottom)\b"
)
_TOWARD = {
    "left": (0, 1), "right": (0, -1), "top": (1, 1), "above": (1, 1), "bottom": (1, -1), "below": (1, -1),
}  # fmt: skip
"""Side that something comes from -> axis and sign of its way; what leaves at a side goes the other way."""


def _camera(text: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge how the camera moves; within one shot only, and only where it was measured."""
    camera = evidence.facts.get("camera") or {}
    motion, way = str(camera.get("motion", "")), str(camera.get("direction", ""))
    if not motion or evidence.facts.get("cuts"):
        return
    if _STILL.search(text):
        yield "supported" if motion == "still" else "contradicted" if _turns(camera, steady=True) else "unknown"
    told = _TURN.search(text)
    wanted = (told[1] or told[2]) if told else "in" if _CLOSER.search(text) else "out" if _BACK.search(text) else ""
    if not wanted:
        return
    if way == wanted:
        yield "supported"
    elif motion == "still":
        yield "contradicted" if float(camera.get("strength", 1.0)) <= RESTS else "unknown"
    else:
        yield "contradicted" if way == _OPPOSITE[wanted] and _turns(camera) else "unknown"


def _turns(camera: Mapping[str, Any], *, steady: bool = False) -> bool:
    """Tell whether a camera surely turns or zooms; ``steady``: one that rests may sway or breathe a little more."""
    motion, strength = str(camera.get("motion", "")), float(camera.get("strength", 0.0))
    parts: Sequence[Mapping[str, Any]] = camera.get("parts") or ()
    own = float(parts[0].get("strength", 0.0)) if len(parts) == 1 else strength
    return own >= max((1.25 if steady else 1.0) * TURNS.get(motion, 9.0), STEADY * strength)


def _cuts(text: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge the number of shots; ``two shots of whisky`` and ``takes three shots at the basket`` are none of film."""
    if "cuts" not in evidence.facts:
        return
    shots = len(evidence.facts["cuts"] or ()) + 1
    film = re.search(r"\b(?:clip|film|video|footage|follow|made up|consists?|continuous|separate|uncut)\b", text)
    for match in re.finditer(
        rf"\b({_NUMBER}|\d+) (?:continuous |different |separate )?shots?\b(?! of| from| at)", text
    ):
        told = _NUMBERS.get(match[1]) or (int(match[1]) if match[1].isdigit() else 0)
        yield "supported" if told == shots else "contradicted" if film else "unknown"
    if told_cuts := re.search(rf"\bcuts to another one ({_NUMBER}|\w+ times)", text):
        told = _NUMBERS.get(told_cuts[1].split()[0], 0)
        yield "supported" if told == shots - 1 else "unknown" if not told else "contradicted"


def _brightness_change(text: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "the scene gets darker"."""
    thing = r"\b(?:scene|picture|view|image|screen|light|lighting|it|frame|clip|that)"
    told = re.search(
        rf"{thing} (?:slowly |gradually |steadily )?(?:grows|gets|becomes|turns) (brighter|lighter|darker|dimmer)", text
    )
    if told is None:
        return
    lights = [seen.light for seen in evidence.found.looks]
    change = trend(lights) * (1 if told[1] in ("brighter", "lighter") else -1)
    flat = max(lights) - min(lights) < 0.03
    yield "supported" if change >= 0.05 else "contradicted" if change <= -0.08 or flat else "unknown"


HERE, GONE = 0.003, 0.0004
"""Shares of the picture from which a colour is surely there, and up to which it is surely not."""


def _color_change(text: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "green gives way to brown", "from red to blue", "first more green, later more brown"."""
    told = re.search(rf"\b({_COLOR}) (?:gives way|turns|changes) (?:in)?to ({_COLOR})\b", text)
    told = told or re.search(rf"\b(?:turn|chang)\w* from ({_COLOR}) to ({_COLOR})\b", text)
    told = told or re.search(rf"first (?:there is )?more ({_COLOR}).*later more ({_COLOR})", text)
    if not told or told[1] == told[2] or evidence.facts.get("cuts"):
        return
    first, last = (series(evidence, told[i]) for i in (1, 2))
    lost, won = trend(first), trend(last)
    forth = first[0] >= HERE and first[-1] <= GONE and last[0] <= GONE and last[-1] >= HERE
    back = first[0] <= GONE and first[-1] >= HERE and last[0] >= HERE and last[-1] <= GONE
    if forth or (lost <= -0.05 and won >= 0.05):
        yield "supported"
    else:
        yield "contradicted" if back or (lost >= 0.05 and won <= -0.05) else "unknown"


def _direction(text: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge the way that things move across the picture.

    Under a camera that moves, only the way of one coloured thing counts that goes far, and not as the scene drifts.
    """
    told = _way(text)
    if told is None or evidence.facts.get("cuts"):
        return
    axis, sign, place, ends = told
    motion, turn = sure_camera(evidence.facts) if evidence.facts.get("camera") else ("still", "")
    subject = _BREAK.split(text[:place])[-1]
    colors = colors_of(subject)
    if motion == "still":
        # Who comes from the left may turn back; only the way of one coloured thing tells.
        steps = _steps(evidence, colors) if ends else _colored_step(evidence, colors)
    else:
        drift = _DRIFTS.get(turn)
        steps = [
            step
            for step in _colored_step(evidence, colors)
            if motion in _DRIFTING
            and abs(step[axis]) >= 0.5
            and not (drift and drift[0] == axis and drift[1] * step[axis] > 0)
        ]
    moves = [sign * step[axis] for step in steps]
    if any(move >= 0.2 for move in moves):
        yield "supported"
    elif moves and any(move <= -0.25 for move in moves) and not any(move > 0.05 for move in moves):
        yield "contradicted"


_BREAK = re.compile(r"\b(?:before|then|after which|while|as)\b")
_DRIFTING = frozenset({"pan", "tilt", "zoom"})
_DRIFTS = {"left": (0, 1), "right": (0, -1), "up": (1, 1), "down": (1, -1)}
"""Direction of the camera -> axis and sign of the way that the scene drifts over the picture."""


def _way(text: str) -> tuple[int, int, int, bool] | None:
    """Return axis (0 across, 1 down) and sign of the way in a claim, where it is told, and whether with both ends."""
    for pattern in _WAYS:
        if told := pattern.search(text):
            first, last = (part for part in told.groups() if part)
            (axis, sign), (other, _) = _TOWARD[first], _TOWARD[last]
            return (axis, sign, told.start(), True) if axis == other and first != last else None
    if told := _FROM.search(text):
        return (*_TOWARD[told[1]], told.start(), False)
    if told := _TO.search(text):
        axis, sign = _TOWARD[told[1]]
        return axis, -sign, told.start(), False
    return None


def _colored_step(evidence: Measured, colors: set[str]) -> list[tuple[float, float]]:
    """Return how far the one thing of one colour went, right and down; empty where it was not seen to go one way."""
    if len(colors) != 1:
        return []
    (color,) = colors
    places = [(p.x, p.y) for one in evidence.tints for p in one.patches if p.color == color]
    if len(places) < 3 or not one_way(places):
        return []
    return [(places[-1][0] - places[0][0], places[-1][1] - places[0][1])]


def _steps(evidence: Measured, colors: set[str]) -> list[tuple[float, float]]:
    """Return how far things of these colours went, right and down; of no colour: the one thing that moved at all."""
    if steps := _colored_step(evidence, colors):
        return steps
    found = evidence.found
    paths = [path for path in (found.mover, found.patch if colors else None) if path is not None]
    kept = [path for path in paths if not colors or path.color in colors]
    steps = [(path.end[0] - path.start[0], path.end[1] - path.start[1]) for path in kept]
    # What was followed on dense pictures has no colour: it is what the claim speaks of where nothing else moves.
    if not colors or int((evidence.facts.get("movers") or {}).get("count", 0)) == 1:
        steps += [(end[0] - start[0], end[1] - start[1]) for start, end, _ in sure_paths(evidence.facts)]
    return steps


_MANY = re.compile(
    r"\b(two|three|four|five|six|several|many) (?:\w+ ){0,3}?\w+s "
    r"(?:cross|enter|slide|fly|drive|race|march|roll|move|bounce|swim)\b"
)


def _number(text: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge that several things move where surely one small thing of one colour does."""
    told = _MANY.search(text)
    if told is None or sure_camera(evidence.facts)[0] != "still" or evidence.facts.get("cuts"):
        return
    movers = evidence.facts.get("movers") or {}
    mover = evidence.found.mover
    alone = mover is not None and bool(mover.color) and mover.share <= 0.06 and int(movers.get("count", 0)) == 1
    yield "contradicted" if alone else "unknown"


Rule = Callable[[str, Measured], Iterable[Verdict]]
TIME_RULES: tuple[Rule, ...] = (_camera, _cuts, _brightness_change, _color_change, _direction, _number, count_claims)
"""Each is given a claim in small letters and what was measured."""
