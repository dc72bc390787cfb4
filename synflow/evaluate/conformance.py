"""What every embedder must hold, checked on a few texts and pictures; ``synflow evaluate --check`` runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from synflow.asks import Embedder, Item, Picture, Vector
from synflow.ids import digest

NEAR = 1e-4
"""By how much a number of a vector may depend on what stands beside its item; half precision needs so much."""


def picture(seed: int, time: float = 0.0) -> Picture:
    """Return a made-up picture."""
    rough = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.resize(rough, (224, 126), interpolation=cv2.INTER_CUBIC))[1].tobytes()
    return Picture(jpeg, digest(jpeg), time)


FILM = tuple(picture(seed, 0.5 * seed) for seed in range(5))
ITEMS = (
    Item("A red ball."),
    Item(None, FILM),
    Item(None, FILM[:1]),
    Item("A blue bird over green grass, then a yellow flower beside a white wall."),
    Item("A red ball.", FILM[:1]),
    Item(None, FILM[2:]),
)


def shortfalls(embedder: Embedder, near: float = NEAR) -> list[str]:
    """Return what an embedder does not hold, one sentence each; empty where it is sound.

    Args:
        embedder: the one to check.
        near: by how much numbers of equal items may differ.
    """
    found = list(_of_vectors(embedder))
    if found:
        return found
    together = embedder.embed(ITEMS)
    alone = [embedder.embed([item])[0] for item in ITEMS]
    backwards = embedder.embed(ITEMS[::-1])[::-1]
    if not _alike(together, alone, near):
        found.append("the vector of an item depends on what stands beside it")
    if not _alike(together, backwards, near):
        found.append("the vector of an item depends on its place in the batch")
    (nothing,) = embedder.embed([Item()])
    if nothing.values is not None:
        found.append("an item without text and pictures gets a vector")
    told = getattr(embedder, "parts", None)
    if told is not None:
        found += _of_parts(told(ITEMS))
    return found


def _of_vectors(embedder: Embedder) -> Iterator[str]:
    vectors = embedder.embed(ITEMS)
    if len(vectors) != len(ITEMS):
        yield f"{len(ITEMS)} items get {len(vectors)} vectors"
        return
    if list(embedder.embed([])):
        yield "no items get vectors"
    if not embedder.model:
        yield "the model has no id"
    values = [vector.values for vector in vectors if vector.values is not None]
    if not values:
        yield "it abstains from everything"
        return
    if len({one.shape for one in values}) > 1 or values[0].ndim != 1:
        yield "vectors have different shapes"
    if any(one.dtype != np.float32 for one in values):
        yield "vectors are not float32"
    if any(abs(float(np.linalg.norm(one)) - 1) > 1e-3 or not np.isfinite(one).all() for one in values):
        yield "vectors are not of length 1"
    for item, vector in zip(ITEMS, vectors, strict=True):
        if tuple(vector.bound) != tuple(digest(one.jpeg) for one in item.pictures):
            yield "a vector does not name the pictures that it was made from (`bound`)"
            return


def _of_parts(parts: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> Iterator[str]:
    if len(parts) != len(ITEMS):
        yield f"{len(ITEMS)} items get parts of {len(parts)}"
        return
    for one in parts:
        if one.ndim != 2 or np.abs(np.linalg.norm(one, axis=1) - 1).max(initial=0.0) > 1e-3:
            yield "parts are not rows of length 1"
            return


def _alike(some: Sequence[Vector], others: Sequence[Vector], near: float) -> bool:
    for one, other in zip(some, others, strict=True):
        if (one.values is None) != (other.values is None):
            return False
        if one.values is not None and other.values is not None and np.abs(one.values - other.values).max() > near:
            return False
    return True
