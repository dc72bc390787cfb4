"""Noise of a picture: grain that is there even where the scene is plain."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

BLOCK = 8
"""Side of the blocks in which noise is estimated, in pixels."""

PLAIN = 20
"""Percentile of the blocks that is taken: the plainer ones, in which hardly anything but noise varies."""

LOW, HIGH = 24, 231
"""Mean luma between which a block counts: noise is clipped off in black and in white."""

ENOUGH = 0.6
"""Share of the blocks that must count so; else all do."""

_SECOND = np.array([1, -2, 1], np.float32)


def noise(gray: npt.NDArray[np.uint8]) -> float:
    """Return the standard deviation of the noise of a picture, in grey levels; ``[h, w]`` luma at its own size.

    After Immerkær, "Fast Noise Variance Estimation" (1996): an edge has hardly any mixed second difference, noise has.
    It is taken block by block, so that texture does not count as noise as long as a fifth of the picture is plain.
    """
    height, width = gray.shape[0] // BLOCK * BLOCK, gray.shape[1] // BLOCK * BLOCK
    if not height or not width:
        return 0.0
    picture = gray[:height, :width]
    # Times eight, which is as much as 16 bits hold: means of blocks are rounded to an eighth.
    second = np.abs(cv2.sepFilter2D(picture, cv2.CV_16S, 8 * _SECOND, _SECOND))
    size = width // BLOCK, height // BLOCK
    strength = cv2.resize(second, size, interpolation=cv2.INTER_AREA) * (np.sqrt(np.pi / 2) / 6 / 8)
    level = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    counted = (level >= LOW) & (level <= HIGH)
    if np.count_nonzero(counted) < ENOUGH * counted.size:
        # A page or a terminal: its paper, where noise would be clipped, tells more than the blocks full of letters.
        counted[:] = True
    found = strength[counted]
    # As `np.percentile` has it, at a third of its cost.
    place, part = divmod(PLAIN * (len(found) - 1), 100)
    low, high = np.partition(found, (place, min(place + 1, len(found) - 1)))[[place, min(place + 1, len(found) - 1)]]
    return float(low + (high - low) * part / 100)
