"""Stages that look at pictures leave a trail, and do not look where the trail of an earlier run has the answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from synflow.asks import Embedder, Vlm
from synflow.chain import Bound, WorkContext
from synflow.contract import Drop, Keep, Outcome, Prompt, Regrouped, Row
from synflow.ids import ID_LENGTH, digest_of
from synflow.media.session import MediaSession
from synflow.plan import defines
from synflow.records import Sample
from synflow.trail import Step, Trail, key_of, measuring, patched, state_of, told, untold

Lookup = Callable[[Sample], Mapping[tuple[str, str], Step]]
"""Returns the steps of a sample's record by stage (``rows:`` before those of rows) and by what it saw."""

RowsOf = Callable[[str], Mapping[str, Row] | None]
"""Returns the rows that an earlier run kept of a sample key, by stage; None where it kept none."""


class Watched:
    """A context that notes what a stage asks for besides pictures."""

    def __init__(self, ctx: WorkContext) -> None:
        self._ctx = ctx
        self.asked: set[str] = set()
        self.media, self.frames = ctx.media, ctx.frames

    @property
    def seed(self) -> int:
        """The seed of the run."""
        self.asked.add("seed")
        return self._ctx.seed

    @property
    def vlm(self) -> Vlm:
        """The model that writes; its answers have a journal of their own."""
        self.asked.add("vlm")
        return self._ctx.vlm

    @property
    def embed(self) -> Embedder:
        """The embedder."""
        self.asked.add("embed")
        return self._ctx.embed

    def prompt(self, name: str) -> Prompt:
        """Return a prompt."""
        self.asked.add("vlm")
        return self._ctx.prompt(name)

    def rng(self, sample: Sample, *salt: object) -> random.Random:
        """Return a generator seeded by the run's seed."""
        self.asked.add("seed")
        return self._ctx.rng(sample, *salt)


