"""What the model finds of videos that it was not trained on: each query asks for its target among all held-out ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synflow.asks import Item
from synflow.train.pool import Pool
from synflow.train.prober import Trained
from synflow.train.samples import Items, Spoilt

CUTS = (1, 5, 10)


def trial(own: Trained, items: Items, pool: Pool) -> dict[str, dict[str, float]]:
    """Return recall of the held-out pairs by task, ``recall@1`` to ``recall@10``, with what chance would give.

    A target is found where one with the same text and media is among the first; each is a candidate once.
    """
    found = {}
    for task, places in pool.held.items():
        queries: list[Item] = []
        targets: list[Item] = []
        names: list[str] = []
        for place in places.tolist():
            try:
                pair = items.pair(place)
                query, target = items.query(pair), items.target(pair)
            except Spoilt:
                continue
            queries.append(query)
            targets.append(target)
            names.append(f"{pair.target.text}/{pair.target.digest}")
        if len(set(names)) > 1:
            found[task] = _recalls(own, queries, targets, names)
    return found


def _recalls(own: Trained, queries: Sequence[Item], targets: Sequence[Item], names: Sequence[str]) -> dict[str, float]:
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    candidates = list(first)
    asked = _matrix(own, queries)
    held = _matrix(own, [targets[place] for place in first.values()])
    ranks = ranks_of(asked @ held.T, [candidates.index(name) for name in names])
    told = {f"recall@{cut}": float((ranks < cut).mean()) for cut in CUTS}
    return {**told, "queries": float(len(names)), "candidates": float(len(held)), "chance": 1 / len(held)}


def ranks_of(scores: npt.NDArray[np.float64], wanted: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return how many candidates stand before the wanted one of each query; of equals, all do."""
    own = scores[np.arange(len(scores)), list(wanted)]
    found: npt.NDArray[np.int64] = (scores >= own[:, None]).sum(axis=1) - 1
    return found


def _matrix(own: Trained, items: Sequence[Item]) -> npt.NDArray[np.float64]:
    """Return vectors as rows; one that could not be made is zero, and found by nobody."""
    vectors = [vector.values for vector in own.embed(items)]
    width = next((len(one) for one in vectors if one is not None), 1)
    return np.stack([np.zeros(width) if one is None else one.astype(np.float64) for one in vectors])
