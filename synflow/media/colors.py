"""Names of colours, and how much of a picture each of them covers.

Pure perception on arrays: no decoding. The stages measure with it, and so do the models of
`synflow.models.signals`; it is the one place where both look.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

COLORS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
"""The eleven basic colour terms of English (Berlin and Kay)."""

NEUTRAL = frozenset({"black", "white", "grey"})
WARM = frozenset({"red", "orange", "yellow", "brown", "pink"})
COOL = frozenset({"green", "blue", "purple"})

UNNAMED = -1
"""Index of a pixel whose colour has no plain name (skin, beige, teal, olive): better silent than wrong."""

SIDE = 96
"""Pictures are reduced to this many pixels on the longer side before their colours are named."""

Rgb = npt.NDArray[np.uint8]


def reduced(rgb: Rgb, side: int = SIDE) -> Rgb:
    """Return ``rgb`` (uint8 ``[h, w, 3]``) with its longer side at most ``side`` pixels, by area averaging."""
    height, width = rgb.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return rgb
    size = (max(1, round(width * side / longest)), max(1, round(height * side / longest)))
    small: Rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return small


def lab_grid(rgb: Rgb, cells: int) -> npt.NDArray[np.float32]:
    """Return mean colours of equal parts of a picture (uint8 ``[h, w, 3]``): CIE L*a*b*, ``[cells, cells, 3]``."""
    small = cv2.resize(rgb, (cells, cells), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    grid: npt.NDArray[np.float32] = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    return grid


def color_map(rgb: Rgb) -> npt.NDArray[np.int8]:
    """Return the index into `COLORS` of every pixel (int8 ``[h, w]``), or `UNNAMED`.

    Borders between names are left unnamed where people disagree, so that a share that is reported is a safe one.

    Args:
        rgb: uint8, shape ``[h, w, 3]``; not reduced here.
    """
    hsv = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2HSV)
    hue = hsv[..., 0].astype(np.float32) * 2.0  # OpenCV halves degrees to fit a byte
    saturation = hsv[..., 1].astype(np.float32) / 255.0
    value = hsv[..., 2].astype(np.float32) / 255.0
    chroma = saturation * value

    neutral = (saturation < 0.09) | (chroma < 0.055)
    tinted = (saturation >= 0.22) & (chroma >= 0.08) & (value >= 0.22)
    vivid = tinted & (saturation >= 0.5) & (value >= 0.35)
    named = np.full(hue.shape, UNNAMED, dtype=np.int8)

    def name(color: str, where: npt.NDArray[np.bool_]) -> None:
        named[where] = COLORS.index(color)

    name("grey", neutral & (value >= 0.27) & (value < 0.82))
    name("white", (saturation < 0.08) & (value >= 0.84))
    name("green", tinted & (hue >= 68) & (hue < 162) & (saturation >= 0.25))
    name("green", tinted & (hue >= 60) & (hue < 68) & (value < 0.8) & (saturation >= 0.3))
    name("yellow", vivid & (hue >= 42) & (hue < 68) & (value >= 0.7))
    name("blue", tinted & (hue >= 188) & (hue < 254) & (chroma >= 0.12) & (saturation >= 0.28) & (value >= 0.28))
    name("purple", tinted & (hue >= 262) & (hue < 306) & (saturation >= 0.25))
    name("pink", tinted & (hue >= 306) & (hue < 346) & (value >= 0.5))
    name("pink", tinted & ((hue >= 340) | (hue < 4)) & (value >= 0.75) & (saturation < 0.6))
    name("brown", tinted & (hue >= 8) & (hue < 44) & (value < 0.62) & (saturation >= 0.3))
    name("orange", vivid & (hue >= 14) & (hue < 42) & (value >= 0.72) & (saturation >= 0.62))
    name("red", vivid & ((hue >= 350) | (hue < 10)) & (saturation >= 0.6))
    name("black", (value < 0.2) | (neutral & (value < 0.24)))
    return named


def solid(named: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return a colour map in which only pixels keep their colour that stand among their like.

    Where two colours meet, a third lies between them that nobody sees: brown between red and green, purple between
    pink and blue. Such seams are one or two pixels wide, so fewer than half of the pixels around them agree.
    """
    kept = np.full(named.shape, UNNAMED, dtype=np.int8)
    for index in range(len(COLORS)):
        mask = named == index
        if mask.any():
            around = cv2.boxFilter(mask.astype(np.float32), -1, (3, 3), borderType=cv2.BORDER_REPLICATE)
            kept[mask & (around > 0.5)] = index
    return kept


def shares_of(named: npt.NDArray[np.int8]) -> dict[str, float]:
    """Return for every colour of `COLORS` the share of ``named`` (a colour map or a part of it) that has it."""
    flat = named.reshape(-1)
    counts = np.bincount(flat[flat >= 0], minlength=len(COLORS))
    size = max(1, flat.size)
    return {color: round(float(counts[index]) / size, 6) for index, color in enumerate(COLORS)}


def color_shares(rgb: Rgb) -> dict[str, float]:
    """Return the share of ``rgb`` (uint8 ``[h, w, 3]``) that each colour of `COLORS` covers, in that order.

    The shares sum to at most 1: colours without a plain name belong to none.
    """
    return shares_of(color_map(reduced(rgb)))


def is_colorless(rgb: Rgb) -> bool:
    """Tell whether ``rgb`` is a black-and-white picture; a grey thing filmed in colour keeps a slight tint."""
    spread = color_spread(reduced(rgb))
    return bool(np.count_nonzero(spread > 10) < 0.005 * spread.size and cv2.mean(spread)[0] < 1.5)


def color_spread(rgb: Rgb) -> npt.NDArray[np.uint8]:
    """Return the difference of the largest and the smallest of the three values of each pixel, uint8 ``[h, w]``."""
    red, green, blue = cv2.split(rgb)
    high, low = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return np.asarray(cv2.subtract(high, low), np.uint8)
