"""What a caption claims that can be measured, and whether the pictures bear it out.

A caption is split into clauses; each clause is a claim. A rule knows one kind of claim by its wording and compares
it with what was measured. Between "clearly so" and "clearly not" lies a wide band where the verdict is ``unknown``:
a true caption must not fall for a doubtful measurement.

``supported`` means that everything measurable in the claim was found; ``contradicted`` that something measurable in
it is clearly not so; ``unknown`` that nothing in it is measured, or not clearly enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from synflow.media.colors import COLORS
from synflow.media.findings import Findings, trend
from synflow.media.told import sure_camera, sure_paths

Verdict = Literal["supported", "contradicted", "unknown"]

_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[\"“(A-Z0-9])")
_CLAUSE = re.compile(r"(?<!half),\s+(?:and\s+|but\s+|while\s+)?(?=\S+\s+\S+\s+\S+)|;\s+|\s+(?:while|whereas)\s+")
_COLOR = "|".join((*COLORS, "gray"))
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "single": 1, "once": 1, "twice": 2}
_HALVES = {"upper": "top", "top": "top", "lower": "bottom", "bottom": "bottom", "left": "left", "right": "right"}
_SIDE = "|".join(_HALVES)
_PLAIN = frozenset({"red", "orange", "yellow", "green", "blue", "purple", "pink"})
"""Colours whose absence is clear; what passes for black, white, grey or brown depends on the light."""

_STILL = re.compile(
    r"camera (stays|remains|is|keeps|holds) (\w+ )?(still|static|fixed|stationary)|(static|fixed|still) (camera|shot)"
)
_TURN = re.compile(
    r"\b(?:(?:camera|view|shot) (?:slowly |quickly |gently )?(?:pan|tilt|turn|move|swing|sweep)s"
    r"|pans|panning|tilts|tilting)"
    r"(?: slowly| quickly| gently)?(?: to)?(?: the)? (left|right|up|down)(?:wards?)?\b"
    r"|\bzoom(?:s|ing)? (?:slowly |quickly )?(in|out)\b"
)
_WAY = re.compile(
    r"\bfrom (?:the )?(left|right|top|bottom) (?:side )?to (?:the )?(left|right|top|bottom)\b"
    r"|\b(left) to (right)\b|\b(right) to (left)\b"
)


@dataclass(frozen=True)
class Evidence:
    """What claims are compared with.

    Attributes:
        found: what was measured of the pictures; facts: what earlier stages measured of the clip.
        still: the pictures are one picture only, so that no claim on time is judged.
        tints: colour -> largest share in any picture that could be called so by the widest meaning of the word.
    """

    found: Findings
    facts: Mapping[str, Any]
    still: bool
    tints: Mapping[str, float]


def claims_of(text: str) -> list[str]:
    """Return the claims of a caption, in order: its sentences, cut at the joints between clauses."""
    found = []
    for sentence in _SENTENCE.split(" ".join(text.split())):
        parts = [part.strip(" .;,") for part in _CLAUSE.split(sentence)]
        found += [part for part in parts if len(part) > 2]
    return list(dict.fromkeys(found))


def judge(claim: str, evidence: Evidence) -> Verdict:
    """Return the verdict on one claim; one contradicted part makes the whole contradicted."""
    text = _QUOTED.sub(" ", claim).lower().replace("gray", "grey")
    rules = _ALWAYS if evidence.still else (*_ALWAYS, *_OVER_TIME)
    verdicts = [verdict for rule in rules for verdict in rule(text, evidence)]
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if verdicts and all(verdict == "supported" for verdict in verdicts) else "unknown"


def _between(value: float, no: float, yes: float) -> Verdict:
    """Return supported from ``yes`` on, contradicted up to ``no``, unknown between."""
    return "supported" if value >= yes else "contradicted" if value <= no else "unknown"


def _mostly(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge "most of the picture is green", "the upper half is mostly blue"."""
    found = evidence.found
    whole = (
        rf"(?:most of the picture is|main colour is|picture is (?:mainly|mostly)|everything in view is|"
        rf"all of the picture is|picture, mostly|mostly) ({_COLOR})\b(?! \w+ly)(?=$|[ .,;])",
        rf"\b({_COLOR}) (?:fills more than half|covers (?:most of|almost) the)",
    )
    for pattern in whole:
        for match in re.finditer(pattern, text):
            if not re.search(r"\bhalf is mostly|middle is mostly|around it is mostly|centre that is mostly", text):
                yield _between(found.mean(match[1]), 0.2, 0.45)
    for match in re.finditer(rf"\b({_SIDE}) half (?:is )?(?:mostly|mainly) ({_COLOR})", text):
        yield _between(found.mean(match[2], _HALVES[match[1]]), 0.2, 0.45)


