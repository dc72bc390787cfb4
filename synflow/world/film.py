"""Puts movers in front of backgrounds: the pictures of a clip, one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from synflow.world.camera import canvas_size, view
from synflow.world.canvas import paint
from synflow.world.script import Script
from synflow.world.tracks import Track, seen, tracks

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

FINE = 4
"""Bits of a fraction of a pixel in which OpenCV takes places."""


def _outlines() -> dict[str, Floats]:
    """Return the corners of each shape around the origin; all cover about as much as a circle of radius 1."""
    round_ = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    points = np.arange(10) * math.pi / 5 - math.pi / 2
    reach = np.where(np.arange(10) % 2 == 0, 1.45, 0.66)
    return {
        "circle": np.stack([np.cos(round_), np.sin(round_)], axis=1),
        "square": np.array([[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]]),
        "triangle": np.array([[0.0, -1.28], [1.28, 0.94], [-1.28, 0.94]]),
        "star": np.stack([reach * np.cos(points), reach * np.sin(points)], axis=1),
        "diamond": np.array([[0.0, -1.42], [1.06, 0.0], [0.0, 1.42], [-1.06, 0.0]]),
    }


OUTLINES = _outlines()


def pictures(script: Script) -> Iterator[Pixels]:
    """Yield the pictures of a clip, uint8 RGB, shape ``[144, 256, 3]``."""
    for number, shot in enumerate(script.shots):
        width, height, scale = canvas_size(shot.camera)
        canvas = paint(shot.background, width, height, scale, script.style)
        ways = tracks(script, number)
        for i in range(shot.last - shot.first):
            picture = view(canvas, shot, i)
            # The smaller one goes in front, so that nobody is hidden for long.
            for track in sorted(ways, key=lambda t: (-float(t.radius[i]), t.mover)):
                _draw(picture, script, number, track, i)
            yield picture


def _draw(picture: Pixels, script: Script, number: int, track: Track, i: int) -> None:
    x, y, radius = seen(script, number, track, i)
    height, width = picture.shape[:2]
    if not (-1.5 * radius < x < width + 1.5 * radius and -1.5 * radius < y < height + 1.5 * radius):
        return
    outline = OUTLINES[script.movers[track.mover].shape] * radius
    corners = np.round((outline + np.array([x, y])) * (1 << FINE)).astype(np.int32)[None]
    color = track.color[i] * (0.84 if script.style == "dark" else 1.0)
    fill = tuple(float(c) for c in color)
    cv2.fillPoly(picture, [corners[0]], fill, cv2.LINE_AA, FINE)
    if script.style == "sketch":
        _hatch(picture, corners[0], x, y, radius, color)
        wobble = np.random.default_rng(track.mover).uniform(-0.9, 0.9, outline.shape)
        again = np.round((outline + wobble + np.array([x, y])) * (1 << FINE)).astype(np.int32)[None]
        cv2.polylines(picture, [corners[0], again[0]], True, (52, 50, 54), 1, cv2.LINE_AA, FINE)
    else:  # a rim of light where it is dark, else a dark line: the shape stands out in a grey picture too
        edge = tuple(float(c) * 0.45 + 115 if script.style == "dark" else float(c) * 0.35 for c in color)
        cv2.polylines(picture, [corners[0]], True, edge, 1, cv2.LINE_AA, FINE)


def _hatch(picture: Pixels, corners: npt.NDArray[np.int32], x: float, y: float, radius: float, color: Floats) -> None:
    """Draw a few lighter crayon strokes inside a shape."""
    height, width = picture.shape[:2]
    x0, x1 = max(int(x - 1.5 * radius), 0), min(int(x + 1.5 * radius) + 2, width)
    y0, y1 = max(int(y - 1.5 * radius), 0), min(int(y + 1.5 * radius) + 2, height)
    if x1 <= x0 or y1 <= y0:
        return
    mask = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    cv2.fillPoly(mask, (corners - np.array([x0, y0]) * (1 << FINE))[None], 255, cv2.LINE_8, FINE)
    rows, columns = np.mgrid[y0:y1, x0:x1]
    strokes = (mask > 0) & ((rows - round(y) + columns - round(x)) % 7 == 0)
    picture[y0:y1, x0:x1][strokes] = np.clip(color * 0.82, 0, 255).astype(np.uint8)
