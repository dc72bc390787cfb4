"""Where the camera looks: cuts the view of each picture out of a canvas that is bigger than the view."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from synflow.world.script import HEIGHT, WIDTH, Camera, Shot
from synflow.world.tracks import zoom_of

Pixels = npt.NDArray[np.uint8]

FINE = 1.5
"""Canvas pixels per view pixel where the camera zooms, so that the closest view is still crisp."""


def canvas_size(camera: Camera) -> tuple[int, int, float]:
    """Return width and height of the canvas that a camera move needs, and its scale."""
    if camera.motion == "pan":
        return WIDTH + int(camera.amount) + 2, HEIGHT, 1.0
    if camera.motion == "tilt":
        return WIDTH, HEIGHT + int(camera.amount) + 2, 1.0
    if camera.motion == "zoom":
        return int(WIDTH * FINE), int(HEIGHT * FINE), FINE
    return WIDTH, HEIGHT, 1.0


def view(canvas: Pixels, shot: Shot, i: int) -> Pixels:
    """Return a fresh copy of what the camera sees of ``canvas`` in picture ``i`` of ``shot``."""
    camera = shot.camera
    if camera.motion == "still":
        return canvas.copy()
    if camera.motion == "zoom":
        step = FINE / zoom_of(shot, i)
        x = (canvas.shape[1] - WIDTH * step) / 2 + (step - 1) / 2
        y = (canvas.shape[0] - HEIGHT * step) / 2 + (step - 1) / 2
        return _zoomed(canvas, np.array([[step, 0, x], [0, step, y]]))
    share = i / max(shot.last - shot.first - 1, 1)
    away = camera.amount * (share if camera.direction in {"right", "down"} else 1 - share)
    return _shifted(canvas, away, camera.motion == "pan")


def _zoomed(canvas: Pixels, matrix: npt.NDArray[np.float64]) -> Pixels:
    # Of four channels OpenCV makes a vector; of three it does not, and takes nearly three times as long.
    padded = cv2.cvtColor(canvas, cv2.COLOR_RGB2RGBA)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(padded, matrix, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    out: Pixels = cv2.cvtColor(turned, cv2.COLOR_RGBA2RGB)
    return out


def _shifted(canvas: Pixels, away: float, across: bool) -> Pixels:
    """Return the view ``away`` pixels into the canvas: between two places, a mixture of both."""
    whole = int(away)
    rest = away - whole
    near = _crop(canvas, whole, across)
    if rest == 0:
        return near.copy()
    out: Pixels = cv2.addWeighted(near, 1 - rest, _crop(canvas, whole + 1, across), rest, 0)
    return out


def _crop(canvas: Pixels, start: int, across: bool) -> Pixels:
    x, y = (start, 0) if across else (0, start)
    return canvas[y : y + HEIGHT, x : x + WIDTH]
