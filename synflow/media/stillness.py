"""Stretches in which the picture stands: frozen video, and slide shows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

SAME_LEVELS, SAME_SHARE = 2, 0.001
"""Pictures are identical where hardly a pixel differs by more than so many grey levels: what coding leaves of one."""

MOVING_SHARE = 0.002
"""Share of pixels beyond `SAME_LEVELS` from which a step counts as moving."""

REST_LEVELS, REST_SHARE = 8, 0.004
"""A picture stands while hardly a pixel changes by more than so many grey levels, from step to step."""

REST_SECONDS = 0.6
"""A slide stands at least so long."""

DRIFT_SHARE = 0.01
"""Share of pixels that may differ between first and last picture of a slide: a slow scene drifts, a slide does not."""

SLIDE_LEVELS, SLIDE_SHARE = 16, 0.25
"""Two slides differ in at least this share of their pixels by more than so many grey levels."""

Gray = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stillness:
    """How long the picture stands.

    Attributes:
        frozen: seconds of the longest stretch of identical pictures.
        moving: share of the steps outside that stretch that move: near 1 in a video that freezes, low in a screen
            recording, which often rests; 0 in a still picture, which is static and not frozen.
        resting: share of the time in stretches, of `REST_SECONDS` or more, in which nothing moves or drifts.
        slides: how many different pictures stand in those stretches.
    """

    frozen: float
    moving: float
    resting: float
    slides: int


def stillness(times: Times, luma: Gray) -> Stillness:
    """Return how long the picture stands in a clip of which all pictures are given: ``[n]`` and ``[n, h, w]``."""
    if len(times) < 3:
        return Stillness(0.0, 0.0, 0.0, 0)
    difference = _differences(luma)
    differ = _share_over(difference, SAME_LEVELS)
    frozen, moving = _frozen(times, differ)
    rests = _rests(times, luma, _share_over(difference, REST_LEVELS) < REST_SHARE)
    length = float(times[-1] - times[0])
    resting = sum(float(times[last] - times[first]) for first, last in rests) / max(1e-6, length)
    return Stillness(frozen, moving, resting, _different(luma, rests))


def _differences(luma: Gray) -> Gray:
    """Return how far each picture differs from the next in every second row of pixels, one row a step."""
    count, height, width = luma.shape
    if height % 2 or not luma.flags.c_contiguous:
        some = np.ascontiguousarray(luma[:, ::2]).reshape(count, -1)
        return np.asarray(cv2.absdiff(some[1:], some[:-1]), np.uint8)
    # All pictures as one tall one of double width: its left half is every second row, and needs no copy.
    tall, rows = luma.reshape(-1, 2 * width)[:, :width], height // 2
    return np.asarray(cv2.absdiff(tall[rows:], tall[:-rows]), np.uint8).reshape(count - 1, -1)


def _share_over(difference: Gray, levels: int) -> Shares:
    """Return for each row of ``difference``, one to a step, the share of pixels over ``levels``."""
    _, over = cv2.threshold(difference, levels, 1, cv2.THRESH_BINARY)
    return np.asarray(cv2.reduce(over, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / np.float64(over.shape[1]))


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last picture of each run of steps that are flagged."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(first), int(last)) for first, last in zip(starts, ends, strict=True)]


def _frozen(times: Times, differ: Shares) -> tuple[float, float]:
    runs = _runs(differ < SAME_SHARE)
    first, last = max(runs, key=lambda run: float(times[run[1]] - times[run[0]]), default=(0, 0))
    rest = np.concatenate([differ[:first], differ[last:]])
    moving = float((rest > MOVING_SHARE).mean()) if len(rest) else 0.0
    return float(times[last] - times[first]), moving


def _rests(times: Times, luma: Gray, still: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last picture of each stretch in which the picture stands and does not drift."""
    long = [run for run in _runs(still) if float(times[run[1]] - times[run[0]]) >= REST_SECONDS]
    return [run for run in long if _apart(luma[run[0]], luma[run[1]], REST_LEVELS) < DRIFT_SHARE]


def _apart(one: Gray, other: Gray, levels: int) -> float:
    return float((cv2.absdiff(one, other) > levels).mean())


def _different(luma: Gray, rests: list[tuple[int, int]]) -> int:
    """Return how many of the stretches show a picture that is not the one before."""
    shown = [luma[(first + last) // 2] for first, last in rests]
    changes = sum(_apart(one, other, SLIDE_LEVELS) >= SLIDE_SHARE for one, other in pairwise(shown))
    return changes + 1 if shown else 0
