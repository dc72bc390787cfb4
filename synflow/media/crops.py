"""Which part of the picture of one clip another shows, for many pairs of clips at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from synflow.media.matching import Clips, Counts, Near
from synflow.media.signature import PIXELS, Unit, normal, view

GAIN = 0.005
"""Correlation by which a part must fit better than the whole."""

LOOKS = 5
"""Pictures by which it is told which part it is: the two that fit best, the first, the middle one, the last."""

BEST = 3
"""Of these the pictures that fit best, which say it; others may have been matched wrongly."""

Places = npt.NDArray[np.int64]


@cache
def views() -> npt.NDArray[np.float32]:
    """Return what maps a flat thumbnail to parts of itself, float32 ``[144, parts * 144]``."""
    shares = [(s, s, 0.5, 0.5) for s in (0.95, 0.9, 0.85, 0.8)]
    shares += [(0.9, 0.9, x, y) for x in (0.0, 1.0) for y in (0.0, 1.0)]
    shares += [(s, 1.0, 0.5, 0.5) for s in (0.9, 0.82, 0.75)] + [(1.0, s, 0.5, 0.5) for s in (0.9, 0.82, 0.75)]
    shares += [(1.0, 0.9, 0.5, 0.0), (1.0, 0.9, 0.5, 1.0), (0.9, 1.0, 0.0, 0.5), (0.9, 1.0, 1.0, 0.5)]
    return np.concatenate([view(*share) for share in shares], axis=1)


def looks(near: Near, counts: Counts) -> tuple[Places, Places, npt.NDArray[np.bool_]]:
    """Return the rows and the columns of the pictures by which the part is told, ``[n, 5]``, and which count.

    Those that do not are there already.
    """
    most = near.max(axis=2).argsort(axis=1)
    rows = np.sort(np.stack([most[:, -1], most[:, -2:][:, 0], 0 * counts, counts // 2, counts - 1], axis=1), axis=1)
    columns = near[np.arange(len(near))[:, None], rows].argmax(axis=2)
    new = np.ones(rows.shape, np.bool_)
    new[:, 1:] = rows[:, 1:] != rows[:, :-1]
    return rows, columns, new


def fit(likeness: npt.NDArray[np.float32], new: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the mean over those pictures that fit best; likeness is ``[n, 5, ...]``, of which ``new`` count."""
    shaped = new.reshape(*new.shape, *([1] * (likeness.ndim - 2)))
    best = np.sort(np.where(shaped, likeness, -np.inf), axis=1)[:, -BEST:]
    count = np.minimum(BEST, new.sum(axis=1)).reshape(-1, *([1] * (likeness.ndim - 2)))
    return np.asarray(np.where(np.isfinite(best), best, 0).sum(axis=1) / count, np.float32)


def best_part(
    wholes: Clips, shown: Clips, new: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return how well the best part of the one fits the other, ``[n]``, and which it is.

    Each part is held against all pictures of the other clip: the picture that the whole resembles most is often that of
    another moment, at which what moves makes up for what was cut off.

    Args:
        wholes: pictures of the clips of which a part is sought, ``[n, 5, 144]``.
        shown: all pictures of the other clips, ``[n, k, 144]``.
        new: which of the five count.
    """
    parts = (wholes.reshape(-1, PIXELS) @ views()).reshape(len(wholes), -1, PIXELS)
    mean = parts.mean(axis=2)
    square = np.einsum("nvp,nvp->nv", parts, parts) - PIXELS * mean * mean
    # The other has the mean 0, so that of the part does not matter here.
    common = (parts @ shown.transpose(0, 2, 1)).max(axis=2)
    likeness = common / np.sqrt(np.maximum(1e-6, square))
    found = fit(likeness.reshape(len(wholes), LOOKS, -1), new)
    best = found.argmax(axis=1)
    return found[np.arange(len(found)), best], best


def cut(clips: Clips, which: npt.NDArray[np.int64]) -> Unit:
    """Return parts of clips, ``[n, k, 144]``, of each that which ``which`` says."""
    out = np.empty_like(clips)
    for number in np.unique(which):
        of_it = which == number
        part = views()[:, number * PIXELS : (number + 1) * PIXELS]
        out[of_it] = normal(clips[of_it].reshape(-1, PIXELS) @ part).reshape(-1, *clips.shape[1:])
    return out
