"""Letterbox, pillarbox and windowbox bars: where the inner picture lies, and cutting to it.

A bar is black over the whole clip, reaches the rim of the picture, and ends in a straight edge. Subtitles, a logo,
noise and what compression leaves may stand in it. A night scene is black at the rim too, but its edge is ragged; what
is black there for part of the time only is no bar. The method is ours.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from synflow.records import Crop

BLACK = 30
"""Luma up to which a bar may be bright: studio black shown as full range is 16, and noise adds to it."""

ABOVE = 8
"""Grey levels that the rest of a bar may be brighter than its outermost rows: a dark scene is only a little more."""

LIT = 8
"""Grey levels by which the picture beside a bar must be brighter than the bar."""

GROUPS, GROUP = 16, 4
"""Pictures are averaged four at a time, against noise, in at most so many groups spread over the clip."""

LEAST = 0.25
"""Share of each side that the inner picture keeps: an upright video in a wide one keeps 0.32."""

THIN = 2
"""Least depth of a bar in rows of the scan; a thinner dark line at the rim is no bar."""

DARK_ALL, DARK_TIME = 0.9, 0.62
"""Share of a bar's outermost row, and of all of it at any time, that must be dark: the rest may be writing."""

STRAIGHT_TWO, STRAIGHT_ONE = 0.55, 0.85
"""Share of the lit columns that begin exactly at the edge: with an equal bar opposite, and for a bar on one side.

A black band on one side in which something is written is a part of the picture: the head of a game, a caption."""

NEXT, UNEQUAL = 2, 0.1
"""Rows within which edges are one, and what a row of difference between the two bars costs of straightness."""

WITH_TEXT = 0.8
"""The same where something is written in the bar."""

Gray = npt.NDArray[np.uint8]
Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def find_bars(luma: Gray) -> Crop | None:
    """Return the inner picture as the scan shows it, exact to a pixel of the scan; None where there are no bars.

    Args:
        luma: brightness pictures of a whole clip, uint8 ``[n, h, w]``.
    """
    if len(luma) == 0 or min(luma.shape[1:]) < 16:
        return None
    if not _has_dark_rim(luma):
        return None
    groups = _averages(luma)
    height, width = luma.shape[1:]
    top, bottom = _depths(groups)
    left, right = _depths(groups.transpose(0, 2, 1))
    if not (top or bottom or left or right):
        return None
    return Crop(left=left / width, top=top / height, right=(width - right) / width, bottom=(height - bottom) / height)


