"""Whether two models differ by more than chance: the paired bootstrap over the queries of each dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synflow.evaluate.abilities import AVERAGES, averages
from synflow.ids import seed_of

CHUNK = 1 << 22
"""Numbers that are drawn at a time."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How much better one model is than another.

    Attributes:
        difference: of the scores.
        low, high: the middle 95 % of the resampled differences.
        p: two-sided: twice the share of resamplings on the other side of zero, at most 1.
        queries: of the datasets that it is about.
    """

    difference: float
    low: float
    high: float
    p: float
    queries: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def resampled(one: Floats, other: Floats, times: int, seed: int) -> Floats:
    """Return the mean difference of queries drawn with replacement, ``times`` of them.

    Args:
        one: a value for each query.
        other: that of the other model, for the same queries in the same order.
        times: resamplings.
        seed: draws them.
    """
    apart = one - other
    rng = np.random.Generator(np.random.PCG64(seed))
    found = np.empty(times)
    step = max(1, CHUNK // max(1, len(apart)))
    for start in range(0, times, step):
        count = min(step, times - start)
        drawn = rng.integers(0, len(apart), (count, len(apart)))
        found[start : start + count] = apart[drawn].mean(axis=1)
    return found


def difference(exact: float, drawn: Floats, queries: int) -> Difference:
    """Return a difference with its spread."""
    low, high = np.quantile(drawn, (0.025, 0.975))
    # Two equal models differ in nothing, however often they are drawn.
    below, above = float((drawn <= 0).mean()), float((drawn >= 0).mean())
    p = min(1.0, 2 * max(min(below, above), 1 / (2 * len(drawn))))
    return Difference(round(exact, 6), round(float(low), 6), round(float(high), 6), round(p, 6), queries)


def compared(
    one: Mapping[str, Floats], other: Mapping[str, Floats], abilities: Mapping[str, str], times: int, seed: int
) -> dict[str, Difference]:
    """Return the differences of datasets, and of all averages that both models have whole.

    Args:
        one: dataset -> the metric of each query, NaN for queries without anything relevant.
        other: those of the other model.
        abilities: dataset -> ability, for all datasets of the benchmark.
        times: resamplings.
        seed: draws them.
    """
    found: dict[str, Difference] = {}
    drawn: dict[str, Floats] = {}
    exact: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for name in abilities:
        if name not in one or name not in other:
            continue
        kept = np.isfinite(one[name]) & np.isfinite(other[name])
        if not kept.any():
            continue
        a, b = one[name][kept], other[name][kept]
        drawn[name] = resampled(a, b, times, seed_of("bootstrap", seed, name))
        exact[name], sizes[name] = float(a.mean() - b.mean()), len(a)
        found[name] = difference(exact[name], drawn[name], len(a))
    whole = averages(exact, abilities)
    columns = [averages({name: float(values[i]) for name, values in drawn.items()}, abilities) for i in range(times)]
    for name in AVERAGES:
        value = whole[name].value
        if whole[name].whole and value is not None:
            spread = np.array([column[name].value for column in columns], np.float64)
            found[name] = difference(value, spread, sum(sizes.values()))
    return found
