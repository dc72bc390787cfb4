"""Gradual cuts: dissolves, wipes, and fades through a flat picture.

A dissolve is a stretch whose pictures are blends of the picture before it and the picture after it, with a weight
that rises steadily; in a wipe each place shows either the one or the other. Motion does neither. Windows of a few
lengths are tried all over the film, nearly all of which fall at a first look at three of their pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synflow.media.film import Cut, Film, Indices, Small, newness
from synflow.media.hard_cuts import NEW_SCENE, TONED, is_other_scene

FLAT = 4.0
"""Mean deviation (grey levels) under which a picture is of one tone: the black between two scenes."""

FADE = 2.0
"""Longest fade to or from a flat picture, in seconds."""

STROBE = 0.4
"""Seconds under which a dip to black must be newer than what is around it: strobing light dips again and again."""

HELD = 1.0
"""Seconds that a flat picture may last for the same scene after it to be the same shot still."""

LENGTHS = (0.25, 0.4, 0.65, 1.0, 1.6, 2.4)
"""Lengths of dissolves and wipes that are looked for, in seconds."""

HOP = 6
"""A window of each length begins every ``1 / HOP`` of it."""

ERROR = 0.4
ERROR_WIPE = 0.2
"""Share of the difference of two scenes that blends (places) of them may leave unexplained: motion goes on in both."""

BACK = 0.06
STEP = 0.45
"""How far the share of the new scene may fall back during a dissolve or wipe, and how far it may jump at once."""

DIP = 0.7
"""Most detail (mean square of steps) in the middle of a dissolve, as a share of that of its ends: the blend of two
unlike pictures has half of it, whatever moves in them, while a moving picture keeps its detail. After A. M. Alattar,
"Detecting and compressing dissolve regions in video sequences", ISCAS 1993, who looks at the variance."""

PARTS = (0.3, 0.5, 0.7)
UNBLENDED = 0.33
"""Newness that pictures may have at most after blends of the ends of a dissolve, and the blends that are looked at."""

NEW = 0.4
"""Newness between the ends of a gradual cut; more than at a hard cut, for there is more time to move."""

RISES = 1.4, 0.9
RISES_WIPE = 2.0, 1.3
"""How many times as new as the stretches before and after it a gradual cut must be: as their mean, and as each of
them. A wipe must be more, for nothing else tells it from a camera that moves over a pattern."""

WIPED = 0.25
"""Newness that three quarters of the picture must have after a wipe."""

Span = tuple[float, float]


def fades(film: Film) -> tuple[list[Cut], list[Span]]:
    """Return the cuts that lead through a flat picture (black, white), and the spans of fades that are no cuts.

    These lie at either end of the video, or the same scene goes on after them.
    """
    flat = film.deviation < FLAT
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(np.int8), [0]])))
    cuts: list[Cut] = []
    none: list[Span] = []
    last = len(flat) - 1
    for first, beyond in zip(edges[::2], edges[1::2], strict=True):
        i = 0 if first == 0 else _plateau(film, int(first) - 1, -1)
        j = last if beyond > last else _plateau(film, int(beyond), 1)
        span = float(film.times[i]), float(film.times[j])
        if first == 0 or beyond > last:
            none.append(span)
        elif not cuts or cuts[-1].end <= span[0]:
            score = film.between([(i, j)])[0]
            middle = float(film.times[first] + film.times[beyond - 1]) / 2
            strobing = span[1] - span[0] < STROBE and score < _needed(film, i, j, RISES_WIPE)
            if score >= NEW_SCENE and not strobing and is_other_scene(film, i, j, score):
                cuts.append(Cut(middle, "gradual", *span, score))
            elif film.times[beyond] - film.times[first] <= HELD:
                none.append(span)
    return cuts, none


def _plateau(film: Film, place: int, step: int) -> int:
    """Return where a fade ends that goes on from ``place``: the first picture that is as rich as the next ones."""
    limit = film.times[place] + step * FADE
    while 0 <= place + step < len(film.times) and (film.times[place + step] - limit) * step < 0:
        if film.deviation[place + step] < film.deviation[place] * 1.02:
            break
        place += step
    return place


def gradual_cuts(film: Film, taken: list[Span]) -> list[Cut]:
    """Return the dissolves and wipes that touch none of the spans ``taken`` (seconds), in order of time."""
    fitting = []
    for i, j, apart in _windows(film, taken):
        fit = _fit(film.tiny[i : j + 1])
        if fit is not None:
            fitting.append((-apart * (1 - fit.rest), i, j, fit))
    chosen: list[Cut] = []
    # The best first: what overlaps a cut that was found need not be matched any more.
    for _, i, j, fit in sorted(fitting, key=lambda found: found[:3]):
        start, end = float(film.times[i]), float(film.times[j])
        free = all(start >= other.end or end <= other.start for other in chosen)
        if free and film.toned(i, j) < TONED:
            score = film.between([(i, j)])[0]
            if score >= NEW and _is_cut(film, i, j, score, fit):
                time = float(np.interp(fit.middle, np.arange(j - i + 1), film.times[i : j + 1]))
                chosen.append(Cut(time, "gradual", start, end, score))
    return sorted(chosen, key=lambda cut: cut.time)


def _windows(film: Film, taken: list[Span]) -> list[tuple[int, int, float]]:
    """Return first and last picture, and their difference, of the windows whose middle may be a blend or wipe."""
    times, end = film.times, float(film.times[-1])
    starts = [np.arange(0.0, end - length + 1e-9, length / HOP) for length in LENGTHS]
    begins = np.concatenate(starts)
    lengths = np.repeat(LENGTHS, [len(start) for start in starts])
    i = np.searchsorted(times, begins - 1e-6)
    j = np.minimum(np.searchsorted(times, begins + lengths - 1e-6), len(times) - 1)
    right = j - i >= 4
    for start, stop in taken:
        right &= ~((times[j] >= start) & (times[i] < stop))
    i, j = i[right], j[right]
    apart = film.differences(i, j)
    i, j, apart = i[apart >= NEW], j[apart >= NEW], apart[apart >= NEW]
    looks = _middle_fits(film, i, j)
    return sorted(set(zip(i[looks].tolist(), j[looks].tolist(), apart[looks].tolist(), strict=True)))


def _middle_fits(film: Film, i: Indices, j: Indices) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell of each window whether its middle may be a blend of its first and last picture, or show places of both."""
    middle = (i + j) // 2
    first, last = film.tiny[i], film.tiny[j]
    change, inner = last - first, film.tiny[middle] - first
    weight, rest = _blended(change, inner)
    blend = (rest <= ERROR) & (weight > 0.15) & (weight < 0.85)
    ends = (1 - weight) * film.detail[i] + weight * film.detail[j]
    blend &= film.detail[middle] <= DIP * ends
    apart = np.abs(change).sum(axis=1)
    either = np.minimum(np.abs(inner), np.abs(inner - change)).sum(axis=1) / np.maximum(1e-6, apart)
    return np.asarray(blend | (either <= ERROR_WIPE))


