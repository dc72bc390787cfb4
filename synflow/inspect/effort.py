"""What a run cost, as its log tells: seconds by pass, the slowest shards, calls of models and their tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synflow.store.layout import RunLayout
from synflow.store.log import read_events, stage_seconds

SLOWEST = 8


@dataclass
class PassEffort:
    """One pass: seconds of all its workers, shards that ended, what it took in, and what models were asked."""

    name: str
    seconds: float = 0.0
    shards: int = 0
    inputs: int = 0
    decoded: int = 0
    calls: int = 0
    hits: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0

    @property
    def rate(self) -> float:
        """Inputs a second of one worker."""
        return self.inputs / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class ShardEffort:
    """One shard, and how often the median shard of its pass it took."""

    pass_name: str
    shard: str
    seconds: float
    inputs: int
    times: float


@dataclass(frozen=True)
class StageEffort:
    """One stage: seconds of all workers and of the driver in it, and its share of all stages."""

    name: str
    seconds: float
    share: float


@dataclass(frozen=True)
class Effort:
    """What the log of a run tells of its work; empty where there is no log."""

    passes: list[PassEffort] = field(default_factory=list)
    slowest: list[ShardEffort] = field(default_factory=list)
    failures: int = 0
    stages: list[StageEffort] = field(default_factory=list)


USAGE = ("decoded", "calls", "hits", "prompt_tokens", "cached_tokens", "answer_tokens")


def effort(root: Path) -> Effort:
    """Return what a run cost. The log is shown, never believed: what it lacks is left out."""
    passes: dict[str, PassEffort] = {}
    shards: dict[tuple[str, str], tuple[float, int]] = {}
    failures = 0
    spent: dict[str, float] = {}
    for event in read_events(RunLayout(root).log):
        failures += event.get("event") == "shard-failed"
        for stage, seconds in stage_seconds(event).items():
            spent[stage] = spent.get(stage, 0.0) + seconds
        if event.get("event") != "shard-done":
            continue
        name = str(event.get("pass", ""))
        one = passes.setdefault(name, PassEffort(name))
        seconds, inputs = _number(event.get("seconds")), int(_number((event.get("counts") or {}).get("inputs")))
        one.seconds, one.shards, one.inputs = one.seconds + seconds, one.shards + 1, one.inputs + inputs
        usage = event.get("usage") or {}
        for part in USAGE:
            setattr(one, part, getattr(one, part) + int(_number(usage.get(part))))
        shards[name, str(event.get("shard", ""))] = (seconds, inputs)
    return Effort(list(passes.values()), _slowest(shards), failures, _ranked(spent))


def _ranked(spent: dict[str, float]) -> list[StageEffort]:
    whole = sum(spent.values()) or 1.0
    ranked = sorted(spent.items(), key=lambda one: (-one[1], one[0]))
    return [StageEffort(name, seconds, seconds / whole) for name, seconds in ranked]


def _slowest(shards: dict[tuple[str, str], tuple[float, int]]) -> list[ShardEffort]:
    by_pass: dict[str, list[float]] = {}
    for (name, _), (seconds, _inputs) in shards.items():
        by_pass.setdefault(name, []).append(seconds)
    medians = {name: sorted(values)[len(values) // 2] for name, values in by_pass.items()}
    ranked = sorted(shards.items(), key=lambda item: (-item[1][0], item[0]))[:SLOWEST]
    return [
        ShardEffort(name, shard, seconds, inputs, round(seconds / medians[name], 2) if medians[name] else 0.0)
        for (name, shard), (seconds, inputs) in ranked
    ]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
