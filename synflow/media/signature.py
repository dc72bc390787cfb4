"""A small fingerprint of a clip over time: tiny pictures in order, and hashes that find others like it.

The fingerprint is a row of 12 x 12 luma thumbnails of 6 bits a pixel. A clip in which hardly anything moves needs few
of them; it has one picture of 32 x 32 besides, because such clips can only be told apart by what little they show.
`synflow.media.hashes` find *candidates* for copies, `synflow.media.likeness` decides. The method is ours.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.grid import nearest
from synflow.media.picture import inside_bars

SIDE = 12
PIXELS = SIDE * SIDE
RATE = 6.0
"""Pictures per second that are looked at, up to `LOOKS`; as few are kept as tell the clip's course."""

FEWEST_LOOKS, LOOKS = 16, 96

FEWEST, MOST = 7, 32
"""Thumbnails of a clip that has so many pictures."""

COURSE = 0.03
"""Squared distance of unit thumbnails by which one that is left out may differ from what its neighbours tell."""

COURSE_SHARE, LEAST_COURSE = 0.25, 0.002
"""The same as a share of the clip's mean squared change, where little moves: what is left out must not be most of that
which tells two takes apart. Less than the second is what rounding to levels makes."""

WIDER = 1.3
"""By how much that is widened at a time until few enough are kept."""

STILL = 4
"""Thumbnails of a clip without motion."""

STILL_CHANGE = 0.004
"""Mean squared change of unit thumbnails under which a clip has no motion to compare."""

DETAIL = 32
"""Side of the one picture of a clip without motion."""

LEVELS = 64
"""Grey levels of a stored pixel; one is a twelfth of the spread of a picture."""

TONE = 6
"""Grey levels by which the pixels of a bar may differ."""

Thumbs = npt.NDArray[np.uint8]
Unit = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Signature:
    """A fingerprint.

    Attributes:
        thumbs: uint8 ``[k, 12, 12]``, 0 to 63, in order of time, 1 <= k <= `MOST`.
        detail: uint8 ``[32, 32]`` where the clip has no motion; otherwise None.
    """

    thumbs: Thumbs
    detail: Thumbs | None = None


def signature(times: npt.NDArray[np.float64], luma: npt.NDArray[np.uint8]) -> Signature:
    """Return the fingerprint of a clip, given all its pictures: seconds ``[n]`` and luma ``[n, h, w]``, n >= 1."""
    top, bottom, left, right = _inside(luma)
    length = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    moments = _moments(times, int(np.clip(round(RATE * length), FEWEST_LOOKS, LOOKS)))
    inner = luma[:, top:bottom, left:right]
    thumbs = _levels(_shown(times, inner, moments))
    pictures = unit(thumbs)
    if energy(pictures) >= STILL_CHANGE:
        return Signature(thumbs[_course(pictures, MOST)])
    few = np.unique(np.linspace(0, len(moments) - 1, STILL).round().astype(int))
    mean = inner[nearest(times, moments[few])].mean(axis=0).astype(np.uint8)
    return Signature(thumbs[few], _levels(_by_area(mean[None], DETAIL))[0])


def track(times: npt.NDArray[np.float64], luma: npt.NDArray[np.uint8]) -> Signature:
    """Return a fingerprint of a video of any length: as many thumbnails as it takes."""
    top, bottom, left, right = _inside(luma)
    length = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    if length * RATE <= LOOKS:
        return signature(times, luma)
    thumbs = _levels(_shown(times, luma[:, top:bottom, left:right], _moments(times, round(RATE * length))))
    return Signature(thumbs[_course(unit(thumbs), len(thumbs))])


