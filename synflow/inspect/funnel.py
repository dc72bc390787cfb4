"""The way from input records to pairs: what each stage dropped, and what was left after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synflow.inspect.index import RunIndex
from synflow.inspect.reasons import meaning


@dataclass(frozen=True)
class Loss:
    """One reason of a stage: how many it dropped, and what the code means."""

    stage: str
    reason: str
    number: int
    meaning: str


@dataclass(frozen=True)
class Step:
    """A stage with what came to it and what it dropped, in clips; a record dropped before it had clips counts once."""

    stage: str
    came: int
    dropped: int
    losses: tuple[Loss, ...]

    @property
    def left(self) -> int:
        """How many went on."""
        return self.came - self.dropped


def stage_order(run: Mapping[str, Any]) -> list[str]:
    """Return the stages of a run in the order in which they first saw clips."""
    passes = [one for one in run.get("passes", ()) if isinstance(one, dict)]
    walked = [name for one in passes for name in (*one.get("stages", ()), *one.get("corpus", ()))]
    manifest = run.get("manifest")
    entries = manifest.get("stages", ()) if isinstance(manifest, dict) else ()
    named = [str(entry.get("name", "")) for entry in entries if isinstance(entry, dict)]
    return list(dict.fromkeys([*walked, *named]))


def funnel(index: RunIndex, kept: int) -> list[Step]:
    """Return the steps of a run, the engine's own drops last; ``kept`` is the number of clips at the end."""
    drops = index.counts("rejects", "stage", "reason")
    order = stage_order(index.run)
    strange = sorted({stage for stage, _ in drops} - set(order))
    steps: list[Step] = []
    left = kept
    for name in reversed([*order, *strange]):
        mine = {reason: number for (stage, reason), number in drops.items() if stage == name}
        ranked = sorted(mine.items(), key=lambda item: (-item[1], item[0]))
        losses = tuple(Loss(name, reason, number, meaning(name, reason)) for reason, number in ranked)
        gone = sum(mine.values())
        left += gone
        steps.append(Step(name, left, gone, losses))
    return steps[::-1]
