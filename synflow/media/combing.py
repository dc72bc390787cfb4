"""Combing: the two fields of an interlaced picture, taken at different moments and shown at once.

It shows only at the picture's own size: any scaling mixes the fields. So the scan looks at the decoded picture itself.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

COLUMNS, ROWS = 160, 240
"""To how many columns a picture is averaged, and how many rows are looked at: those around the middle."""

STEP = 8
"""Grey levels by which neighbouring rows of different fields must differ."""


def combed_share(frame: Any) -> float:
    """Return the share of an ``av.VideoFrame`` that is combed, 0..1; 0 where its brightness is no plane of bytes."""
    if not frame.format.name.startswith(("yuv4", "yuvj4", "nv12", "nv21", "gray")) or frame.format.name[-2:] in (
        "le",
        "be",
    ):
        return 0.0
    plane = frame.planes[0]
    picture = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    top = max(0, (plane.height - ROWS) // 2)
    return combing(picture[top : top + ROWS])


def combing(picture: npt.NDArray[np.uint8]) -> float:
    """Return the share of a brightness picture in which five rows in turn go up and down, those of a field agreeing.

    Neighbouring columns are averaged: a moving edge is combed over several of them, noise is not. What is left of noise
    and of fine patterns does the same among the rows of one field, where no combing can be, and is subtracted twice.
    """
    if picture.shape[0] < 16 or picture.shape[1] < 16:
        return 0.0
    columns = min(COLUMNS, picture.shape[1])
    rows = cv2.resize(picture, (columns, picture.shape[0]), interpolation=cv2.INTER_AREA).astype(np.int16)
    return round(max(0.0, _alternating(rows) - 2 * _alternating(rows[::2])), 5)


def _alternating(rows: npt.NDArray[np.int16]) -> float:
    step = rows[1:] - rows[:-1]
    # Four steps of alternating sign, added up, and what rows two apart differ by: on average half a step at most.
    run = np.abs(step[:-3] - step[1:-2] + step[2:-1] - step[3:])
    same = np.abs(rows[2:] - rows[:-2])
    apart = same[:-2] + same[1:-1] + same[2:]
    return float(((run > 4 * STEP) & (8 * apart < 3 * run)).mean())
