"""Among how many videos does a query find its target, and with which rank: by text, by picture, by both.

Vectors are whole numbers of eight bits, so that sums of their products are exact in float32 whatever the order of
summing. In a run of at most ``gallery`` clips a target stands among all of them; in a larger one among those of its
cell of like clips, which are the hard ones, and a sample that the seed draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.near.cells import cells
from stages.rules.round_trip import Packed, unpack
from synflow.ids import rng_of

Scores = npt.NDArray[np.float64]

SAME = 1e-6
"""Scores that differ by less are equal."""

UNKNOWN = 0
"""Rank of a query that the embedder cannot place."""


@dataclass(frozen=True)
class Query:
    """A composed query and what it is to find; vectors as `round_trip.pack` writes them, empty where there is none.

    Attributes:
        text, reference, both: of the query: its text, its picture or clip, and both as one input.
        target: the target where it is a part of a clip; else it is the whole of ``goal``.
        rest: what of that clip is not the target: then the nearest rival of all.
        goal: place of the clip that holds the target; own: of that of the reference.
    """

    text: str
    reference: str
    both: str
    target: str
    rest: str
    goal: int
    own: int


@dataclass(frozen=True)
class Ranks:
    """Rank of the target by each input, 1 for found first and `UNKNOWN`; equal scores count against it."""

    text: int
    reference: int
    both: int
    rivals: int


class Gallery:
    """The clips of a run, to look for targets among them.

    Args:
        clips: vector of each clip; empty where the embedder abstained.
        gallery: how many clips a target stands among at least, where there are so many.
        seed: of the run.
    """

    def __init__(self, clips: Sequence[str], gallery: int, seed: int) -> None:
        self._known = np.array([place for place, clip in enumerate(clips) if clip], np.int64)
        packed = [unpack(clips[place]) for place in self._known]
        self._numbers = np.stack([one.numbers for one in packed]) if packed else np.zeros((0, 1), np.int8)
        self._scales = np.array([one.scale for one in packed])
        self._at = {int(place): row for row, place in enumerate(self._known)}
        self._gallery, self._seed = gallery, seed

    def ranks(self, queries: Sequence[Query]) -> Iterator[tuple[int, Ranks]]:
        """Yield the place of each query with its ranks, in no order that means anything."""
        by_goal: dict[int, list[int]] = {}
        for place, query in enumerate(queries):
            by_goal.setdefault(self._at.get(query.goal, -1), []).append(place)
        for place in by_goal.pop(-1, ()):
            yield place, Ranks(UNKNOWN, UNKNOWN, UNKNOWN, 0)
        count = len(self._known)
        if count <= self._gallery:
            groups: Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = iter(
                [(np.arange(count), np.arange(count))]
            )
        else:
            drawn = rng_of(self._seed, "rivals", count).sample(range(count), self._gallery)
            groups = (
                (cell, np.union1d(cell, np.array(drawn, np.int64)))
                for cell in cells(self._leveled(), self._seed, self._gallery)
            )
        for cell, among in groups:
            held = self._numbers[among].astype(np.float32)
            scales = self._scales[among]
            for row in cell:
                for place in by_goal.get(int(row), ()):
                    yield place, self._rank(queries[place], among, held, scales)

    def _leveled(self) -> npt.NDArray[np.int8]:
        """Return the vectors in whole numbers of one size, so that distances between them mean something."""
        level = float(np.median(self._scales)) if len(self._scales) else 1.0
        whole = np.round(self._numbers * (self._scales / level)[:, None])
        return np.clip(whole, -127, 127).astype(np.int8)

    def _rank(self, query: Query, among: npt.NDArray[np.int64], held: npt.NDArray[np.float32], scales: Scores) -> Ranks:
        """Return the ranks of one query among the clips ``among``, less the reference's own clip and the target's."""
        own, goal = self._at.get(query.own, -1), self._at[query.goal]
        rivals = np.flatnonzero((among != own) & (among != goal))
        held_goal = Packed(self._numbers[goal], float(self._scales[goal]))
        target = unpack(query.target) if query.target else held_goal
        extra = [target, *([unpack(query.rest)] if query.rest else [])]

        def scores(packed: str) -> Scores | None:
            """Return the score of the target, of the rest of its clip where there is one, and of all rivals."""
            if not packed:
                return None
            vector = unpack(packed)
            numbers = vector.numbers.astype(np.float32)
            first = [float(numbers @ one.numbers.astype(np.float32)) * one.scale for one in extra]
            others = (held[rivals] @ numbers).astype(np.float64) * scales[rivals]
            found: Scores = np.concatenate([first, others]) * vector.scale
            return found

        text, reference = scores(query.text), scores(query.reference)
        both = scores(query.both)
        if both is None and text is not None and reference is not None:
            both = standard(text) + standard(reference)
        return Ranks(_rank(text), _rank(reference), _rank(both), len(extra) - 1 + len(rivals))


def standard(scores: Scores) -> Scores:
    """Return scores less their mean, over their standard deviation: late fusion adds what two kinds of input say."""
    values = scores.tolist()
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return (scores - mean) / spread if spread > 1e-9 else np.zeros_like(scores)


def _rank(scores: Scores | None) -> int:
    """Return the rank of the first score; others that are as high stand before it."""
    return UNKNOWN if scores is None else 1 + int((scores[1:] >= scores[0] - SAME).sum())
