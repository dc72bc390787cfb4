"""From scores of datasets to those of abilities, and the averages that UVRB prints (Guo et al., arXiv 2510.27571).

S, T, PR, CG, LC, CMP and VIS are means of their datasets; FG is the mean of S, T and PR; TXT that of CG, FG and LC.
The ability average is the mean of TXT, CMP, VIS, CG, FG and LC, the dataset average that of the datasets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ABILITIES = ("TXT", "CMP", "VIS", "CG", "FG", "LC", "S", "T", "PR")
"""The nine, as the paper plots them."""

SINGLE = ("CG", "S", "T", "PR", "LC", "CMP", "VIS")
"""Abilities that datasets have; the others are made of these."""

MADE = {
    "FG": ("S", "T", "PR"),
    "TXT": ("CG", "FG", "LC"),
    "abilities": ("TXT", "CMP", "VIS", "CG", "FG", "LC"),
}
"""Averages of averages, each after those that it is made of."""

AVERAGES = (*ABILITIES, "abilities", "datasets")

WORDS = {
    "TXT": "text queries",
    "CMP": "composed queries",
    "VIS": "visual queries",
    "CG": "coarse",
    "FG": "fine",
    "LC": "long context",
    "S": "spatial",
    "T": "temporal",
    "PR": "partially relevant",
    "abilities": "average of abilities",
    "datasets": "average of datasets",
}


@dataclass(frozen=True)
class Average:
    """A mean, or what is there of it.

    Attributes:
        value: mean of what is there; None where nothing is.
        missing: datasets that it needs and that have no score; where there are any, it compares with nothing.
    """

    value: float | None
    missing: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all that it needs is there."""
        return self.value is not None and not self.missing


def averages(scores: Mapping[str, float | None], abilities: Mapping[str, str]) -> dict[str, Average]:
    """Return all averages, by the names of `AVERAGES`.

    Args:
        scores: of datasets; None, or no entry, where one is missing.
        abilities: dataset -> its ability, for all datasets that belong to the benchmark.
    """
    found: dict[str, Average] = {}
    for ability in SINGLE:
        found[ability] = _mean({name: scores.get(name) for name, one in abilities.items() if one == ability})
    for name, parts in MADE.items():
        held = [found[part] for part in parts if found[part].value is not None or found[part].missing]
        values = [one.value for one in held if one.value is not None]
        missing = tuple(dict.fromkeys(dataset for one in held for dataset in one.missing))
        # A benchmark that has no dataset of an ability at all has no whole average that needs it.
        lacking = tuple(f"any {part}" for part in parts if part in SINGLE and part not in abilities.values())
        found[name] = Average(sum(values) / len(values) if values else None, (*missing, *lacking))
    found["datasets"] = _mean({name: scores.get(name) for name in abilities})
    return {name: found[name] for name in AVERAGES}


def _mean(scores: Mapping[str, float | None]) -> Average:
    values = [value for value in scores.values() if value is not None]
    missing = tuple(name for name, value in scores.items() if value is None)
    return Average(sum(values) / len(values) if values else None, missing)
