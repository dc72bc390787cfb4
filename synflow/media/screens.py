"""Screen recordings and drawn pictures: plain areas of few tones between edges that are perfectly sharp."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

TONES = 6
"""How many tones count as few."""

SHARP, SHARPS = 24, 0.3
"""Grey levels between neighbours that make a sharp edge, and its share of what is not plain in a page of letters."""

Gray = npt.NDArray[np.uint8]


def paper(gray: Gray) -> float:
    """Return the share of a picture, ``[h, w]`` luma at its own scale, that is plain paper with sharp things on it.

    Plain is a pixel with one of the six commonest tones and like neighbours; neighbouring levels are one tone, as
    coding makes them of one. What is not plain should be sharp edges, as letters and windows are: where most of it is
    soft, as in a night scene or a clear sky, the paper counts for less.
    """
    # Every second row with the one below it is enough.
    rows = len(gray) // 2 * 2
    here = np.ascontiguousarray(gray[:rows:2, :-1])
    step = cv2.max(cv2.absdiff(gray[:rows:2, 1:], here), cv2.absdiff(gray[1:rows:2, :-1], here))
    _, plain = cv2.threshold(step, 1, 255, cv2.THRESH_BINARY_INV)
    levels = cv2.calcHist([here], [0], plain, [256], [0, 256]).ravel().astype(np.float64)
    few = 0.0
    for _ in range(TONES):
        tones = np.convolve(levels, np.ones(3), "same")
        best = int(tones.argmax())
        few += float(tones[best])
        levels[max(0, best - 1) : best + 2] = 0
    busy = plain.size - np.count_nonzero(plain)
    sharp = np.count_nonzero(step > SHARP) / busy if busy else 0.0
    return float(few / max(1, plain.size) * min(1.0, sharp / SHARPS))
