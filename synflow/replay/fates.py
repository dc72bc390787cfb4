"""What other thresholds make of the clips of a run: where each ends, before and after, and the sums."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from synflow.inspect.stored import Stored


@dataclass(frozen=True)
class End:
    """Where a clip is dropped, and why."""

    stage: str
    reason: str
    detail: str


@dataclass(slots=True)
class Fate:
    """A clip before and after.

    Attributes:
        was, now: where it is dropped; None where it is kept.
        place: of the step at which it ended in the run; ``end``: of the one at which it ends now.
        undecided: the stage that lets it pass now, after which only a run can tell.
    """

    clip: Stored
    was: End | None
    place: int
    now: End | None = None
    end: int = -1
    undecided: str = ""

    @property
    def alive(self) -> bool:
        """Whether no step has ended it yet."""
        return self.now is None and not self.undecided


@dataclass(frozen=True)
class Replay:
    """What other thresholds make of a run.

    Attributes:
        changes: ``stage.parameter`` -> value of the run, and the new one.
        fates: of all clips, and of the records that never became one.
        split_at: place of the first step that parts a source into clips; what ended before it counts once a record.
        pairs: task -> pairs of the run, and those that lose a clip.
    """

    changes: dict[str, tuple[Any, Any]]
    fates: list[Fate]
    split_at: int
    pairs: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def lost(self) -> list[Fate]:
        """Clips that were kept and are dropped now."""
        return [fate for fate in self.fates if fate.was is None and fate.now is not None]

    @property
    def gained(self) -> list[Fate]:
        """Clips that were dropped and are kept now; no stage that could drop them is left."""
        return [fate for fate in self.fates if fate.was is not None and fate.alive]

    @property
    def undecided(self) -> list[Fate]:
        """Clips of which only a run can tell."""
        return [fate for fate in self.fates if fate.undecided]

    @property
    def moved(self) -> list[Fate]:
        """What was dropped and is dropped now, for another reason."""
        return [fate for fate in self.fates if fate.was and fate.now and fate.now != fate.was]

    @property
    def kept(self) -> tuple[int, int]:
        """How many clips were kept, and how many are for certain."""
        return sum(fate.was is None for fate in self.fates), sum(fate.alive for fate in self.fates)

    def funnel(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return (stage, reason) -> number of drops before and after."""
        before: dict[tuple[str, str], int] = {}
        after: dict[tuple[str, str], int] = {}
        whole: set[tuple[str, End]] = set()
        for fate in self.fates:
            if fate.was:
                name = (fate.was.stage, fate.was.reason)
                before[name] = before.get(name, 0) + 1
            if fate.now:
                # The clips of one source fall together, as the one record that they are there.
                source = (fate.clip.record_id, fate.now)
                if fate.end < self.split_at and fate.place > fate.end:
                    if source in whole:
                        continue
                    whole.add(source)
                name = (fate.now.stage, fate.now.reason)
                after[name] = after.get(name, 0) + 1
        return {name: (before.get(name, 0), after.get(name, 0)) for name in sorted({*before, *after})}

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        before, after = self.kept
        return {
            "changes": {name: {"before": old, "after": new} for name, (old, new) in self.changes.items()},
            "exact": not self.undecided,
            "kept": {"before": before, "after": after},
            "funnel": [
                {"stage": stage, "reason": reason, "before": old, "after": new}
                for (stage, reason), (old, new) in self.funnel().items()
            ],
            "pairs": {task: {"before": all_, "after": all_ - gone} for task, (all_, gone) in self.pairs.items()},
            "lost": [_named(fate) | asdict(fate.now) for fate in self.lost if fate.now],
            "moved": [
                _named(fate) | asdict(fate.now) | {"was": asdict(fate.was)}
                for fate in self.moved
                if fate.now and fate.was
            ],
            "gained": [_named(fate) | {"was": asdict(fate.was)} for fate in self.gained if fate.was],
            "undecided": [
                _named(fate) | {"passes": fate.undecided, "was": asdict(fate.was) if fate.was else None}
                for fate in self.undecided
            ],
        }


def _named(fate: Fate) -> dict[str, Any]:
    clip = fate.clip
    return {"record_id": clip.record_id, "clip_id": clip.clip_id, "source_uri": clip.source_uri}
