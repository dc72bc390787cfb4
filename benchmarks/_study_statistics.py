"""The statistics of the study: differences between ways, beside what seeds alone make of one and the same way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance
from typing import Any

from synflow.evaluate.abilities import AVERAGES, averages
from synflow.evaluate.reference import uvrb

LEVEL = 0.95

Table = Mapping[tuple[str, int], Sequence[Mapping[str, float]]]
"""(way, percent of false captions) -> for each seed, the averages by ability."""


@dataclass(frozen=True)
class Difference:
    """How much more one way scores than another.

    Attributes:
        value: difference of the means over seeds; of several shares of false captions, the mean of their differences.
        low, high: its interval at `LEVEL`.
        seeds: trainings of the way that has the fewest, over all shares.
    """

    value: float
    low: float
    high: float
    seeds: int

    @property
    def outside(self) -> bool:
        """Whether it is outside the spread of seeds: its interval leaves out zero."""
        return self.low > 0 or self.high < 0


def table_of(results: Mapping[str, Any], place: int = 0) -> dict[tuple[str, int], list[dict[str, float]]]:
    """Return the averages of all cells.

    Args:
        results: of the study.
        place: 0 for each dataset's own metric, 1 for the mean reciprocal rank.
    """
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for key in sorted(results["cells"], key=lambda key: (key.split("/")[0], *map(int, key.split("/")[1:]))):
        way, noise, _ = key.split("/")
        found.setdefault((way, int(noise)), []).append(averages_of(results["cells"][key], place))
    return found


def averages_of(cell: Mapping[str, Any], place: int = 0) -> dict[str, float]:
    """Return the averages of one model, from the scores of its datasets."""
    scores = {name: told[place] for name, told in cell["datasets"].items()}
    made = averages(scores, {name: known.ability for name, known in uvrb().items()})
    return {name: float(one.value) for name, one in made.items() if one.value is not None and one.whole}


def pooled(table: Table, ability: str) -> tuple[float, int]:
    """Return the standard deviation over seeds, all ways and shares taken together, and its degrees of freedom."""
    squares, freedom = 0.0, 0
    for seeds in table.values():
        if len(seeds) > 1:
            squares += variance(one[ability] for one in seeds) * (len(seeds) - 1)
            freedom += len(seeds) - 1
    return (math.sqrt(squares / freedom) if freedom else math.inf), freedom


def student(freedom: int, level: float = LEVEL) -> float:
    """Return how many standard errors an interval reaches to each side (Cornish and Fisher's expansion)."""
    if freedom < 4:
        return math.inf
    z = NormalDist().inv_cdf((1 + level) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def difference(
    table: Table, one: str, other: str, ability: str, shares: Sequence[int], shares_other: Sequence[int] | None = None
) -> Difference | None:
    """Return by how much a way scores more than another; None where a cell of them is missing.

    Args:
        table: of all cells.
        one: the way that is looked at.
        other: the way that it is compared with.
        ability: of `AVERAGES`.
        shares: percents of false captions, whose differences are averaged.
        shares_other: those of the other way, one for each, where they are others.
    """
    pairs = [((one, a), (other, b)) for a, b in zip(shares, shares_other or shares, strict=True)]
    if not pairs or any(cell not in table for pair in pairs for cell in pair):
        return None
    deviation, freedom = pooled(table, ability)
    values, squares = [], 0.0
    for a, b in pairs:
        values.append(fmean(run[ability] for run in table[a]) - fmean(run[ability] for run in table[b]))
        squares += 1 / len(table[a]) + 1 / len(table[b])
    reach = student(freedom) * deviation * math.sqrt(squares) / len(pairs)
    seeds = min(sum(len(table[pair[side]]) for pair in pairs) for side in (0, 1))
    return Difference(fmean(values), fmean(values) - reach, fmean(values) + reach, seeds)


def complete(table: Table, ways: Sequence[str]) -> list[int]:
    """Return the shares of false captions for which all ways were trained."""
    return sorted({share for _, share in table if all((way, share) in table for way in ways)})


def mean_of(table: Table, way: str, ability: str, shares: Sequence[int]) -> float:
    """Return the mean score of a way over these shares, each of which counts alike."""
    return fmean(fmean(run[ability] for run in table[way, share]) for share in shares)


def best_way(table: Table, ways: Sequence[str], shares: Sequence[int], ability: str = "abilities") -> str:
    """Return the way with the highest mean over these shares."""
    assert ability in AVERAGES
    return max(ways, key=lambda way: mean_of(table, way, ability, shares))
