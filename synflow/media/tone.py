"""Light and colour of a clip: how bright, how far under- or over-exposed, how colourful, how tinted."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

PICTURES = 24
"""Pictures that are looked at, spread over the clip."""

DARK, BRIGHT = 26, 247
"""Luma up to which a pixel shows next to nothing, and from which it is blown out (0.10 and 0.97 of the range)."""

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Exposure:
    """Light of a clip, over all its pixels; all 0..1.

    Attributes:
        mean: mean luma. contrast: difference of its 95th and 5th percentile. highlights: the 95th percentile.
        under, over: share of pixels that are nearly black, and blown out.
    """

    mean: float
    contrast: float
    highlights: float
    under: float
    over: float


@dataclass(frozen=True)
class Colour:
    """Colour of a clip, in grey levels of the two opponent axes (blue and red less luma).

    Attributes:
        colour: root mean square distance of the pixels from the one curve that fits colour by brightness best: about 0
            for black-and-white and for any tint of it (sepia, night vision), 10 and more for a scene in colour.
        tint: how far that curve lies from grey.
    """

    colour: float
    tint: float


def spread(count: int, most: int) -> npt.NDArray[np.intp]:
    """Return at most ``most`` of ``count`` places, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def exposure(luma: Gray) -> Exposure:
    """Return the light of a clip of which all pictures are given, uint8 ``[n, h, w]``."""
    some = luma[spread(len(luma), PICTURES)]
    levels = cv2.calcHist([some.reshape(1, -1)], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    levels /= max(1, some.size)
    below = np.cumsum(levels)
    low, high = (float(np.searchsorted(below, share)) for share in (0.05, 0.95))
    return Exposure(
        mean=float(levels @ np.arange(256)) / 255,
        contrast=(high - low) / 255,
        highlights=high / 255,
        under=float(levels[: DARK + 1].sum()),
        over=float(levels[BRIGHT:].sum()),
    )


def black_share(luma: Gray, exposure: float, contrast: float) -> float:
    """Return the share of pictures darker in the mean, and flatter, than the two limits (0..1); of at most 60."""
    some = luma[spread(len(luma), 60)] if len(luma) else luma
    if len(some) == 0:
        return 0.0
    flat = some.reshape(len(some), -1)
    total = cv2.reduce(flat, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    dark = flat[total < 255 * exposure * flat.shape[1]]
    if len(dark) == 0:
        return 0.0
    low, high = np.percentile(dark, (5, 95), axis=1)
    return float((high - low < 255 * contrast).sum()) / len(some)


def colour(rgb: npt.NDArray[np.uint8]) -> Colour:
    """Return the colour of a clip, from thumbnails uint8 ``[m, h, w, 3]``."""
    if len(rgb) == 0:
        return Colour(0.0, 0.0)
    # Coarse: what coding does to colour averages out, colours of things do not.
    size = max(1, rgb.shape[2] // 4), max(1, rgb.shape[1] // 4)
    coarse = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in rgb[spread(len(rgb), 12)]]
    some = np.stack(coarse).reshape(-1, 3).astype(np.float32)
    luma = some @ np.array([0.299, 0.587, 0.114], np.float32)
    opponent = np.stack([some[:, 2] - luma, some[:, 0] - luma], 1)
    # The curve is a step of each sixteenth of the range: a tint need not be a straight line, and it may be clipped.
    level = np.minimum(luma // 16, 15).astype(np.intp)
    count = np.maximum(1, np.bincount(level, minlength=16))
    curve = np.stack([np.bincount(level, opponent[:, k], 16) / count for k in (0, 1)], 1)
    fitted = curve[level]
    return Colour(
        colour=float(np.sqrt(((opponent - fitted) ** 2).sum(axis=1).mean())),
        tint=float(np.sqrt((fitted**2).sum(axis=1).mean())),
    )
