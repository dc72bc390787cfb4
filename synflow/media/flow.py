"""Dense flow between two small pictures, and the camera that explains most of it.

The flow is DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016): at 160 x 90 a pair costs
a tenth of Farneback's method and ranks clips the same (``benchmarks/motion.py``). It evens out brightness by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.light import Gray, Mask, levelled

FAR_SHIFT = 5.0
"""Pixels from which a shift of the whole picture is undone before the dense flow."""

GRID = 5
"""Distance in pixels of the places at which a camera is fitted."""

TEXTURE = 12.0
"""Grey levels per pixel, summed over both axes and averaged over 7 x 7, from which flow can be trusted."""

FEWEST_PLACES, NINTHS = 24, 4
"""Textured places that a fit needs, and in how many ninths of the picture."""

Flow = npt.NDArray[np.float32]
Model = npt.NDArray[np.float64]
"""``(right, down, grow, turn)``: shift in pixels at the centre, growth and turn per pixel from the centre."""

STILL: Model = np.zeros(4)

LEAST_TEXTURE = 0.01
"""Share of the picture that must have structure for the camera to be seen."""

SAME = 0.05
"""Mean difference in grey levels under which two pictures are the same."""

ALIKE = 2.0
"""Mean difference in grey levels under which two pictures are not far apart."""

SMALLEST = 16
"""Pixels of the shorter side from which there is a flow."""

LEAST_SHIFT = 1 / 64
"""Pixels of camera motion, at the edge, that are undone: interpolation knows no less than half of this."""

LEVEL_TURN = 0.25
"""Pixels by which a turn of the camera moves the edge, under which it decides of no pixel whether it stays in view."""

REFINE = 2.5
"""Pixels of camera motion, at the edge, from which the flow is computed again without them."""


@dataclass(frozen=True)
class Sight:
    """What a pair of pictures shows of the camera.

    Attributes:
        flow: left when what was known of the camera beforehand is undone, pixels, ``[h, w, 2]``.
        step: the part of that flow that is the camera's.
        camera: all that the camera did from the first picture to the second.
        texture: where the flow can be trusted.
    """

    flow: Flow
    step: Model
    camera: Model
    texture: Mask


class DenseFlow:
    """Computes flows; one object serves all pairs of a clip. The result does not depend on what it did before.

    Args:
        fine: where things move matters, not only the camera; costs twice as much.
    """

    def __init__(self, *, fine: bool = True) -> None:
        preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if fine else cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST
        self._dis = cv2.DISOpticalFlow.create(preset)

    def between(self, one: Gray, other: Gray) -> Flow:
        """Return the flow from ``one`` to ``other`` in pixels, float32 ``[h, w, 2]`` (right, down)."""
        if min(one.shape) < SMALLEST:
            return np.zeros((*one.shape, 2), np.float32)
        return np.asarray(self._dis.calc(np.ascontiguousarray(one), np.ascontiguousarray(other), None), np.float32)

    def camera(self, one: Gray, other: Gray, guess: Model = STILL) -> Sight:
        """Return how the camera moved from ``one`` to ``other``, and the flow beyond it.

        Dense methods fail on long ways. So the second picture is first moved back by what the camera is thought to
        have done (``guess``, or else a shift found by phase correlation), and again by what was then found.
        """
        texture = textured(one)
        if np.count_nonzero(texture) < LEAST_TEXTURE * texture.size or _apart(one, other) < SAME:
            return Sight(np.zeros((*one.shape, 2), np.float32), STILL, STILL, texture)
        other = levelled(one, other)
        if not _enough(texture):
            # What has structure is one thing on plain ground: its way is not the camera's.
            return Sight(self.between(one, other), STILL, STILL, texture)
        before, back = self._start(one, other, guess)
        for _ in range(2):
            flow = self.between(one, back)
            step = fit_camera(flow, texture)
            model = joined(before, step)
            if reach_of(step, one.shape) < REFINE:
                break
            if reach_of(model - before, one.shape) > max(one.shape):
                break
            before, last, back = model, before, shifted(other, model)
        else:
            before = last
        return Sight(flow, step, model, texture)

    def still(self, one: Gray) -> Sight:
        """Return what a camera that stands shows of a picture."""
        return Sight(np.zeros((*one.shape, 2), np.float32), STILL, STILL, textured(one))

    def _start(self, one: Gray, other: Gray, guess: Model) -> tuple[Model, Gray]:
        """Return the guess, or a shift, or no motion, whichever fits best, and ``other`` moved back by it."""
        plain = _apart(one, other)
        if plain < ALIKE:
            return STILL, other
        least, best, moved = 0.85 * plain, STILL, other
        for model in (guess, _far_shift(one, other) if not guess.any() else STILL):
            if not model.any() or max(abs(model[0]), abs(model[1])) > max(one.shape) / 2:
                continue
            back = shifted(other, model)
            apart = _apart(one, back)
            if apart < least:
                least, best, moved = 0.9 * apart, model, back
        return best, moved


def _apart(one: Gray, other: Gray) -> float:
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


def _far_shift(one: Gray, other: Gray) -> Model:
    """Return the shift of the whole picture; none where it is short."""
    size = (one.shape[1] // 2, one.shape[0] // 2)
    a, b = (cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(np.float32) for p in (one, other))
    (right, down), _ = cv2.phaseCorrelate(a, b, cv2.createHanningWindow(size, cv2.CV_32F))
    if max(abs(right), abs(down)) < FAR_SHIFT / 2:
        return STILL
    return np.array([2 * right, 2 * down, 0.0, 0.0])


def textured(picture: Gray) -> Mask:
    """Return where a picture has enough structure for flow, bool ``[h, w]``."""
    smooth = cv2.GaussianBlur(picture, (3, 3), 0)
    across, down = cv2.spatialGradient(smooth)
    steep = cv2.add(cv2.absdiff(across, 0.0), cv2.absdiff(down, 0.0))
    total = cv2.boxFilter(steep, cv2.CV_32S, (7, 7), normalize=False)
    return np.asarray(total > 49 * TEXTURE)


def fit_camera(flow: Flow, trusted: Mask) -> Model:
    """Fit a similarity to a flow, robustly (iteratively reweighted least squares, Geman-McClure weights).

    Args:
        flow: pixels, ``[h, w, 2]``.
        trusted: where the flow can be trusted, bool ``[h, w]``.

    Returns:
        The camera; no motion where too little can be trusted.
    """
    height, width = flow.shape[:2]
    ys, xs = np.nonzero(trusted[1:height:GRID, 1:width:GRID])
    if len(xs) < FEWEST_PLACES:
        return STILL
    right, down = np.ascontiguousarray(flow[1 + GRID * ys, 1 + GRID * xs].T, np.float64)
    x, y = 1 + GRID * xs - (width - 1) / 2, 1 + GRID * ys - (height - 1) / 2
    # As complex numbers a similarity is ``moved = shift + turn * place``: a weighted line fit in closed form, whose
    # sums are all linear in the weights. So are the squared distances from a fit in the same eight terms.
    terms = np.empty((8, len(x)))
    terms[0], terms[1], terms[2], terms[3], terms[4] = 1.0, x, y, right, down
    x, y = terms[1:3]
    terms[5], terms[6], terms[7] = x * x + y * y, x * right + y * down, x * down - y * right
    squared = right * right + down * down
    shift, turn = complex(middle_of(right), middle_of(down)), 0j
    for _ in range(4):
        both = 2 * shift.conjugate() * turn
        apart = squared + np.array(
            [abs(shift) ** 2, both.real, -both.imag, -2 * shift.real, -2 * shift.imag, abs(turn) ** 2,
             -2 * turn.real, -2 * turn.imag]
        ) @ terms  # fmt: skip
        scale = max(0.15**2, 1.5**2 * middle_of(apart))
        np.maximum(apart, 0.0, out=apart)
        apart += scale
        weight = np.divide(scale, apart, out=apart)
        weight *= weight
        total, *sums = (terms @ weight).tolist()
        middle, mean = complex(sums[0], sums[1]) / total, complex(sums[2], sums[3]) / total
        spread = sums[4] - total * abs(middle) ** 2
        turn = (complex(sums[5], sums[6]) - total * middle.conjugate() * mean) / max(spread, 1e-9)
        shift = mean - turn * middle
    return np.array([shift.real, shift.imag, turn.real, turn.imag])


def _enough(texture: Mask) -> bool:
    """Tell whether there is structure all over the picture, not just on one thing in it."""
    ys, xs = np.nonzero(texture[1::GRID, 1::GRID])
    if len(xs) < FEWEST_PLACES:
        return False
    height, width = texture.shape
    ninth = np.minimum(2, 3 * GRID * xs // width) + 3 * np.minimum(2, 3 * GRID * ys // height)
    return int((np.bincount(ninth, minlength=9) >= 3).sum()) >= NINTHS


def middle_of(values: npt.NDArray[np.floating]) -> float:
    """Return the (upper) median; a third of the cost of ``np.median``."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def joined(first: Model, then: Model) -> Model:
    """Return the camera that does ``then`` in the picture that ``first`` was undone in."""
    a, b = 1 + complex(first[2], first[3]), 1 + complex(then[2], then[3])
    shift = a * complex(then[0], then[1]) + complex(first[0], first[1])
    turn = a * b - 1
    return np.array([shift.real, shift.imag, turn.real, turn.imag])