class Remembering:
    """A stage that answers from a trail where it can, and leaves one; to the chain it is the stage itself.

    Args:
        bound: the stage.
        config: its parameters.
        session: tells whether a call looked at pictures; a call that did not is cheap and not noted.
        trail: where steps are noted.
        lookup: gives the steps of an earlier run; rows_of: its rows.
        identities: what a key says of ``seed`` and ``embed``.
    """

    def __init__(
        self,
        bound: Bound,
        config: Mapping[str, Any],
        session: MediaSession,
        trail: Trail,
        lookup: Lookup,
        rows_of: RowsOf,
        identities: Mapping[str, Any],
    ) -> None:
        self._stage, self._name = bound.stage, bound.name
        self._session, self._trail, self._lookup, self._rows_of = session, trail, lookup, rows_of
        self._identities = identities
        self._config = dict(config)
        self._measuring = measuring(bound.stage, config)
        self._reads: frozenset[str] | None = getattr(bound.stage, "reads", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def __call__(self, samples: Sequence[Sample], ctx: WorkContext) -> Sequence[Outcome]:
        """Return one outcome for each sample."""
        if defines(type(self._stage), "verdict"):
            return self._judged(samples, ctx)
        return self._grouped(samples, ctx)

    def _judged(self, samples: Sequence[Sample], ctx: WorkContext) -> list[Outcome]:
        """A stage with a verdict sees each sample by itself: what was measured is decided again."""
        states = [state_of(sample, self._reads) for sample in samples]
        found: list[Outcome | None] = []
        steps: list[Step | None] = []
        for sample, state in zip(samples, states, strict=True):
            step = self._known(sample, state, self._name, self._measuring)
            outcome = None if step is None else self._decided(sample, step)
            found.append(outcome)
            steps.append(None if outcome is None else step)
        unknown = [place for place, outcome in enumerate(found) if outcome is None]
        fresh: dict[str, Any] | None = {}
        if unknown:
            outcomes, fresh = self._asked([samples[place] for place in unknown], ctx, self._stage, self._measuring)
            self._check(outcomes, len(unknown), "outcomes")
            for place, outcome in zip(unknown, outcomes, strict=True):
                found[place] = outcome
        settled = [outcome for outcome in found if outcome is not None]
        for sample, state, outcome, step in zip(samples, states, settled, steps, strict=True):
            base = {"of": step["of"], "asks": step["asks"]} if step is not None else fresh
            if base:
                self._note(sample, {"stage": self._name, **base, "in": state}, outcome)
        return settled

    def _decided(self, sample: Sample, step: Step) -> Outcome | None:
        """Return the verdict on what was measured; None where it passes now and more has to be known of it."""
        kept = "keep" in step
        measures = step["keep"].get("measures", {}) if kept else step["measures"]
        drop: Drop | None = self._verdict(sample, measures)
        if drop is not None:
            return replace(drop, measures=measures)
        return Keep(patched(sample, step["keep"])) if kept else None

    def _verdict(self, sample: Sample, measures: Mapping[str, Any]) -> Drop | None:
        try:
            drop: Drop | None = self._stage.verdict({**sample.measures, **measures})
        except KeyError:
            # It ended before it was measured.
            return None
        return drop

    def _note(self, sample: Sample, step: Step, outcome: Outcome) -> None:
        """Note a judged sample, if its verdict can be told again from the measures."""
        value = told(sample, outcome)
        if value is None or "split" in value:
            return
        measures = value["keep"].get("measures", {}) if "keep" in value else value["drop"][2]
        drop = self._verdict(sample, measures)
        if "keep" in value:
            if drop is None:
                self._trail.add(sample.record_id, {**step, "keep": value["keep"]})
        elif drop is not None and [drop.reason, drop.detail] == value["drop"][:2]:
            self._trail.add(sample.record_id, {**step, "measures": measures})

    def _grouped(self, samples: Sequence[Sample], ctx: WorkContext) -> Sequence[Outcome]:
        """Any other stage may look at the clips of a record together: only the same ones get the same answer."""
        states = digest_of([state_of(sample, self._reads) for sample in samples])[:ID_LENGTH]
        step = self._known(samples[0], states, self._name, self._config)
        if step is not None:
            self._trail.add(samples[0].record_id, step)
            return [untold(sample, value) for sample, value in zip(samples, step["out"], strict=True)]
        outcomes, base = self._asked(samples, ctx, self._stage, self._config)
        values = [told(sample, outcome) for sample, outcome in zip(samples, outcomes, strict=False)]
        if base and None not in values and len(values) == len(samples):
            self._trail.add(samples[0].record_id, {"stage": self._name, **base, "in": states, "out": values})
        return outcomes

    def rows(self, samples: Sequence[Sample], ctx: WorkContext) -> Sequence[Row | None]:
        """Return one row for each sample."""
        states = [state_of(sample, self._reads) for sample in samples]
        together = isinstance(self._stage, Regrouped)
        if together:
            states = [digest_of([place, *states])[:ID_LENGTH] for place in range(len(states))]
        name = f"rows:{self._name}"
        steps = [self._known(one, state, name, self._measuring) for one, state in zip(samples, states, strict=True)]
        held = [None if step is None else self._rows_of(step["key"]) for step in steps]
        steps = [step if by_stage is not None else None for step, by_stage in zip(steps, held, strict=True)]
        if together and None in steps:
            steps = [None] * len(samples)
        rows = [by_stage.get(self._name) if by_stage is not None else None for by_stage in held]
        unknown = [place for place, step in enumerate(steps) if step is None]
        fresh: dict[str, Any] | None = {}
        if unknown:
            made, fresh = self._asked([samples[i] for i in unknown], ctx, self._stage.rows, self._measuring)
            self._check(made, len(unknown), "rows")
            for place, row in zip(unknown, made, strict=True):
                rows[place] = row
        for sample, state, step in zip(samples, states, steps, strict=True):
            base = {"of": step["of"], "asks": step["asks"]} if step is not None else fresh
            if base:
                self._trail.add(sample.record_id, {"stage": name, **base, "in": state, "key": sample.key})
        return rows

    def _check(self, given: Sequence[Any], number: int, what: str) -> None:
        if len(given) != number:
            raise ValueError(f"stage {self._name} returned {len(given)} {what} for {number} samples")

    def _known(self, sample: Sample, state: str, name: str, config: Mapping[str, Any]) -> Step | None:
        """Return the step of an earlier run that has the answer."""
        step = self._lookup(sample).get((name, state))
        return step if step is not None and step["of"] == self._key(config, step["asks"]) else None

    def _key(self, config: Mapping[str, Any], asks: Sequence[str]) -> str:
        others = {name: self._identities[name] for name in asks}
        return key_of(self._name, self._stage.version, config, others)

    def _asked(
        self, samples: Sequence[Sample], ctx: WorkContext, stage: Callable[..., Any], config: Mapping[str, Any]
    ) -> tuple[Sequence[Any], dict[str, Any] | None]:
        """Let the stage do its work; return what it gave, and the key to note it under: None for what is cheap."""
        watched, before = Watched(ctx), self._session.looks
        given = stage(samples, watched)
        if len(given) != len(samples) or self._session.looks == before or "vlm" in watched.asked:
            return given, None
        asks = sorted(watched.asked)
        return given, {"of": self._key(config, asks), "asks": asks}
