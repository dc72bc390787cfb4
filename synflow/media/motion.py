"""What moves: the camera, things in front of it, or nothing.

Two pictures a fraction of a second apart give a small dense flow. A similarity (shift, zoom, roll) fitted robustly to
it is the **camera**; what the flow does beyond that, where the pictures really differ once the camera is undone, is
**residual motion**. Pictures further apart, the second moved back onto the first, give the **changed share**: less
what changed at one blow (a subtitle, a clock) and what brightness or grain explain. A clip is static where both are
low, whatever the camera does: a still picture that is panned or zoomed has nothing that moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from synflow.media.flow import Model
from synflow.media.light import Gray
from synflow.media.pairs import JUMP, Eye, Pair
from synflow.media.ranks import medians, quantile
from synflow.media.steps import flashes, grain, small_stack, stutter, sudden_changes

PAIRS_PER_SECOND = 1.0
MOST_PAIRS = 12
MOST_CHANGES = 10
FEWEST_CHANGES = 5
FEWEST_PAIRS = 6
"""How many pairs of pictures are looked at; a long clip is sampled more thinly."""

SURE = 0.036
"""Widths per second of residual motion from which a clip surely moves (static ones stay under a quarter of it): then
half of the pictures that are far apart tell how much changes."""

NEAR = 0.2
"""Seconds between the pictures of a pair for flow, where the frame rate allows."""

FAR = 4.0
"""Seconds between the pictures of a pair for change (half of a shorter clip; less under a fast camera)."""

OVERLAP = 0.12
"""Widths by which the camera may move the edge between pictures that are compared for change."""

STANDS = 0.003
"""Widths per second of camera motion, at the edge, under which it surely stands."""

STEADY = 0.01
"""Widths per second of camera motion, at the edge, from which it is undone where sudden changes are looked for."""

OVERLAY_WAY = 0.05
"""Widths that the camera must go for overlays to show."""

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """What moves in a clip.

    Attributes:
        residual: residual motion in widths per second, median over the pairs.
        moving: share of the picture that moves by itself, mean over the pairs.
        changed: share of pixels that changed over `FAR` seconds beyond what the camera explains, median over time.
        busy: the same share, 75th percentile over time.
        speed: of the content, camera and all, widths per second, median over the pairs.
        jumps: share of the pairs of which one picture is not found again in the other.
        stutter: moments per second in which the film stands and then jumps.
        flashes: times per second that the whole picture flashes.
        grain: standard deviation of the grain, grey levels.
        far: what the camera did between pictures that are `FAR` apart: tells slow cameras, and shaking from going.
    """

    residual: float = 0.0
    moving: float = 0.0
    changed: float = 0.0
    busy: float = 0.0
    speed: float = 0.0
    jumps: float = 0.0
    stutter: float = 0.0
    flashes: float = 0.0
    grain: float = 0.0
    pairs: tuple[Pair, ...] = ()
    far: tuple[Pair, ...] = ()


def measure(times: Times, luma: Gray) -> Motion:
    """Return what moves in a clip of which all pictures are given: times ``[n]``, luma uint8 ``[n, h, w]``."""
    if len(times) < 2:
        return Motion()
    start, end = float(times[0]), float(times[-1])
    small, noise = small_stack(luma), _grain_of(luma)
    eye = Eye(times, luma, small, noise)
    count = int(np.clip(PAIRS_PER_SECOND * (end - start), FEWEST_PAIRS, MOST_PAIRS))
    pairs = eye.pairs(_pairs_of(times, NEAR, count))
    edge, camera = _usual(pairs)
    if edge * (end - start) > OVERLAY_WAY:
        eye.look_for_overlays(sorted({place for couple in _pairs_of(times, NEAR, count) for place in couple}))
        pairs = tuple(eye.without_overlays(pair) for pair in pairs)
    far = min(FAR, (end - start) / 2, max(NEAR, OVERLAP / max(edge, 1e-6)))
    spread = int(np.clip((end - start) / 1.6, FEWEST_CHANGES, MOST_CHANGES))
    residual = median(pair.residual for pair in pairs)
    if residual >= SURE:
        spread = (spread + 1) // 2
    across = camera * (small.shape[2], small.shape[2], 1, 1)
    sudden = sudden_changes(times, small, noise / 2, across if edge > STEADY else None)
    changes = [eye.change(i, j, camera, sudden, moves=edge >= STANDS) for i, j in _pairs_of(times, far, spread)]
    shares = [share for share, _ in changes]
    return Motion(
        residual=residual,
        moving=float(np.mean([np.count_nonzero(pair.moving) / pair.moving.size for pair in pairs])),
        changed=median(shares),
        busy=quantile(shares, 0.75),
        speed=median(pair.speed for pair in pairs),
        jumps=float(np.mean([pair.unmatched > JUMP for pair in pairs])),
        stutter=stutter(times, small),
        flashes=flashes(times, small),
        grain=noise,
        pairs=pairs,
        far=tuple(pair for _, pair in changes if pair is not None),
    )


def _grain_of(luma: Gray) -> float:
    """Return the grain of a clip: the median of a few neighbouring pictures that are not the same picture twice."""
    places = np.unique(np.linspace(0, len(luma) - 2, 5).astype(int))
    found = [grain(luma[k], luma[k + 1]) for k in places]
    real = [value for value in found if value > 0]
    return median(real) if real else 0.0


def _usual(pairs: Sequence[Pair]) -> tuple[float, Model]:
    """Return the speed of the edge of the picture (widths per second) and the usual camera motion per second."""
    moves = np.array([[*pair.shift, pair.zoom, pair.roll] for pair in pairs])
    edge = median(np.linalg.norm(moves * (1, 1, 0.5, 0.5), axis=1).tolist())
    return edge, medians(moves)


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
