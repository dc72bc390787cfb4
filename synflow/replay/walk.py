"""Walks the clips of a finished run through the decisions of its stages once more."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from synflow.chain import Bound
from synflow.contract import Drop
from synflow.errors import Refused
from synflow.inspect.index import RunIndex
from synflow.inspect.stored import Stored, stored_clips
from synflow.manifest import Manifest
from synflow.plan import PassPlan, defines, passes_of
from synflow.records import Step
from synflow.registry import build, stage_class
from synflow.replay.corpus import Applied, StoredPass, outcome_of, spelled
from synflow.replay.fates import End, Fate
from synflow.settle import decide
from synflow.store.layout import RunLayout


class Walk:
    """The steps of a run: of each pass the stages that judge alone, then those that settle over the corpus.

    Args:
        index: of the run.
        before, after: its manifest, and the one with other thresholds.
        touched: names of the stages that differ.
    """

    def __init__(self, index: RunIndex, before: Manifest, after: Manifest, touched: set[str]) -> None:
        self.index, self.seed, self.touched = index, before.seed, touched
        self.old = {entry.name: dict(entry.config) for entry in before.stages}
        self.new = {entry.name: dict(entry.config) for entry in after.stages}
        self.passes = passes_of([stage_class(name) for name in self.old])
        self.steps = [
            (plan, name, settles)
            for plan in self.passes
            for settles, names in ((False, plan.stages), (True, plan.corpus))
            for name in names
        ]
        layout = RunLayout(index.root)
        self.stored = {plan.name: StoredPass(layout, plan) for plan in self.passes}
        splits = (i for i, (_, name, _) in enumerate(self.steps) if getattr(stage_class(name), "splits", False))
        self.split_at = next(splits, 0)

    def fates(self) -> list[Fate]:
        """Return what becomes of all clips, and of the records that never became one."""
        retold = {name for name in self.touched if defines(stage_class(name), "verdict")}
        fates = [self._fate(clip) for clip in stored_clips(self.index, retold)]
        for plan in self.passes:
            for name in plan.stages:
                self._judge(fates, self.steps.index((plan, name, False)), retold=name in retold)
            if plan.corpus:
                self._settle(fates, plan)
        for fate in fates:
            # What the engine dropped no stage can keep.
            if fate.alive and fate.was and fate.place == len(self.steps):
                fate.now, fate.end = fate.was, fate.place
        return fates

    def _fate(self, clip: Stored) -> Fate:
        """Return a clip with the step at which it ended: past all of them where it was kept, or by the engine."""
        if not clip.stage:
            return Fate(clip, None, len(self.steps))
        places = [i for i, (_, name, _) in enumerate(self.steps) if name == clip.stage]
        # A stage may judge alone and in the corpus; who came so far as to be settled had passed the first.
        settled = [i for i in places if self.steps[i][2] and clip.key in self.stored[self.steps[i][0].name].settled]
        place = (settled or places or [len(self.steps)])[0]
        return Fate(clip, End(clip.stage, clip.reason, clip.detail), place)

    def _judge(self, fates: list[Fate], place: int, *, retold: bool) -> None:
        """Let a stage that sees each sample by itself decide again."""
        name = self.steps[place][1]
        stages = [self._stage(name, configs) for configs in (self.old, self.new)] if retold else []
        for fate in fates:
            if not fate.alive or fate.place < place:
                continue
            old, new = (_verdict(stage, fate.clip) for stage in stages) if stages else (None, None)
            if fate.place == place and not (old and fate.was and old.reason == fate.was.reason):
                # Not this decision ended it: a decoder did, or a rule that cannot be replayed.
                fate.now, fate.end = fate.was, place
            elif new is not None:
                fate.now, fate.end = End(name, new.reason, new.detail), place
            elif fate.place == place:
                self._free(fate, place)

    def _free(self, fate: Fate, place: int) -> None:
        """Let a clip pass that was dropped: undecided where a later stage, which never saw it, may drop it."""
        if self._may_drop(place + 1):
            fate.undecided, fate.end = self.steps[place][1], place
        else:
            fate.place = -1

    def _may_drop(self, first: int) -> bool:
        later = [stage_class(name) for _, name, _ in self.steps[first:]]
        return any(stage.reasons or "media" in stage.uses for stage in later)

    def _settle(self, fates: list[Fate], plan: PassPlan) -> None:
        """Let the corpus stages of a pass decide again, over the rows of those who are left."""
        first = self.steps.index((plan, plan.corpus[0], True))
        last = first + len(plan.corpus) - 1
        # Without a clip it never came here: the engine refused the record.
        reached = [fate for fate in fates if fate.place >= first and fate.clip.clip_id]
        left = {fate.clip.key: fate for fate in reached if fate.alive}
        shrunk = len(left) < len(reached)
        if not shrunk and not self.touched & set(plan.corpus):
            for fate in left.values():
                self._as_before(fate, last)
            return
        # Over the same clips, stages before the first that differs decide as they did.
        held = [] if shrunk else list(takewhile(lambda name: name not in self.touched, plan.corpus))
        applied = self._settled_anew(plan, held, left)
        for key, fate in left.items():
            if key not in applied:
                self._as_before(fate, last)
            elif (end := applied[key].end) is not None:
                fate.now, fate.end = end, self.steps.index((plan, end.stage, True))
            elif fate.place <= last:
                self._free(fate, last)
            elif not applied[key].same and self._may_drop(last + 1):
                fate.undecided, fate.end = plan.corpus[-1], last

    @staticmethod
    def _as_before(fate: Fate, last: int) -> None:
        if fate.place <= last:
            fate.now, fate.end = fate.was, fate.place

    def _settled_anew(self, plan: PassPlan, held: list[str], left: Mapping[str, Fate]) -> dict[str, Applied]:
        """Return what becomes of those clips on which the corpus stages now decide otherwise."""
        stored = self.stored[plan.name]
        bounds = [Bound(self._stage(name, self.new), Step(stage=name, version=1, config="")) for name in plan.corpus]
        kept = {key: [one for one in value if one[0] in held] for key, value in stored.settled.items()}
        gone = {key for key, value in kept.items() if any("drop" in decision for _, decision in value)}
        rows = stored.rows({key for key in left if key not in gone}, bounds)
        told = decide(bounds[len(held) :], rows, self.seed)
        new = {key: [*kept.get(key, []), *spelled(told.get(key, []))] for key in left}
        other = {key: value for key, value in new.items() if value != stored.settled.get(key, [])}
        return {sample.key: outcome_of(sample, stored.settled, other, bounds) for sample in stored.samples(set(other))}

    def _stage(self, name: str, configs: Mapping[str, Mapping[str, Any]]) -> Any:
        """Return a stage, if it is still the one whose measures are stored.

        Raises:
            Refused: it is not.
        """
        stage = build(name, configs[name])
        held = self.index.run["fingerprint"].get(f"stage version.{name}")
        if held != stage.version:
            raise Refused(
                f"stage {name} is version {stage.version} here, but {self.index.root} was made by its version {held}",
                "replay with the synflow that made the run, or run the manifest again",
            )
        return stage


def _verdict(stage: Any, clip: Stored) -> Drop | None:
    try:
        drop: Drop | None = stage.verdict(clip.measures)
    except KeyError:
        # It ended before it was measured.
        return None
    return drop