def _blended(change: Small, inner: Small) -> tuple[Small, Small]:
    """Return the weight of the second scene in pictures, and the share of the change that is left unexplained."""
    energy = np.maximum(1e-6, np.einsum("ij,ij->i", change, change))
    weight = np.einsum("ij,ij->i", inner, change) / energy
    return weight, np.linalg.norm(inner - weight[:, None] * change, axis=1) / np.sqrt(energy)


@dataclass(frozen=True)
class _Fit:
    """How well pictures are blends of the first and the last, or made of places of either (a wipe).

    Attributes:
        rest: share of the change that is left unexplained.
        middle: where both weigh the same, in pictures from the first.
    """

    rest: float
    middle: float
    wipe: bool


def _fit(pictures: Small) -> _Fit | None:
    """Return the fit of pictures (float32 ``[n, p]``); None where the new scene's share does not rise steadily."""
    change, inner = pictures[-1] - pictures[0], pictures - pictures[0]
    apart = np.abs(change)
    if not apart.any():
        return None
    weight, rest = _blended(np.broadcast_to(change, inner.shape), inner)
    if float(rest.max()) <= ERROR and _rises(weight):
        return _Fit(float(rest.max()), _half_way(weight), wipe=False)
    old, new = np.abs(inner), np.abs(inner - change)
    either = np.minimum(old, new).sum(axis=1) / float(apart.sum())
    share = ((new < old) * apart).sum(axis=1) / float(apart.sum())
    if float(either.max()) <= ERROR_WIPE and _rises(share):
        return _Fit(float(either.max()), _half_way(share), wipe=True)
    return None


def _rises(share: Small) -> bool:
    """Tell whether the share of the new scene rises from the first to the last picture, steadily and in steps."""
    mixed = int(((share > 0.15) & (share < 0.85)).sum())
    back = np.maximum.accumulate(share) - share
    return mixed >= max(2, len(share) // 5) and float(back.max()) <= BACK and float(np.diff(share).max()) <= STEP


def _half_way(share: Small) -> float:
    return float(np.interp(0.5, np.maximum.accumulate(share), np.arange(len(share))))


def _is_cut(film: Film, i: int, j: int, score: float, fit: _Fit) -> bool:
    if score < _needed(film, i, j, RISES_WIPE if fit.wipe else RISES) or not is_other_scene(film, i, j, score):
        return False
    if fit.wipe:
        # A hand before the lens wipes over the picture too, but leaves a part of it as it was.
        return film.least_new(i, j) >= WIPED
    return _unblended(film, i, j) <= UNBLENDED


def _unblended(film: Film, i: int, j: int) -> float:
    """Return how new pictures between ``i`` and ``j`` are after blends of both, at most; motion may go on in them.

    What a whip pan smears looks like a blend only from far away.
    """
    change = film.tiny[j] - film.tiny[i]
    weights = (film.tiny[i : j + 1] - film.tiny[i]) @ change / float(change @ change)
    places = np.array([np.abs(weights - part).argmin() for part in PARTS])
    weight = weights[places][:, None, None]
    blends = film.small[i] * (1 - weight) + film.small[j] * weight
    return max(newness(np.clip(np.rint(blends), 0, 255).astype(np.uint8), film.small[i + places]))


def _needed(film: Film, i: int, j: int, rises: tuple[float, float]) -> float:
    """Return the newness that a cut must have, from what moves before and after it in stretches as long as it is."""
    length = film.times[j] - film.times[i]
    before, after = film.at(film.times[i] - length), film.at(film.times[j] + length)
    sides = film.between((a, b) for a, b in ((before, i), (j, after)) if b - a >= (j - i) / 3)
    return max(rises[0] * float(np.mean(sides)), rises[1] * max(sides)) if sides else 0.0
