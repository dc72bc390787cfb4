"""A small fingerprint of a clip over time, and whether two clips are copies of one another.

The fingerprint is a row of 16 x 16 luma thumbnails. A thumbnail's low DCT frequencies give a 63-bit hash (signs, as in
pHash; a mirrored picture flips the signs of the odd columns, so no second hash is needed), which only finds
*candidates*. Whether two candidates are copies is decided on the thumbnails: pictures are matched in order of time,
whatever the speed, and must agree both in what they show and in **how it changes**. So two takes of one scene, which
agree in nearly every pixel, are told apart by what moves in them. The method is ours.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.picture import inside_bars

SIDE = 16
RATE = 4.0
"""Thumbnails per second, as long as `MOST` are enough."""

FEWEST, MOST = 8, 32

ALIKE = 0.86
"""Mean correlation of matched thumbnails from which two clips show the same."""

SAME_CHANGE = 0.55
"""Share of a clip's own change over time that the difference to its copy may have."""

STILL_ENERGY = 0.004
"""Mean squared change of unit thumbnails under which a clip has no motion to compare."""

STILL_ALIKE = 0.985
"""Correlation that clips without motion need."""

CROPS = (1.0, 0.9, 0.8)
"""Shares of the side that a copy may show of the other clip (cut borders, zoomed)."""

Thumbs = npt.NDArray[np.uint8]
Unit = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """How alike two clips are.

    Attributes:
        alike: mean correlation of the matched thumbnails.
        change: difference in change over time, as a share of the clip's own change; 0 for a perfect copy, 1 and more
            for unrelated motion.
        copy: the verdict.
    """

    alike: float
    change: float
    copy: bool


def thumbnails(times: npt.NDArray[np.float64], luma: npt.NDArray[np.uint8]) -> Thumbs:
    """Return the fingerprint of a clip of which all pictures are given: uint8 ``[k, 16, 16]``, 1 <= k <= 32."""
    top, bottom, left, right = inside_bars(luma)
    length = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    count = int(np.clip(round(RATE * length), FEWEST, MOST))
    wanted = np.linspace(float(times[0]), float(times[-1]), count)
    places = np.unique(np.clip(np.searchsorted(times, wanted - 1e-6), 0, len(times) - 1))
    return np.stack([_thumbnail(luma[place, top:bottom, left:right]) for place in places])


def _thumbnail(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    centred = small - small.mean()
    spread = max(2.0, float(centred.std()))
    return np.asarray(np.clip(np.round(128 + 40 * centred / spread), 0, 255), np.uint8)


def pack(thumbs: Thumbs) -> str:
    """Return a fingerprint as text."""
    return base64.b64encode(thumbs.tobytes()).decode("ascii")


def unpack(text: str) -> Thumbs:
    """Return the fingerprint that `pack` wrote."""
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, SIDE, SIDE)


def hashes(thumbs: Thumbs, mirrored: bool = False) -> npt.NDArray[np.uint64]:
    """Return a 63-bit hash of each thumbnail, uint64 ``[k]``."""
    out = np.zeros(len(thumbs), np.uint64)
    weights = (np.uint64(1) << np.arange(63, dtype=np.uint64)).astype(np.uint64)
    for place, thumb in enumerate(thumbs):
        waves = cv2.dct(thumb.astype(np.float32) - 128.0)[:8, :8].copy()
        if mirrored:
            waves[:, 1::2] *= -1
        # What is nearly 0 is noise (bars, slides): it counts as positive in every copy.
        out[place] = (weights[(waves.ravel()[1:] > -4.0)]).sum(dtype=np.uint64)
    return out


def units(thumbs: Thumbs, crop: float = 1.0, mirrored: bool = False) -> Unit:
    """Return thumbnails (of their middle, of their mirror image) with mean 0 and length 1, ``[k, 256]``."""
    pictures = thumbs.astype(np.float32)
    if crop < 1.0:
        edge = SIDE * (1 - crop) / 2
        grid = (np.arange(SIDE, dtype=np.float32) + 0.5) * crop + edge - 0.5
        x, y = np.meshgrid(grid, grid)
        pictures = np.stack([cv2.remap(p, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for p in pictures])
    if mirrored:
        pictures = pictures[:, :, ::-1]
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(1e-3, np.linalg.norm(flat, axis=1, keepdims=True)), np.float32)


def compare(one: Thumbs, other: Thumbs) -> Likeness:
    """Return how alike two clips are, whichever of them is the longer, the mirrored or the cropped one."""
    best = Likeness(0.0, 9.0, False)
    plain = {id(one): units(one), id(other): units(other)}
    for mirrored in (False, True):
        for crop in CROPS:
            for a, b in ((one, other), (other, one)):
                if crop == 1.0 and a is other:
                    continue
                cut = units(b, crop, mirrored)
                if float((plain[id(a)] @ cut.T).max()) < ALIKE:
                    continue
                found = max(_match(plain[id(a)], cut), _match(cut, plain[id(a)]), key=_rank)
                best = max(best, found, key=_rank)
        if best.copy:
            break
    return best


def _rank(likeness: Likeness) -> tuple[bool, float]:
    return likeness.copy, likeness.alike - likeness.change


def _match(short: Unit, long: Unit) -> Likeness:
    """Match every picture of ``short`` to one of ``long`` (or between two of them), in order of time."""
    steps = [(1 - w) * long[:-1] + w * long[1:] for w in (0.25, 0.5, 0.75)]
    fine = np.empty((4 * (len(long) - 1) + 1, long.shape[1]), np.float32)
    fine[0::4] = long
    for k, step in enumerate(steps, start=1):
        fine[k::4] = step
    likeness = short @ fine.T
    path = _in_order(likeness)
    alike = float(likeness[np.arange(len(short)), path].mean())
    if alike < ALIKE:
        return Likeness(alike, 9.0, False)
    apart = short - fine[path]
    apart = apart - apart.mean(axis=0)
    own = min(_energy(short), _energy(fine[path]))
    if own < STILL_ENERGY or len(short) < 3:
        still = max(_energy(short), _energy(fine[path])) < 4 * STILL_ENERGY
        return Likeness(alike, 0.0 if still else 9.0, still and alike >= STILL_ALIKE)
    change = float((apart**2).sum(axis=1).mean()) / own
    return Likeness(alike, change, change <= SAME_CHANGE)


def _energy(pictures: Unit) -> float:
    return float(((pictures - pictures.mean(axis=0)) ** 2).sum(axis=1).mean())


def _in_order(likeness: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return, for each row, a column, never going back, so that the sum of likeness is greatest."""
    rows, columns = likeness.shape
    best = likeness[0].astype(np.float64)
    came = np.zeros((rows, columns), np.int64)
    for row in range(1, rows):
        # Running maximum over all earlier columns, and where it was reached.
        top = np.maximum.accumulate(best)
        came[row] = np.maximum.accumulate(np.where(best >= top, np.arange(columns), 0))
        best = top + likeness[row]
    path = np.zeros(rows, np.int64)
    path[-1] = int(best.argmax())
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path
