"""The order in which a caption tells that coloured things come and go, against the pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from stages.rules.evidence import Measured, Verdict, series
from stages.rules.time_claims import events_of
from synflow.claims import colors_of

_JOINT = re.compile(
    r"[.;,]|\b(?:and then|then|before|after which|after that|finally|next|in the end|later)\b", re.IGNORECASE
)
_LINK = re.compile(r"\b(?:then|before|after which|after that|finally|next|in the end|later)\b", re.IGNORECASE)
_REVERSED = re.compile(r"\b(?:after (?!which|that|a cut)|once |when |as soon as |previously|earlier)", re.IGNORECASE)
_COMES = re.compile(r"\b(?:enters|appears|arrives|comes (?:in|into|down|up)|slides in|drops in|rises into|crosses)\b")
_GOES = re.compile(r"\b(?:leaves|exits|disappears|vanishes|slides out|walks out|sinks out|rises out)\b")

APART = 2
"""Pictures by which two events must lie the wrong way round; they are about half a second apart."""


@dataclass(frozen=True)
class _Told:
    """An event: the colour of the thing, whether it comes or goes, and where in the caption it is told."""

    color: str
    comes: bool
    begin: int
    end: int


def judge_order(text: str, evidence: Measured) -> Verdict:
    """Return the verdict on the order of what a caption tells, of things that differ in colour; in one shot only."""
    if evidence.facts.get("cuts") or _REVERSED.search(text):
        return "unknown"
    told = _events(text)
    verdicts: list[bool] = []
    for one, other in pairwise(told):
        if one.color == other.color or not _LINK.search(text[one.end : other.begin]):
            continue
        times = [_time(event, evidence) for event in (one, other)]
        if times[0] is not None and times[1] is not None and abs(times[1] - times[0]) >= APART:
            verdicts.append(times[1] > times[0])
    if not verdicts:
        return "unknown"
    return "supported" if all(verdicts) else "contradicted"


def _events(text: str) -> list[_Told]:
    """Return what a text tells of things of one colour that come or go, in its order."""
    found: list[_Told] = []
    begin = 0
    for end in [*(match.start() for match in _JOINT.finditer(text)), len(text)]:
        clause = text[begin:end]
        comes, goes = _COMES.search(clause), _GOES.search(clause)
        verb = comes or goes
        colors = colors_of(clause[: verb.start()]) if verb else set()
        if verb and len(colors) == 1 and not (comes and goes):
            found.append(_Told(colors.pop(), comes is not None, begin + verb.start(), begin + verb.end()))
        begin = end
    return found


def _time(event: _Told, evidence: Measured) -> int | None:
    comes, goes = events_of(series(evidence, event.color))
    return comes if event.comes else goes
