"""Where each clip of a run ended and what stages measured of it, read from the index with only what is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synflow.inspect.index import RunIndex
from synflow.records import Measure

NAMES = ("record_id", "clip_id", "source_uri")


@dataclass(frozen=True, slots=True)
class Stored:
    """A clip (or a record that never became one) where the run left it; without a ``stage`` it was kept."""

    record_id: str
    clip_id: str
    source_uri: str
    stage: str
    reason: str
    detail: str
    measures: dict[str, Measure]

    @property
    def key(self) -> str:
        """What `synflow.records.Sample.key` was."""
        return f"{self.record_id}\n{self.clip_id}"


def stored_clips(index: RunIndex, stages: Collection[str]) -> Iterator[Stored]:
    """Yield all that was dropped, then all that was kept, with the measures of ``stages`` alone."""
    ends = ("stage", "reason", "detail")
    for table, more in (("rejects", ends), ("clips", ("kept",))):
        maps = ("measures", "labels") if stages else ()
        for whole in index.batches(table, (*NAMES, *more, *maps)):
            batch = whole if table == "rejects" else whole.filter(whole.column("kept"))
            columns = [batch.column(name).to_pylist() for name in NAMES]
            told = [batch.column(name).to_pylist() if table == "rejects" else [""] * batch.num_rows for name in ends]
            measures: list[dict[str, Measure]] = [{} for _ in range(batch.num_rows)]
            for name in maps:
                _gather(batch.column(name), stages, measures)
            for values in zip(*columns, *told, measures, strict=True):
                yield Stored(*values)


def _gather(column: Any, stages: Collection[str], into: list[dict[str, Measure]]) -> None:
    """Add what a column of maps holds under the names of some stages; a million clips have thirty measures each."""
    offsets = column.offsets.to_numpy()
    first, last = int(offsets[0]), int(offsets[-1])
    keys, values = column.keys[first:last], column.items[first:last]
    wanted = pa.array(np.zeros(len(keys), bool))
    for stage in sorted(stages):
        wanted = pc.or_(wanted, pc.starts_with(keys, pattern=f"{stage}."))
    places = np.flatnonzero(wanted.to_numpy(zero_copy_only=False))
    owners = np.repeat(np.arange(len(column)), np.diff(offsets))[places]
    chosen = pa.array(places)
    for owner, key, value in zip(
        owners.tolist(), keys.take(chosen).to_pylist(), values.take(chosen).to_pylist(), strict=True
    ):
        into[owner][key] = value


def pairs_of(index: RunIndex, clips: Collection[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Return for each task the pairs of the run, and those of them that ``clips`` (record, clip) have a part in."""
    before: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    names = pa.array(sorted(f"{record}\n{clip}" for record, clip in clips), pa.string())
    sources = pa.array(sorted({clip for _, clip in clips}), pa.string())
    for batch in index.batches("pairs", ["task", "record_id", "clip_id", "query_clip_id"]):
        own = pc.binary_join_element_wise(batch.column("record_id"), batch.column("clip_id"), "\n")
        hit = pc.or_(pc.is_in(own, value_set=names), pc.is_in(batch.column("query_clip_id"), value_set=sources))
        before.update(batch.column("task").to_pylist())
        gone.update(batch.filter(hit).column("task").to_pylist())
    return {task: (number, gone[task]) for task, number in sorted(before.items())}
