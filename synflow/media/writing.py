"""Writing on a picture, and what stands still on moving pictures: titles, subtitles, tickers, logos, watermarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.picture import reduced

STROKE = 28
"""Grey levels between neighbours that make the edge of a stroke."""

LINE = (25, 7)
"""Width and height, in pixels, of the window in which strokes are counted."""

STROKES = 0.10
"""Share of a window that must be rising edges, and as much falling ones, along the line of writing."""

TWO_TONES = 0.62
"""Share of a window's pixels that are close to its darkest or brightest one: ink or paper, with little between."""

CLOSE = 0.25
"""How close, as a share of the range of the window."""

CONTRAST = 70
"""Grey levels between ink and paper."""

STAYS = 10
"""Grey levels by which a pixel of a standing overlay may vary."""

LOOKS = 3
"""Stills in which writing is looked for; all are compared for what stays."""

PICTURES = 16
"""Pictures of the scan that are compared for what stands still."""

TILES = (4, 6)
"""Rows and columns of tiles by which it is told whether the scene moves: a mark fills few of them."""

STANDING, TILE_EDGES, TILE_COUNT = 0.05, 12, 6
"""A scene moves where in half of the tiles at most this share of the edges stays. Pixels of edges that a tile needs,
and tiles that are needed."""

MOST = 0.12
"""The largest overlay, as a share of the picture: more than that is a scene that stands."""

EDGE, CONSTANT = 12.0, 1.0
"""An edge stays when its mean step is over so many grey levels and over so many times what the step varies by."""

SPOT = 6
"""Pixels of the scan that an edge which stays has at least."""

Gray = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Writing:
    """What is written on a clip; shares of the picture, 0..1.

    Attributes:
        text: covered by lines that look like writing, median over the pictures.
        static: the part of it that is there, unchanged, in most of the pictures.
        overlay: covered by what stands still while the picture as a whole moves; 0 where the camera stands.
    """

    text: float
    static: float
    overlay: float


def text_mask(gray: Gray) -> Mask:
    """Return where a picture looks like lines of writing: bool ``[h, w]``.

    Its longer side is 320: letters of a subtitle are then about ten pixels high. Along a line of writing strokes rise
    and fall close together, and nearly all is ink or paper. Regular patterns (grids, lattices) do the same.
    """
    here, there = np.ascontiguousarray(gray[:, 1:]), np.ascontiguousarray(gray[:, :-1])
    # Saturating differences: each keeps one of the two directions.
    steps = (cv2.subtract(here, there), cv2.subtract(there, here))
    shares = [cv2.blur(cv2.threshold(step, STROKE, 255, cv2.THRESH_BINARY)[1], LINE) for step in steps]
    stroked = np.zeros(gray.shape, bool)
    stroked[:, 1:] = cv2.min(*shares) > 255 * STROKES
    if not stroked.any():
        return stroked
    window = np.ones((LINE[1] + 2, LINE[0]), np.uint8)
    low, high = cv2.erode(gray, window), cv2.dilate(gray, window)
    reach = cv2.subtract(high, low)
    from_tone = cv2.min(cv2.subtract(gray, low), cv2.subtract(high, gray))
    toned = cv2.compare(from_tone, cv2.convertScaleAbs(reach, alpha=CLOSE), cv2.CMP_LE)
    written = stroked & (reach > CONTRAST) & (cv2.blur(toned, LINE) > 255 * TWO_TONES)
    # A line is longer than high; a lone spot is texture.
    solid = cv2.morphologyEx(written.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 9), np.uint8))
    lines = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((3, 13), np.uint8))
    return np.asarray(cv2.dilate(lines, np.ones((3, 13), np.uint8)) > 0)


def writing(pictures: list[Gray], luma: Gray) -> Writing:
    """Return what is written on a clip.

    Args:
        pictures: a few of its stills as luma, evenly spread.
        luma: its brightness pictures, uint8 ``[n, h, w]``.
    """
    small = [reduced(picture) for picture in pictures]
    if not small:
        return Writing(0.0, 0.0, 0.0)
    masks = [text_mask(picture) for picture in small[-LOOKS:]]
    counts = [np.count_nonzero(mask) for mask in masks]
    text = float(median(map(int, counts))) / small[0].size
    if not any(counts):
        return Writing(text, 0.0, standing(luma))
    stays = _reach(small) <= STAYS if len(small) > 1 else np.zeros(small[0].shape, bool)
    # Ink and paper both stay: the share of the writing that does, in the pictures where there is any.
    held = [np.count_nonzero(stays & mask) / count for mask, count in zip(masks, counts, strict=True) if count]
    return Writing(text, text * float(median(held)) if held else 0.0, standing(luma))


