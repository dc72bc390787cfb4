"""Where one shot ends and the next begins: hard cuts, dissolves, fades and wipes, not flashes, shaking or motion."""

from __future__ import annotations

from statistics import median

import numpy as np

from synflow.media.film import Cut, Film, Gray, Times
from synflow.media.gradual_cuts import fades, gradual_cuts
from synflow.media.hard_cuts import hard_cuts

__all__ = ["Cut", "Film", "cuts_of", "division", "find_cuts"]

LESSER = 0.1
"""Mean difference over the contrast (`Film.change`) from which a step may be a lesser change of the scene."""

STRIKING = 3.0
"""How many times the median step of its shot a lesser change must be."""

SHIFT = 0.25
"""Share of a part's length by which a division may be moved to a lesser change."""


def find_cuts(times: Times, luma: Gray) -> list[Cut]:
    """Return the cuts of a video in order of time.

    Args:
        times: seconds of each picture, shape ``[n]``, increasing.
        luma: the pictures, uint8, shape ``[n, h, w]``.
    """
    return cuts_of(Film(times, luma))


def cuts_of(film: Film) -> list[Cut]:
    """Return the cuts of ``film`` in order of time."""
    if len(film.times) < 3:
        return []
    faded, passed = fades(film)
    taken = [*((fade.start, fade.end) for fade in faded), *passed]
    hard = [cut for cut in hard_cuts(film) if all(not start <= cut.time <= end for start, end in taken)]
    taken += [(cut.time, cut.time) for cut in hard]
    return sorted([*faded, *hard, *gradual_cuts(film, taken)], key=lambda cut: cut.time)


def division(film: Film, start: float, end: float, parts: int, longest: float) -> list[float]:
    """Return the ``parts - 1`` times, in seconds, at which a shot is best divided.

    They lie even, each moved to a lesser change of the scene (a jump cut, a jolt, a door that opens) where one is
    near and no part becomes longer than ``longest`` seconds by it.
    """
    even = (end - start) / parts
    inside = (film.times[1:] > start) & (film.times[1:] < end)
    usual = median(film.change[inside].tolist()) if inside.any() else 0.0
    marks: list[float] = []
    for k in range(1, parts):
        middle, before = start + k * even, marks[-1] if marks else start
        low = max(middle - SHIFT * even, end - (parts - k) * longest)
        high = min(middle + SHIFT * even, before + longest)
        near = np.flatnonzero(inside & (film.times[1:] >= low) & (film.times[1:] <= high))
        best = int(near[film.change[near].argmax()]) if len(near) else -1
        strikes = best >= 0 and film.change[best] >= max(LESSER, STRIKING * usual)
        marks.append(float(film.times[best + 1]) if strikes else min(middle, before + longest))
    return marks
