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
        matrix = np.array([[step, 0, x], [0, step, y]])
    else:
        share = i / max(shot.last - shot.first - 1, 1)
        away = camera.amount * (share if camera.direction in {"right", "down"} else 1 - share)
        if float(away).is_integer():
            x0, y0 = (int(away), 0) if camera.motion == "pan" else (0, int(away))
            return canvas[y0 : y0 + HEIGHT, x0 : x0 + WIDTH].copy()
        matrix = np.array(
            [[1, 0, away if camera.motion == "pan" else 0], [0, 1, away if camera.motion == "tilt" else 0]]
        )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out: Pixels = cv2.warpAffine(canvas, matrix, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return out
