"""Puts movers in front of backgrounds: the pictures of a clip, one after the other."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from synflow.world.camera import canvas_size, view
from synflow.world.canvas import paint
from synflow.world.script import HEIGHT, WIDTH, Script
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


@dataclass(frozen=True)
class _Figure:
    """A mover on its way through a shot, with all that is drawn of it worked out before.

    Attributes:
        mover: its number. sizes: radius in the scene at each picture, in pixels.
        inside: at which pictures some of it is in the view.
        centers: x, y and radius as the camera sees them, shape ``[n, 3]``.
        corners: of its outline, ``[n, k, 2]`` in fractions of a pixel; ``again`` those of a second, shaky line.
        fills: the colour at each picture; ``edges`` that of the line around it.
    """

    mover: int
    sizes: list[float]
    inside: list[bool]
    centers: Floats
    corners: npt.NDArray[np.int32]
    again: npt.NDArray[np.int32] | None
    fills: list[list[float]]
    edges: list[list[float]]


def pictures(script: Script, wanted: Collection[int] | None = None) -> Iterator[Pixels]:
    """Yield the pictures of a clip, uint8 RGB, shape ``[144, 256, 3]``; with ``wanted``, those of these numbers."""
    for number, shot in enumerate(script.shots):
        width, height, scale = canvas_size(shot.camera)
        canvas = paint(shot.background, width, height, scale, script.style)
        figures = [_figure(script, number, track) for track in tracks(script, number)]
        for i in range(shot.last - shot.first):
            if wanted is not None and shot.first + i not in wanted:
                continue
            picture = view(canvas, shot, i)
            # The smaller one goes in front, so that nobody is hidden for long.
            for figure in sorted(figures, key=lambda f: (-f.sizes[i], f.mover)):
                if figure.inside[i]:
                    _draw(picture, figure, i)
            yield picture


def _figure(script: Script, number: int, track: Track) -> _Figure:
    count = len(track.x)
    centers = np.array([seen(script, number, track, i) for i in range(count)])
    x, y, radius = centers.T
    inside = (np.abs(x - WIDTH / 2) < WIDTH / 2 + 1.5 * radius) & (np.abs(y - HEIGHT / 2) < HEIGHT / 2 + 1.5 * radius)
    outline = OUTLINES[script.movers[track.mover].shape]
    points = outline[None] * radius[:, None, None] + centers[:, None, :2]
    wobble = np.random.default_rng(track.mover).uniform(-0.9, 0.9, outline.shape)
    dark = script.style == "dark"
    # A rim of light where it is dark, else a dark line: the shape stands out in a grey picture too.
    fills = track.color * (0.84 if dark else 1.0)
    edges = fills * 0.45 + 115 if dark else fills * 0.35
    return _Figure(
        mover=track.mover,
        sizes=track.radius.tolist(),
        inside=inside.tolist(),
        centers=centers,
        corners=_fine(points),
        again=_fine(points + wobble) if script.style == "sketch" else None,
        fills=fills.tolist(),
        edges=[[52.0, 50.0, 54.0]] * count if script.style == "sketch" else edges.tolist(),
    )


def _fine(points: Floats) -> npt.NDArray[np.int32]:
    return np.round(points * (1 << FINE)).astype(np.int32)


def _draw(picture: Pixels, figure: _Figure, i: int) -> None:
    lines = [figure.corners[i]]
    cv2.fillPoly(picture, lines, figure.fills[i], cv2.LINE_AA, FINE)
    if figure.again is not None:
        x, y, radius = figure.centers[i].tolist()
        _hatch(picture, lines[0], x, y, radius, np.array(figure.fills[i]))
        lines.append(figure.again[i])
    cv2.polylines(picture, lines, True, figure.edges[i], 1, cv2.LINE_AA, FINE)


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
