"""How good a picture is: sharpness, exposure, contrast, blocks; all at a fixed scale, so that sizes compare."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 320
"""Longer side, in pixels, at which sharpness is measured."""

BLACK = 24
"""Luma under which a pixel counts as black (studio black is 16)."""

STEEP = 12.0
"""Grey levels above which a step between neighbours counts as an edge of the scene."""

FAINT = 1.0
"""Grey levels that are added to both mean steps, so that invisible blocks in a flat picture do not count."""

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """Measures of one picture.

    Attributes:
        sharpness: strength of the finest structure where the picture has edges at all, relative to the contrast of
            those edges; about 1 for a crisp picture, under 0.1 for a blurred one; 1 for a picture without edges.
        exposure: mean luma, 0..1. contrast: difference of the 95th and 5th percentile of luma, 0..1.
        black: share of black pixels.
        blockiness: how much steeper luma steps are on the grid of 8 x 8 blocks than beside it: 1 for none.
    """

    sharpness: float
    exposure: float
    contrast: float
    black: float
    blockiness: float


def look_at(rgb: npt.NDArray[np.uint8]) -> Look:
    """Return the measures of a picture, uint8 ``[h, w, 3]`` RGB or ``[h, w]`` luma, at its own scale."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) if rgb.ndim == 3 else rgb
    low, high = np.percentile(gray, (5, 95))
    return Look(
        sharpness=sharpness(gray),
        exposure=float(gray.mean()) / 255,
        contrast=float(high - low) / 255,
        black=float((gray < BLACK).mean()),
        blockiness=blockiness(gray),
    )


def sharpness(gray: Gray) -> float:
    """Return how much of an edge's height is climbed within one pixel, over the strongest edges of the picture.

    The picture is reduced to a longer side of 320; a smaller one is measured as it is. Steps across one pixel are
    compared with steps across seven: a sharp edge climbs at once, a blurred one slowly, whatever its height. Only the
    sharpest tenth of the edges counts, so that a soft background does not speak against a subject in focus.
    """
    scale = SIDE / max(gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = gray.astype(np.float32)
    ratios = []
    for axis in (0, 1):
        if picture.shape[axis] < 16:
            continue
        p = picture if axis == 1 else picture.T
        steep = np.abs(p[:, 4:-3] - p[:, 3:-4])
        wide = np.abs(p[:, 7:] - p[:, :-7])
        strong = wide > 24
        if strong.sum() >= 40:
            ratios.append(np.minimum(1.0, steep[strong] / wide[strong]))
    if not ratios:
        return 1.0
    return float(np.percentile(np.concatenate(ratios), 90))


def blockiness(gray: Gray) -> float:
    """Return the mean step across the borders of 8 x 8 blocks over the mean step elsewhere; 1 without blocks.

    The grid starts at the corner, as coders lay it: so a pattern of the scene that repeats every eight pixels is
    rarely taken for blocks. A picture that was scaled or cut after coding shows no grid, and 1.
    """
    picture = gray.astype(np.float32)
    found = []
    for axis in (0, 1):
        p = picture if axis == 1 else picture.T
        if p.shape[1] < 32:
            continue
        # Blocks show as small steps; what is steeper counts no more, for strong edges are the scene's own.
        column = np.minimum(np.abs(p[:, 1:] - p[:, :-1]), STEEP).mean(axis=0)
        border = np.arange(len(column)) % 8 == 7
        across, within = float(column[border].mean()), float(column[~border].mean())
        found.append((across + FAINT) / (within + FAINT))
    return min(found) if found else 1.0


def frozen_stretch(times: npt.NDArray[np.float64], luma: Gray) -> tuple[float, float]:
    """Return the longest stretch of identical pictures in seconds, and how much the rest of the clip moves.

    Pictures count as identical where hardly a pixel differs by more than two grey levels (what coding leaves of a
    repeated picture), and as moving where one in 500 does. The second value is the share of steps
    outside the stretch that move: near 1 in a video that freezes, low in a screen recording, which often rests, and 0
    in a still picture, which is static and not frozen.
    """
    if len(times) < 3:
        return 0.0, 0.0
    differ = np.array([float((cv2.absdiff(a, b) > 2).mean()) for a, b in pairwise(luma)])
    same = np.concatenate([[0], (differ < 0.001).astype(np.int8), [0]])
    starts, ends = np.flatnonzero(np.diff(same) == 1), np.flatnonzero(np.diff(same) == -1)
    if len(starts) == 0:
        return 0.0, float((differ > 0.002).mean())
    lengths = times[ends] - times[starts]
    best = int(lengths.argmax())
    rest = np.delete(differ, np.arange(starts[best], ends[best]))
    return float(lengths[best]), float((rest > 0.002).mean()) if len(rest) else 0.0


def inside_bars(luma: Gray) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what letterbox or pillarbox bars leave, at least half of each side."""
    some = luma[:: max(1, len(luma) // 24)].astype(np.float32)
    rows, columns = some.std(axis=2).max(axis=0) > 2.0, some.std(axis=1).max(axis=0) > 2.0
    edges: list[int] = []
    for busy in (rows, columns):
        places = np.flatnonzero(busy)
        size = len(busy)
        if len(places) == 0 or places[-1] + 1 - places[0] < size / 2:
            edges += [0, size]
        else:
            edges += [int(places[0]), int(places[-1]) + 1]
    return edges[0], edges[1], edges[2], edges[3]
