"""What moves: the camera, things in front of it, or nothing.

Two pictures a fraction of a second apart give a small dense flow (Farneback, 160 pixels). A similarity (shift, zoom,
roll) fitted robustly to it is the **camera**; what the flow does beyond that is **residual motion**. Pictures further
apart, the first moved onto the second by their own fit, give the **changed share**. A clip is static where both
are low, whatever the camera does: a still picture that is panned or zoomed has nothing that moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

PAIRS_PER_SECOND = 2.0
MOST_PAIRS = 12
MOST_CHANGES = 16
FEWEST_PAIRS = 5
"""How many pairs of pictures are looked at; a long clip is sampled more thinly."""

NEAR = 0.2
"""Seconds between the pictures of a pair for flow, where the frame rate allows."""

FAR = 1.5
"""Seconds between the pictures of a pair for change (a third of a shorter clip)."""

CHANGE = 10.0
"""Grey levels, after blurring, by which a pixel must differ to count as changed; above grain and coding flicker."""

FAR_SHIFT = 6.0
"""Pixels from which a shift of the whole picture is undone before the dense flow."""

LITTLE = 0.01
"""Changed share under which the camera is not asked."""

Gray = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """What a pair of pictures tells. Lengths are in widths of the picture, times in seconds.

    Attributes:
        shift: of the picture content, right and down, per second.
        zoom: natural logarithm of the growth per second; above 0 the camera goes in.
        roll: radians per second, clockwise.
        residual: mean of the strongest 5 % of residual motion, widths per second.
        explained: share of the textured places that move as the camera says; low where something fills the picture.
        moving: mask of the pixels with residual motion, bool ``[h, w]``.
    """

    time: float
    gap: float
    shift: tuple[float, float]
    zoom: float
    roll: float
    residual: float
    explained: float
    moving: npt.NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True)
class Motion:
    """What moves in a clip.

    Attributes:
        residual: residual motion in widths per second, median over the pairs.
        changed: share of pixels that changed over `FAR` seconds beyond what the camera explains, median over time.
        busy: the same share, 75th percentile over time.
    """

    residual: float
    changed: float
    busy: float
    pairs: tuple[Pair, ...]


def measure(times: Times, luma: Gray) -> Motion:
    """Return what moves in a clip of which all pictures are given: times ``[n]``, luma uint8 ``[n, h, w]``."""
    if len(times) < 2:
        return Motion(0.0, 0.0, 0.0, ())
    start, end = float(times[0]), float(times[-1])
    count = int(np.clip(PAIRS_PER_SECOND * (end - start), FEWEST_PAIRS, MOST_PAIRS))
    pairs = tuple(
        look_at_pair(luma[i], luma[j], float(times[i]), float(times[j] - times[i]))
        for i, j in _pairs_of(times, NEAR, count)
    )
    far = min(FAR, (end - start) / 3)
    spread = int(np.clip((end - start) / 1.2, FEWEST_PAIRS, MOST_CHANGES))
    changes = [changed_share(luma[i], luma[j]) for i, j in _pairs_of(times, far, spread)]
    return Motion(
        residual=float(np.median([pair.residual for pair in pairs])),
        changed=float(np.median(changes)),
        busy=float(np.percentile(changes, 75)),
        pairs=pairs,
    )


def _pairs_of(times: Times, gap: float, count: int) -> list[tuple[int, int]]:
    """Return at most ``count`` pairs of places, evenly over the clip, of pictures ``gap`` seconds apart or more."""
    last = len(times) - 1
    out: list[tuple[int, int]] = []
    for start in np.linspace(float(times[0]), max(float(times[0]), float(times[-1]) - gap), count):
        i = min(int(np.searchsorted(times, start - 1e-6)), last - 1)
        j = min(max(int(np.searchsorted(times, times[i] + gap - 1e-3)), i + 1), last)
        if (i, j) not in out:
            out.append((i, j))
    return out


def flow_between(one: Gray, other: Gray) -> Flow:
    """Return the dense flow from ``one`` to ``other`` in pixels, float32 ``[h, w, 2]`` (right, down).

    A shift of the whole picture that is too far for the dense method is found first, by phase correlation.
    """
    right, down = _far_shift(one, other)
    if right or down:
        move = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
        other = cv2.warpAffine(other, move, (one.shape[1], one.shape[0]), borderMode=cv2.BORDER_REPLICATE)
    start = np.zeros((*one.shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(one, other, start, 0.5, 3, 15, 2, 5, 1.2, 0)
    return np.asarray(flow + np.array([right, down], np.float32), np.float32)


def _far_shift(one: Gray, other: Gray) -> tuple[int, int]:
    """Return the shift of the whole picture in pixels; 0, 0 where it is short or makes nothing fit better."""
    # The transform writes into its arguments: it gets arrays of its own.
    window = cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(one.astype(np.float32), other.astype(np.float32), window)
    if max(abs(right), abs(down)) < FAR_SHIFT:
        return 0, 0
    x, y = round(right), round(down)
    height, width = one.shape
    if abs(x) > width // 2 or abs(y) > height // 2:
        return 0, 0
    a = one[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    b = other[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
    fits = float(cv2.absdiff(a, b).mean()) < 0.6 * float(cv2.absdiff(one, other).mean())
    return (x, y) if fits else (0, 0)


def fit_camera(flow: Flow, texture: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Fit a similarity to a flow, robustly (iteratively reweighted least squares, Geman-McClure weights).

    Args:
        flow: pixels, ``[h, w, 2]``.
        texture: where the flow can be trusted, bool ``[h, w]``.

    Returns:
        ``(right, down, grow, turn)``: shift in pixels at the centre, growth and turn per pixel from the centre.
    """
    height, width = flow.shape[:2]
    ys, xs = np.mgrid[1:height:3, 1:width:3]
    trusted = texture[1:height:3, 1:width:3].ravel()
    if trusted.sum() < 24:
        return np.zeros(4)
    x = (xs.ravel()[trusted] - (width - 1) / 2).astype(np.float64)
    y = (ys.ravel()[trusted] - (height - 1) / 2).astype(np.float64)
    u, v = (flow[1:height:3, 1:width:3, k].ravel()[trusted].astype(np.float64) for k in (0, 1))
    one, none = np.ones_like(x), np.zeros_like(x)
    design = np.concatenate([np.stack([one, none, x, -y], 1), np.stack([none, one, y, x], 1)])
    target = np.concatenate([u, v])
    model = np.array([np.median(u), np.median(v), 0.0, 0.0])
    for _ in range(5):
        error = target - design @ model
        apart = np.hypot(error[: len(x)], error[len(x) :])
        scale = max(0.15, 1.5 * float(np.median(apart)))
        weight = np.tile(1.0 / (1.0 + (apart / scale) ** 2) ** 2, 2)
        weighted = design * weight[:, None]
        model = np.linalg.lstsq(weighted.T @ design, weighted.T @ target, rcond=None)[0]
    return model