def _has_dark_rim(luma: Gray) -> bool:
    """Tell, cheaply, whether a bar can be there at all; most clips have none."""
    some = luma[:: max(1, len(luma) // GROUPS)]
    rims = (some[:, :THIN], some[:, -THIN:], some[:, :, :THIN], some[:, :, -THIN:])
    return any(float(rim.mean()) <= BLACK + LIT for rim in rims)


def _averages(luma: Gray) -> Floats:
    """Return averages of a few pictures each, float32 ``[g, h, w]``, spread over the clip."""
    count, size = len(luma), min(GROUP, len(luma))
    starts = np.unique(np.linspace(0, count - size, min(GROUPS, max(1, count // size))).astype(int))
    total = luma[starts].astype(np.uint16)
    for k in range(1, size):
        total += luma[starts + k]
    return np.asarray(total / np.float32(size), np.float32)


def _depths(groups: Floats) -> tuple[int, int]:
    """Return the depth of the bars above and below, in rows; 0 for none."""
    sides = (_candidates(groups), _candidates(groups[:, ::-1]))
    height = groups.shape[1]
    pairs = [
        (first, second)
        for first in sides[0]
        for second in sides[1]
        if abs(first - second) <= 1 + round(0.1 * max(first, second)) and height - first - second >= LEAST * height
    ]
    if pairs:
        # The outermost edges: what lies further in is the scene's own. Half-bar rows make neighbours of an edge.
        first, second = min(pairs, key=sum)
        near = [pair for pair in pairs if pair[0] <= first + NEXT and pair[1] <= second + NEXT]
        return max(
            near, key=lambda pair: sides[0][pair[0]][0] + sides[1][pair[1]][0] - UNEQUAL * abs(pair[0] - pair[1])
        )
    single = []
    for side in sides:
        sure = {k: straight for k, (straight, written) in side.items() if straight >= STRAIGHT_ONE and not written}
        near_rim = [k for k in sure if k <= min(height / 2, min(sure) + NEXT)]
        single.append(max(near_rim, key=lambda k: sure[k], default=0))
    return (single[0], single[1]) if sum(single) <= (1 - LEAST) * height else (0, 0)


def _candidates(groups: Floats) -> dict[int, tuple[float, bool]]:
    """Return where a bar at the top may end: depth -> share of columns beginning there, and whether it has text."""
    peak = groups.max(axis=0)
    height = peak.shape[0]
    level = min(BLACK, float(np.median(peak[:THIN])) + ABOVE)
    dark = groups <= level
    always = peak <= level
    # Share of rows 0..k that is dark at the worst time, and never anything else.
    dark_time = (np.cumsum(dark.mean(axis=2), axis=1) / np.arange(1, height + 1)).min(axis=0)
    if always[:THIN].mean() < DARK_ALL:
        return {}
    lit = (peak > level).any(axis=0)
    found: dict[int, tuple[float, bool]] = {}
    for k in range(THIN, int(height * (1 - LEAST)) - 1):
        if dark_time[k - 1] < DARK_TIME:
            break
        # Row k may be half bar, half picture: the step is taken across it.
        outside, inside = peak[k - 1], peak[k + 1]
        begins = (outside <= level) & (inside - outside > LIT) & (peak[max(0, k - THIN)] <= level)
        counted = lit & (outside <= level)
        if counted.sum() < 8:
            continue
        straight = float((begins & counted).sum() / counted.sum())
        written = float((~always[: k - 1]).mean()) > 0.01
        if straight >= (WITH_TEXT if written else STRAIGHT_TWO):
            found[k + 1 if _is_mixed(peak, k, begins) else k] = straight, written
    return found


def _is_mixed(peak: Floats, k: int, begins: npt.NDArray[np.bool_]) -> bool:
    """Tell whether row ``k`` is partly bar: then the picture begins after it."""
    outside, row, inside = (float(peak[place][begins].mean()) for place in (k - 1, k, k + 1))
    return row < outside + 0.75 * (inside - outside)


def refine(crop: Crop, rgb: Rgb) -> Crop:
    """Return ``crop`` exact to a pixel of the stills (``[n, h, w, 3]``), from where the step lies in them."""
    peak = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in rgb]).max(axis=0)
    height, width = peak.shape
    top, bottom = round(crop.top * height), round(crop.bottom * height)
    left, right = round(crop.left * width), round(crop.right * width)
    across, down = peak[:, left:right], peak[top:bottom].T
    reach = max(2, round(1.6 * max(height, width) / 160))
    edges = {
        "top": _edge(across, top, reach) / height,
        "bottom": 1 - _edge(across[::-1], height - bottom, reach) / height,
        "left": _edge(down, left, reach) / width,
        "right": 1 - _edge(down[::-1], width - right, reach) / width,
    }
    return Crop(**edges)


def _edge(picture: Gray, about: int, reach: int) -> int:
    """Return the first row of the picture that is no bar, near the row ``about``; 0 where there is no bar."""
    if about == 0:
        return 0
    first, last = max(1, about - reach), min(len(picture) - 2, about + reach)
    before, after = picture[first - 1], picture[last + 1]
    begins = (before <= BLACK + LIT) & (after.astype(np.int16) - before > LIT)
    if begins.sum() < 8:
        return about
    rows = picture[first - 1 : last + 2][:, begins].mean(axis=1)
    full = rows[0] + 0.8 * (rows[-1] - rows[0])
    # One row more: coding smears the step.
    return int(first - 1 + np.argmax(rows >= full)) + 1
