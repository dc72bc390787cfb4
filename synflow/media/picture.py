"""How good a picture is: sharpness, exposure, contrast, blocks; all at a fixed scale, so that sizes compare."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 320
"""Longer side, in pixels, at which sharpness is measured."""

BLACK = 24
"""Luma under which a pixel counts as black (studio black is 16)."""

WINDOW, HIGH, FEW = 12, 40, 8
"""Pixels in which an edge is looked for, grey levels that it climbs at least, and fewest places that count."""

STEEP, EDGE = 12, 64
"""Grey levels above which a step between neighbours counts no more, and above which it is an edge of the scene."""

FAINT = 1.0
"""Grey levels that are added to both mean steps, so that invisible blocks in a flat picture do not count."""

_AROUND = np.ones((1, WINDOW), np.uint8)

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """Measures of one picture.

    Attributes:
        sharpness: share of its height that an edge climbs within one pixel; 0.5 and more for a crisp picture, under 0.3
            for a blurred one; 1 for a picture without edges.
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
    """Return how much of its height an edge climbs within one pixel, over the sharper edges of the picture; 1 at most.

    The picture is reduced to a longer side of 320; a smaller one is measured as it is. Where a step between neighbours
    is the largest around, it is compared with the range of the twelve pixels around it: a sharp edge climbs at once, a
    blurred one slowly, whatever its height. Only the sharpest tenth counts, so that a soft background does not speak
    against a subject in focus. A picture without edges has 1.
    """
    picture = reduced(gray)
    ratios = []
    # Every third line is enough; across lines the same is done on the picture turned over.
    for p in (picture[::3], np.ascontiguousarray(picture[:, ::3].T)):
        if p.shape[1] < 2 * WINDOW:
            continue
        step, window = cv2.absdiff(p[:, 1:], p[:, :-1]), _AROUND
        height = np.ascontiguousarray(cv2.morphologyEx(p, cv2.MORPH_GRADIENT, window)[:, 1:])
        # In the middle of an edge, so that the window holds both of its ends.
        middle = step == cv2.dilate(step, _AROUND[:, 1:])
        edges = np.flatnonzero(middle & (height > HIGH))
        if len(edges) >= FEW:
            ratios.append(step.ravel()[edges] / height.ravel()[edges].astype(np.float32))
    if not ratios:
        return 1.0
    found = np.concatenate(ratios)
    place = 9 * len(found) // 10
    return float(min(1.0, np.partition(found, place)[place]))


def reduced(gray: Gray) -> Gray:
    """Return a picture with its longer side at `SIDE`; a smaller one as it is."""
    scale = SIDE / max(gray.shape)
    if scale >= 1:
        return gray
    return np.asarray(cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def blockiness(gray: Gray, origin: tuple[int, int] = (0, 0)) -> float:
    """Return the mean step across the borders of 8 x 8 blocks over the mean step elsewhere; 1 without blocks.

    The grid starts at the corner, as coders lay it: so a pattern of the scene that repeats every eight pixels is
    rarely taken for blocks. A picture that was scaled after coding shows no grid, and 1.

    Args:
        gray: luma ``[h, w]``.
        origin: row and column of the coded picture at which ``gray`` begins, where bars were cut off.
    """
    found = []
    # Every second line is enough.
    across_columns, across_rows = gray[::2], np.ascontiguousarray(gray[:, ::2])
    for axis, start in ((1, origin[1]), (0, origin[0])):
        if gray.shape[axis] < 32:
            continue
        if axis == 1:
            step = cv2.absdiff(across_columns[:, 1:], across_columns[:, :-1])
        else:
            step = cv2.absdiff(across_rows[1:], across_rows[:-1])
        # Blocks show as small steps. Strong edges are the scene's own: pages and windows are often laid out in eights.
        _, step = cv2.threshold(step, EDGE, 0, cv2.THRESH_TOZERO_INV)
        _, step = cv2.threshold(step, STEEP, STEEP, cv2.THRESH_TRUNC)
        profile = cv2.reduce(step, 1 - axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
        border = (np.arange(len(profile)) + start) % 8 == 7
        across, within = float(profile[border].mean()), float(profile[~border].mean())
        found.append((across + FAINT) / (within + FAINT))
    return min(found) if found else 1.0


def inside_bars(luma: Gray) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what letterbox or pillarbox bars leave, at least half of each side."""
    some = luma[:: max(1, len(luma) // 24)].astype(np.float32)
    # From the middle of the range: squares then keep their precision in sums.
    some -= 128.0
    rows, columns = (_spreads(some, axis).max(axis=0, initial=0.0) > 4.0 for axis in (2, 1))
    edges: list[int] = []
    for busy in (rows, columns):
        places = np.flatnonzero(busy)
        size = len(busy)
        if len(places) == 0 or places[-1] + 1 - places[0] < size / 2:
            edges += [0, size]
        else:
            edges += [int(places[0]), int(places[-1]) + 1]
    return edges[0], edges[1], edges[2], edges[3]


def _spreads(pictures: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """Return the variance of each column (axis 1) or row (axis 2) of pictures ``[n, h, w]``."""
    count = max(1, pictures.shape[axis])
    mean = np.einsum("nhw->nh" if axis == 2 else "nhw->nw", pictures) / count
    squares = np.einsum("nhw,nhw->nh" if axis == 2 else "nhw,nhw->nw", pictures, pictures) / count
    return np.asarray(squares - mean * mean, np.float32)
