"""One shard through the stages of a pass: outcomes are checked, counted and kept."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from synflow.asks import Embedder, Vlm
from synflow.contract import CorpusStage, Decision, Drop, Keep, Media, Outcome, Prompt, Row, Split, Stage
from synflow.errors import ClipFailure
from synflow.ids import rng_of
from synflow.prompts import load
from synflow.records import Sample, Step
from synflow.store.receipts import Counts

MEDIA_REASONS: Mapping[str, str] = {
    "unreadable": "the file is missing, is no video, or nothing in it decodes",
    "unreachable": "the address did not give a video",
    "no-video": "the file has no pictures",
    "decode-timeout": "decoding took longer than the deadline",
    "decode-crash": "the decoder died on this file",
    "decode-memory": "decoding needed more memory than it may have",
}
ENGINE_REASONS: Mapping[str, str] = {
    "bad-span": "the asked span has no part in the video",
    "bad-record": "the line of the input list cannot be used",
    "duplicate-record": "an earlier line of the inputs names the same video, span and captions, or the same id",
    "kills-worker": "the worker process died each time it worked on this clip",
    "withdrawn": "its source was withdrawn after the run (`synflow withdraw`)",
}


@dataclass(frozen=True)
class WorkContext:
    """What stages may ask for, bound to one shard."""

    seed: int
    media: Media
    vlm: Vlm
    embed: Embedder
    frames: int
    versions: Mapping[str, int] = field(default_factory=dict)

    def prompt(self, name: str) -> Prompt:
        """Return the prompt ``name`` in the version that the manifest pins, else its newest."""
        return load(name, self.versions.get(name))

    def rng(self, sample: Sample, *salt: object) -> random.Random:
        """Return a generator seeded by the run's seed, the sample's ids and ``salt``."""
        return rng_of(self.seed, sample.record_id, sample.clip.id if sample.clip else "", *map(str, salt))


@dataclass(frozen=True)
class Bound:
    """A stage with the step that a sample's trace gets for it."""

    stage: Any
    step: Step

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.step.stage


@dataclass(frozen=True)
class Dropped:
    """A sample that ended, where and why."""

    sample: Sample
    stage: str
    drop: Drop


@dataclass(frozen=True)
class Live:
    """A sample under way; ``made`` where a split made it."""

    sample: Sample
    made: bool = False


