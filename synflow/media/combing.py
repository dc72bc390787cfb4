"""Combing: the two fields of an interlaced picture, taken at different moments and shown at once.

It shows only at the picture's own size: any scaling mixes the fields. So the scan looks at the decoded picture itself.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

COLUMNS, ROWS = 160, 240
"""About how many columns and at most how many rows are looked at: those around the middle, where things move."""

STEP = 8
"""Grey levels by which neighbouring rows differ beyond twice what rows of the same field do."""


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
    return combing(picture[top : top + ROWS, :: max(1, plane.width // COLUMNS)])


def combing(picture: npt.NDArray[np.uint8]) -> float:
    """Return the share of a brightness picture in which rows in turn go up and down while those of a field agree.

    That must hold for three rows running. What noise and fine patterns add to it they also add among the rows of one
    field, where no combing can be: twice that is subtracted.
    """
    if picture.shape[0] < 16:
        return 0.0
    rows = np.ascontiguousarray(picture)
    combed = _alternating(rows)
    # Most pictures have none: then there is nothing to subtract from.
    return round(max(0.0, combed - 2 * _alternating(np.ascontiguousarray(rows[::2]))), 5) if combed else 0.0


def _alternating(rows: npt.NDArray[np.uint8]) -> float:
    apart = cv2.absdiff(rows[:-2], rows[2:])
    beyond = cv2.subtract(cv2.absdiff(rows[:-2], rows[1:-1]), cv2.add(apart, apart))
    _, up_and_down = cv2.threshold(beyond, STEP, 1, cv2.THRESH_BINARY)
    running = cv2.bitwise_and(cv2.bitwise_and(up_and_down[:-2], up_and_down[1:-1]), up_and_down[2:])
    return float(cv2.countNonZero(running) / running.size)
