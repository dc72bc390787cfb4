"""The order in which a caption tells what coloured things do, against the pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from stages.rules.evidence import Measured, Verdict
from stages.rules.told import LINK, REVERSED, Told
from synflow.media.things import Course
from synflow.media.told import sure_camera

GROWN, SHRUNK = 1.35, 0.74
"""Sides last over first from which a thing grew or shrank."""

Span = tuple[float, float]
"""Pictures between which all of an event lies; they are about half a second from each other. Infinite: not known."""


def judge_order(text: str, told: Sequence[Told], evidence: Measured) -> Verdict:
    """Return the verdict on the order in which a caption tells its events; in one shot only.

    Args:
        text: the caption, as ``told`` counts its letters.
        told: its events, in its order.
        evidence: what was measured.
    """
    if evidence.facts.get("cuts") or REVERSED.search(text):
        return "unknown"
    spans = {id(event): _span(event, evidence) for event in told}
    verdicts: list[Verdict] = []
    for one, other in combinations(told, 2):
        if not _in_turn(text, told, one, other):
            continue
        first, second = spans[id(one)], spans[id(other)]
        if _gone(one, other, evidence) or _not_yet(told, one, other, evidence):
            verdicts.append("contradicted")
        elif first is not None and second is not None:
            if second[1] <= first[0]:
                verdicts.append("contradicted")
            elif first[1] <= second[0]:
                verdicts.append("supported")
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if verdicts else "unknown"


def _in_turn(text: str, told: Sequence[Told], one: Told, other: Told) -> bool:
    """Tell whether a text says that one event follows the other: "then" between them, or "a, b, and then c"."""
    if LINK.search(text[one.end : other.begin]):
        return True
    own = [event for event in told if event.by.mention == other.by.mention and event.begin > other.begin]
    same = one.by.mention == other.by.mention
    return same and bool(own) and bool(LINK.search(text[other.end : own[-1].begin]))


def _gone(one: Told, other: Told, evidence: Measured) -> bool:
    """Tell whether something is said to leave and to do more afterwards, while nothing is seen of it after it left.

    It may come again only where some picture between misses it.
    """
    course = evidence.courses.get(one.color)
    if one.kind != "go" or course is None or other.color != one.color or course.exit() is None:
        return False
    if other.kind in ("come", "cross", "go"):
        return one.by.mention == other.by.mention and other.kind == "come" and bool(other.way) and course.unbroken
    return True


def _not_yet(told: Sequence[Told], one: Told, other: Told, evidence: Measured) -> bool:
    """Tell whether something is said to do something and to come in afterwards, while nothing is seen of it before.

    Where it is said to leave in between it may well come in again.
    """
    acts = one.kind in ("grow", "shrink", "slide", "turn")
    if not acts or other.kind != "come" or not other.way or one.by.mention != other.by.mention:
        return False
    if any(event.kind in ("go", "cross") for event in told[told.index(one) : told.index(other)]):
        return False
    course = evidence.courses.get(one.color)
    return course is not None and course.entry() is not None


def _span(event: Told, evidence: Measured) -> Span | None:
    """Return between which pictures an event lies; None where that is not sure."""
    courses = evidence.courses
    if event.kind == "turn":
        # A thing may be called by the colour that it turns to; then nothing is known of the one before.
        before = None if event.color == event.into else courses.get(event.color)
        after = courses.get(event.into)
        ends = [course.goes for course in [before] if course is not None]
        ends += [course.comes for course in [after] if course is not None]
        times = [time for time in ends if time is not None]
        if not times or len(times) < len(ends) or max(times) - min(times) > 3:
            return None
        return min(times) - 1, max(times) + 1
    course = courses.get(event.color)
    if event.kind == "come" and event.by.was in courses and (course is None or course.entry() is None):
        # It came in while it had another colour.
        course = courses[event.by.was]
    if course is None:
        return None
    if event.kind == "come":
        return None if course.entry() is None else _coming(course)
    if event.kind == "go":
        return None if course.exit() is None else _going(course)
    if event.kind == "cross":
        return _crossing(course)
    if event.kind in ("grow", "shrink"):
        return _swelling(event, evidence)
    return None


def _whole(course: Course) -> list[int]:
    """Return the pictures that show all of a thing."""
    return [place for place, thing in enumerate(course.seen) if thing is not None and not thing.cut]


def _coming(course: Course) -> Span:
    """Return from the picture before the first one to the first that shows all of the thing."""
    first = course.places[0]
    return first - 1, next((float(place) for place in _whole(course) if place > first), math.inf)


def _going(course: Course) -> Span:
    """Return from the last picture that shows all of the thing to the one after the last."""
    last = course.places[-1]
    return next((float(place) for place in _whole(course)[::-1] if place < last), -math.inf), last + 1


def _crossing(course: Course) -> Span | None:
    """Return from when a thing comes to when it goes; one of both may lie outside of what is seen."""
    if course.comes is not None and course.goes is not None:
        return course.comes, course.goes
    if course.entry() is not None:
        return course.places[0] - 1, math.inf
    return None if course.exit() is None else (-math.inf, course.places[-1] + 1)


def _swelling(event: Told, evidence: Measured) -> Span | None:
    found = evidence.courses[event.color].swells()
    if found is None or (
        evidence.facts.get("camera") and sure_camera(evidence.facts)[0] not in ("still", "pan", "tilt")
    ):
        return None
    fits = found.ratio >= GROWN if event.kind == "grow" else found.ratio <= SHRUNK
    return (found.begins, found.ends) if fits else None
