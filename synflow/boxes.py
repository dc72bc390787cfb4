"""Which pixels of a picture lie within edges that are given as shares of its sides."""

from __future__ import annotations

import math

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of width and height from the left and the top."""


def pixels_within(edges: Edges, height: int, width: int) -> tuple[slice, slice]:
    """Return rows and columns of what lies within ``edges`` in a picture of ``height`` by ``width`` pixels.

    What is partly outside stays outside. Both begin at even places and are even in number, as coders want it.
    """
    left, top, right, bottom = edges
    spans = []
    for low, high, size in ((top, bottom, height), (left, right, width)):
        first, last = math.ceil(low * size - 0.01), math.floor(high * size + 0.01)
        first, last = first + first % 2, last - last % 2
        spans.append(slice(first, max(first + 2, last)))
    return spans[0], spans[1]
