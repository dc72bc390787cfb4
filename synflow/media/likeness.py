"""Whether two clips are copies of one another, by their fingerprints.

Pictures are matched in order of time, whatever the speed, and must agree both in what they show and in **how it
changes**. So two takes of one scene, which agree in nearly every pixel, are told apart by what moves in them. One of
the clips may show a part of the picture of the other (cut borders, zoomed), its mirror image, or a part of its time.
Clips in which nothing moves are copies only if they agree in every corner. The method is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.signature import DETAIL, STILL_CHANGE, Signature, Unit, energy, normal, unit, view

GLIMPSE = 0.55
"""Correlation that some picture of one clip must have with one of the other for a closer look."""

FAINT = 0.45
"""Mean correlation with the nearest picture of the other clip, over those of the one that is contained in it."""

FIT = 0.7
"""Mean correlation of the three pictures that fit best, in the best view, for the whole course to be compared."""

LOOSE = 0.65
"""Mean correlation of all pictures, with what may cover them, that copies have."""

ALIKE = 0.91
"""Mean correlation of matched thumbnails, but for the `MARKED` part, from which two clips show the same."""

MARKED = 0.15
"""Share of the picture that may be covered by something else (a mark, subtitles, a box)."""

SAME_CHANGE = 0.76
"""Correlation of how two clips change over time that copies need. Two takes of one scene mostly have 0.2 to 0.6, and
up to 0.74 where the same thing happens in both; a few copies that were cropped at a corner or boxed have less and are
not found."""

STILL_ALIKE, DETAIL_ALIKE = 0.98, 0.94
"""Correlation that clips without motion need, and that they need where their details are compared then."""

STILL_FAR = 4 * STILL_CHANGE
"""Mean squared change up to which a clip may be the copy of one without motion."""

LEAST = 0.66
"""Share of each side that the copy of a clip without motion must show."""

STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)

CORNER = 0.35
"""Root mean squared difference of a sixteenth of the picture, in spreads of the whole, that copies of a clip without
motion may have at most."""


@dataclass(frozen=True)
class Likeness:
    """How alike two clips are.

    Attributes:
        alike: mean correlation of the matched thumbnails, without the most different part of the picture.
        change: correlation of how they change over time; 0 where nothing moves.
        copy: the verdict.
    """

    alike: float
    change: float
    copy: bool


NOTHING = Likeness(0.0, 0.0, False)


@dataclass(frozen=True)
class Seen:
    """A fingerprint ready to be compared.

    Attributes:
        plain, turned: unit pictures ``[k, 144]``, as they are and mirrored.
        change: mean squared change of the pictures over time.
        detail: the picture of a clip without motion, float32 ``[32, 32]``, mean 0 and spread 1; otherwise None.
    """

    plain: Unit
    turned: Unit
    change: float
    detail: Unit | None = None

    @classmethod
    def of(cls, found: Signature) -> Seen:
        """Return what comparing needs of a fingerprint."""
        plain = unit(found.thumbs)
        detail = None if found.detail is None else unit(found.detail[None]).reshape(DETAIL, DETAIL) * DETAIL
        return cls(plain, unit(found.thumbs[:, :, ::-1]), energy(plain), detail)


@cache
def _views() -> npt.NDArray[np.float32]:
    """Return what maps a flat thumbnail to parts of itself, float32 ``[144, views * 144]``; the first is the whole."""
    shares = [(1.0, 1.0, 0.5, 0.5)]
    shares += [(s, s, 0.5, 0.5) for s in (0.95, 0.9, 0.85, 0.8)]
    shares += [(0.9, 0.9, x, y) for x in (0.0, 1.0) for y in (0.0, 1.0)]
    shares += [(s, 1.0, 0.5, 0.5) for s in (0.9, 0.82, 0.75)] + [(1.0, s, 0.5, 0.5) for s in (0.9, 0.82, 0.75)]
    shares += [(1.0, 0.9, 0.5, 0.0), (1.0, 0.9, 0.5, 1.0), (0.9, 1.0, 0.0, 0.5), (0.9, 1.0, 1.0, 0.5)]
    return np.concatenate([view(*share) for share in shares], axis=1)


def compare(one: Seen, other: Seen) -> Likeness:
    """Return how alike two clips are, whichever of them is the longer, the mirrored or the cropped one."""
    best = NOTHING
    still = STILL_ALIKE if one.detail is None or other.detail is None else DETAIL_ALIKE
    for turned in (False, True):
        there = other.turned if turned else other.plain
        near = one.plain @ there.T
        if float(near.max()) < GLIMPSE or max(_usual(near), _usual(near.T)) < FAINT:
            continue
        for a, b in _aligned(one.plain, there, near):
            best = max(best, _match(a, b, still), _match(b, a, still), key=_rank)
            if best.copy:
                break
        if best.copy and (one.detail is None or other.detail is None or _same_detail(one, other, turned)):
            return best
        if best.copy:
            best = Likeness(best.alike, best.change, copy=False)
    return best


def parts(video: Seen, clip: Seen) -> Iterator[Seen]:
    """Yield the beginning and the end of a video: a clip that was cut elsewhere may show just these of it."""
    for count in (8, 16):
        if count < len(video.plain) and len(clip.plain) >= count // 2:
            for inside in (slice(0, count), slice(-count, None)):
                change = energy(video.plain[inside])
                if change >= STILL_CHANGE:
                    yield Seen(video.plain[inside], video.turned[inside], change)


def _usual(near: npt.NDArray[np.float32]) -> float:
    return float(near.max(axis=1).mean())


def _rank(likeness: Likeness) -> tuple[bool, float]:
    return likeness.copy, likeness.alike + likeness.change


def _aligned(one: Unit, other: Unit, near: npt.NDArray[np.float32]) -> list[tuple[Unit, Unit]]:
    """Return the two as they are, and with the part of one that fits the other best; nothing where none does."""
    rows = np.unique(np.concatenate([near.max(axis=1).argsort()[-2:], [0, len(one) // 2, len(one) - 1]]))
    columns = near[rows].argmax(axis=1)
    views = _views()
    pixels = one.shape[1]
    pairs: list[tuple[float, Unit, Unit]] = []
    for whole, (here, there) in enumerate(((one[rows], other[columns]), (other[columns], one[rows]))):
        parts = normal((there @ views).reshape(len(there), -1, pixels))
        # The pictures that fit best say which part it is; others may have been matched wrongly.
        fit = np.sort((parts @ here[:, :, None])[:, :, 0], axis=0)[-3:].mean(axis=0)
        best = int(fit.argmax())
        if not whole:
            pairs.append((float(fit[0]), one, other))
        if best and fit[best] > fit[0] + 0.005:
            part = views[:, best * pixels : (best + 1) * pixels]
            cut = (normal(one @ part), other) if whole else (one, normal(other @ part))
            pairs.append((float(fit[best]), *cut))
    pairs.sort(key=lambda pair: -pair[0])
    return [(a, b) for fit, a, b in pairs if fit >= FIT]


def _match(short: Unit, long: Unit, still: float) -> Likeness:
    """Match every picture of ``short`` to one of ``long`` (or between two of them), in order of time."""
    fine = np.empty((4 * (len(long) - 1) + 1, long.shape[1]), np.float32)
    fine[0::4] = long
    for k, share in enumerate((0.25, 0.5, 0.75), start=1):
        fine[k::4] = (1 - share) * long[:-1] + share * long[1:]
    likeness = short @ fine.T
    # Without regard to order they are at least as alike: that is quickly said.
    if float(likeness.max(axis=1).mean()) < LOOSE or _clear(short, fine[likeness.argmax(axis=1)]) < ALIKE - 0.02:
        return NOTHING
    path = in_order(likeness)
    raw = float(likeness[np.arange(len(short)), path].mean())
    found = fine[path]
    alike = _clear(short, found)
    if raw < LOOSE or alike < ALIKE:
        return Likeness(alike, 0.0, copy=False)
    here, there = energy(short), energy(found)
    if here < STILL_CHANGE or len(short) < 3:
        return Likeness(alike, 0.0, there < STILL_FAR and raw >= still)
    common = float(((short - short.mean(axis=0)) * (found - found.mean(axis=0))).sum(axis=1).mean())
    change = common / float(np.sqrt(here * max(there, here / 8)))
    return Likeness(alike, change, change >= SAME_CHANGE)


def _clear(one: Unit, other: Unit) -> float:
    """Return the mean correlation of matched pictures, but for the part of them in which they differ most."""
    cost = ((one - other) ** 2).mean(axis=0)
    clear = cost.argpartition(int(len(cost) * (1 - MARKED)))[: int(len(cost) * (1 - MARKED))]
    return float((normal(one[:, clear]) * normal(other[:, clear])).sum(axis=1).mean())


def _same_detail(one: Seen, other: Seen, turned: bool) -> bool:
    """Tell whether the pictures of two clips without motion agree in every corner, one laid upon the other."""
    if one.detail is None or other.detail is None:
        return True
    there = np.ascontiguousarray(other.detail[:, ::-1]) if turned else other.detail
    return any(_agree(a, b) for a, b in ((one.detail, there), (there, one.detail)))


def _agree(whole: Unit, part: Unit) -> bool:
    """Tell whether ``part`` shows a part of ``whole``, at least two thirds of each side, and the same in it."""
    best = 9.0
    for share in (1.0, 0.9, 0.8):
        edge = (1 - share) * (DETAIL - 1) / 2
        warp = np.array([[share, 0, edge], [0, share, edge]], np.float32)
        try:
            _, warp = cv2.findTransformECC(part, whole, warp, cv2.MOTION_AFFINE, STOP, None, 1)
        except cv2.error:
            # It found no way to lay them upon one another.
            continue
        if not (LEAST < warp[0, 0] < 1.1 and LEAST < warp[1, 1] < 1.1 and abs(warp[0, 1]) + abs(warp[1, 0]) < 0.1):
            continue
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        laid = cv2.warpAffine(whole, warp, (DETAIL, DETAIL), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        laid = normal(laid.reshape(1, -1)).reshape(DETAIL, DETAIL) * DETAIL
        corner = ((laid - part) ** 2).reshape(4, DETAIL // 4, 4, DETAIL // 4).mean(axis=(1, 3))
        best = min(best, float(np.sqrt(corner.max())))
    return best <= CORNER


def in_order(likeness: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return, for each row, a column, never going back, so that the sum of likeness is greatest."""
    rows, columns = likeness.shape
    best = likeness[0].astype(np.float64)
    came = np.zeros((rows, columns), np.int64)
    places = np.arange(columns)
    for row in range(1, rows):
        # Running maximum over all earlier columns, and where it was reached.
        top = np.maximum.accumulate(best)
        came[row] = np.maximum.accumulate(np.where(best >= top, places, 0))
        best = top + likeness[row]
    path = np.zeros(rows, np.int64)
    path[-1] = int(best.argmax())
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path
