"""The chain holds stages to their contract, counts every sample once, and isolates what fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow.chain import Bound, Ledger, Live, apply_decisions, call_stage, walk
from synflow.contract import Decision, Drop, Keep, Outcome, Split
from synflow.errors import ClipFailure
from synflow.records import Sample, Source, Step


class Scripted:
    """A stage that does to each sample what ``plan`` says for its record id."""

    reasons: Mapping[str, str] = {"bad": "it is bad"}
    version = 1

    def __init__(self, plan: Callable[[Sample], Outcome], name: str = "scripted", whole_shard: bool = False) -> None:
        self.plan, self.name, self.whole_shard = plan, name, whole_shard
        self.calls: list[list[str]] = []

    def __call__(self, samples: Sequence[Sample], ctx: Any) -> list[Outcome]:
        self.calls.append([sample.record_id for sample in samples])
        return [self.plan(sample) for sample in samples]


def bound(stage: Scripted) -> Bound:
    return Bound(stage, Step(stage=stage.name, version=1, config="c"))


def lives(*names: str) -> list[Live]:
    return [Live(Sample(source=Source(record_id=name, uri=name))) for name in names]


def split(sample: Sample, parts: int) -> Split:
    return Split(tuple(sample.having(start=float(part)) for part in range(parts)))


ACTIONS = st.sampled_from(["keep", "drop", "fail", 1, 2, 3])


def acting(script: Mapping[str, Any]) -> Callable[[Sample], Outcome]:
    def plan(sample: Sample) -> Outcome:
        action = script[sample.record_id]
        if action == "fail":
            raise ClipFailure("decode-crash", "it died")
        if action == "drop":
            return Drop("bad")
        return Keep(sample) if action == "keep" else split(sample, action)

    return plan


@given(st.lists(st.tuples(ACTIONS, ACTIONS), max_size=8), st.booleans(), st.booleans())
def test_every_sample_ends_in_exactly_one_place(scripts: list[tuple[Any, Any]], wide: bool, wider: bool) -> None:
    names = [str(place) for place in range(len(scripts))]
    first = Scripted(acting({name: one for name, (one, _) in zip(names, scripts, strict=True)}), "first", wide)
    second = Scripted(acting({name: two for name, (_, two) in zip(names, scripts, strict=True)}), "second", wider)
    ledger = Ledger()
    ledger.enter(len(names))
    left = walk([bound(first), bound(second)], [[live] for live in lives(*names)], None, ledger, list)  # type: ignore[arg-type]
    counts = ledger.counts(left)
    assert counts.adds_up
    assert counts.survivors == len(left)
    expected = 0
    for one, two in scripts:
        if one in ("drop", "fail"):
            continue
        made = 1 if one == "keep" else one
        expected += 0 if two in ("drop", "fail") else made * (1 if two == "keep" else two)
    assert len(left) == expected
    assert sum(ledger.reasons().values()) == len(ledger.dropped) == counts.dropped + counts.made_dropped


def test_a_clip_that_fails_in_a_batch_costs_itself_alone() -> None:
    stage = Scripted(acting({"a": "keep", "b": "fail", "c": "keep"}), whole_shard=True)
    ledger = Ledger()
    left = call_stage(bound(stage), lives("a", "b", "c"), None, ledger)  # type: ignore[arg-type]
    assert [live.sample.record_id for live in left] == ["a", "c"]
    assert [(one.sample.record_id, one.drop.reason) for one in ledger.dropped] == [("b", "decode-crash")]


def test_records_walk_one_by_one_until_a_stage_wants_them_all() -> None:
    narrow = Scripted(lambda sample: Keep(sample), "narrow")
    wide = Scripted(lambda sample: Keep(sample), "wide", whole_shard=True)
    after = Scripted(lambda sample: Keep(sample), "after")
    groups = [[live] for live in lives("a", "b", "c")]
    walk([bound(narrow), bound(wide), bound(after)], groups, None, Ledger(), list)  # type: ignore[arg-type]
    assert narrow.calls == [["a"], ["b"], ["c"]]
    assert wide.calls == after.calls == [["a", "b", "c"]]


def test_a_trace_names_each_stage_once() -> None:
    stage = Scripted(lambda sample: Keep(sample))
    left = call_stage(bound(stage), lives("a"), None, Ledger())  # type: ignore[arg-type]
    again = call_stage(bound(stage), left, None, Ledger())  # type: ignore[arg-type]
    assert [step.stage for step in again[0].sample.trace] == ["scripted"]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (lambda sample: Drop("unregistered"), "does not register"),
        (lambda sample: Split(()), "no outcome"),
        (lambda sample: None, "no outcome"),
    ],
)
def test_a_stage_that_breaks_its_contract_is_a_bug(plan: Callable[[Sample], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call_stage(bound(Scripted(plan)), lives("a"), None, Ledger())  # type: ignore[arg-type]


def test_a_stage_that_loses_a_sample_is_a_bug() -> None:
    class Losing(Scripted):
        def __call__(self, samples: Sequence[Sample], ctx: Any) -> list[Outcome]:
            return [Keep(sample) for sample in samples[1:]]

    with pytest.raises(ValueError, match="1 outcomes for 2 samples"):
        call_stage(bound(Losing(lambda sample: Keep(sample))), lives("a", "b"), None, Ledger())  # type: ignore[arg-type]


def test_decisions_apply_in_the_order_of_settling_and_stop_at_a_drop() -> None:
    class Corpus(Scripted):
        def apply(self, sample: Sample, decision: Decision) -> Outcome:
            return Keep(sample.having(measures={f"{self.name}.note": decision.note}))

    corpus = {name: bound(Corpus(lambda sample: Keep(sample), name)) for name in ("one", "two")}
    ledger = Ledger()
    ledger.enter(1)
    notes = [("one", Decision(note=1)), ("two", Decision(note=2))]
    left = apply_decisions(corpus, notes, lives("a")[0], ledger)
    assert left[0].sample.measures == {"one.note": 1, "two.note": 2}
    gone = apply_decisions(corpus, [("one", Decision(Drop("bad", "why"))), notes[1]], lives("b")[0], ledger)
    assert gone == []
    assert [(one.stage, one.drop.detail) for one in ledger.dropped] == [("one", "why")]
