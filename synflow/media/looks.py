"""What one picture looks like: colours and where, light, detail, patches of colour.

Pure perception on arrays. Positions are fractions of width and height from the top left; brightness, contrast and
chroma run from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.colors import COLORS, NEUTRAL, Rgb, color_map, color_spread, is_colorless, reduced, shares_of, solid

REGIONS = ("top", "bottom", "left", "right", "center", "edges")
"""Halves of the picture, its middle (the inner half of both sides) and what lies around the middle."""

PATCH_SHARE = (0.01, 0.3)
"""Least and largest share of the picture that a patch of colour may cover to be spoken of as a patch."""

SMALL = 0.002
"""The same least share where the way of a patch is followed, not its looks told: 10 pixels of 5,184."""


@dataclass(frozen=True)
class Patch:
    """One connected area of a colour that holds nearly all of that colour in the picture.

    Attributes:
        x, y: its centre; share: part of the picture that it covers.
    """

    color: str
    x: float
    y: float
    share: float


@dataclass(frozen=True)
class Look:
    """What was measured of one picture.

    Attributes:
        colors: colour -> share of the picture.
        regions: region -> colour -> share of that region.
        light: mean brightness; light_of: region -> mean brightness.
        contrast: standard deviation of brightness.
        cells: mean brightness of the nine cells of a 3 x 3 grid, row by row.
        chroma: mean chroma; colorless: it is a black-and-white picture.
        vivid: share of pixels of strong colour.
        detail: share of pixels on a clear edge; detail_of: region -> share of all edge pixels that lie in it.
        upright: share of the edges that stand upright, among those that stand upright or lie level.
        patches: small single areas of a clear colour.
        width, height: pixels of the picture as it was given.
    """

    colors: Mapping[str, float]
    regions: Mapping[str, Mapping[str, float]]
    light: float
    light_of: Mapping[str, float]
    contrast: float
    cells: tuple[float, ...]
    chroma: float
    colorless: bool
    vivid: float
    detail: float
    detail_of: Mapping[str, float]
    upright: float
    patches: tuple[Patch, ...]
    width: int
    height: int


@lru_cache(maxsize=64)
def region_masks(height: int, width: int) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Return for each of `REGIONS` which pixels of a picture (bool ``[height, width]``) lie in it; to be read only."""
    y = ((np.arange(height) + 0.5) / height)[:, None]
    x = ((np.arange(width) + 0.5) / width)[None, :]
    inner = (abs(x - 0.5) < 0.25) & (abs(y - 0.5) < 0.25)
    whole = np.ones((height, width), dtype=bool)
    return {
        "top": (y < 0.5) & whole,
        "bottom": (y >= 0.5) & whole,
        "left": (x < 0.5) & whole,
        "right": (x >= 0.5) & whole,
        "center": inner,
        "edges": ~inner,
    }


def look(rgb: Rgb, size: tuple[int, int] | None = None) -> Look:
    """Return what is measured of a picture.

    Args:
        rgb: uint8, shape ``[h, w, 3]``.
        size: height and width of the picture that ``rgb`` was reduced from, where it was.
    """
    height, width = size or (int(rgb.shape[0]), int(rgb.shape[1]))
    base = reduced(rgb, 320)
    small = reduced(base)
    named = solid(color_map(small))
    masks = region_masks(*named.shape)
    light = cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255.0
    edges, upright = _edges(cv2.cvtColor(np.ascontiguousarray(reduced(base, 192)), cv2.COLOR_RGB2GRAY))
    edge_masks = region_masks(*edges.shape)
    all_edges = max(1, int(edges.sum()))
    chroma = color_spread(small) / np.float32(255.0)
    whole = float(light.mean())
    grid = cv2.resize(light, (3, 3), interpolation=cv2.INTER_AREA)
    return Look(
        colors=shares_of(named),
        regions={region: shares_of(named[mask]) for region, mask in masks.items()},
        light=whole,
        light_of={region: float(light[mask].mean()) if mask.any() else whole for region, mask in masks.items()},
        contrast=float(light.std()),
        cells=tuple(float(value) for value in grid.ravel()),
        chroma=float(chroma.mean()),
        colorless=is_colorless(small),
        vivid=float((chroma >= 0.4).mean()),
        detail=float(edges.mean()),
        detail_of={region: float((edges & mask).sum()) / all_edges for region, mask in edge_masks.items()},
        upright=upright,
        patches=_patches(named),
        width=width,
        height=height,
    )


@dataclass(frozen=True)
class Tint:
    """The colours of one picture alone, the cheap part of a `Look`.

    Attributes:
        colors: colour -> share of the picture.
        patches: small single areas of a clear colour.
    """

    colors: Mapping[str, float]
    patches: tuple[Patch, ...]


def tint(rgb: Rgb) -> Tint:
    """Return the colours of a picture (uint8 ``[h, w, 3]``)."""
    step = max(1, max(rgb.shape[:2]) // 320)
    named = solid(color_map(reduced(np.ascontiguousarray(rgb[::step, ::step]))))
    return Tint(shares_of(named), _patches(named, SMALL))


def _edges(gray: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.bool_], float]:
    """Return which pixels lie on a clear edge (a step of more than about 25 grey levels), and how many are upright."""
    soft = cv2.GaussianBlur(gray, (0, 0), 1.0).astype(np.float32)
    across = np.abs(cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3)) / 8.0
    down = np.abs(cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3)) / 8.0
    found: npt.NDArray[np.bool_] = np.hypot(across, down) > 6.0
    upright, level = int((found & (across > 2 * down)).sum()), int((found & (down > 2 * across)).sum())
    return found, upright / (upright + level) if upright + level else 0.5


def _patches(named: npt.NDArray[np.int8], least: float = PATCH_SHARE[0]) -> tuple[Patch, ...]:
    """Return the colours that are found in one small area and hardly anywhere else."""
    height, width = named.shape
    found = []
    for index, color in enumerate(COLORS):
        if color in NEUTRAL or color == "brown":
            continue
        mask = named == index
        total = int(mask.sum())
        if not least <= total / mask.size <= PATCH_SHARE[1]:
            continue
        closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        _, _, stats, centers = cv2.connectedComponentsWithStats(closed, connectivity=8)
        if len(stats) < 2:
            continue
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        if int(stats[largest, cv2.CC_STAT_AREA]) < 0.75 * int(closed.sum()):
            continue
        x, y = centers[largest]
        found.append(Patch(color, float((x + 0.5) / width), float((y + 0.5) / height), total / mask.size))
    return tuple(found)
