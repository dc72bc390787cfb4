"""The exact ranks of what is relevant, and the best of each query, over a corpus that is read a file at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synflow.evaluate.metrics import ranks_of
from synflow.evaluate.scoring import NEAR, Scorer
from synflow.evaluate.vectors import Batch, Vectors

QUERIES = 2048
"""Queries that are compared at a time; the corpus is read once for each so many."""

PAIRS = 1024
TOP = 10

Single = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """What was found for each query.

    Attributes:
        ranks: of its relevant items, increasing, from 1; those without a score are missing.
        top: places of the best items, the best first.
        scores: of these.
    """

    ranks: list[tuple[int, ...]]
    top: list[list[int]]
    scores: list[list[float]]


def rank(
    scorer: Scorer, queries: Vectors, corpus: Vectors, relevant: Sequence[Sequence[int]],
    candidates: Sequence[Sequence[int] | None], tell: Callable[[int, int], None] = lambda done, total: None,
    block: int = QUERIES,
) -> Ranking:  # fmt: skip
    """Rank the corpus, or the candidates of each query, for all queries.

    Args:
        scorer: compares.
        queries: their vectors.
        corpus: of the items.
        relevant: places of the relevant items of each query.
        candidates: places that alone are ranked; None: all.
        tell: is told how many queries are done.
        block: queries at a time.
    """
    found = Ranking([()] * len(queries), [[] for _ in relevant], [[] for _ in relevant])
    if not queries.width or not corpus.width:
        # The embedder abstained from one whole side.
        return found
    wide = np.array([place for place, one in enumerate(candidates) if one is None], np.int64)
    for start in range(0, len(wide), block):
        tell(start, len(queries))
        _rank_all(scorer, queries, corpus, relevant, wide[start : start + block], found)
    for place, one in enumerate(candidates):
        if one is not None:
            _rank_few(scorer, queries, corpus, relevant[place], place, one, found)
    tell(len(queries), len(queries))
    return found


def _rank_few(
    scorer: Scorer, queries: Vectors, corpus: Vectors, relevant: Sequence[int], place: int, held: Sequence[int],
    found: Ranking,
) -> None:  # fmt: skip
    items = np.asarray(held, np.int64)
    scores = scorer.scores(queries.rows(np.array([place])), corpus.rows(items))[0]
    at = {item: i for i, item in enumerate(held)}
    found.ranks[place] = ranks_of(scores, [at[item] for item in relevant], NEAR)
    order = np.argsort(-scores, kind="stable")[:TOP]
    order = order[np.isfinite(scores[order])]
    found.top[place] = items[order].tolist()
    found.scores[place] = [round(float(score), 5) for score in scores[order]]


def _rank_all(
    scorer: Scorer, queries: Vectors, corpus: Vectors, relevant: Sequence[Sequence[int]], chosen: Places,
    found: Ranking,
) -> None:  # fmt: skip
    asked = queries.rows(chosen)
    rows = np.array([i for i, place in enumerate(chosen.tolist()) for _ in set(relevant[place])], np.int64)
    items = np.array([item for place in chosen.tolist() for item in sorted(set(relevant[place]))], np.int64)
    own = _own_scores(scorer, asked, corpus, rows, items)
    bars, before = own - np.float32(NEAR), np.zeros(len(rows), np.int64)
    by_item = np.argsort(items, kind="stable")
    top, best = np.zeros((len(asked), 0), np.int64), np.zeros((len(asked), 0), np.float32)
    for start, block in corpus.blocks():
        scores = scorer.scores(asked, block)
        top, best = _merged(top, best, scores, start)
        low, high = np.searchsorted(items[by_item], (start, start + len(block)))
        inside = by_item[low:high]
        # What is relevant is not in its own way: its rank counts what is not relevant.
        scores[rows[inside], items[inside] - start] = -np.inf
        for first in range(0, len(rows), QUERIES):
            part = slice(first, first + QUERIES)
            same = len(rows) == len(asked) and np.array_equal(rows[part], np.arange(len(asked))[part])
            held = scores[part] if same else scores[rows[part]]
            before[part] += np.count_nonzero(held >= bars[part][:, None], axis=1)
    _put_ranks(found, chosen, rows, own, before)
    for i, place in enumerate(chosen.tolist()):
        keep = np.isfinite(best[i])
        found.top[place] = top[i][keep].tolist()
        found.scores[place] = [round(float(score), 5) for score in best[i][keep]]


def _own_scores(scorer: Scorer, asked: Batch, corpus: Vectors, rows: Places, items: Places) -> Single:
    own = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), PAIRS):
        part = slice(start, start + PAIRS)
        mine = Batch.joined([asked.of(row) for row in rows[part].tolist()], asked.rows.shape[1])
        own[part] = scorer.pairs(mine, corpus.rows(items[part]))
    # What was not ranked stands behind everything, and is left out at the end.
    return np.where(np.isfinite(own), own, np.float32(np.inf))


def _put_ranks(found: Ranking, chosen: Places, rows: Places, own: Single, before: Places) -> None:
    order = np.lexsort((-own, rows))
    held: dict[int, list[int]] = {}
    for pair in order.tolist():
        if np.isfinite(own[pair]):
            mine = held.setdefault(int(rows[pair]), [])
            mine.append(int(before[pair]) + len(mine) + 1)
    for row, ranks in held.items():
        found.ranks[int(chosen[row])] = tuple(ranks)


def _merged(top: Places, best: Single, scores: Single, start: int) -> tuple[Places, Single]:
    """Return the best items so far with those of a block; of equal ones the earlier item is first."""
    count = min(TOP, scores.shape[1])
    few = np.argpartition(-scores, count - 1, axis=1)[:, :count] if count else np.zeros((len(scores), 0), np.int64)
    places = np.concatenate([top, few + start], axis=1)
    held = np.concatenate([best, np.take_along_axis(scores, few, axis=1)], axis=1)
    order = np.lexsort((places, -held), axis=-1)[:, :TOP]
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(held, order, axis=1)
