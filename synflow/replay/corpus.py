"""What a pass left for its corpus stages, read again: rows, samples, and what was decided of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from synflow.chain import Bound, Ledger, Live, apply_decisions, decoded
from synflow.contract import Decision, Regrouped, Row
from synflow.errors import Damage
from synflow.plan import PassPlan
from synflow.records import Sample
from synflow.replay.fates import End
from synflow.settle import encoded, read_settled
from synflow.store.layout import RunLayout
from synflow.store.lines import read_lines
from synflow.store.receipts import ObjectRef, Receipt, read_receipt

Spelled = list[list[Any]]
"""What corpus stages decided of a sample, as a settlement spells it: couples of stage and decision."""


@dataclass(frozen=True)
class Applied:
    """What decisions make of a sample: where it ends, and whether one that goes on is what it was in the run."""

    end: End | None
    same: bool


class StoredPass:
    """The objects that a pass of a finished run left."""

    def __init__(self, layout: RunLayout, plan: PassPlan) -> None:
        self.layout, self.plan = layout, plan

    @cached_property
    def receipts(self) -> list[Receipt]:
        """The receipts of the pass, in the order of the inputs."""
        paths = sorted(self.layout.receipts(self.plan.name).glob("*.json"))
        return [receipt for path in paths if (receipt := read_receipt(path)) is not None]

    @cached_property
    def settled(self) -> dict[str, Spelled]:
        """What the corpus stages decided in the run, by sample key.

        Raises:
            Damage: it cannot be read.
        """
        found: dict[str, Spelled] = {}
        if not self.plan.corpus:
            return found
        path = self.layout.settled / f"{self.plan.name}.json"
        try:
            ref = ObjectRef.model_validate(json.loads(path.read_bytes())["object"])
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise Damage(f"{path} cannot be read", f"`synflow resume {self.layout.root}` makes it again") from error
        for _, decisions in read_settled(self.layout, ref):
            found.update(decisions)
        return found

    def samples(self, keys: Collection[str]) -> Iterator[Sample]:
        """Yield those samples, in the order of the inputs, as the pass left them: nothing decided yet."""
        records = {record_of(key) for key in keys}
        for receipt in self.receipts if records else ():
            for value in read_lines(self.layout, receipt.objects.get("samples")):
                if value["source"]["record_id"] in records:
                    sample = Sample.model_validate(value)
                    if sample.key in keys:
                        yield sample

    def rows(self, keys: Collection[str], bounds: Sequence[Bound]) -> list[tuple[str, dict[str, Row]]]:
        """Return the rows of those samples, in the order of the inputs, as if there were no others in the run."""
        rows: list[tuple[str, dict[str, Row]]] = []
        parted: set[str] = set()
        for receipt in self.receipts:
            for value in read_lines(self.layout, receipt.objects.get("rows")):
                if value["key"] in keys:
                    rows.append((value["key"], value["rows"]))
                else:
                    parted.add(record_of(value["key"]))
        grouping = [bound for bound in bounds if isinstance(bound.stage, Regrouped)]
        if not grouping:
            return rows
        groups: dict[str, list[Sample]] = {}
        for sample in self.samples({key for key, _ in rows if record_of(key) in parted}):
            groups.setdefault(sample.record_id, []).append(sample)
        for key, by_stage in rows:
            group = groups.get(record_of(key), [])
            place = next((i for i, sample in enumerate(group) if sample.key == key), None)
            for bound in grouping if place is not None else ():
                if bound.name in by_stage:
                    by_stage[bound.name] = bound.stage.regrouped(by_stage[bound.name], group, place)
        return rows


def record_of(key: str) -> str:
    """Return the record of a sample key."""
    return key.rpartition("\n")[0]


def spelled(decisions: Sequence[tuple[str, Decision]]) -> Spelled:
    """Return decisions as a settlement spells them."""
    plain: Spelled = json.loads(json.dumps([[name, encoded(decision)] for name, decision in decisions]))
    return plain


def outcome_of(
    sample: Sample, old: Mapping[str, Spelled], new: Mapping[str, Spelled], bounds: Sequence[Bound]
) -> Applied:
    """Return what new decisions make of a sample, compared with what the old ones made of it."""
    corpus = {bound.name: bound for bound in bounds}
    seen: list[list[Sample]] = []
    end: End | None = None
    for decisions in (old, new):
        ledger = Ledger()
        told = [(name, decoded(value)) for name, value in decisions.get(sample.key, ())]
        lives = apply_decisions(corpus, told, Live(sample), ledger)
        # A later stage sees captions, frames and facts, not the score that let a clip pass.
        seen.append([live.sample.model_copy(update={"measures": {}, "trace": ()}) for live in lives])
        end = next((End(one.stage, one.drop.reason, one.drop.detail) for one in ledger.dropped), None)
    return Applied(end, seen[0] == seen[1])
