"""Pictures of many pairs of clips matched in order of time, all pairs at once.

Two clips of a pair have up to `k` and `m` pictures; what is missing of them is filled with zeros. A row of one clip is
matched to a row of the other, or to a mixture of two rows that follow one another there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synflow.media.signature import PIXELS, STILL_CHANGE, Unit

LOOSE = 0.65
"""Mean correlation of all pictures, with what may cover them, that copies have."""

ALIKE = 0.91
"""Mean correlation of matched thumbnails, but for the `MARKED` part, from which two clips show the same."""

HARDLY = ALIKE - 0.02
"""The same, matched without regard to order, under which it is not asked for their order."""

MARKED = 0.15
"""Share of the picture that may be covered by something else (a mark, subtitles, a box)."""

SAME_CHANGE = 0.76
"""Correlation of how two clips change over time that copies need. Two takes of one scene mostly have 0.2 to 0.6, and
up to 0.74 where the same thing happens in both; a few copies that were cropped at a corner or boxed have less and are
not found."""

STILL_FAR = 4 * STILL_CHANGE
"""Mean squared change up to which a clip may be the copy of one without motion."""

FINE = 4
"""Steps from one picture to the next in which a match is looked for."""

NEVER = np.float32(-2.0)
"""Correlation with what is not there: under any that is."""

Clips = npt.NDArray[np.float32]
"""Unit pictures of clips, float32 ``[n, k, 144]``, filled up with zeros."""

Counts = npt.NDArray[np.int64]
"""How many pictures of each clip are there, ``[n]``."""

Near = npt.NDArray[np.float32]
"""Correlations of pictures, float32 ``[n, k, m]``; `NEVER` where one of them is not there."""


@dataclass(frozen=True)
class Matched:
    """How alike the clips of ``n`` pairs are.

    Attributes:
        alike: mean correlation of matched pictures, without the most different part of them; 0 where it was not
            worth the while.
        change: correlation of how they change; 0 where nothing moves.
        copy: the verdicts.
    """

    alike: npt.NDArray[np.float32]
    change: npt.NDArray[np.float32]
    copy: npt.NDArray[np.bool_]

    @classmethod
    def nothing(cls, count: int) -> Matched:
        """Return what is known of pairs before they are looked at."""
        return cls(np.zeros(count, np.float32), np.zeros(count, np.float32), np.zeros(count, np.bool_))

    def better(self, places: npt.NDArray[np.int64], found: Matched) -> None:
        """Put in what was found of the pairs at ``places`` where it says more than what is known."""
        gain = found.alike + found.change > self.alike[places] + self.change[places]
        gain = np.where(found.copy == self.copy[places], gain, found.copy)
        here = places[gain]
        self.alike[here], self.change[here], self.copy[here] = found.alike[gain], found.change[gain], found.copy[gain]


def correlations(ones: Clips, others: Clips, counts: Counts, other_counts: Counts) -> Near:
    """Return how each picture of one clip resembles each of the other."""
    near = ones @ others.transpose(0, 2, 1)
    near[~_there(counts, near.shape[1])] = NEVER
    near.transpose(0, 2, 1)[~_there(other_counts, near.shape[2])] = NEVER
    return np.asarray(near, np.float32)


def usual(near: Near, counts: Counts) -> npt.NDArray[np.float32]:
    """Return the mean correlation of the pictures of one clip with what resembles each most in the other, ``[n]``."""
    most = near.max(axis=2)
    most[~_there(counts, most.shape[1])] = 0
    return np.asarray(most.sum(axis=1) / counts, np.float32)


def match(
    short: Clips, long: Clips, near: Near, counts: Counts, long_counts: Counts, still: npt.NDArray[np.float32]
) -> Matched:
    """Match every picture of ``short`` to one of ``long``, or between two of them, in order of time.

    Args:
        short: pictures that must all be matched.
        long: those that they are matched to.
        near: their `correlations`.
        counts: of ``short``.
        long_counts: of ``long``.
        still: correlation that clips without motion need, ``[n]``.
    """
    out = Matched.nothing(len(short))
    # Without regard to order, and to what lies between two pictures, they are at least as alike: that is quickly said.
    left = np.flatnonzero(usual(near, counts) >= LOOSE)
    if len(left) == 0:
        return out
    nearest = long[left[:, None], near[left].argmax(axis=2)]
    left = left[_clear(short[left], nearest, counts[left]) >= HARDLY]
    if len(left) == 0:
        return out
    short, long, counts, still = short[left], long[left], counts[left], still[left]
    there = _there(counts, short.shape[1])
    likeness = _finely(near[left], long_counts[left])
    likeness[~there] = 0
    path = in_order(likeness)
    raw = np.take_along_axis(likeness, path[:, :, None], axis=2)[:, :, 0].sum(axis=1) / counts
    found = _between(long, path) * there[:, :, None]
    alike = _clear(short, found, counts)
    shown = (raw >= LOOSE) & (alike >= ALIKE)
    out.alike[left] = alike
    here, other, common = _changes(short, found, there, counts)
    rests = (here < STILL_CHANGE) | (counts < 3)
    change = common / np.sqrt(np.maximum(1e-9, here * np.maximum(other, here / 8)))
    out.change[left] = np.where(shown & ~rests, change, 0)
    out.copy[left] = shown & np.where(rests, (other < STILL_FAR) & (raw >= still), change >= SAME_CHANGE)
    return out


def _there(counts: Counts, most: int) -> npt.NDArray[np.bool_]:
    return np.asarray(np.arange(most) < counts[:, None])


def _finely(near: Near, counts: Counts) -> Near:
    """Return correlations with what lies between the pictures of the other clip too, ``[n, k, 4 * (m - 1) + 1]``."""
    fine = np.empty((*near.shape[:2], FINE * (near.shape[2] - 1) + 1), np.float32)
    fine[:, :, ::FINE] = near
    for step in range(1, FINE):
        share = np.float32(step / FINE)
        fine[:, :, step::FINE] = (1 - share) * near[:, :, :-1] + share * near[:, :, 1:]
    fine.transpose(0, 2, 1)[~_there(FINE * (counts - 1) + 1, fine.shape[2])] = NEVER
    return fine


def _between(long: Clips, path: npt.NDArray[np.int64]) -> Clips:
    """Return the pictures at places of a path through what `_finely` tells of."""
    pairs = np.arange(len(long))[:, None]
    low, step = path // FINE, path % FINE
    share = (step / FINE).astype(np.float32)[:, :, None]
    high = np.minimum(low + 1, long.shape[1] - 1)
    return np.asarray((1 - share) * long[pairs, low] + share * long[pairs, high], np.float32)


def _clear(ones: Clips, others: Clips, counts: Counts) -> npt.NDArray[np.float32]:
    """Return the mean correlation of matched pictures, but for the part of them in which they differ most, ``[n]``."""
    there = _there(counts, ones.shape[1])
    apart = (ones - others) * there[:, :, None]
    cost = np.einsum("nkp,nkp->np", apart, apart)
    most = int(PIXELS * (1 - MARKED))
    clear = np.zeros(cost.shape, np.float32)
    np.put_along_axis(clear, cost.argpartition(most, axis=1)[:, :most], 1, axis=1)
    clear = clear[:, :, None]
    mean, other_mean = ones @ clear / most, others @ clear / most
    spread = (ones * ones) @ clear - most * mean * mean
    other_spread = (others * others) @ clear - most * other_mean * other_mean
    common = (ones * others) @ clear - most * mean * other_mean
    told = common / np.sqrt(np.maximum(1e-6, spread) * np.maximum(1e-6, other_spread))
    return np.asarray((told[:, :, 0] * there).sum(axis=1) / counts, np.float32)


def _changes(short: Clips, found: Clips, there: npt.NDArray[np.bool_], counts: Counts) -> tuple[Unit, Unit, Unit]:
    """Return the mean squared change of both clips over time, and what is common to their changes, ``[n]`` each."""
    rows = there[:, :, None]
    ones = (short - short.sum(axis=1, keepdims=True) / counts[:, None, None]) * rows
    others = (found - found.sum(axis=1, keepdims=True) / counts[:, None, None]) * rows
    here, other, common = (
        np.einsum("nkp,nkp->n", a, b) / counts for a, b in ((ones, ones), (others, others), (ones, others))
    )
    return here.astype(np.float32), other.astype(np.float32), common.astype(np.float32)


def in_order(likeness: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return, for each row, a column, never going back, so that the sum of likeness is greatest.

    Args:
        likeness: of rows and columns of each pair, ``[n, rows, columns]``.

    Returns:
        int64 ``[n, rows]``.
    """
    pairs, rows, columns = likeness.shape
    best = likeness[:, 0].astype(np.float64)
    came = np.zeros((rows, pairs, columns), np.int32)
    places = np.arange(columns, dtype=np.int32)
    for row in range(1, rows):
        # Running maximum over all earlier columns, and where it was reached.
        top = np.maximum.accumulate(best, axis=1)
        np.maximum.accumulate(np.where(best >= top, places, 0), axis=1, out=came[row])
        best = top + likeness[:, row]
    path = np.zeros((pairs, rows), np.int64)
    path[:, -1] = best.argmax(axis=1)
    every = np.arange(pairs)
    for row in range(rows - 1, 0, -1):
        path[:, row - 1] = came[row, every, path[:, row]]
    return path
