"""Chooses how many pairs of each task a run ends with, by hash, balanced over domains and sources.

A chosen pair does not depend on the order in which clips arrive: each pair gets a place among the pairs of its domain
and source by hash, and the first places of all domains are taken before the second ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from pydantic import Field, field_validator

from synflow.contract import Context, Decision, Keep, Outcome, Row, StageConfig
from synflow.ids import unit_of
from synflow.records import Sample, Task


class QuotaConfig(StageConfig):
    """Parameters of `Quota`."""

    targets: dict[Task, int] | None = Field(
        None, description="pairs per task; a task that is not named makes none; null: all pairs, none twice"
    )

    @field_validator("targets")
    @classmethod
    def _counts(cls, targets: dict[Task, int] | None) -> dict[Task, int] | None:
        """Refuse negative counts."""
        if targets and any(n < 0 for n in targets.values()):
            raise ValueError("targets must not be negative")
        return targets


class _Offer(NamedTuple):
    """A pair as `Quota.settle` sees it; ``row`` is the place of its sample among the rows."""

    id: str
    task: str
    domain: str
    source: str
    row: int


class Quota:
    """Keeps exactly ``min(target, available)`` pairs of each task."""

    name: ClassVar[str] = "quota"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = QuotaConfig
    reasons: ClassVar[Mapping[str, str]] = {}
    rank: ClassVar[int] = 90
    settles: ClassVar[frozenset[str]] = frozenset({"targets"})
    uses: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: QuotaConfig) -> None:
        self.config = config

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return the pairs that each sample offers: ``[id, task, domain, style, source]`` each."""
        return [
            {"sample": s.key, "pairs": [[p.id, p.task, p.domain, p.style, p.source_id] for p in s.pairs]}
            if s.pairs
            else None
            for s in samples
        ]

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return for each row the ids of the pairs that it keeps, in ``note``."""
        kept: list[list[str]] = [[] for _ in rows]
        offers = _unrepeated(rows, seed)
        limits = {str(task): n for task, n in (self.config.targets or {}).items()}
        by_task: dict[str, list[_Offer]] = defaultdict(list)
        for offer in offers:
            by_task[offer.task].append(offer)
        for task, offered in by_task.items():
            wanted = len(offered) if self.config.targets is None else limits.get(task, 0)
            for offer in _balanced(offered, seed)[:wanted]:
                kept[offer.row].append(offer.id)
        return [Decision(note=sorted(ids)) for ids in kept]

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Return the sample with only the pairs that were chosen, each once."""
        chosen = dict.fromkeys(decision.note or ())
        pairs = {p.id: p for p in sample.pairs if p.id in chosen}
        return Keep(sample.having(pairs=tuple(pairs.values())))


def _unrepeated(rows: Sequence[Row], seed: int) -> list[_Offer]:
    """Return every pair once; of pairs with one id the one whose sample comes first by hash stays."""
    best: dict[str, tuple[float, _Offer]] = {}
    for place, row in enumerate(rows):
        for pair, task, domain, _, source in row["pairs"]:
            offer = _Offer(pair, task, domain, source, place)
            known = best.get(pair)
            # The hash is only drawn where two rows really meet: at 10^6 pairs it would cost more than the rest.
            if known is None:
                best[pair] = (-1.0, offer)
                continue
            first = known[0] if known[0] >= 0 else unit_of(seed, pair, rows[known[1].row]["sample"])
            second = unit_of(seed, pair, row["sample"])
            best[pair] = (first, known[1]) if first <= second else (second, offer)
    return [offer for _, offer in best.values()]


def _balanced(offers: Iterable[_Offer], seed: int) -> list[_Offer]:
    """Return pairs of one task such that every beginning of the list is balanced over domains, then over sources."""
    ordered = sorted(offers, key=lambda o: (unit_of(seed, o.id), o.id))
    return _in_turns(_in_turns(ordered, lambda o: (o.domain, o.source)), lambda o: o.domain)


def _in_turns(offers: Sequence[_Offer], group: Callable[[_Offer], object]) -> list[_Offer]:
    """Deal groups out in turns: the first member of each in the present order, then the second ones, and so on."""
    turns: dict[object, int] = defaultdict(int)
    dealt = []
    for place, offer in enumerate(offers):
        name = group(offer)
        dealt.append((turns[name], place, offer))
        turns[name] += 1
    return [offer for _, _, offer in sorted(dealt)]