def reach_of(model: Model, shape: tuple[int, int]) -> float:
    """Return by how many pixels a camera moves what is half a width from the centre."""
    right, down, grow, turn = model.tolist()
    return math.hypot(right, down) + math.hypot(grow, turn) * max(shape) / 2


def camera_flow(model: Model, shape: tuple[int, int], step: int = 1) -> Flow:
    """Return the flow that a camera makes at every ``step``-th pixel, float32 ``[h, w, 2]``."""
    x, y = _axes(shape, step)
    right, down, grow, turn = model.astype(np.float32)
    flow = np.empty((y.shape[0], x.shape[1], 2), np.float32)
    np.subtract(right + grow * x, turn * y, out=flow[..., 0])
    np.add(down + turn * x, grow * y, out=flow[..., 1])
    return flow


@lru_cache(maxsize=64)
def _axes(shape: tuple[int, int], step: int) -> tuple[Flow, Flow]:
    """Return the places of every ``step``-th pixel from the centre: across ``[1, w]`` and down ``[h, 1]``."""
    height, width = shape
    x = np.arange(0, width, step, dtype=np.float32) - np.float32((width - 1) / 2)
    y = np.arange(0, height, step, dtype=np.float32) - np.float32((height - 1) / 2)
    return x[None], y[:, None]


