"""Things of one colour, followed through the pictures of a clip: how many, where, when they come and go.

Only what is sure counts. A colour stands for one thing where no picture shows two of it; where the colour is all over
the picture, in two places, or flickers, nothing is told. Pure perception on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.colors import COLORS, Rgb, color_map, reduced, solid

SIDE = 128
"""Pictures are reduced to this many pixels on the longer side."""

LEAST, MOST = 0.002, 0.25
"""Shares of the picture between which an area of a colour is a thing."""

SPECK = 0.2
"""Areas smaller than this part of the largest are specks of it, or its own parts."""

REACH = 4
"""Pictures before and after one that tell whether its areas of a colour are parts of one thing."""

EDGE = 0.025
"""Distance from the border, as a share of the picture, at which a thing is cut off by it."""

BEGUN = 0.15
"""Part of a change of size up to which it has not begun, and which it may lack when it is done."""

UNSURE = frozenset({"black", "grey", "brown"})
"""Colours that shadows have, too, so that no thing is followed by them."""

Way = Literal["left", "right", "up", "down"]


@dataclass(frozen=True)
class Thing:
    """An area of a colour in one picture.

    Attributes:
        x, y: its centre; left, top, right, bottom: its extent: shares of width and height.
        share: part of the picture that it covers; fill: the part of its convex hull that it covers.
    """

    x: float
    y: float
    share: float
    left: float
    top: float
    right: float
    bottom: float
    fill: float = 1.0

    @property
    def cut(self) -> bool:
        """Whether the border of the picture may cut it off."""
        return min(self.left, self.top, 1 - self.right, 1 - self.bottom) <= EDGE


@dataclass(frozen=True)
class Swell:
    """A change of size.

    Attributes:
        ratio: size at the end over size at the beginning, of the sides.
        begins: the last picture before it; ends: the first picture after it; infinite where that is not seen.
    """

    ratio: float
    begins: float
    ends: float


@dataclass(frozen=True)
class Course:
    """The one thing of a colour in the pictures of a clip.

    Attributes:
        seen: for each picture the thing, or None where nothing of its colour is there.
    """

    seen: tuple[Thing | None, ...]

    @property
    def places(self) -> list[int]:
        """The pictures that show it."""
        return [place for place, thing in enumerate(self.seen) if thing is not None]

    @property
    def comes(self) -> int | None:
        """The first picture that shows it, where it was not wholly there from the start; None where that is unsure."""
        first = self.places[0]
        return first if self.lasting and (first > 0 or self._partly(first)) else None

    @property
    def goes(self) -> int | None:
        """The last picture that shows it, where it does not stay to the end; None where that is unsure."""
        last = self.places[-1]
        return last if self.lasting and (last < len(self.seen) - 1 or self._partly(last)) else None

    def _partly(self, place: int) -> bool:
        """Tell whether a thing is half in the picture at most, and cut off by its border."""
        thing = self.seen[place]
        usual = float(np.median([one.share for one in self.seen if one is not None]))
        return thing is not None and thing.cut and thing.share <= 0.5 * usual

    @property
    def lasting(self) -> bool:
        """Whether it is there without a break; one picture may miss it."""
        return all(after - before <= 2 for before, after in pairwise(self.places))

    @property
    def unbroken(self) -> bool:
        """Whether every picture between the first and the last one shows it."""
        return self.places[-1] - self.places[0] + 1 == len(self.places)

    @property
    def known(self) -> bool:
        """Whether it is seen often enough to be no flash of light."""
        return len(self.places) >= max(3, len(self.seen) // 4)

    def entry(self) -> Way | None:
        """Return the side that it comes from, where it surely comes in over one."""
        first = self.comes
        return (
            None
            if first is None or not self.known
            else _side(self, [place for place in self.places if place <= first + 3], out=False)
        )

    def exit(self) -> Way | None:
        """Return the side that it leaves by, where it surely does."""
        last = self.goes
        return (
            None
            if last is None or not self.known
            else _side(self, [place for place in self.places if place >= last - 3], out=True)
        )

    def swells(self) -> Swell | None:
        """Return how its size changes; None where too little of it is seen."""
        series = self._sizes()
        if len(series) < 4:
            return None
        places, sizes = [place for place, _ in series], [size for _, size in series]
        first, last = float(np.median(sizes[:2])), float(np.median(sizes[-2:]))
        done = [(size - first) / (last - first) if last != first else 0.0 for size in sizes]
        begins = next((k for k, share in enumerate(done) if share > BEGUN), len(done)) - 1
        ends = len(done) - next((k for k, share in enumerate(done[::-1]) if share < 1 - BEGUN), len(done))
        # Where it changes from the first picture on, or to the last one, it may do so before and after as well.
        return Swell(
            last / first,
            float(places[begins]) if begins >= 1 else -math.inf,
            float(places[ends]) if ends < len(done) - 1 else math.inf,
        )

    def _sizes(self) -> list[tuple[int, float]]:
        """Return its size by picture: the root of its area where it is wholly in the picture.

        Where it neither comes nor goes over a border, one that cuts it off tells nothing of its size along the border,
        so that this may serve, too, if more pictures show it.
        """
        seen = [(place, thing) for place, thing in enumerate(self.seen) if thing is not None]
        whole = [(place, float(np.sqrt(thing.share))) for place, thing in seen if not thing.cut]
        if self.entry() is not None or self.exit() is not None:
            return whole
        wide = [(place, one.right - one.left) for place, one in seen if not _at(one, "left") and not _at(one, "right")]
        high = [(place, one.bottom - one.top) for place, one in seen if not _at(one, "top") and not _at(one, "bottom")]
        along = max(wide, high, key=len)
        return along if len(along) >= len(whole) + 2 else whole


def _side(course: Course, part: Sequence[int], *, out: bool) -> Way | None:
    """Return the border that a thing crosses in some pictures: near it at the outer end, and moving over it."""
    things = [thing for place in part if (thing := course.seen[place]) is not None]
    end, inner = (things[-1], things[0]) if out else (things[0], things[-1])
    gaps: dict[Way, float] = {"left": end.left, "right": 1 - end.right, "up": end.top, "down": 1 - end.bottom}
    side: Way = min(gaps, key=lambda name: gaps[name])
    toward: dict[Way, float] = {
        "left": inner.x - end.x, "right": end.x - inner.x, "up": inner.y - end.y, "down": end.y - inner.y,
    }  # fmt: skip
    if len(things) >= 2 and max(toward.values()) >= 0.06:
        moved: Way = max(toward, key=lambda name: toward[name])
        # At a step as long as its last ones it is out of the picture.
        step = toward[moved] / (len(things) - 1)
        return moved if gaps[moved] <= 1.5 * step + EDGE else None
    return side if gaps[side] <= EDGE and sorted(gaps.values())[1] > 2 * EDGE else None


def courses(pictures: Sequence[Rgb]) -> Mapping[str, Course]:
    """Return colour -> the one thing of that colour, for colours of which no picture shows two things.

    Args:
        pictures: uint8 ``[h, w, 3]``, in order of time.
    """
    rows: dict[str, list[list[Thing]]] = {color: [] for color in COLORS if color not in UNSURE}
    whole: dict[str, bool] = dict.fromkeys(rows, True)
    for picture in pictures:
        named = solid(color_map(reduced(picture, SIDE)))
        for color in rows:
            found = _things(named == COLORS.index(color)) if whole[color] else None
            whole[color] = found is not None
            rows[color].append(found or [])
    told: dict[str, Course] = {}
    for color, row in rows.items():
        if not whole[color] or sum(bool(found) for found in row) < 2:
            continue
        rest = [rows[name] for name in rows if name != color and whole[name]]
        apart = [[one for other in rest for one in other[place]] for place in range(len(row))]
        joined = [_together(row, place, others) for place, others in enumerate(apart)]
        if all(len(found) <= 1 for found in joined):
            told[color] = Course(tuple(found[0] if found else None for found in joined))
    return told


def _together(row: Sequence[Sequence[Thing]], place: int, others: Sequence[Thing]) -> Sequence[Thing]:
    """Return the things of one picture, as one where they are what is to be seen of one.

    A star that goes out of the picture ends as the tips of two of its points, and one that passes behind a pole is cut
    in two. They are one thing where a picture nearby shows one there that is as large as they are together, and where
    either all lie at one border or another thing may hide what lies between.

    Args:
        row: the things of one colour in each picture.
        place: the picture.
        others: the things of other colours in it.
    """
    found = row[place]
    if len(found) < 2:
        return found
    one = _union(found)
    near = [row[k][0] for k in range(max(0, place - REACH), place + REACH + 1) if k < len(row) and len(row[k]) == 1]
    if not any(_fits(one, other) for other in near):
        return found
    leaves = any(all(_at(thing, side) for thing in found) for side in ("left", "right", "top", "bottom"))
    return (one,) if leaves or any(_meets(one, other) for other in others) else found


def _fits(one: Thing, near: Thing) -> bool:
    """Tell whether a thing lies where another one does, and is no larger; shades make up for a tenth."""
    return (
        one.right - one.left <= near.right - near.left + EDGE
        and one.bottom - one.top <= near.bottom - near.top + EDGE
        and one.share <= 1.1 * near.share
        and _meets(one, near)
    )


def _meets(one: Thing, other: Thing) -> bool:
    """Tell whether two things reach into each other's extent."""
    return max(one.left, other.left) <= min(one.right, other.right) and max(one.top, other.top) <= min(
        one.bottom, other.bottom
    )


