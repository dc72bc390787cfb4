"""What happens from each picture to the next: flicker, strobing, stutter, and things that change at one blow.

A caption that is replaced, a clock that ticks or a page that is turned changes many pixels **at once** and then
none for a while; a thing that moves changes a few all the time. `sudden` finds the first kind, so that it can be told
from motion. Pictures are looked at as small as 80 pixels, with brightness and contrast evened out.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.film import halved
from synflow.media.flow import Model, matrix_of, moved_back
from synflow.media.light import SAME_LIGHT, Gray, Mask, lights_of, lit

SMALL = 80
"""Longer side of the pictures that are compared, in pixels."""

RATE = 8.0
"""Pictures per second at which sudden changes are looked for."""

SHOWN = 7.0
"""Grey levels by which a pixel of the small picture must change from one picture to the next to count."""

PEAK = 4.0
"""How many times as many pixels as around it must change at once in a sudden change."""

LEAST_PEAK = 0.002
"""Share of the picture that changes at least in a sudden change."""

LARGE, OFTEN = 0.04, 0.7
"""Share and times per second from which sudden changes are the motion of a film of few pictures per second."""

SCENE = 0.25
"""Share from which a change at one blow is another scene rather than something in this one."""

FLASH = 0.1
"""Change of the mean brightness (of full white) that makes a flash; WCAG 2.2 and ITU-R BT.1702 name a tenth too."""

HOLD = 0.12
"""Seconds without any change after which a strong change is a jump of the film."""

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sudden:
    """A change at one blow between two pictures: when, and which pixels (bool, size of the small pictures)."""

    before: float
    after: float
    mask: Mask


def small_stack(luma: Gray) -> Gray:
    """Return the pictures with a longer side of 80 pixels, uint8 ``[n, h, w]``."""
    height, width = luma.shape[1:]
    scale = SMALL / max(height, width)
    if scale >= 1:
        return luma
    if max(height, width) == 2 * SMALL and height % 2 == width % 2 == 0:
        return halved(luma)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in luma])


def sudden_changes(times: Times, small: Gray, noise: float, camera: Model | None = None) -> list[Sudden]:
    """Return what changes at one blow in a clip.

    Args:
        times: seconds, ``[n]``.
        small: pictures from `small_stack`.
        noise: standard deviation of the grain, grey levels of the small pictures.
        camera: motion per second that is undone first (pixels of the small pictures); None for none.
    """
    keep = thinned(times, RATE)
    if len(keep) < 5:
        return []
    times, film = times[keep], small[keep]
    limit = max(SHOWN, 5.0 * noise)
    apart = _differences(times, film, camera)
    apart[:, :2] = apart[:, -2:] = 0
    apart[:, :, :2] = apart[:, :, -2:] = 0
    beyond = cv2.compare(apart.reshape(len(apart), -1), limit, cv2.CMP_GT)
    share = cv2.reduce(beyond, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / 255.0 / apart[0].size
    # Sorted, the middle one of eleven is their median, at a fifth of the cost.
    around = np.sort(np.lib.stride_tricks.sliding_window_view(np.pad(share, 5, mode="edge"), 11), axis=1)[:, 5]
    peaks = np.flatnonzero(share > np.maximum(LEAST_PEAK, PEAK * around))
    often = sum(bool(share[k] > LARGE) for k in peaks) > max(2.0, OFTEN * float(times[-1] - times[0]))
    if often:
        return []
    return [
        Sudden(float(times[k]), float(times[k + 1]), _grown(apart[k] > limit / 2)) for k in peaks if share[k] <= SCENE
    ]


def _differences(times: Times, film: Gray, camera: Model | None) -> Gray:
    """Return how each picture differs from the next, uint8 ``[n - 1, h, w]``, in the same light.

    Under a moving camera the lesser difference counts, of the pictures as they are and with the camera undone: the
    scene is the same in the one, and what stays on the screen in the other.
    """
    plain = _apart(film, film[1:].copy())
    if camera is None:
        return plain
    back = np.empty_like(film[1:])
    matrices: dict[float, npt.NDArray[np.float64]] = {}
    for place, gap in enumerate(np.round(np.diff(times), 4).tolist()):
        if gap not in matrices:
            matrices[gap] = matrix_of(camera * gap, film.shape[1:])
        back[place] = moved_back(film[place + 1], matrices[gap])
    return np.asarray(cv2.min(plain.reshape(len(plain), -1), _apart(film, back).reshape(len(plain), -1))).reshape(
        plain.shape
    )


def _apart(film: Gray, after: Gray) -> Gray:
    level = levels_of(film)
    differ = np.flatnonzero(np.abs(np.diff(level)) > SAME_LIGHT)
    if len(differ):
        for k, (gain, base) in zip(differ, lights_of(film[differ], after[differ]), strict=True):
            after[k] = lit(after[k], gain, base)
    flat = (len(after), -1)
    return np.asarray(cv2.absdiff(film[:-1].reshape(flat), after.reshape(flat)), np.uint8).reshape(after.shape)


def levels_of(pictures: Gray) -> npt.NDArray[np.float64]:
    """Return the mean of each picture of a stack ``[n, ...]``, in one call for all of them."""
    rows = np.ascontiguousarray(pictures).reshape(len(pictures), -1)
    return np.asarray(cv2.reduce(rows, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / rows.shape[1], np.float64)


def _grown(mask: Mask) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)), bool)


def thinned(times: Times, rate: float) -> npt.NDArray[np.intp]:
    """Return places of pictures, evenly, at most about ``rate`` per second."""
    length = float(times[-1] - times[0])
    stride = max(1, round((len(times) - 1) / max(length * rate, 1.0)))
    return np.arange(0, len(times), stride)


def grain(one: Gray, other: Gray) -> float:
    """Return the standard deviation of the grain of two neighbouring pictures, grey levels of one picture.

    It is what a Laplacian leaves of their difference (Immerkaer, "Fast noise variance estimation", 1996), by its
    median, so that edges that moved do not count.
    """
    if min(one.shape) < 5:
        return 0.0
    apart = cv2.subtract(other, one, dtype=cv2.CV_16S)
    # The Laplacian (1, -2, 1) in both directions, at every second place of every second row.
    across = apart[:, 1:-3:2] - 2 * apart[:, 2:-2:2] + apart[:, 3:-1:2]
    rough = np.abs(across[1:-3:2] - 2 * across[2:-2:2] + across[3:-1:2]).ravel()
    if not len(rough):
        return 0.0
    return float(np.partition(rough, len(rough) // 2)[len(rough) // 2]) * 1.4826 / 6 / float(np.sqrt(2))


def flashes(times: Times, small: Gray) -> float:
    """Return how many times per second the brightness of the whole picture jumps up or down and back."""
    if len(times) < 3:
        return 0.0
    level = levels_of(small) / 255
    if float(np.ptp(level)) < FLASH:
        return 0.0
    turns, low, high, way = 0, float(level[0]), float(level[0]), 0
    for value in map(float, level[1:]):
        low, high = min(low, value), max(high, value)
        up, down = value - low >= FLASH, high - value >= FLASH
        if (up and way <= 0) or (down and way >= 0):
            turns += way != 0
            way = 1 if up and way <= 0 else -1
            low = high = value
    return turns / 2 / max(float(times[-1] - times[0]), 1e-6)


def stutter(times: Times, small: Gray) -> float:
    """Return how many times per second the film stands for a moment and then jumps.

    Only where it moves otherwise: pictures that stand most of the time make no film that stutters. A steady cadence,
    as of a drawn film or of one with few pictures per second, does not count: a jump is stronger than the steps around.
    """
    if len(times) < 8:
        return 0.0
    rows = np.ascontiguousarray(small).reshape(len(small), -1)
    apart = levels_of(np.asarray(cv2.absdiff(rows[1:], rows[:-1]), np.uint8))
    gaps = np.diff(times)
    moving = apart > 0.3
    usual = median(apart[moving].tolist()) if moving.any() else 0.0
    if moving.mean() < 0.4 or moving.all():
        return 0.0
    held, jumps = 0.0, 0
    for step, gap, moves in zip(apart.tolist(), gaps.tolist(), moving.tolist(), strict=True):
        if not moves:
            held += gap
            continue
        jumps += held + gap >= HOLD and held > 0 and step >= 2.0 * usual
        held = 0.0
    return jumps / max(float(times[-1] - times[0]), 1e-6)