def _gathered(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge "most of the green is in the lower half", "the upper half is brighter than the lower half"."""
    found = evidence.found
    told = [(m[1], m[2]) for m in re.finditer(rf"(?:most|nearly all) of the ({_COLOR}) is in the ({_SIDE}) half", text)]
    told += [(m[1], m[2]) for m in re.finditer(rf"\b({_COLOR}) appears chiefly in the ({_SIDE}) half", text)]
    told += [(m[2], m[1]) for m in re.finditer(rf"\b({_SIDE}) half holds (?:most|nearly all) of the ({_COLOR})", text)]
    for color, side in told:
        whole = found.mean(color)
        if whole >= 0.02:
            yield _between(0.5 * found.mean(color, _HALVES[side]) / whole, 0.5, 0.7)
    bright = re.search(rf"\b({_SIDE}) half is (?:clearly )?brighter than the ({_SIDE}) half", text)
    bright = bright or re.search(
        rf"lighter in the ({_SIDE}) half of the picture and darker in the ({_SIDE}) half", text
    )
    bright = bright or re.search(rf"compared with the ({_SIDE}) half, the ({_SIDE}) half is dark", text)
    if bright is None and (dark := re.search(rf"\b({_SIDE}) half is darker than the ({_SIDE}) half", text)):
        bright = re.search(rf"({dark[2]}) ({dark[1]})", f"{dark[2]} {dark[1]}")
    if bright:
        one, other = (_HALVES[bright[i]] for i in (1, 2))
        gap = float(np.mean([seen.light_of[one] - seen.light_of[other] for seen in found.looks]))
        yield _between(gap, -0.03, 0.05)


def _named(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge that a colour is named which is nowhere in the pictures; its presence alone proves little."""
    if re.search(r"\b(color|colour)(s|ed|ful)?\b.{0,12}\b(grading|correct)", text):
        return
    for color in sorted(_PLAIN):
        if re.search(rf"(?<![\w-]){color}(?:dish|ish|s)?(?:-\w+)?\b", text) and evidence.tints[color] < 0.0004:
            yield "contradicted"


def _colorless(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge "in black and white"; a black-and-white rabbit is another matter."""
    film = r"(?:film|video|footage|clip|picture|scene|silent|photo|image|movie|still|recording|shot|impression)"
    told = re.search(
        rf"(?<!dressed )(?<!clad )(?<!painted )\bin black[ -]and[ -]white\b(?! \w)|black-and-white {film}", text
    )
    if told or re.search(r"\bpicture is in black and white|everything is in black, white and grey|monochrome", text):
        tinted = [not seen.colorless for seen in evidence.found.looks]
        strong = min(seen.chroma for seen in evidence.found.looks) >= 0.06
        yield "supported" if not any(tinted) else "contradicted" if all(tinted) and strong else "unknown"


def _light(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge "a dark scene", "the picture is bright"."""
    lights = [seen.light for seen in evidence.found.looks]
    thing = r"(?:scene|picture|view|video|clip|frame|footage|shot|image)"
    if re.search(rf"\b(dark|dim|gloomy) {thing}\b|\b{thing} is (?:very |quite )?(dark|dim)\b|(dimly|poorly) lit", text):
        yield "supported" if max(lights) <= 0.36 else "contradicted" if min(lights) >= 0.5 else "unknown"
    if re.search(rf"\bbright {thing}\b|\b{thing} is (?:very |quite )?bright\b|brightly lit", text):
        yield "supported" if min(lights) >= 0.52 else "contradicted" if max(lights) <= 0.28 else "unknown"


def _format(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge "in upright format", "a square video"."""
    ratio = float(np.mean([seen.width / seen.height for seen in evidence.found.looks]))
    if re.search(r"\b(vertical (video|format)|upright format|picture is upright|portrait format)", text):
        yield "supported" if ratio < 0.9 else "contradicted"
    if re.search(r"\b(square (video|format|frame)|picture is square)", text):
        yield "supported" if 0.95 <= ratio <= 1.05 else "contradicted" if not 0.88 <= ratio <= 1.14 else "unknown"
    if re.search(r"\b(landscape format|widescreen|wider than it is high)", text):
        yield "supported" if ratio > 1.1 else "contradicted"


def _camera(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge how the camera moves; within one shot only, and only where it was measured."""
    camera = evidence.facts.get("camera") or {}
    motion, way = str(camera.get("motion", "")), str(camera.get("direction", ""))
    if not motion or evidence.facts.get("cuts"):
        return
    if _STILL.search(text):
        moving = motion in ("pan", "tilt", "zoom", "roll")
        yield "supported" if motion == "still" else "contradicted" if moving else "unknown"
    if told := _TURN.search(text):
        yield _same_way(told[1] or told[2], motion, way)
    elif re.search(r"camera moves in closer|view closes in", text):
        yield _same_way("in", motion, way)
    elif re.search(r"camera draws back|view opens up|view widens", text):
        yield _same_way("out", motion, way)


def _same_way(told: str, motion: str, way: str) -> Verdict:
    opposite = {"left": "right", "right": "left", "up": "down", "down": "up", "in": "out", "out": "in"}
    if way == told:
        return "supported"
    return "contradicted" if way == opposite[told] or motion == "still" else "unknown"


def _cuts(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge the number of shots."""
    if "cuts" not in evidence.facts:
        return
    shots = len(evidence.facts["cuts"] or ()) + 1
    number = "|".join(_NUMBERS)
    for match in re.finditer(rf"\b({number}|\d+) (?:continuous |different |separate )?shots?\b(?! of| from)", text):
        told = _NUMBERS.get(match[1]) or (int(match[1]) if match[1].isdigit() else 0)
        yield "supported" if told == shots else "contradicted"
    if told_cuts := re.search(rf"\bcuts to another one ({number}|\w+ times)", text):
        told = _NUMBERS.get(told_cuts[1].split()[0], 0)
        yield "supported" if told == shots - 1 else "unknown" if not told else "contradicted"


def _brightness_change(text: str, evidence: Evidence) -> Iterable[Verdict]:
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


def _color_change(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge "green gives way to brown", "first more green, later more brown"."""
    told = re.search(rf"\b({_COLOR}) (?:gives way|turns|changes) (?:in)?to ({_COLOR})\b", text)
    told = told or re.search(rf"first (?:there is )?more ({_COLOR}).*later more ({_COLOR})", text)
    if told and told[1] != told[2]:
        lost, won = (trend(evidence.found.series(told[i])) for i in (1, 2))
        wrong = lost >= 0.05 and won <= -0.05
        yield "supported" if lost <= -0.05 and won >= 0.05 else "contradicted" if wrong else "unknown"


def _direction(text: str, evidence: Evidence) -> Iterable[Verdict]:
    """Judge the way that things move; only where the camera does not move itself."""
    camera = sure_camera(evidence.facts)[0] if evidence.facts.get("camera") else "still"
    told = _WAY.search(text)
    if told is None or camera != "still" or evidence.facts.get("cuts"):
        return
    first, last = (part for part in told.groups() if part)
    moves = [sign * step for step, sign in _ways(evidence, first, last)]
    if any(move >= 0.2 for move in moves):
        yield "supported"
    elif moves and any(move <= -0.25 for move in moves) and not any(move > 0.05 for move in moves):
        yield "contradicted"


def _ways(evidence: Evidence, first: str, last: str) -> list[tuple[float, int]]:
    """Return how far each measured thing went along the axis of a claim, and the sign of the claimed way."""
    axis = 0 if {first, last} == {"left", "right"} else 1 if {first, last} == {"top", "bottom"} else -1
    if axis < 0:
        return []
    sign = 1 if last in ("right", "bottom") else -1
    paths = [path for path in (evidence.found.mover, evidence.found.patch) if path is not None]
    steps = [path.end[axis] - path.start[axis] for path in paths]
    steps += [end[axis] - start[axis] for start, end, _ in sure_paths(evidence.facts)]
    return [(step, sign) for step in steps]


Rule = Callable[[str, Evidence], Iterable[Verdict]]
_ALWAYS: tuple[Rule, ...] = (_mostly, _gathered, _named, _colorless, _light, _format)
_OVER_TIME: tuple[Rule, ...] = (_camera, _cuts, _brightness_change, _color_change, _direction)
