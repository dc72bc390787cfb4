"""Chooses how many pairs of each task a run ends with, by hash, balanced over domains, styles, topics and sources.

A chosen pair does not depend on the order in which clips arrive: each pair gets a place among the pairs of its domain,
style, topic and source by hash; the first places of all sources are taken before the second ones, then likewise topics,
styles and domains. So nobody gets more than an equal share while another has pairs left, and a source that is added
later only ever takes the place of pairs: none is chosen for it that was not chosen before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from pydantic import Field, field_validator

from stages.rules.topics import topic_of
from synflow.contract import Context, Decision, Keep, Outcome, Row, StageConfig
from synflow.ids import unit_of
from synflow.records import Pair, Sample, Task


class QuotaConfig(StageConfig):
    """Parameters of `Quota`."""

    targets: dict[Task, int] | None = Field(
        None, description="pairs per task; a task that is not named makes none; null: all pairs, none twice"
    )
    source_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="most of a task's target that comes from one source video; null: an equal share, and what others "
        "leave; ours",
    )
    topic_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="most of a task's target that is about one topic, the word that most captions of a clip share; "
        "null: an equal share, and what others leave; ours",
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
    style: str
    topic: str
    source: str
    row: int


class Quota:
    """Keeps exactly ``min(target, available)`` pairs of each task; fewer only where a share forbids more."""

    name: ClassVar[str] = "quota"
    version: ClassVar[int] = 3
    Config: ClassVar[type[StageConfig]] = QuotaConfig
    reasons: ClassVar[Mapping[str, str]] = {}
    rank: ClassVar[int] = 90
    settles: ClassVar[frozenset[str]] = frozenset({"targets", "source_share", "topic_share"})
    uses: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: QuotaConfig) -> None:
        self.config = config

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return the topic of each sample and the pairs that it offers: ``[id, task, domain, style, source]`` each."""
        return [
            {
                "sample": s.key,
                "topic": topic_of(caption.text for caption in s.captions),
                "pairs": [[p.id, p.task, p.domain, p.style, p.source_id] for p in s.pairs],
            }
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
            for offer in self._chosen(offered, wanted, seed):
                kept[offer.row].append(offer.id)
        return [Decision(note=sorted(ids)) for ids in kept]

    def _chosen(self, offered: Sequence[_Offer], wanted: int, seed: int) -> Sequence[_Offer]:
        """Return the first ``wanted`` pairs, without those by which a source or a topic would pass its share."""
        ordered = sorted(offered, key=lambda o: (unit_of(seed, o.id), o.id))
        if self.config.source_share is not None:
            # Before anything is compared with other sources, so that these cannot change which pairs of one are left.
            ordered = _at_most(ordered, _of_share(self.config.source_share, wanted), lambda o: o.source)
        ordered = _balanced(ordered)
        if self.config.topic_share is not None:
            # What has no topic is no topic.
            free = _of_share(self.config.topic_share, wanted)
            ordered = _at_most(ordered, free, lambda o: o.topic or o.id)
        return ordered[:wanted]

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Return the sample with only the pairs that were chosen, each once."""
        chosen = frozenset(decision.note or ())
        kept: dict[str, Pair] = {}
        for pair in sample.pairs:
            if pair.id in chosen:
                # Of pairs with one id the one stays that was counted.
                kept[pair.id] = min(kept.get(pair.id, pair), pair, key=lambda p: (p.domain, p.style or ""))
        return Keep(sample.having(pairs=tuple(kept.values())))


def _unrepeated(rows: Sequence[Row], seed: int) -> list[_Offer]:
    """Return every pair once; of pairs with one id the one whose sample comes first by hash stays.

    Of those of one sample it is the first by domain and style.
    """
    best: dict[str, tuple[float, _Offer]] = {}
    for place, row in enumerate(rows):
        for pair, task, domain, style, source in row["pairs"]:
            offer = _Offer(pair, task, domain, style or "", row.get("topic", ""), source, place)
            known = best.get(pair)
            # The hash is only drawn where two rows really meet: at 10^6 pairs it would cost more than the rest.
            if known is None:
                best[pair] = (-1.0, offer)
                continue
            first = known[0] if known[0] >= 0 else unit_of(seed, pair, rows[known[1].row]["sample"])
            second = unit_of(seed, pair, row["sample"])
            held = (first, known[1].domain, known[1].style) <= (second, offer.domain, offer.style)
            best[pair] = (first, known[1]) if held else (second, offer)
    return [offer for _, offer in best.values()]


def _of_share(share: float, wanted: int) -> int:
    return max(1, int(share * wanted + 1e-9))


def _at_most(offers: Iterable[_Offer], most: int, group: Callable[[_Offer], object]) -> list[_Offer]:
    """Return the first ``most`` members of each group, in the present order."""
    counts: Counter[object] = Counter()
    left = []
    for offer in offers:
        counts[group(offer)] += 1
        if counts[group(offer)] <= most:
            left.append(offer)
    return left


def _balanced(ordered: Sequence[_Offer]) -> list[_Offer]:
    """Return pairs of one task such that every beginning of the list is balanced over domains.

    Within a domain it is over styles, then over topics, then over sources.
    """
    dealt = _in_turns(ordered, lambda o: (o.domain, o.style, o.topic, o.source))
    dealt = _in_turns(dealt, lambda o: (o.domain, o.style, o.topic))
    dealt = _in_turns(dealt, lambda o: (o.domain, o.style))
    return _in_turns(dealt, lambda o: o.domain)


def _in_turns(offers: Sequence[_Offer], group: Callable[[_Offer], object]) -> list[_Offer]:
    """Deal groups out in turns: the first member of each in the present order, then the second ones, and so on."""
    turns: dict[object, int] = defaultdict(int)
    dealt = []
    for place, offer in enumerate(offers):
        name = group(offer)
        dealt.append((turns[name], place, offer))
        turns[name] += 1
    return [offer for _, _, offer in sorted(dealt)]