def camera_flow(model: npt.NDArray[np.float64], shape: tuple[int, int]) -> Flow:
    """Return the flow that a fitted camera makes, float32 ``[h, w, 2]``."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x -= (width - 1) / 2
    y -= (height - 1) / 2
    right, down, grow, turn = (float(value) for value in model)
    return np.stack([right + grow * x - turn * y, down + turn * x + grow * y], -1).astype(np.float32)


def _seen_twice(camera: Flow, margin: int = 4) -> npt.NDArray[np.bool_]:
    """Return the places that the camera does not move out of the picture, bool ``[h, w]``; flow guesses elsewhere."""
    height, width = camera.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    right, down = x + camera[..., 0], y + camera[..., 1]
    inside = (right >= margin) & (right < width - margin) & (down >= margin) & (down < height - margin)
    return np.asarray(inside & (x >= margin) & (x < width - margin) & (y >= margin) & (y < height - margin))


def textured(picture: Gray) -> npt.NDArray[np.bool_]:
    """Return where a picture has enough structure for flow, bool ``[h, w]``."""
    smooth = cv2.GaussianBlur(picture, (3, 3), 0)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.boxFilter(np.abs(across) + np.abs(down), -1, (7, 7)) > 12.0)


def look_at_pair(one: Gray, other: Gray, time: float, gap: float) -> Pair:
    """Return camera and residual motion between two pictures ``gap`` seconds apart."""
    width = one.shape[1]
    flow = flow_between(one, other)
    texture = textured(one) | textured(other)
    model = fit_camera(flow, texture)
    camera = camera_flow(model, one.shape)
    texture &= _seen_twice(camera)
    rest = np.linalg.norm(flow - camera, axis=2) * texture
    unit = width * gap
    # Depth makes near things move faster than far ones: a third more or less is still the camera.
    slack = np.maximum(0.5, 0.33 * np.linalg.norm(camera, axis=2))
    strongest = np.sort(rest.ravel())[-max(1, rest.size // 20) :]
    right, down, grow, turn = (float(value) for value in model)
    return Pair(
        time=time,
        gap=gap,
        shift=(right / unit, down / unit),
        zoom=grow / gap,
        roll=turn / gap,
        residual=float(strongest.mean()) / unit,
        explained=float((rest <= slack)[texture].mean()) if texture.any() else 1.0,
        moving=rest > max(0.6, 0.012 * unit),
    )


def changed_share(one: Gray, other: Gray) -> float:
    """Return the share of pixels that differ once the camera's motion is undone."""
    plain = float((cv2.absdiff(cv2.GaussianBlur(one, (5, 5), 0), cv2.GaussianBlur(other, (5, 5), 0)) > CHANGE).mean())
    if plain < LITTLE:
        return plain  # nothing for the camera to explain
    height, width = one.shape
    model = fit_camera(flow_between(one, other), textured(one))
    move = camera_flow(model, one.shape)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    back = cv2.remap(other, x + move[..., 0], y + move[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    seen = cv2.remap(
        np.full_like(other, 255), x + move[..., 0], y + move[..., 1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT
    )
    a, b = (cv2.GaussianBlur(p, (5, 5), 0).astype(np.float32) for p in (one, back))
    inside = cv2.erode(seen, np.ones((5, 5), np.uint8)) > 0
    if inside.sum() < 0.2 * inside.size:
        return 1.0
    # An edge that is half a pixel off is no change: the least difference among its neighbours counts.
    low, high = cv2.erode(b, np.ones((3, 3))), cv2.dilate(b, np.ones((3, 3)))
    apart = np.maximum(np.maximum(low - a, a - high), 0.0)
    mask = ((apart > CHANGE) & inside).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return float(mask.sum() / inside.sum())
