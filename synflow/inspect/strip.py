"""Frames as a strip of half blocks: each character cell holds two pixels, one above the other, in 24-bit colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

GAP = 1
"""Blank columns between two frames."""

LEAST_COLUMNS = 20
"""A frame drawn narrower than this shows nothing that can be told; fewer frames are drawn instead."""

MOST_COLUMNS = 44
MOST_ROWS = 9

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Geometry:
    """How a strip is laid out.

    Attributes:
        shown: which frames are drawn, increasing.
        columns: width of a frame in cells, which is its width in pixels.
        rows: height of a frame in cells, half of its height in pixels.
    """

    shown: tuple[int, ...]
    columns: int
    rows: int

    @property
    def width(self) -> int:
        """Columns of the whole strip."""
        return len(self.shown) * (self.columns + GAP) - GAP


def geometry(count: int, aspect: float, width: int) -> Geometry:
    """Return the layout of ``count`` frames of width over height ``aspect`` on ``width`` columns.

    Cells are taken to be twice as high as wide, so that a half of one is square.
    """
    width, aspect = max(width, 8), min(max(aspect, 0.2), 5.0)
    shown = count
    while shown > 1 and (width + GAP) // shown - GAP < LEAST_COLUMNS:
        shown -= 1
    columns = min((width + GAP) // shown - GAP, MOST_COLUMNS)
    rows = max(1, round(columns / aspect / 2))
    if rows > MOST_ROWS:
        rows = MOST_ROWS
        columns = max(1, min(columns, round(2 * rows * aspect)))
    picks = [0] if shown == 1 else [round(i * (count - 1) / (shown - 1)) for i in range(shown)]
    return Geometry(tuple(picks), columns, rows)


def decode(jpeg: bytes) -> Pixels | None:
    """Return the RGB pixels of a JPEG, uint8 ``[h, w, 3]``; None where it does not decode."""
    if not jpeg:
        return None
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else np.ascontiguousarray(bgr[:, :, ::-1], dtype=np.uint8)


def shrink(rgb: Pixels, layout: Geometry) -> Pixels:
    """Return a frame at the size at which it is drawn: ``[2 * rows, columns, 3]``."""
    small: Pixels = cv2.resize(rgb, (layout.columns, 2 * layout.rows), interpolation=cv2.INTER_AREA)
    return small


def can_draw(console: Console) -> bool:
    """Tell whether a strip makes sense there: a terminal with colours, and NO_COLOR not set."""
    return console.is_terminal and not console.no_color and console.color_system in ("truecolor", "256")


def strip(frames: Sequence[Pixels], labels: Sequence[str], width: int) -> list[Text]:
    """Return the lines of a strip: pictures, and under each its label.

    Args:
        frames: RGB, uint8 ``[h, w, 3]``, of any size; all of them have the shape of the first.
        labels: one a frame.
        width: columns that there are.
    """
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    if not frames:
        return []
    height, across = frames[0].shape[:2]
    layout = geometry(len(frames), across / max(height, 1), width)
    small = [shrink(frames[i], layout) for i in layout.shown]
    lines = []
    for row in range(layout.rows):
        line = Text(no_wrap=True)
        for place, picture in enumerate(small):
            if place:
                line.append(" " * GAP)
            for upper, lower in zip(picture[2 * row].tolist(), picture[2 * row + 1].tolist(), strict=True):
                line.append("▀", Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
        lines.append(line)
    cells = [labels[i][: layout.columns].center(layout.columns) for i in layout.shown]
    lines.append(Text((" " * GAP).join(cells).rstrip(), style="dim", no_wrap=True))
    return lines