def _inside(luma: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what bars leave, those with a mark or a text in them too.

    A film that has bars may have been put into a box: what is left is looked at once more.
    """
    top, bottom, left, right = _once_inside(luma)
    if (bottom - top, right - left) == luma.shape[1:]:
        return top, bottom, left, right
    # Where a box ends, a row of pixels may show both sides of its edge.
    edge = [1 if cut else 0 for cut in (top, luma.shape[1] - bottom, left, luma.shape[2] - right)]
    inner = luma[:, top + edge[0] : bottom - edge[1], left + edge[2] : right - edge[3]]
    up, down, first, last = _once_inside(inner)
    if (down - up, last - first) == inner.shape[1:]:
        return top, bottom, left, right
    top, left = top + edge[0], left + edge[2]
    return top + up, top + down, left + first, left + last


def _once_inside(luma: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    some = luma[:: max(1, len(luma) // 8)]
    up, down = _bars(some)
    first, last = _bars(some.transpose(0, 2, 1))
    rows, columns = luma.shape[1:]
    top, bottom, left, right = inside_bars(luma[:, up : rows - down, first : columns - last])
    return up + top, up + bottom, first + left, first + right


def _bars(pictures: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return how many rows at the top and at the bottom of ``[n, rows, columns]`` belong to a bar with a mark in it.

    Most of a bar has one tone, the same all the time, and it ends in an edge. Bars come in pairs of one tone.
    """
    rows = pictures.shape[1]
    tone = np.median(pictures[:, [0, -1]].reshape(len(pictures), -1), axis=1).astype(np.int16)
    if np.ptp(tone) > TONE:
        return 0, 0
    flat = (np.abs(pictures - tone[:, None, None]) <= TONE).mean(axis=2).min(axis=0) >= 0.7
    up = int(np.argmin(flat)) if not flat.all() else 0
    down = int(np.argmin(flat[::-1])) if not flat.all() else 0
    if not up or not down or up + down > rows / 2:
        return 0, 0
    return up, down


def _course(pictures: Unit, most: int) -> npt.NDArray[np.int64]:
    """Return the places of at most ``most`` pictures between which the others can be interpolated, ends included."""
    count = len(pictures)
    products = pictures.astype(np.float64) @ pictures.T.astype(np.float64)
    far = max(1, (count - 1) // (FEWEST - 1)) if count > FEWEST else 1
    allowed = min(COURSE, max(LEAST_COURSE, COURSE_SHARE * energy(pictures)))
    while True:
        kept = [0]
        while kept[-1] < count - 1:
            here = kept[-1]
            reach = min(far, count - 1 - here)
            while reach > 1 and not _told(products, here, reach, allowed):
                reach -= 1 if reach < 4 else reach // 3
            kept.append(here + reach)
        if len(kept) <= most:
            return np.array(kept)
        allowed *= WIDER


def _told(products: npt.NDArray[np.float64], begin: int, reach: int, allowed: float) -> bool:
    """Tell whether picture ``begin`` and the one ``reach`` later, interpolated, tell those between.

    Args:
        products: scalar products of the pictures with each other, ``[k, k]``, from which all distances follow.
        begin: first picture.
        reach: how far the second lies behind it.
        allowed: most squared distance.
    """
    end, middle = begin + reach, begin + (reach + 1) // 2
    # In the middle interpolation is worst: one look, without arrays, answers most calls.
    there = (middle - begin) / reach
    here = 1 - there
    of = products.item
    ends = here * here * of(begin, begin) + 2 * here * there * of(begin, end) + there * there * of(end, end)
    if of(middle, middle) + ends - 2 * (here * of(begin, middle) + there * of(end, middle)) > allowed + 1e-9:
        return False
    if reach < 3:
        return True
    part, steps = products[begin : end + 1, begin : end + 1], _steps(reach + 1)
    back = 1 - steps
    ends = back * back * part[0, 0] + 2 * back * steps * part[0, -1] + steps * steps * part[-1, -1]
    gaps = part.diagonal()[1:-1] + ends - 2 * (back * part[0, 1:-1] + steps * part[-1, 1:-1])
    return float(np.max(gaps)) <= allowed


@cache
def _steps(count: int) -> npt.NDArray[np.float64]:
    return np.linspace(0, 1, count)[1:-1]


def _moments(times: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    return np.linspace(float(times[0]), float(times[-1]), min(count, len(times)))


def _shown(
    times: npt.NDArray[np.float64], luma: npt.NDArray[np.uint8], moments: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Return what a clip shows at some moments, ``[k, 12, 12]``, interpolated between the pictures around each.

    Of a copy of another rate or codec, other pictures lie there: the nearest ones may be a twelfth of a second apart.
    """
    after = np.clip(np.searchsorted(times, moments - 1e-6), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    places, where = np.unique(np.concatenate([before, after]), return_inverse=True)
    small = _by_area(luma[places], SIDE)[where]
    share = np.clip((moments - times[before]) / np.maximum(1e-6, times[after] - times[before]), 0, 1)[:, None, None]
    between = (1 - share) * small[: len(moments)] + share * small[len(moments) :]
    return np.rint(between).astype(np.float32)


def _levels(pictures: npt.NDArray[np.float32]) -> Thumbs:
    """Return small pictures ``[k, side, side]`` in levels that do not depend on their brightness and contrast."""
    small = pictures.reshape(len(pictures), -1)
    middle, spread = small.mean(axis=1, keepdims=True), small.std(axis=1, keepdims=True)
    least = np.maximum(np.float32(2.0), np.float32(0.4) * spread)
    for _ in range(2):
        # What is far off (a box, a mark, a lamp) shall not dim all the rest.
        within = np.clip(small, middle - 2 * spread, middle + 2 * spread)
        middle, spread = within.mean(axis=1, keepdims=True), np.maximum(least, within.std(axis=1, keepdims=True))
    level = np.clip(np.round(LEVELS / 2 + LEVELS / 5.2 * (small - middle) / spread), 0, LEVELS - 1)
    return np.asarray(level, np.uint8).reshape(pictures.shape)


def _by_area(pictures: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.float32]:
    """Return pictures reduced to ``side`` pixels each way, whole grey levels: what ``cv2.resize`` does by area.

    That is slow where the sides do not divide evenly; for many pictures, two products of matrices are three times
    faster. Each is small enough for the cache.
    """
    _, height, width = pictures.shape
    if min(height, width) < side:
        resized = [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in pictures]
        return np.stack(resized).astype(np.float32)
    down, across = _areas(height, side), _areas(width, side)
    out = np.empty((len(pictures), side, side), np.float32)
    for place, picture in enumerate(pictures):
        out[place] = down @ picture.astype(np.float32) @ across.T
    return np.asarray(np.rint(out, out))


@cache
def _areas(size: int, side: int) -> npt.NDArray[np.float32]:
    """Return the share of each of ``size`` pixels in a row in each of ``side`` equal parts of it, ``[side, size]``."""
    edges = np.arange(side + 1) * (size / side)
    first, last = edges[:-1, None], edges[1:, None]
    pixels = np.arange(size)
    covered = np.minimum(last, pixels + 1) - np.maximum(first, pixels)
    return np.asarray(np.maximum(0.0, covered) * (side / size), np.float32)


def unit(thumbs: Thumbs) -> Unit:
    """Return pictures as rows with mean 0 and length 1, float32 ``[k, pixels]``."""
    return normal(thumbs.reshape(len(thumbs), -1).astype(np.float32))


def normal(rows: npt.NDArray[np.float32]) -> Unit:
    """Return rows with mean 0 and length 1."""
    rows = rows - rows.mean(axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(1e-3, np.linalg.norm(rows, axis=-1, keepdims=True)), np.float32)


def energy(pictures: Unit) -> float:
    """Return the mean squared change over time of unit pictures ``[k, pixels]``."""
    return float(((pictures - pictures.mean(axis=0)) ** 2).sum(axis=1).mean())


def pack(found: Signature) -> str:
    """Return a fingerprint as text: four pixels in three bytes, base64."""
    pixels = found.thumbs.ravel()
    if found.detail is not None:
        pixels = np.concatenate([pixels, found.detail.ravel()])
    bits = np.unpackbits(pixels.astype(np.uint8)[:, None], axis=1)[:, 2:]
    return base64.b64encode(np.packbits(bits).tobytes()).decode("ascii")


def unpack(text: str) -> Signature:
    """Return the fingerprint that `pack` wrote.

    Raises:
        ValueError: it is none.
    """
    return unpack_all([text])[0]


def unpack_all(texts: Sequence[str]) -> list[Signature]:
    """Return fingerprints that `pack` wrote; for many in a quarter of the time that each by itself would take.

    Raises:
        ValueError: one of them is none.
    """
    packed = [binascii.a2b_base64(text, strict_mode=True) for text in texts]
    if any(len(data) == 0 or len(data) % 3 for data in packed):
        raise ValueError("no fingerprint")
    triples = np.frombuffer(b"".join(packed), np.uint8).reshape(-1, 3)
    pixels = np.empty((len(triples), 4), np.uint8)
    first, second, third = triples.T
    pixels[:, 0] = first >> 2
    pixels[:, 1] = (first & 3) << 4 | second >> 4
    pixels[:, 2] = (second & 15) << 2 | third >> 6
    pixels[:, 3] = third & 63
    flat = pixels.ravel()
    out: list[Signature] = []
    begin = 0
    for data in packed:
        end = begin + len(data) // 3 * 4
        out.append(_laid_out(flat[begin:end]))
        begin = end
    return out


def _laid_out(pixels: npt.NDArray[np.uint8]) -> Signature:
    over = len(pixels) % PIXELS
    has_detail = over == DETAIL * DETAIL % PIXELS and over > 0
    split = len(pixels) - DETAIL * DETAIL if has_detail else len(pixels)
    if (over and not has_detail) or split <= 0:
        raise ValueError("no fingerprint")
    detail = pixels[split:].reshape(DETAIL, DETAIL) if has_detail else None
    return Signature(pixels[:split].reshape(-1, SIDE, SIDE), detail)


@cache
def view(wide: float, high: float, x: float = 0.5, y: float = 0.5) -> npt.NDArray[np.float32]:
    """Return what maps a flat thumbnail to a part of itself, float32 ``[144, 144]``.

    Args:
        wide: share of its width.
        high: share of its height.
        x: where it lies, 0 (left) to 1.
        y: where it lies, 0 (top) to 1.
    """
    return np.asarray(np.kron(_part(high, y), _part(wide, x)).T, np.float32)


def _part(share: float, place: float) -> npt.NDArray[np.float64]:
    """Return what reads ``share`` of a row of pixels, linearly interpolated, ``[12, 12]``."""
    spots = np.clip((np.arange(SIDE) + 0.5) * share + SIDE * (1 - share) * place - 0.5, 0, SIDE - 1)
    left = np.minimum(spots.astype(int), SIDE - 2)
    out = np.zeros((SIDE, SIDE))
    out[np.arange(SIDE), left] = 1 - (spots - left)
    out[np.arange(SIDE), left + 1] += spots - left
    return out
