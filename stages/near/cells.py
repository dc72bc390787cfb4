"""Neighbours among many small vectors of whole numbers: exact up to a size, within cells of like ones beyond it.

Sums of products of whole numbers of eight bits are exact in float32, whatever the order of summing: the neighbours
are the same on every machine and for any number of threads. Beyond `CELL` vectors each goes to the nearest of some
that a seed draws, and is compared within that cell only; the work grows with their number times `CELL`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from synflow.ids import rng_of

CELL = 4096
"""Vectors from which on not all are compared with all; twice as many may be in a cell."""

BLOCK = 1024
DEEPEST = 4
Places = npt.NDArray[np.int64]

Numbers = npt.NDArray[np.int8]


def cells(vectors: Numbers, seed: int, size: int = CELL) -> Iterator[Places]:
    """Yield the places of vectors (int8 ``[n, dim]``) that are compared with each other; every place once.

    A cell holds at most twice ``size``: a crowded one is divided again, around members of its own.
    """
    yield from _divided(vectors, np.arange(len(vectors)), seed, size, 0)


def _divided(vectors: Numbers, places: Places, seed: int, size: int, depth: int) -> Iterator[Places]:
    count = -(-len(places) // size)
    if count <= 1 or (depth and count == 2):
        if len(places):
            yield places
        return
    if depth == DEEPEST:
        # So many that are nearly the same are dealt out: they cannot be told apart anyway.
        yield from (places[part::count] for part in range(count))
        return
    held = vectors[places]
    centers = held[sorted(rng_of(seed, "cells", depth, len(places)).sample(range(len(places)), count))]
    blocks = (held[start : start + BLOCK] for start in range(0, len(held), BLOCK))
    home = np.concatenate([np.argmin(distances(block, centers), axis=1) for block in blocks])
    order = np.argsort(home, kind="stable")
    for first, last in pairwise(np.searchsorted(home[order], np.arange(count + 1))):
        yield from _divided(vectors, places[order[first:last]], seed, size, depth + 1)


def distances(one: Numbers, other: Numbers) -> npt.NDArray[np.float32]:
    """Return the squared distances, whole numbers, of each vector of ``one`` from each of ``other``."""
    here, there = one.astype(np.float32), other.astype(np.float32)
    lengths = (here * here).sum(axis=1)[:, None] + (there * there).sum(axis=1)[None]
    squared: npt.NDArray[np.float32] = lengths - 2.0 * (here @ there.T)
    return squared


def neighbours(vectors: Numbers, seed: int, most: int) -> Iterator[tuple[int, Places]]:
    """Yield each place with the places of its ``most`` nearest vectors, nearest first, equal ones by place."""
    for places in cells(vectors, seed):
        held = vectors[places]
        for start in range(0, len(places), BLOCK):
            found = distances(held[start : start + BLOCK], held)
            found[np.arange(len(found)), np.arange(start, start + len(found))] = np.inf
            near = min(most, len(places) - 1)
            for row, squared in enumerate(found):
                limit = np.partition(squared, near - 1)[near - 1] if near else -1.0
                within = np.flatnonzero(squared <= limit)
                yield int(places[start + row]), places[within[np.argsort(squared[within], kind="stable")][:near]]