def _reach(pictures: list[Gray]) -> Gray:
    """Return how far each pixel varies over the pictures."""
    low, high = pictures[0], pictures[0]
    for picture in pictures[1:]:
        low, high = np.asarray(cv2.min(low, picture), np.uint8), np.asarray(cv2.max(high, picture), np.uint8)
    return np.asarray(cv2.subtract(high, low), np.uint8)


def standing(luma: Gray) -> float:
    """Return the share of the picture that is covered by edges which stay while the picture moves.

    An edge of the scene passes; an edge of a logo, or of a half-transparent mark through which the scene shows, is
    there in all pictures. Under a camera that stands the scene's own edges stay too: then nothing can be said, and 0.
    """
    if len(luma) < PICTURES:
        return 0.0
    some = luma[np.linspace(0, len(luma) - 1, PICTURES).astype(int)]
    height, width = some.shape[1:]
    # Pictures as rows: one call then does all of them. What wraps around from row to row lies outside of `inner`.
    rows = some.reshape(PICTURES, -1)
    sums = cv2.reduce(rows, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F)[0]
    edges, stays = np.zeros((height - 2, width - 2), bool), np.zeros((height - 2, width - 2), bool)
    for gap in (2, 2 * width):
        # The sum of the steps is the step of the sums; their squares need no sign, so that bytes hold them. All are
        # whole numbers that single precision holds.
        squares = np.zeros(rows.shape[1] - gap, np.float32)
        for step in cv2.absdiff(rows[:, gap:], rows[:, :-gap]):
            cv2.accumulateSquare(step, squares)
        total, squares = (_inner(values, gap, some.shape[1:]) for values in (sums[gap:] - sums[:-gap], squares))
        mean = np.abs(total) / PICTURES
        deviation = np.sqrt(np.maximum(0, squares / PICTURES - mean**2))
        stays |= (mean > EDGE) & (mean > CONSTANT * deviation)
        edges |= mean + deviation > EDGE
    if not _scene_moves(stays, edges):
        return 0.0
    _, labels, stats, _ = cv2.connectedComponentsWithStats(stays.astype(np.uint8))
    large = stats[:, cv2.CC_STAT_AREA] >= SPOT
    large[0] = False
    grown = cv2.dilate(large[labels].astype(np.uint8), np.ones((3, 3), np.uint8))
    share = np.count_nonzero(grown) / grown.size
    return share if share <= MOST else 0.0


def _inner(values: npt.NDArray[np.float32], gap: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return the inner part of a picture of ``shape``, from what was found between pixels ``gap`` apart."""
    whole = np.zeros(shape, np.float32)
    whole.ravel()[gap // 2 : gap // 2 + len(values)] = values
    return whole[1:-1, 1:-1]


def _scene_moves(stays: Mask, edges: Mask) -> bool:
    """Tell whether the edges pass in most parts of the picture."""
    counts, staying = _in_tiles(edges), _in_tiles(stays)
    told = counts >= TILE_EDGES
    found = staying[told] / counts[told]
    return len(found) >= TILE_COUNT and median(found.tolist()) <= STANDING


def _in_tiles(mask: Mask) -> npt.NDArray[np.int32]:
    """Return how many pixels are set in each of `TILES` equal parts of a picture (the first ones a row wider)."""
    rows, columns = (_starts(size, parts) for size, parts in zip(mask.shape, TILES, strict=True))
    across = np.add.reduceat(mask, rows, axis=0, dtype=np.int32)
    return np.asarray(np.add.reduceat(across, columns, axis=1), np.int32)


@cache
def _starts(size: int, parts: int) -> npt.NDArray[np.intp]:
    return np.array([part[0] for part in np.array_split(np.arange(size), parts)], np.intp)
