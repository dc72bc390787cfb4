"""Where one shot ends and the next begins: hard cuts, dissolves and fades, but not flashes, shaking or motion.

Two pictures are compared after *block matching*: each small patch of one may have moved a little in the other.
What is left over, relative to the contrast of the pictures, says how **new** a place of the picture is; the median
over all places is near 0 for the same scene, whatever moves in it, and near 1 for another scene. A hard cut is a step
in newness that the pictures around it do not show, and after which the old scene does not come back. A dissolve is a
stretch whose pictures are blends of the picture before it and the picture after it. The method is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.picture import inside_bars

SMALL = 48
"""Longer side, in pixels, of the pictures that are compared."""

REACH = 3
"""How far a patch may have moved between compared pictures, in pixels of the small picture (6 % of its width)."""

CONTRAST = 12.0
"""Mean deviation (grey levels) under which a picture counts as flat rather than as a faint scene."""

NEW_SCENE = 0.25
"""Newness from which two pictures may be of two scenes."""

RISE = 2.0
"""How many times as new as the steps around it a cut must be (where all moves, every step is new)."""

JERK = 1.5
"""How many times as new as the second strongest step around it a cut must be."""

AROUND = 12
"""Steps on either side that a cut is compared with; the nearest is left out, since a cut may be smeared over two."""

RETURN = 0.4
"""Seconds after (before) a step within which the old (new) scene must not be seen; a flash is shorter."""

FLAT = 4.0
"""Mean deviation (grey levels) under which a picture is of one tone: the black between two scenes."""

FADE = 2.0
"""Longest fade to or from a flat picture, in seconds."""

BLENDS = (0.3, 0.6, 1.0, 1.6, 2.4)
"""Lengths of dissolves and fades that are looked for, in seconds."""

BLEND_ERROR = 0.4
"""Share of the difference of two scenes that a blend of them may leave unexplained (motion goes on in both)."""

BLEND_BACK = 0.06
BLEND_STEP = 0.45
"""How far the weight of the new scene may fall back during a dissolve, and how far it may jump at once."""

BLEND_NEW = 0.33
"""Newness between the ends of a dissolve; more than at a hard cut, for there is more time to move."""

Gray = npt.NDArray[np.uint8]
Small = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """A change of shot.

    Attributes:
        time: seconds from the first picture: of the first picture of the new shot, or the middle of a dissolve.
        start, end: of a dissolve or fade; both equal ``time`` for a hard cut.
        score: newness across it.
    """

    time: float
    kind: Literal["hard", "gradual"]
    start: float
    end: float
    score: float


def find_cuts(times: Times, luma: Gray) -> list[Cut]:
    """Return the cuts of a video in order of time.

    Args:
        times: seconds of each picture, shape ``[n]``, increasing.
        luma: the pictures, uint8, shape ``[n, h, w]``.
    """
    if len(times) < 3:
        return []
    film = _Film(times, shrink(luma))
    fades, edges = _fades(film)
    taken = [*((fade.start, fade.end) for fade in fades), *edges]
    hard = [cut for cut in _hard_cuts(film) if all(not start <= cut.time <= end for start, end in taken)]
    taken += [(cut.time, cut.time) for cut in hard]
    return sorted([*fades, *hard, *_gradual_cuts(film, taken)], key=lambda cut: cut.time)


def shrink(luma: Gray) -> Small:
    """Return the pictures with a longer side of 48 pixels as float32, without bars that are flat in all of them."""
    top, bottom, left, right = inside_bars(luma)
    luma = luma[:, top:bottom, left:right]
    height, width = luma.shape[1:]
    scale = SMALL / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in luma]).astype(np.float32)


def newness(one: Small, other: Small) -> float:
    """Return how much of ``other`` is not in ``one``: near 0 the same scene, about 1 another scene.

    A place is new where it differs both as it is and after brightness and contrast are evened out: so neither a light
    that is switched on nor a window that opens on an unchanged desktop makes a new scene.
    """
    contrast = max(CONTRAST, (_deviation(one) + _deviation(other)) / 2)
    plain = cv2.boxFilter(cv2.absdiff(one, other), -1, (5, 5)) / contrast
    a, b = _evened(one), _evened(other)
    a = _aligned(a, b)
    forth, back = _unmatched(a, b), _unmatched(b, a)
    return min(float(np.median(np.minimum(plain, forth))), float(np.median(np.minimum(plain, back))))


def _deviation(picture: Small) -> float:
    return float(np.abs(picture - picture.mean()).mean())


def _evened(picture: Small) -> Small:
    centred = picture - picture.mean()
    return np.asarray(centred / max(CONTRAST, float(np.abs(centred).mean())), np.float32)


def _aligned(a: Small, b: Small) -> Small:
    """Return ``a`` moved as a whole to where it fits ``b`` best, if that is nearer: a jolted camera moves far."""
    shift, _ = cv2.phaseCorrelate(a.copy(), b.copy(), cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F))
    if max(abs(shift[0]), abs(shift[1])) < REACH / 2 or max(abs(shift[0]), abs(shift[1])) > SMALL / 3:
        return a
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = cv2.warpAffine(a, move, (a.shape[1], a.shape[0]), borderMode=cv2.BORDER_REPLICATE)
    return moved if float(cv2.absdiff(moved, b).mean()) < float(cv2.absdiff(a, b).mean()) else a


def _unmatched(a: Small, b: Small) -> Small:
    """Return, for each place of ``b``, the least difference to a patch of ``a`` within `REACH`."""
    height, width = a.shape
    frame = cv2.copyMakeBorder(a, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    best = np.full(a.shape, np.inf, np.float32)
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            moved = frame[down : down + height, right : right + width]
            np.minimum(best, cv2.boxFilter(cv2.absdiff(b, moved), -1, (5, 5)), out=best)
    return best


class _Film:
    """Small pictures in time, with their newness computed once and only where it is asked for."""

    def __init__(self, times: Times, small: Small) -> None:
        self.times, self.small = times, small
        self.deviation = np.array([_deviation(picture) for picture in small])
        self.known: dict[tuple[int, int], float] = {}

    def between(self, i: int, j: int) -> float:
        """Return the newness between two pictures, or its upper bound where that is low enough."""
        if (i, j) not in self.known:
            # Unmoved patches bound the matched ones from above: most pairs need no block matching.
            bound = self.bound(i, j)
            self.known[i, j] = bound if bound < NEW_SCENE / RISE else newness(self.small[i], self.small[j])
        return self.known[i, j]

    def bound(self, i: int, j: int) -> float:
        """Return an upper bound of the newness between two pictures; a twentieth of its cost."""
        contrast = max(CONTRAST, float(self.deviation[i] + self.deviation[j]) / 2)
        plain = cv2.boxFilter(cv2.absdiff(self.small[i], self.small[j]), -1, (5, 5))
        return float(np.median(plain)) / contrast

    def at(self, time: float) -> int:
        """Return the place of the first picture at or after ``time``, the last one where there is none."""
        return min(int(np.searchsorted(self.times, time - 1e-6)), len(self.times) - 1)


def _hard_cuts(film: _Film) -> list[Cut]:
    count = len(film.times)
    cuts = []
    for i in range(1, count):
        if film.bound(i - 1, i) < NEW_SCENE:
            continue
        step = film.between(i - 1, i)
        if step < NEW_SCENE:
            continue
        near = [j for j in range(max(1, i - AROUND), min(count, i + AROUND + 1)) if abs(j - i) > 1]
        others = sorted((film.between(j - 1, j) for j in near), reverse=True)
        # The second strongest: another cut may be near, but jerky pictures jump again and again.
        usual = max(RISE * float(np.median(others)), JERK * others[1]) if len(others) > 1 else 0.0
        if step >= usual and not _comes_back(film, i):
            cuts.append(Cut(float(film.times[i]), "hard", float(film.times[i]), float(film.times[i]), step))
    return cuts


def _comes_back(film: _Film, i: int) -> bool:
    """Tell whether the scene before ``i`` is seen again soon after, or the scene from ``i`` was seen just before."""
    last = film.at(film.times[i] + RETURN)
    first = film.at(film.times[i - 1] - RETURN)
    after = sorted({min(i + 1, last), (i + last) // 2, last} - {i})
    before = sorted({max(i - 2, first), (i - 1 + first) // 2, first} - {i - 1})
    pairs = [(i - 1, j) for j in after] + [(j, i) for j in before]
    return any(film.between(a, b) < NEW_SCENE * 0.75 for a, b in pairs)


def _fades(film: _Film) -> tuple[list[Cut], list[tuple[float, float]]]:
    """Return the cuts that lead through a flat picture (black, white), and the spans of fades at either end."""
    flat = film.deviation < FLAT
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(np.int8), [0]])))
    cuts: list[Cut] = []
    outer: list[tuple[float, float]] = []
    last = len(flat) - 1
    for first, beyond in zip(edges[::2], edges[1::2], strict=True):
        if first == 0 or beyond > last:
            # Black at either end of the video parts nothing.
            i = 0 if first == 0 else _plateau(film, int(first) - 1, -1)
            j = last if beyond > last else _plateau(film, int(beyond), 1)
            outer.append((float(film.times[i]), float(film.times[j])))
            continue
        i = _plateau(film, int(first) - 1, -1)
        j = _plateau(film, int(beyond), 1)
        if cuts and cuts[-1].end > film.times[i]:
            continue
        score = newness(film.small[i], film.small[j])
        if score >= NEW_SCENE:
            middle = float(film.times[first] + film.times[beyond - 1]) / 2
            cuts.append(Cut(middle, "gradual", float(film.times[i]), float(film.times[j]), score))
    return cuts, outer


def _plateau(film: _Film, place: int, step: int) -> int:
    """Return where a fade ends that goes on from ``place``: the first picture that is as rich as the next ones."""
    limit = film.times[place] + step * FADE
    while 0 <= place + step < len(film.times) and (film.times[place + step] - limit) * step < 0:
        if film.deviation[place + step] < film.deviation[place] * 1.02:
            break
        place += step
    return place


def _gradual_cuts(film: _Film, taken: list[tuple[float, float]]) -> list[Cut]:
    """Return the best blends that touch none of the spans ``taken`` (seconds)."""
    found: list[tuple[float, Cut]] = []
    starts, ends = np.array([span[0] for span in taken]), np.array([span[1] for span in taken])
    end = float(film.times[-1])
    for length in BLENDS:
        for start in np.arange(0.0, end - length + 1e-9, length / 6):
            i, j = film.at(float(start)), film.at(float(start) + length)
            if j - i < 4 or bool(((starts <= film.times[j]) & (ends > film.times[i])).any()):
                continue
            if film.bound(i, j) < BLEND_NEW:
                continue
            fit = _blend(film.small[i : j + 1])
            if fit is None:
                continue
            score = film.between(i, j)
            if score < max(BLEND_NEW, RISE * _usual(film, i, j)):
                continue
            middle = float(np.interp(fit[1], np.arange(j - i + 1), film.times[i : j + 1]))
            cut = Cut(middle, "gradual", float(film.times[i]), float(film.times[j]), score)
            found.append((fit[0], cut))
    chosen: list[Cut] = []
    for _, cut in sorted(found, key=lambda item: (item[0], item[1].time)):
        if all(cut.start >= other.end or cut.end <= other.start for other in chosen):
            chosen.append(cut)
    return chosen


def _usual(film: _Film, i: int, j: int) -> float:
    """Return how new a stretch as long as ``i .. j`` is on either side of it: all of it motion, if it is no cut."""
    lengths = film.times[j] - film.times[i]
    before, after = film.at(film.times[i] - lengths), film.at(film.times[j] + lengths)
    sides = [film.between(a, b) for a, b in ((before, i), (j, after)) if b - a >= (j - i) / 3]
    return float(np.mean(sides)) if sides else 0.0


def _blend(pictures: Small) -> tuple[float, float] | None:
    """Fit every picture as a blend of the first and the last.

    Returns:
        The share that is left unexplained, and the place (in pictures, from the first) where both weigh the same;
        None where the pictures are no blend or the weight does not rise steadily.
    """
    first, last = pictures[0].ravel(), pictures[-1].ravel()
    change = last - first
    energy = float(change @ change)
    if energy <= 0:
        return None
    inner = pictures.reshape(len(pictures), -1) - first
    weight = inner @ change / energy
    rest = np.linalg.norm(inner - weight[:, None] * change, axis=1) / np.sqrt(energy)
    mixed = (weight > 0.15) & (weight < 0.85)
    if mixed.sum() < max(2, len(pictures) // 5) or float(rest.max()) > BLEND_ERROR:
        return None
    back = np.maximum.accumulate(weight) - weight
    if float(back.max()) > BLEND_BACK or float(np.diff(weight).max()) > BLEND_STEP:
        return None
    return float(rest.max()), float(np.interp(0.5, np.maximum.accumulate(weight), np.arange(len(pictures))))
