"""Things of one colour, followed through the pictures of a clip: how many, where, when they come and go.

Only what is sure counts. A colour stands for one thing where no picture shows two of it; where the colour is all over
the picture, in two places, or flickers, nothing is told. Pure perception on arrays.
"""

from __future__ import annotations

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

EDGE = 0.025
"""Distance from the border, as a share of the picture, at which a thing is cut off by it."""

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

    def swells(self) -> tuple[float, float] | None:
        """Return how its size changes (last over first, of the sides) and at which picture by half; None if unsure."""
        whole = [place for place in self.places if (thing := self.seen[place]) is not None and not thing.cut]
        if len(whole) < 4:
            return None
        sizes = [float(np.sqrt(thing.share)) for place in whole if (thing := self.seen[place]) is not None]
        first, last = float(np.median(sizes[:2])), float(np.median(sizes[-2:]))
        half = (first + last) / 2
        passed = next((k for k, size in enumerate(sizes) if (size >= half) == (last >= first)), 0)
        return last / first, float(whole[passed])


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
        if whole[color] and sum(bool(found) for found in row) >= 2 and all(len(found) <= 1 for found in row):
            told[color] = Course(tuple(found[0] if found else None for found in row))
    return told


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
