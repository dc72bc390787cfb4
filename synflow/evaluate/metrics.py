"""Retrieval metrics of single queries, from the ranks of what is relevant to each.

Ties are broken against the model: of equal scores, what is not relevant stands first. Otherwise a model that gives all
items one score would look perfect. A query counts as found at *k* where any of its relevant items is among the first
*k* (as retrieval of videos is usually scored); nDCG tells how many of them are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

METRICS = ("R@1", "R@5", "R@10", "P@1", "MRR", "nDCG@10")
DEPTH = 10
"""Ranks that nDCG looks at."""

Ranks = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What a search found for one query.

    Attributes:
        ranks: of the relevant items that were ranked at all, increasing, from 1.
        relevant: how many items are relevant; those that no search can give (no media, no vector) are among them.
    """

    ranks: tuple[int, ...]
    relevant: int


def ranks_of(scores: npt.NDArray[Any], relevant: Sequence[int], tolerance: float = 0.0) -> tuple[int, ...]:
    """Return the ranks of the relevant items among all that are scored, increasing, from 1.

    Args:
        scores: of all items, shape ``[n]``; what is not finite was not ranked.
        relevant: places in ``scores``.
        tolerance: scores that differ by no more are equal.
    """
    places = np.unique(np.asarray(relevant, np.int64))
    own = scores[places]
    own = np.sort(own[np.isfinite(own)])[::-1]
    others = np.delete(scores, places)
    others = np.sort(others[np.isfinite(others)])
    before = len(others) - np.searchsorted(others, own - tolerance, side="left")
    return tuple((before + np.arange(1, len(own) + 1)).tolist())


def values_of(found: Found) -> dict[str, float]:
    """Return the metrics of one query, each 0 to 1.

    Raises:
        ValueError: nothing is relevant to the query; it has no value.
    """
    if not found.relevant:
        raise ValueError("a query without anything relevant cannot be scored")
    first = found.ranks[0] if found.ranks else 0
    hit = {k: float(0 < first <= k) for k in (1, 5, 10)}
    gain = sum(1 / np.log2(rank + 1) for rank in found.ranks if rank <= DEPTH)
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(found.relevant, DEPTH) + 1))
    return {
        "R@1": hit[1],
        "R@5": hit[5],
        "R@10": hit[10],
        "P@1": hit[1],
        "MRR": 1 / first if first else 0.0,
        "nDCG@10": float(gain / ideal),
    }


def table_of(found: Sequence[Found]) -> dict[str, Floats]:
    """Return each metric of all queries, float64 ``[n]``; NaN for a query without anything relevant."""
    columns = {name: np.full(len(found), np.nan) for name in METRICS}
    for place, one in enumerate(found):
        if one.relevant:
            for name, value in values_of(one).items():
                columns[name][place] = value
    return columns


def means(table: Mapping[str, Floats]) -> dict[str, float | None]:
    """Return the mean of each metric over the queries that have one; None where none has."""
    kept = {name: values[np.isfinite(values)] for name, values in table.items()}
    return {name: round(float(values.mean()), 6) if len(values) else None for name, values in kept.items()}
