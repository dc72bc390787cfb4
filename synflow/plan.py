"""From a manifest to a frozen plan: passes, and shards of input records, before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from synflow.durable import Draft
from synflow.ids import canonical, digest_of
from synflow.records import InputRecord

PACK = "pack"
CLOSE = "close"


@dataclass(frozen=True)
class PassPlan:
    """One walk of all shards through a run of stages.

    Attributes:
        name: ``curate``, ``enrich``, ``expand`` ...; ``close`` only applies what corpus stages decided.
        stages: names of the per-sample stages, in order.
        corpus: names of the corpus stages that settle after it, lowest rank first.
        stores_frames: whether the pictures of surviving clips are stored.
    """

    name: str
    stages: tuple[str, ...]
    corpus: tuple[str, ...]
    stores_frames: bool = False


@dataclass(frozen=True)
class Shard:
    """One unit of work: its id, where its line stands in ``plan.jsonl``, and the digest of its inputs."""

    id: str
    offset: int
    records: int
    inputs: str


def defines(stage: type, method: str) -> bool:
    """Tell whether ``stage`` (not just its metaclass) has ``method``."""
    return any(method in base.__dict__ for base in stage.__mro__)


def passes_of(stages: Sequence[type]) -> tuple[PassPlan, ...]:
    """Group stages into passes.

    Per-sample stages gather in a pass together with the corpus stages among them; a per-sample stage that comes
    after one that is only a corpus stage needs its decisions, so it begins a new pass. What is settled last is
    applied by a pass of its own. So does whatever comes after a corpus stage that says ``alters = True``: the rows of
    those after it depend on what it leaves of a sample.
    """
    groups: list[tuple[list[type], list[type]]] = [([], [])]
    waiting = altered = False
    for stage in stages:
        walks, settles = defines(stage, "__call__"), defines(stage, "settle")
        if (walks and waiting) or altered:
            groups.append(([], []))
            waiting = altered = False
        if walks:
            groups[-1][0].append(stage)
        if settles:
            groups[-1][1].append(stage)
            waiting = waiting or not walks
            altered = bool(getattr(stage, "alters", False))
    if groups[-1][1]:
        groups.append(([], []))
    stored = _stores_frames(groups)
    names = _names(groups)
    return tuple(
        PassPlan(
            name=names[place],
            stages=tuple(stage.name for stage in walking),  # type: ignore[attr-defined]
            corpus=tuple(stage.name for stage in sorted(settling, key=lambda stage: stage.rank)),  # type: ignore[attr-defined]
            stores_frames=stored and place == 0,
        )
        for place, (walking, settling) in enumerate(groups)
    )


def _stores_frames(groups: Sequence[tuple[list[type], list[type]]]) -> bool:
    """Frames are stored in the first pass where a model will see them, or a later pass needs pictures."""
    for place, (walking, settling) in enumerate(groups):
        for stage in (*walking, *settling):
            uses: frozenset[str] = getattr(stage, "uses", frozenset())
            if "vlm" in uses or (place and uses & {"media", "embed"}):
                return True
    return False


def _names(groups: Sequence[tuple[list[type], list[type]]]) -> list[str]:
    names: list[str] = []
    for place, (walking, settling) in enumerate(groups):
        held = [stage.name for stage in walking]  # type: ignore[attr-defined]
        if place == 0:
            name = "curate"
        elif not held:
            name = settling[-1].name if settling else CLOSE  # type: ignore[attr-defined]
        else:
            name = next((known for known in ("expand", "enrich") if known in held), held[-1])
        names.append(name if name not in names else f"{name}-{place}")
    return names


def record_identity(record: InputRecord) -> dict[str, Any]:
    """Return what of a record determines the output: all but where the file lies on this machine."""
    return record.model_dump(mode="json", exclude={"location"})


def freeze(records: Iterable[InputRecord], shard_clips: int, first_pass: str, draft: Draft) -> tuple[Shard, ...]:
    """Write the plan of the first pass as lines, one a shard; return its shards."""
    shards: list[Shard] = []
    source = iter(records)
    while batch := list(islice(source, shard_clips)):
        shards.append(_freeze_one(f"{len(shards):06d}", batch, first_pass, draft))
    return tuple(shards)


def _freeze_one(shard: str, batch: Sequence[InputRecord], first_pass: str, draft: Draft) -> Shard:
    inputs = digest_of([record_identity(record) for record in batch])
    line = {"pass": first_pass, "shard": shard, "inputs": [record.model_dump(mode="json") for record in batch]}
    offset = draft.write(canonical(line) + b"\n")
    return Shard(id=shard, offset=offset, records=len(batch), inputs=inputs)


def read_shards(plan: Path) -> Iterator[Shard]:
    """Yield the shards that a plan file holds, in order."""
    offset = 0
    with plan.open("rb") as lines:
        for line in lines:
            value = json.loads(line)
            records = [InputRecord.model_validate(one) for one in value["inputs"]]
            inputs = digest_of([record_identity(record) for record in records])
            yield Shard(id=value["shard"], offset=offset, records=len(records), inputs=inputs)
            offset += len(line)


def read_records(plan: Path, shard: Shard) -> list[dict[str, Any]]:
    """Return the input records of a shard as JSON."""
    with plan.open("rb") as lines:
        lines.seek(shard.offset)
        records: list[dict[str, Any]] = json.loads(lines.readline())["inputs"]
    return records
