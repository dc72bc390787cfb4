"""Which pictures of a source are kept: pure functions of its packets, so that every way leads to the same.

Stills are chosen from a grid that follows from the times of the pictures, and from which of them are spare
(`synflow.media.references`). Whether a still is then found among the
pictures that a scan kept, or decoded by seeking, it is the very same picture with the very same bytes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

EDGE = 1e-6
"""Tolerance at the ends of a span, in seconds: times are rounded to microseconds."""

STILL_STEP = 0.125
"""Seconds between the pictures that a scan keeps for stills, before thinning."""

STILL_COUNT = 512
STILL_BYTES = 256 << 20
"""Most pictures, and most bytes of them, that a scan keeps for stills."""

COLOR_STEP = 1.0
"""Seconds between colour thumbnails, before thinning."""

COLOR_COUNT = 600
"""Most colour thumbnails of a scan."""

LUMA_STEP = 1 / 16.5
"""Seconds between brightness pictures, at least, unless longer gaps than `LUMA_GAP` come of it: a source of fewer than
20 pictures a second keeps all of them that other pictures refer to, one of 20 to 33 every second one."""

LUMA_GAP = 0.1
"""Seconds between brightness pictures, at most, where there are enough: spare pictures are taken only to keep to it."""

LUMA_COUNT = 9000
"""Most brightness pictures of a scan."""

Times = npt.NDArray[np.float64]


def every(times: Times, step: float, limit: int) -> list[int]:
    """Return the places of the pictures nearest to the multiples of ``step`` seconds, at most ``limit`` of them.

    Where that gives more than ``limit`` pictures, the step is doubled until it does not.
    """
    limit = max(1, limit)
    while True:
        marks = np.arange(0.0, float(times[-1]) + step / 2, step) if len(times) else np.zeros(0)
        if len(marks) <= 4 * len(times) + 4:
            found = np.unique(nearest(times, marks))
            if len(found) <= limit:
                return [int(place) for place in found]
        step *= 2


def nearest(times: Times, marks: Times) -> npt.NDArray[np.intp]:
    """Return for each of ``marks`` the place of the picture nearest to it; of two, the earlier."""
    right = np.clip(np.searchsorted(times, marks), 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(marks - times[left] <= times[right] - marks, left, right)


def still_grid(times: Times, scanned: Sequence[int], picture_bytes: int) -> list[int]:
    """Return the places, among those ``scanned``, of the pictures that a scan keeps for stills."""
    return _among(times, scanned, STILL_STEP, min(STILL_COUNT, STILL_BYTES // max(1, picture_bytes)))


def color_grid(times: Times, scanned: Sequence[int]) -> list[int]:
    """Return the places, among those ``scanned``, of the pictures of which a scan makes thumbnails."""
    return _among(times, scanned, COLOR_STEP, COLOR_COUNT)


def _among(times: Times, scanned: Sequence[int], step: float, limit: int) -> list[int]:
    return [scanned[k] for k in every(times[list(scanned)], step, limit)]


def luma_grid(times: Times, spare: Collection[int] = ()) -> list[int]:
    """Return the places of the pictures that a scan looks at: increasing in time, long sources evenly thinned.

    Args:
        times: seconds of all pictures of a source, shape ``[n]``, not decreasing.
        spare: the places of those that no other refers to. They are left out, but for the last one and for the fewest,
            evenly spread, that keep the gaps at `LUMA_GAP`.
    """
    found: list[int] = []
    there = set(spare) - {len(times) - 1}
    for place in _apart(times, [place for place in range(len(times)) if place not in there]):
        if found and times[place] - times[found[-1]] > LUMA_GAP + EDGE:
            found += _between(times, found[-1], place)
        found.append(place)
    return found[:: max(1, -(-len(found) // LUMA_COUNT))]


def _apart(times: Times, places: Sequence[int]) -> Iterator[int]:
    """Yield those of ``places`` that lie `LUMA_STEP` or more behind the one before, and the last before a long gap."""
    last = -np.inf
    for place, after in itertools.pairwise([*places, *places[-1:]]):
        if times[place] - last >= LUMA_STEP or times[after] - last > LUMA_GAP + EDGE:
            yield place
            last = times[place]


def _between(times: Times, first: int, last: int) -> list[int]:
    """Return the places between two others, the fewest that part the time there evenly in gaps of `LUMA_GAP`."""
    inner, length = times[first + 1 : last], float(times[last] - times[first])
    parts = math.ceil(length / LUMA_GAP - EDGE)
    if not len(inner):
        return []
    marks = times[first] + np.arange(1, parts) * (length / parts)
    return [first + 1 + int(place) for place in np.unique(nearest(inner, marks))]


def thinned(count: int, most: int) -> list[int]:
    """Return at most ``most`` of ``count`` places, evenly, first and last among them."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, most))})


def inside(times: Times, places: Sequence[int], start: float, end: float) -> list[int]:
    """Return those of ``places`` whose picture begins in ``[start, end)``."""
    return [place for place in places if start - EDGE <= times[place] < end - EDGE]


def candidates(times: Times, grid: Sequence[int], start: float, end: float, count: int) -> list[int]:
    """Return the places that ``count`` stills of ``[start, end)`` are chosen from.

    They are those of the grid; where it holds too few for so short a span, all pictures of the span.
    """
    coarse = inside(times, grid, start, end)
    if len(coarse) >= count:
        return coarse
    return inside(times, range(len(times)), start, end)


def choose(times: Times, places: Sequence[int], start: float, end: float, count: int) -> list[int]:
    """Return ``count`` of ``places``: increasing, each nearest to the middle of one of ``count`` equal parts.

    With fewer places than that, all of them.
    """
    if len(places) <= count:
        return list(places)
    chosen: list[int] = []
    low = 0
    width = (end - start) / count
    for part in range(count):
        middle = start + (part + 0.5) * width
        high = len(places) - (count - part - 1)
        best = min(range(low, high), key=lambda k: (abs(float(times[places[k]]) - middle), k))
        chosen.append(places[best])
        low = best + 1
    return chosen
