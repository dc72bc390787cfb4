"""What every embedder promises (`synflow.models.contract`), as tests that each backend's file runs on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from synflow.asks import Embedder, Item, Picture, Vector, said_digest
from synflow.ids import digest

NEAR = 1e-5
"""By how much a number of a vector may depend on what stands beside its item."""


def picture(seed: int, time: float = 0.0, size: tuple[int, int] = (160, 90)) -> Picture:
    rough = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()
    return Picture(jpeg, digest(jpeg), time)


FILM = tuple(picture(seed, 0.5 * seed) for seed in range(5))
SPOILT = Picture(b"no jpeg", digest(b"no jpeg"), 0.0)
ITEMS = (
    Item(text="A red ball."),
    Item(pictures=FILM),
    Item(pictures=FILM[:1]),
    Item(text="A blue bird over green grass, then a yellow flower beside a white wall and a black gate."),
    Item(pictures=FILM[3:]),
    Item(text="A red ball.", pictures=FILM[:1]),
    Item(pictures=FILM[2:3]),
)
EMPTY = (Item(), Item(text=""), Item(pictures=(SPOILT,)))


class EmbedderConformance:
    """Subclasses give the fixture ``embedder``."""

    def test_one_unit_vector_for_each_item_in_order(self, embedder: Embedder) -> None:
        vectors = embedder.embed(ITEMS)
        assert len(vectors) == len(ITEMS)
        sizes = {vector.values.shape for vector in vectors if vector.values is not None}
        assert len(sizes) == 1
        for vector in vectors:
            assert vector.values is not None and vector.values.dtype == np.float32
            assert abs(float(np.linalg.norm(vector.values)) - 1) < 1e-5
        backwards = embedder.embed(ITEMS[::-1])[::-1]
        assert_alike(vectors, backwards)

    def test_an_item_is_the_same_alone_and_in_any_company(self, embedder: Embedder) -> None:
        together = embedder.embed([*ITEMS, *EMPTY, *ITEMS])
        assert_alike(together[: len(ITEMS)], [embedder.embed([item])[0] for item in ITEMS])
        assert_alike(together[: len(ITEMS)], together[-len(ITEMS) :])

    def test_vectors_are_bound_to_what_was_read(self, embedder: Embedder) -> None:
        for item, vector in zip(ITEMS, embedder.embed(ITEMS), strict=True):
            assert vector.bound == tuple(digest(one.jpeg) for one in item.pictures)
            assert vector.said == said_digest(item.text)

    def test_a_picture_that_is_not_what_it_says_does_not_bind_to_its_word(self, embedder: Embedder) -> None:
        lying = replace(FILM[0], jpeg=FILM[1].jpeg)
        (vector,) = embedder.embed([Item(pictures=(lying,))])
        assert vector.bound == (FILM[1].digest,)

    def test_it_abstains_where_there_is_nothing(self, embedder: Embedder) -> None:
        vectors = embedder.embed([EMPTY[0], ITEMS[0], EMPTY[1], EMPTY[2]])
        assert [vector.values is None for vector in vectors] == [True, False, True, True]
        assert embedder.embed([]) == []

    def test_a_model_that_permutes_is_found_out(self, embedder: Embedder) -> None:
        film = [Item(pictures=(one,)) for one in FILM]
        assert bound_to_own(film, embedder.embed(film))
        for turn in range(1, len(film)):
            assert not bound_to_own(film, Permuting(embedder, turn).embed(film))


class Permuting:
    """A faulty model: gives the vectors of a batch, with all that belongs to them, to other items.

    Args:
        embedder: the sound one. turn: by how many places it is off.
    """

    learned = True

    def __init__(self, embedder: Embedder, turn: int = 1) -> None:
        self.embedder, self.turn, self.model = embedder, turn, embedder.model

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        vectors = list(self.embedder.embed(items))
        return vectors[self.turn :] + vectors[: self.turn]


def bound_to_own(items: Sequence[Item], vectors: Sequence[Vector]) -> bool:
    """Tell whether every vector was made from just what was sent, as a stage checks it."""
    return all(
        vector.bound == tuple(one.digest for one in item.pictures) and vector.said == said_digest(item.text)
        for item, vector in zip(items, vectors, strict=True)
    )


def assert_alike(some: Sequence[Vector], others: Sequence[Vector]) -> None:
    for one, other in zip(some, others, strict=True):
        assert one.values is not None and other.values is not None
        assert float(np.abs(one.values - other.values).max()) <= NEAR
        assert one.bound == other.bound