def matrix_of(model: Model, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the affine matrix that takes a place of the first picture to where the camera moves it."""
    height, width = shape
    x, y = (width - 1) / 2, (height - 1) / 2
    right, down, grow, turn = (float(value) for value in model)
    return np.array(
        [[1 + grow, -turn, right - grow * x + turn * y], [turn, 1 + grow, down - turn * x - grow * y]], np.float64
    )


def shifted(other: Gray, model: Model, border: int = cv2.BORDER_REPLICATE) -> Gray:
    """Return the second picture moved back onto the first: what it shows where the camera had it before."""
    if reach_of(model, other.shape[:2]) < LEAST_SHIFT:
        return other
    return moved_back(other, matrix_of(model, other.shape[:2]), border)


def moved_back(other: Gray, matrix: npt.NDArray[np.float64], border: int = cv2.BORDER_REPLICATE) -> Gray:
    """Return what `shifted` does, by the matrix of the camera."""
    size = (other.shape[1], other.shape[0])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(other, matrix, size, flags=how, borderMode=border), other.dtype)


def seen_twice(model: Model, shape: tuple[int, int], margin: int = 4, step: int = 1) -> Mask:
    """Return which ``step``-th pixels the camera does not move out of the picture, bool; flow guesses elsewhere."""
    height, width = shape
    inside = np.zeros((-(-height // step), -(-width // step)), bool)
    inside[-(-margin // step) : -(-(height - margin) // step), -(-margin // step) : -(-(width - margin) // step)] = True
    if reach_of(model, shape) < 0.5:
        return inside
    if abs(model[3]) * max(shape) / 2 < LEVEL_TURN:
        # Columns stay columns, and rows rows.
        for axis, (size, shift) in enumerate(((height, model[1]), (width, model[0]))):
            here = np.arange(0, size, step, dtype=np.float64)
            place = here + shift + model[2] * (here - (size - 1) / 2)
            out = (place < margin) | (place >= size - margin)
            inside[(out, slice(None)) if axis == 0 else (slice(None), out)] = False
        return inside
    x, y = np.arange(0, width, step, dtype=np.float32), np.arange(0, height, step, dtype=np.float32)[:, None]
    flow = camera_flow(model, shape, step)
    right, down = x + flow[..., 0], y + flow[..., 1]
    for place, size in ((right, width), (down, height)):
        inside &= (place >= margin) & (place < size - margin)
    return inside