def _at(thing: Thing, side: str) -> bool:
    """Tell whether one border may cut a thing off."""
    edge = float(getattr(thing, side))
    return (edge if side in ("left", "top") else 1 - edge) <= EDGE


def _union(things: Sequence[Thing]) -> Thing:
    """Return several areas as one thing; it covers at most the least part of its hull that one of them covers."""
    share = sum(thing.share for thing in things)
    return Thing(
        sum(thing.x * thing.share for thing in things) / share,
        sum(thing.y * thing.share for thing in things) / share,
        share,
        min(thing.left for thing in things),
        min(thing.top for thing in things),
        max(thing.right for thing in things),
        max(thing.bottom for thing in things),
        min(thing.fill for thing in things),
    )


def _things(mask: npt.NDArray[np.bool_]) -> list[Thing] | None:
    """Return the things of a colour in one picture, largest first; None where the colour is no thing's."""
    total = float(mask.mean())
    if total < LEAST / 4:
        return []
    if total > MOST:
        return None
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, centers = cv2.connectedComponentsWithStats(closed, connectivity=8)
    height, width = mask.shape
    areas = [(int(stats[k, cv2.CC_STAT_AREA]), k) for k in range(1, count)]
    largest = max(areas)[0]
    if sum(area for area, _ in areas if area < SPECK * largest) > 0.5 * largest:
        return None
    found = []
    for area, k in sorted(areas, reverse=True):
        if area < SPECK * largest:
            break
        left, top, wide, high = (float(stats[k, field]) for field in range(4))
        found.append(
            Thing(
                (float(centers[k][0]) + 0.5) / width,
                (float(centers[k][1]) + 0.5) / height,
                area / mask.size,
                left / width,
                top / height,
                (left + wide) / width,
                (top + high) / height,
                _fill(labels == k),
            )
        )
    # What is left of a thing that goes out of the picture is small, but at its border.
    return found if found[0].share >= LEAST or found[0].cut else []


def _fill(area: npt.NDArray[np.bool_]) -> float:
    """Return the part of its convex hull that an area covers."""
    outline = np.concatenate(cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0])
    hull = cv2.fillConvexPoly(np.zeros(area.shape, np.uint8), cv2.convexHull(outline), 1)
    return float(area.sum()) / max(1.0, float(hull.sum()))
