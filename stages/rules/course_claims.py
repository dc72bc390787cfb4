"""Rules on coloured things that are followed through the clip: the way they go, and how many they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from stages.rules.evidence import Measured, Verdict
from stages.rules.told import OPPOSITE, Told
from synflow.claims import colors_of
from synflow.media.colors import COLORS, NEUTRAL
from synflow.media.things import Course
from synflow.media.told import sure_camera

MOVES, RESTS = 0.12, 0.04
"""Way along one axis, in shares of the picture, that surely is one, and up to which there surely is none."""

COMPACT = 0.9
"""Part of its convex hull that one thing covers; of two discs side by side it is 0.88, of a bunch less."""

_DRIFT = {"left": "right", "right": "left", "up": "down", "down": "up"}
"""Where the camera turns -> the way that the scene drifts over the picture."""

_NUMBER = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|several|many|[2-9]|1\d|a (?:pair|couple|group) of)"
    rf" (?:(?!and\b|of\b|or\b|in\b)[\w-]+ ){{0,2}}?({'|'.join(sorted(set(COLORS) - NEUTRAL))}) (?:\w+ )?\w+s\b",
)


def judge_way(told: Told, evidence: Measured) -> Verdict:
    """Return the verdict on the way that one thing is said to come, go or move."""
    course = evidence.courses.get(told.color)
    if course is None or not told.way or evidence.facts.get("cuts"):
        return "unknown"
    turn = sure_camera(evidence.facts)[1] if evidence.facts.get("camera") else ""
    if told.kind in ("come", "go"):
        side = course.entry() if told.kind == "come" else course.exit()
        if side == told.way:
            return "supported"
        # What stands still comes into view at the side that the camera turns to.
        by_camera = side is not None and turn in (side, OPPOSITE[side])
        return "contradicted" if side == OPPOSITE[told.way] and not by_camera else "unknown"
    along, against = _steps(course, told.way)
    if along >= MOVES and against <= RESTS:
        return "supported"
    drifts = turn and told.way in (turn, OPPOSITE[turn]) if turn in OPPOSITE else turn in ("in", "out")
    still = _is_still(evidence)
    if along <= RESTS and against >= MOVES and (still or not drifts) and course.lasting:
        return "contradicted" if still or _DRIFT.get(turn) != OPPOSITE[told.way] else "unknown"
    return "unknown"


def _steps(course: Course, way: str) -> tuple[float, float]:
    """Return how far a thing goes in a direction, and how far against it, over all that is seen of it."""
    axis, sign = (0, 1) if way in ("left", "right") else (1, 1)
    sign = -1 if way in ("left", "up") else sign
    things = [thing for thing in course.seen if thing is not None]
    places = [thing.x if axis == 0 else thing.y for thing in things]
    steps = [sign * (after - before) for before, after in pairwise(places)]
    return sum(step for step in steps if step > 0), -sum(step for step in steps if step < 0)


def _is_still(evidence: Measured) -> bool:
    return not evidence.facts.get("camera") or sure_camera(evidence.facts)[0] == "still"


def count_claims(text: str, evidence: Measured) -> Iterable[Verdict]:
    """Judge "two red cars" where exactly one thing of that colour moves, or changes, through all the clip.

    Under a camera that moves, all that is seen moves: there the thing has to be of one piece, as two side by side are
    not, or change its size much.
    """
    if evidence.facts.get("cuts") or not evidence.facts.get("camera"):
        return
    for match in _NUMBER.finditer(text):
        if colors_of(match[0]) != {match[1]}:
            continue
        course = evidence.courses.get(match[1])
        one = course is not None and _alone(course) and (_is_still(evidence) or _compact(course) or _swells(course))
        yield "contradicted" if one else "unknown"


def _alone(course: Course) -> bool:
    """Tell whether a thing surely is one: seen long enough, and moving or changing by itself."""
    places = course.places
    if len(places) < max(4, len(course.seen) // 4):
        return False
    things = [thing for thing in course.seen if thing is not None]
    across, down = [thing.x for thing in things], [thing.y for thing in things]
    shares = [thing.share for thing in things if not thing.cut] or [thing.share for thing in things]
    return max(across) - min(across) >= 0.1 or max(down) - min(down) >= 0.1 or max(shares) >= 1.8 * min(shares)


def _compact(course: Course) -> bool:
    """Tell whether a thing is of one piece in most of the pictures that show all of it."""
    fills = sorted(thing.fill for thing in course.seen if thing is not None and not thing.cut)
    return len(fills) >= 3 and fills[len(fills) // 2] >= COMPACT


def _swells(course: Course) -> bool:
    """Tell whether a thing grows or shrinks by more than a zoom of a few seconds would make it."""
    found = course.swells()
    return found is not None and not 0.6 <= found.ratio <= 1.67
