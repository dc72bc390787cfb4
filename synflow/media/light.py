"""Brightness and contrast of a whole picture: what a fade, a flickering lamp or another exposure changes."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

SAME_LIGHT = 0.7
"""Grey levels up to which mean and spread of two pictures are those of one light."""

LEVEL = 4.0
"""Difference of means, in grey levels, from which pictures are levelled before they are laid on each other."""

ALIKE = 0.7
"""Correlation from which two pictures show the same thing, so that their light can be compared pixel by pixel."""

MIDDLE = np.float32(128.0)
"""Grey level in the middle of the range."""

Gray = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Stack = npt.NDArray[Any]


def luma_of(rgb: npt.NDArray[np.uint8]) -> Gray:
    """Return the brightness of a picture: uint8 ``[h, w]`` of RGB ``[h, w, 3]``."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def light_between(one: Stack, other: Stack) -> npt.NDArray[np.float64]:
    """Return gain and offset that give ``other`` the light of ``one``: float64 ``[n, 2]`` for stacks ``[n, ...]``.

    A fade or a lamp that flickers changes both of all pixels alike. The fit is made twice, the second time without
    the pixels that the first leaves far off: a thing that comes into the picture is no change of light.
    """
    x = other.reshape(len(other), -1).astype(np.float32)
    y = one.reshape(len(one), -1).astype(np.float32)
    weight = ((np.minimum(x, y) > 3) & (np.maximum(x, y) < 252)).astype(np.float32)
    # From the middle of the range: products are then small enough for single precision.
    x -= MIDDLE
    y -= MIDDLE
    terms = np.empty((len(x), 6, x.shape[1]), np.float32)
    terms[:, 0], terms[:, 1], terms[:, 2] = 1, x, y
    for place, (one_side, other_side) in enumerate(((x, x), (x, y), (y, y)), 3):
        np.multiply(one_side, other_side, out=terms[:, place])
    gain, base = _line(terms, weight)
    apart = np.abs(gain.astype(np.float32) * x + base.astype(np.float32) - y)
    weight *= apart <= np.maximum(4.0, 2.5 * apart.mean(1, keepdims=True))
    gain, base = _line(terms, weight)
    return np.concatenate([gain, base + MIDDLE * (1 - gain)], 1)


def _line(terms: Stack, weight: Stack) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fit ``y = gain * x + base`` in each row; the same light where the pictures do not show the same thing.

    Args:
        terms: 1, x, y and their products, ``[n, 6, pixels]``, of which the weighted sums make the fit.
        weight: of each pixel, ``[n, pixels]``.
    """
    sums = np.matmul(terms, weight[:, :, None])[:, :, 0].astype(np.float64)
    lines = [_line_of(row, 0.1 * weight.shape[1]) for row in sums.tolist()]
    return np.array([line[:1] for line in lines]), np.array([line[1:] for line in lines])


def _line_of(sums: list[float], least: float) -> tuple[float, float]:
    """Return gain and offset of one fit from its sums; single numbers are handled faster than short arrays."""
    total = sums[0]
    mean_x, mean_y, square_x, product, square_y = (value / max(total, 1.0) for value in sums[1:])
    wide_x, wide_y = max(square_x - mean_x * mean_x, 1e-3), max(square_y - mean_y * mean_y, 1e-3)
    shared = product - mean_x * mean_y
    if not (total > least and wide_x > 4.0 and shared > ALIKE * math.sqrt(wide_x * wide_y)):
        return 1.0, 0.0
    gain = min(5.0, max(0.2, shared / wide_x))
    return gain, mean_y - gain * mean_x


def light_of(one: Gray, other: Gray) -> tuple[float, float]:
    """Return gain and offset that give ``other`` the light of ``one``; 1 and 0 where it is the same light."""
    means, spreads = zip(cv2.meanStdDev(one), cv2.meanStdDev(other), strict=True)
    if (
        abs(float(means[0][0, 0] - means[1][0, 0])) < SAME_LIGHT
        and abs(float(spreads[0][0, 0] - spreads[1][0, 0])) < SAME_LIGHT
    ):
        return 1.0, 0.0
    return lights_of(one[None], other[None])[0]


def lights_of(one: Gray, other: Gray) -> list[tuple[float, float]]:
    """Return what `light_of` returns for each pair of two stacks ``[n, h, w]`` that are known to differ in light."""
    found = light_between(one[:, 1::4, 1::4], other[:, 1::4, 1::4]).tolist()
    return [(1.0, 0.0) if abs(gain - 1) < 0.01 and abs(base) < 1.0 else (gain, base) for gain, base in found]


def levelled(one: Gray, other: Gray) -> Gray:
    """Return ``other`` with mean and spread of ``one``: for pictures that do not lie on each other yet."""
    (mean_one, spread_one), (mean_other, spread_other) = cv2.meanStdDev(one), cv2.meanStdDev(other)
    a, b = float(mean_one[0, 0]), float(mean_other[0, 0])
    gain = float(np.clip(spread_one[0, 0] / max(float(spread_other[0, 0]), 1.0), 0.2, 5.0))
    if abs(a - b) < LEVEL and abs(gain - 1) < 0.1:
        return other
    return lit(other, gain, a - gain * b)


def relit(one: Gray, other: Gray) -> Gray:
    """Return ``other`` in the light of ``one``."""
    return lit(other, *light_of(one, other))


def lit(picture: Gray, gain: float, base: float) -> Gray:
    """Return a picture under another light, clipped to what a picture can hold."""
    if abs(gain - 1) < 0.004 and abs(base) < 0.5:
        return picture
    return np.asarray(cv2.addWeighted(picture, gain, picture, 0.0, base), np.uint8)


def clipped(one: Gray, other: Gray) -> Mask:
    """Return where one of two pictures is all white or black: what it would show in other light is not known."""
    return np.asarray((cv2.max(one, other) >= 250) | (cv2.min(one, other) <= 3))