class Ledger:
    """The account of a shard: every input and every made sample ends in exactly one place.

    Attributes:
        spent: seconds by stage, for the log alone. Pictures are decoded for the stage that asks for them first.
    """

    def __init__(self) -> None:
        self.inputs = 0
        self.dropped: list[Dropped] = []
        self.spent: dict[str, float] = {}
        self._split = self._made = self._input_drops = self._made_drops = 0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of what is done inside to a stage."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.spent[stage] = self.spent.get(stage, 0.0) + time.monotonic() - began

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, to milliseconds."""
        return {name: round(spent, 3) for name, spent in self.spent.items()}

    def enter(self, number: int) -> None:
        """Note that ``number`` samples came in."""
        self.inputs += number

    def drop(self, live: Live, stage: str, drop: Drop) -> None:
        """Note that a sample ended."""
        self.dropped.append(Dropped(live.sample, stage, drop))
        if live.made:
            self._made_drops += 1
        else:
            self._input_drops += 1

    def split(self, live: Live, parts: int) -> None:
        """Note that a sample was replaced by ``parts`` others."""
        if live.made:
            self._made += parts - 1
        else:
            self._split += 1
            self._made += parts

    def counts(self, survivors: Sequence[Live]) -> Counts:
        """Return the account, given who is left."""
        made = sum(live.made for live in survivors)
        return Counts(
            inputs=self.inputs,
            kept=len(survivors) - made,
            dropped=self._input_drops,
            split=self._split,
            made=self._made,
            made_kept=made,
            made_dropped=self._made_drops,
        )

    def reasons(self) -> dict[str, int]:
        """Return ``stage/reason`` -> number of drops."""
        found: dict[str, int] = {}
        for one in self.dropped:
            name = f"{one.stage}/{one.drop.reason}"
            found[name] = found.get(name, 0) + 1
        return dict(sorted(found.items()))


def call_stage(bound: Bound, lives: Sequence[Live], ctx: WorkContext, ledger: Ledger) -> list[Live]:
    """Send samples through one stage; return those that go on.

    A `ClipFailure` is the failure of one clip: where several went in together they are tried one by one, so that
    a bad clip never harms its neighbours.

    Raises:
        ValueError: the stage broke its contract (number, kind or reason of its outcomes).
    """
    stage: Stage = bound.stage
    try:
        with ledger.timed(bound.name):
            outcomes = stage([live.sample for live in lives], ctx)
    except ClipFailure as failure:
        if len(lives) == 1:
            _check_reason(bound, failure.reason)
            ledger.drop(lives[0], bound.name, Drop(failure.reason, failure.detail, lives[0].sample.measures))
            return []
        return [left for live in lives for left in call_stage(bound, [live], ctx, ledger)]
    if len(outcomes) != len(lives):
        raise ValueError(f"stage {bound.name} returned {len(outcomes)} outcomes for {len(lives)} samples")
    return [
        left for live, outcome in zip(lives, outcomes, strict=True) for left in settle_one(bound, live, outcome, ledger)
    ]


def settle_one(bound: Bound, live: Live, outcome: Outcome, ledger: Ledger) -> list[Live]:
    """Note one outcome in the ledger; return what goes on."""
    if isinstance(outcome, Keep):
        return [Live(_traced(outcome.sample, bound.step), live.made)]
    if isinstance(outcome, Drop):
        _check_reason(bound, outcome.reason)
        measures = {**live.sample.measures, **outcome.measures}
        ledger.drop(live, bound.name, Drop(outcome.reason, outcome.detail, measures))
        return []
    if isinstance(outcome, Split) and outcome.samples:
        ledger.split(live, len(outcome.samples))
        return [Live(_traced(sample, bound.step), True) for sample in outcome.samples]
    raise ValueError(f"stage {bound.name} returned {outcome!r}, which is no outcome")


def _traced(sample: Sample, step: Step) -> Sample:
    if sample.trace and sample.trace[-1] == step:
        return sample
    return sample.having(trace=(*sample.trace, step))


def _check_reason(bound: Bound, reason: str) -> None:
    if reason not in bound.stage.reasons and reason not in MEDIA_REASONS:
        raise ValueError(f"stage {bound.name} dropped a sample for {reason!r}, which it does not register")


def walk(
    stages: Sequence[Bound],
    groups: Sequence[Sequence[Live]],
    ctx: WorkContext,
    ledger: Ledger,
    leave: Callable[[list[Live]], list[Live]],
) -> list[Live]:
    """Send the samples of a shard through the stages of a pass.

    Args:
        stages: in order.
        groups: the samples by input record. Up to the first stage that wants the whole shard they walk record by
            record, so that the pictures of only one source are held at a time.
        ctx: what stages may ask for.
        ledger: the account of the shard.
        leave: called with what is left of a record when its own walk ends; returns what goes on.
    """
    first_wide = next((i for i, bound in enumerate(stages) if bound.stage.whole_shard), len(stages))
    left: list[Live] = []
    for group in groups:
        lives = list(group)
        for bound in stages[:first_wide]:
            if lives:
                lives = call_stage(bound, lives, ctx, ledger)
        left.extend(leave(lives))
    for bound in stages[first_wide:]:
        if left:
            left = call_stage(bound, left, ctx, ledger)
    return left


def apply_decisions(
    corpus: Mapping[str, Bound], decisions: Sequence[tuple[str, Decision]], live: Live, ledger: Ledger
) -> list[Live]:
    """Apply to one sample what the corpus stages decided of it, in the order in which they settled."""
    lives = [live]
    for name, decision in decisions:
        bound = corpus[name]
        stage: CorpusStage = bound.stage
        following: list[Live] = []
        for one in lives:
            outcome = decision.drop if decision.drop is not None else stage.apply(one.sample, decision)
            following.extend(settle_one(bound, one, outcome, ledger))
        lives = following
    return lives


def rows_of(
    corpus: Sequence[Bound], samples: Sequence[Sample], ctx: WorkContext, ledger: Ledger
) -> list[dict[str, Row]]:
    """Return for each sample what the corpus stages keep of it, by stage."""
    found: list[dict[str, Row]] = [{} for _ in samples]
    for bound in corpus:
        stage: CorpusStage = bound.stage
        with ledger.timed(bound.name):
            rows = stage.rows(samples, ctx)
        if len(rows) != len(samples):
            raise ValueError(f"stage {bound.name} returned {len(rows)} rows for {len(samples)} samples")
        for place, row in enumerate(rows):
            if row is not None:
                found[place][bound.name] = row
    return found


def decoded(value: Mapping[str, Any]) -> Decision:
    """Return a decision from its JSON."""
    drop = value.get("drop")
    beside = tuple(value.get("beside", ()))
    return Decision(drop=Drop(**drop) if drop else None, note=value.get("note"), beside=beside)
