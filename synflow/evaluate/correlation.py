"""How far two abilities go together over models: Spearman's and Pearson's coefficients, with the number of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Coefficients between two abilities; None where one of them does not vary, or there are fewer than three models.

    Attributes:
        n: models.
    """

    one: str
    other: str
    n: int
    spearman: float | None
    pearson: float | None


def ranked(values: Sequence[float]) -> Floats:
    """Return the ranks of values, from 1; equal ones share the mean of theirs."""
    given = np.asarray(values, np.float64)
    _, place, count = np.unique(given, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    found: Floats = (last - (count - 1) / 2)[place]
    return found


def pearson(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Pearson's coefficient; None where it is not defined."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if len(a) < 3:
        return None
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-12 else None


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Spearman's coefficient; None where it is not defined."""
    return pearson(ranked(one).tolist(), ranked(other).tolist())


def matrix(table: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], Correlation]:
    """Return the coefficients of all pairs of columns, both ways round.

    Args:
        table: ability -> one value for each model, in one order.
    """
    return {
        (one, other): Correlation(one, other, len(a), spearman(a, b), pearson(a, b))
        for one, a in table.items()
        for other, b in table.items()
    }
