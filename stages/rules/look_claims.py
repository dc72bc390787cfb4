"""Rules on what single pictures show: colours and where, black and white, light, day and night, format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np

from stages.rules.evidence import Measured, Verdict, between
from synflow.claims import claims_of as looks_claimed
from synflow.claims import faint_colors_of
from synflow.media.colors import COLORS

_COLOR = "|".join((*COLORS, "gray"))
_HALVES = {"upper": "top", "top": "top", "lower": "bottom", "bottom": "bottom", "left": "left", "right": "right"}
_SIDE = "|".join(_HALVES)
_PLAIN = frozenset({"red", "orange", "yellow", "green", "blue", "purple", "pink"})
"""Colours whose absence is clear; what passes for black, white, grey or brown depends on the light."""
_PLACES = frozenset({"snow", "underwater"})

IN_COLOUR = 7.0
"""Grey levels of colour beyond one tint from which a film is in colour; black-and-white ones stay under 3.5."""

SURE = 0.999
"""Lack from which a claim on looks is contradicted."""


def _mostly(text: str, asserted: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "most of the picture is green", "the upper half is mostly blue"."""
    whole = (
        rf"(?:most of the picture is|main colour is|picture is (?:mainly|mostly)|everything in view is|"
        rf"all of the picture is|picture, mostly|mostly) ({_COLOR})\b(?! \w+ly)(?=$|[ .,;])",
        rf"\b({_COLOR}) (?:fills more than half|covers (?:most of|almost) the)",
    )
    for pattern in whole:
        for match in re.finditer(pattern, text):
            if not re.search(r"\bhalf is mostly|middle is mostly|around it is mostly|centre that is mostly", text):
                yield between(evidence.found.mean(match[1]), 0.2, 0.45)
    for match in re.finditer(rf"\b({_SIDE}) half (?:is )?(?:mostly|mainly) ({_COLOR})", text):
        yield between(evidence.found.mean(match[2], _HALVES[match[1]]), 0.2, 0.45)


def _gathered(text: str, asserted: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "most of the green is in the lower half", "the upper half is brighter than the lower half"."""
    told = [(m[1], m[2]) for m in re.finditer(rf"(?:most|nearly all) of the ({_COLOR}) is in the ({_SIDE}) half", text)]
    told += [(m[1], m[2]) for m in re.finditer(rf"\b({_COLOR}) appears chiefly in the ({_SIDE}) half", text)]
    told += [(m[2], m[1]) for m in re.finditer(rf"\b({_SIDE}) half holds (?:most|nearly all) of the ({_COLOR})", text)]
    for color, side in told:
        whole = evidence.found.mean(color)
        if whole >= 0.02:
            yield between(0.5 * evidence.found.mean(color, _HALVES[side]) / whole, 0.5, 0.7)
    bright = re.search(rf"\b({_SIDE}) half is (?:clearly )?brighter than the ({_SIDE}) half", text)
    bright = bright or re.search(
        rf"lighter in the ({_SIDE}) half of the picture and darker in the ({_SIDE}) half", text
    )
    bright = bright or re.search(rf"compared with the ({_SIDE}) half, the ({_SIDE}) half is dark", text)
    if bright is None and (dark := re.search(rf"\b({_SIDE}) half is darker than the ({_SIDE}) half", text)):
        bright = re.search(rf"({dark[2]}) ({dark[1]})", f"{dark[2]} {dark[1]}")
    if bright:
        one, other = (_HALVES[bright[i]] for i in (1, 2))
        gap = float(np.mean([seen.light_of[one] - seen.light_of[other] for seen in evidence.found.looks]))
        yield between(gap, -0.03, 0.05)


def _named(text: str, asserted: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge that a colour is named which is nowhere in the pictures; its presence alone proves little."""
    claimed = set(looks_claimed(asserted)) & (_PLAIN | _PLACES)
    faint = {f"faint {color}" for color in faint_colors_of(asserted) & _PLAIN}
    if any(evidence.lacks[claim] >= SURE for claim in sorted(claimed | faint)):
        yield "contradicted"


def _colorless(text: str, asserted: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "in black and white"; a black-and-white rabbit is another matter."""
    film = r"(?:film|video|footage|clip|picture|scene|silent|photo|image|movie|still|recording|shot|impression)"
    told = re.search(
        rf"(?<!dressed )(?<!clad )(?<!painted )\bin black[ -]and[ -]white\b(?! \w)|black-and-white {film}", text
    )
    if told or re.search(r"\bpicture is in black and white|everything is in black, white and grey|monochrome", text):
        tinted = [not seen.colorless for seen in evidence.found.looks]
        strong = min(seen.chroma for seen in evidence.found.looks) >= 0.06
        # A sepia film, or one that was tinted, has one hue, and one colour for each brightness.
        hues = sum(evidence.found.mean(color) >= 0.005 for color in _PLAIN)
        false = all(tinted) and (evidence.colour >= IN_COLOUR or (strong and hues >= 2))
        yield "supported" if not any(tinted) else "contradicted" if false else "unknown"


def _light(text: str, asserted: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "a dark scene", "the picture is bright", "at night", "on a sunny day"."""
    thing = r"(?:scene|picture|view|video|clip|frame|footage|shot|image)"
    dark = re.search(
        rf"\b(dark|dim|gloomy) {thing}\b|\b{thing} is (?:very |quite )?(dark|dim)\b|(dimly|poorly) lit", text
    )
    bright = re.search(rf"\bbright {thing}\b|\b{thing} is (?:very |quite )?bright\b|brightly lit", text)
    if dark or bright:
        lights = [seen.light for seen in evidence.found.looks]
        if dark:
            yield "supported" if max(lights) <= 0.36 else "contradicted" if min(lights) >= 0.5 else "unknown"
        if bright:
            yield "supported" if min(lights) >= 0.52 else "contradicted" if max(lights) <= 0.28 else "unknown"
    claimed = set(looks_claimed(asserted))
    # Indoors it may be bright at night, and a room may be dark on a sunny day: only the sky of the words counts.
    if "dark" in claimed and re.search(
        r"\b(night[- ]?(?:sky|scene|shot|street|view|time)|starry)\b|\bin the dark\b", text
    ):
        yield "contradicted" if evidence.lacks["dark"] >= SURE else "unknown"
    if "sunny" in claimed and evidence.lacks["sunny"] >= SURE:
        yield "contradicted"


def _format(text: str, asserted: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "in upright format", "a square video"."""
    if re.search(r"\b(vertical (video|format)|upright format|picture is upright|portrait format)", text):
        yield "supported" if _ratio(evidence) < 0.9 else "contradicted"
    if re.search(r"\b(square (video|format|frame)|picture is square)", text):
        ratio = _ratio(evidence)
        yield "supported" if 0.95 <= ratio <= 1.05 else "contradicted" if not 0.88 <= ratio <= 1.14 else "unknown"
    if re.search(r"\b(landscape format|widescreen|wider than it is high)", text):
        yield "supported" if _ratio(evidence) > 1.1 else "contradicted"


def _ratio(evidence: Measured) -> float:
    """Return width over height of the pictures."""
    return float(np.mean([seen.width / seen.height for seen in evidence.found.looks]))


LookRule = Callable[[str, str, Measured], Iterable[Verdict]]
LOOK_RULES: tuple[LookRule, ...] = (_mostly, _gathered, _named, _colorless, _light, _format)
"""Each is given a claim in small letters, the same as written, and what was measured."""
