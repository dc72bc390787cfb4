"""Small pictures of a video in time, and how new one is after another.

Two pictures are compared after *block matching*: each small patch of one may have moved a little in the other.
What is left over, relative to the contrast of the pictures, says how **new** a place of the picture is; the median
over all places is near 0 for the same scene, whatever moves in it, and near 1 for another scene. Matching costs
about 0.3 ms a pair, so it is asked for only where mean differences, which cost nothing, leave doubt. The method is
ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

SMALL = 40
"""Least longer side, in pixels, of the pictures that are compared; it is less than twice that."""

REACH = 2
"""How far a patch may have moved between compared pictures, in pixels of the small picture (5 % of its width)."""

PATCH = 5
"""Side of a patch, in pixels of the small picture; at most ``2 * REACH + 1``."""

CONTRAST = 12.0
"""Mean deviation (grey levels) under which a picture counts as flat rather than as a faint scene."""

BAR = 12
"""Grey levels that vary within each row (column) of a bar of a letterbox (pillarbox), at most; coding leaves some."""

BATCH = 32
"""Pairs that are matched at once: their arrays fit the cache."""

Gray = npt.NDArray[np.uint8]
Small = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Cut:
    """A change of shot.

    Attributes:
        time: seconds from the first picture: of the first picture of the new shot, or the middle of a dissolve.
        kind: ``hard`` between two pictures, ``gradual`` for dissolves, fades and wipes.
        start, end: in seconds, what belongs to neither shot: of a gradual cut all of it, of a hard one the pictures
            before it that nobody looked at, if any; its end is its ``time``.
        score: newness across it: 0 for the same scene, about 1 for another.
    """

    time: float
    kind: Literal["hard", "gradual"]
    start: float
    end: float
    score: float


class Film:
    """The pictures of a video, made small, with their newness computed once and only where it is asked for.

    Args:
        times: seconds of each picture, shape ``[n]``, increasing.
        luma: the pictures, uint8, shape ``[n, h, w]``.
        until: seconds at which each picture ends, shape ``[n]``; without it, when the next one begins.

    Attributes:
        times, until: as given.
        small: uint8 ``[n, h2, w2]``: as `shrink` leaves them.
        tiny: float32 ``[n, p]``: the same once more half as large, one row a picture.
        deviation: float64 ``[n]``: mean deviation of each picture from its mean, in grey levels.
        detail: float64 ``[n]``: mean square of the steps between neighbouring pixels, in squared grey levels.
        change: float64 ``[n - 1]``: mean difference between neighbours over the contrast; like a newness that
            knows no motion, and seldom less than it.
    """

    def __init__(self, times: Times, luma: Gray, until: Times | None = None) -> None:
        self.times, self.small = times, shrink(luma)
        self.until = np.append(times[1:], times[-1:]) if until is None else until
        rows = self.small.reshape(len(times), self.small.shape[1] * self.small.shape[2])
        tiny = halved(self.small)
        self.tiny = tiny.reshape(len(times), tiny.shape[1] * tiny.shape[2]).astype(np.float32)
        self.deviation = deviations(self.tiny)
        self.detail = _energy(rows, 1) + _energy(rows, self.small.shape[2])
        self.change = self._changes(rows)
        self._known: dict[tuple[int, int], float] = {}

    def _changes(self, rows: Gray) -> Times:
        if len(rows) < 2:
            return np.zeros(0)
        steps = cv2.reduce(cv2.absdiff(rows[1:], rows[:-1]), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
        places = np.arange(len(rows))
        return np.asarray(steps[:, 0] / rows.shape[1] / self.contrast(places[:-1], places[1:]))

    def contrast(self, first: Indices, second: Indices) -> Times:
        """Return the common contrast of each pair of pictures, in grey levels."""
        return np.maximum(CONTRAST, (self.deviation[first] + self.deviation[second]) / 2)

    def differences(self, first: Indices, second: Indices) -> Times:
        """Return what `change` holds, for any pairs of pictures."""
        apart = np.abs(self.tiny[first] - self.tiny[second]).mean(axis=1)
        return np.asarray(apart / self.contrast(first, second))

    def between(self, pairs: Iterable[tuple[int, int]]) -> list[float]:
        """Return the newness of the second picture of each pair after the first, from 0 to about 1."""
        pairs = [(int(i), int(j)) for i, j in pairs]
        missing = sorted({pair for pair in pairs if pair not in self._known})
        for start in range(0, len(missing), BATCH):
            batch = np.array(missing[start : start + BATCH])
            found = newness(self.small[batch[:, 0]], self.small[batch[:, 1]])
            self._known.update(zip(missing[start : start + BATCH], found, strict=True))
        return [self._known[pair] for pair in pairs]

    def least_new(self, i: int, j: int) -> float:
        """Return the newness that three quarters of the places of picture ``j`` have after ``i``, at least."""
        return newness(self.small[i : i + 1], self.small[j : j + 1], 0.25)[0]

    def toned(self, i: int, j: int) -> float:
        """Return how far brightness at each place of one picture settles that of the other, from 0 to 1.

        It is the correlation ratio, the larger of both ways: near 1 where only light or exposure changed, however
        much of the picture is now white or black; seldom over 0.5 for unlike scenes.
        """
        one, other = self.small[i].ravel(), self.small[j].ravel()
        return max(_correlation_ratio(one, other), _correlation_ratio(other, one))

    def at(self, time: float) -> int:
        """Return the place of the first picture at or after ``time``, the last one where there is none."""
        return min(int(np.searchsorted(self.times, time - 1e-6)), len(self.times) - 1)


def shrink(luma: Gray) -> Gray:
    """Return the pictures (uint8 ``[n, h, w]``) without flat bars, their longer side halved to 40 .. 79 pixels."""
    top, bottom, left, right = _inside_bars(luma) if len(luma) else (0, None, 0, None)
    pictures = luma[:, top:bottom, left:right]
    while len(pictures) and max(pictures.shape[1:]) >= 2 * SMALL and min(pictures.shape[1:]) > 1:
        pictures = halved(pictures)
    return np.ascontiguousarray(pictures)


def halved(pictures: Gray) -> Gray:
    """Return the means of squares of two by two pixels; an odd row or column at the lower right is left out."""
    count, height, width = pictures.shape[0], pictures.shape[1] // 2, pictures.shape[2] // 2
    if min(count, height, width) < 1:
        return pictures
    even = np.ascontiguousarray(pictures[:, : height * 2, : width * 2])
    # All pictures as one tall one: a call for each costs more than the work. Halving is eight times faster than
    # any other reduction by area.
    tall = cv2.resize(even.reshape(-1, width * 2), (width, count * height), interpolation=cv2.INTER_AREA)
    return np.asarray(tall.reshape(count, height, width))


def deviations(rows: Small) -> Times:
    """Return the mean deviation from its mean of each row of float32 ``[n, p]``."""
    return np.asarray(np.abs(rows - rows.mean(axis=1, keepdims=True)).mean(axis=1), np.float64)


def _energy(rows: Gray, gap: int) -> Times:
    """Return the mean square of the differences of pixels that lie ``gap`` apart, for each row."""
    if not len(rows) or rows.shape[1] <= gap:
        return np.zeros(len(rows))
    steps = cv2.absdiff(rows[:, gap:], rows[:, :-gap]).astype(np.float32)
    return np.asarray(np.einsum("ij,ij->i", steps, steps) / max(1, steps.shape[1]), np.float64)


def _correlation_ratio(given: Gray, told: Gray) -> float:
    """Return the share of the variance of ``told`` that lies between, not within, levels of ``given`` (16 of them)."""
    level, values = given >> 4, told.astype(np.float64)
    values -= values.mean()
    whole = float(values @ values)
    count, total = np.bincount(level, minlength=16), np.bincount(level, values, minlength=16)
    return float((total**2 / np.maximum(1, count)).sum()) / whole if whole > 0 else 0.0


def newness(first: Gray, second: Gray, share: float = 0.5) -> list[float]:
    """Return how much of each picture of ``second`` is not in that of ``first``: 0 the same scene, about 1 another.

    A place is new where it differs both as it is and after brightness and contrast are evened out: so neither a light
    that is switched on nor a window that opens on an unchanged desktop makes a new scene.

    Args:
        first: uint8, shape ``[m, h, w]``.
        second: the same.
        share: the quantile over the places of a picture that is told, 0.5 for the median.
    """
    one, other = first.astype(np.float32), second.astype(np.float32)
    count = len(one)
    deviation = [deviations(p.reshape(count, -1))[:, None, None] for p in (one, other)]
    plain = _patches(cv2.absdiff(_tall(one), _tall(other)), count)
    plain /= np.maximum(CONTRAST, (deviation[0] + deviation[1]) / 2).astype(np.float32)
    evened = [
        (p - p.mean(axis=(1, 2), keepdims=True)) / np.maximum(CONTRAST, d).astype(np.float32)
        for p, d in zip((one, other), deviation, strict=True)
    ]
    aligned = np.stack([_aligned(a, b) for a, b in zip(*evened, strict=True)])
    forth, back = _unmatched(aligned, evened[1])
    told = [_quantile(np.minimum(plain, rest).reshape(count, -1), share) for rest in (forth, back)]
    return [float(value) for value in np.minimum(*told)]


def _quantile(rows: Small, share: float) -> npt.NDArray[np.float64]:
    """Return a quantile of each row, interpolated as ``np.quantile`` does it, at a third of its cost."""
    place = share * (rows.shape[1] - 1)
    low, high = math.floor(place), math.ceil(place)
    ends = np.partition(rows, (low, high), axis=1)[:, [low, high]].astype(np.float64)
    return np.asarray(ends[:, 0] + (ends[:, 1] - ends[:, 0]) * (place - low))


def _repeated(pictures: Small, above: int, beside: int = 0) -> Small:
    """Return pictures with their outer rows and columns repeated: ``np.pad`` with mode edge, at a fifth of its cost."""
    count, height, width = pictures.shape
    out = np.empty((count, height + 2 * above, width + 2 * beside), pictures.dtype)
    inner = out[:, :, beside : beside + width]
    inner[:, above : above + height] = pictures
    inner[:, :above], inner[:, above + height :] = pictures[:, :1], pictures[:, -1:]
    if beside:
        out[:, :, :beside], out[:, :, beside + width :] = inner[:, :, :1], inner[:, :, -1:]
    return out


def _tall(pictures: Small) -> Small:
    """Return the pictures under each other, each with `REACH` repeated rows above and below it."""
    return _repeated(pictures, REACH).reshape(-1, pictures.shape[2])


def _patches(tall: Small, count: int) -> Small:
    """Return the means over the patches around each place of the ``count`` pictures that `_tall` put together."""
    return np.asarray(cv2.blur(tall, (PATCH, PATCH)).reshape(count, -1, tall.shape[1])[:, REACH:-REACH])


def _aligned(a: Small, b: Small) -> Small:
    """Return ``a`` moved as a whole to where it fits ``b`` best, if that is nearer: a jolted camera moves far."""
    height, width = a.shape
    if min(height, width) < PATCH:
        return a
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(a.copy(), b.copy(), window)  # it writes to what it is given
    if not REACH / 2 <= max(abs(right), abs(down)) <= max(height, width) / 3:
        return a
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(a, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return moved if cv2.norm(moved, b, cv2.NORM_L1) < cv2.norm(a, b, cv2.NORM_L1) else a


def _unmatched(a: Small, b: Small) -> tuple[Small, Small]:
    """Return, for each place of ``b``, the least difference to a patch of ``a`` within `REACH`, and the reverse."""
    count, height, width = a.shape
    rows = height + 2 * REACH
    still, moving = _repeated(b, REACH), _repeated(a, 2 * REACH, REACH)
    forth = np.full(still.shape, np.inf, np.float32)
    back = np.full(moving.shape, np.inf, np.float32)
    apart = np.empty_like(still)
    tall = apart.reshape(-1, width)
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            there = (slice(None), slice(down, down + rows), slice(right, right + width))
            np.subtract(still, moving[there], out=apart)
            np.abs(apart, out=apart)
            means = cv2.blur(tall, (PATCH, PATCH)).reshape(count, rows, width)
            np.minimum(forth, means, out=forth)
            # The same differences, seen from where the patch came from.
            np.minimum(back[there], means, out=back[there])
    inner = slice(2 * REACH, 2 * REACH + height)
    return forth[:, REACH : REACH + height], back[:, inner, REACH : REACH + width]


def _inside_bars(luma: Gray) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what flat bars leave, at least half of each side."""
    some = luma[:: max(1, len(luma) // 12)]
    edges: list[int] = []
    for axis in (2, 1):
        busy = ((some.max(axis=axis) - some.min(axis=axis)) > BAR).any(axis=0)
        places = np.flatnonzero(busy)
        bounds = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
        edges += bounds if bounds[1] - bounds[0] >= len(busy) / 2 else (0, len(busy))
    return edges[0], edges[1], edges[2], edges[3]


def spread(first: int, last: int, count: int) -> Sequence[int]:
    """Return at most ``count`` of ``first .. last`` (both included), evenly spread."""
    if last < first:
        return []
    return sorted({round(place) for place in np.linspace(first, last, count)})
