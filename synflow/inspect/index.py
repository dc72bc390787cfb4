"""The index tables of a finished run, read column by column and never as whole shards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synflow.errors import Damage, Incomplete, UsageError
from synflow.records import TASKS

DOMAINS = {
    "cg": "coarse",
    "s": "spatial",
    "t": "temporal",
    "pr": "partially relevant",
    "lc": "long context",
    "cmp": "composed",
    "vis": "visual",
}
"""UVRB's abilities in words."""

TABLES = ("pairs", "rejects", "clips")


@dataclass(frozen=True)
class RunIndex:
    """The three tables of a finished run, and what its ``run.json`` and ``dataset.json`` say."""

    root: Path
    run: dict[str, Any]
    dataset: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the run as its manifest gives it."""
        found = self.dataset.get("name") or self.run.get("name") or self.root.name
        return str(found)

    def path(self, table: str) -> Path:
        """Return the file of ``pairs``, ``rejects`` or ``clips``."""
        return self.root / "index" / f"{table}.parquet"

    def columns(self, table: str, names: Sequence[str]) -> pa.Table:
        """Return some columns of a table."""
        with self._sound(table) as file:
            return file.read(columns=list(names))

    def batches(self, table: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns of a table, a slice at a time."""
        with self._sound(table) as file:
            yield from file.iter_batches(batch_size=65_536, columns=list(names))

    def rows(self, table: str, column: str, values: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows whose ``column`` is one of ``values``, in their order; other row groups are passed over."""
        if not values:
            return []
        wanted, found = pa.array(values), []
        with self._sound(table) as file:
            for group in range(file.num_row_groups):
                hit = pc.is_in(file.read_row_group(group, columns=[column]).column(column), value_set=wanted)
                if pc.any(hit).as_py():
                    found += file.read_row_group(group).filter(hit).to_pylist()
        place = {value: i for i, value in enumerate(values)}
        return sorted((_plain(row) for row in found), key=lambda row: place[row[column]])

    def counts(self, table: str, *names: str) -> dict[tuple[str, ...], int]:
        """Return how often each combination of values of some columns occurs."""
        grouped = self.columns(table, names).group_by(list(names)).aggregate([([], "count_all")])
        keys = [grouped.column(name).to_pylist() for name in names]
        return dict(sorted(zip(zip(*keys, strict=True), grouped.column("count_all").to_pylist(), strict=True)))

    def _sound(self, table: str) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path(table))
        except (pa.ArrowInvalid, FileNotFoundError) as error:
            raise Damage(
                f"{self.path(table)} cannot be read", f"`synflow verify {self.root}` tells the damage"
            ) from error


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its maps as dicts; Arrow gives them as lists of couples."""
    return {name: dict(value) if name in ("scores", "measures") else value for name, value in row.items()}


def open_index(root: Path) -> RunIndex:
    """Return the index of the run in ``root``.

    Raises:
        UsageError: it is no run directory.
        Incomplete: the run has not been finished, so that there is no index yet.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder", "give the output folder of a run")
    if not (root / "dataset.json").is_file():
        if (root / "run.json").is_file():
            raise Incomplete(f"{root} is not finished: it has no index yet", f"`synflow resume {root}` finishes it")
        raise UsageError(f"{root} is not a run directory: it has no run.json", "give the output folder of a run")
    return RunIndex(root, _read_json(root / "run.json"), _read_json(root / "dataset.json"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise Damage(f"{path} cannot be read", f"`synflow verify {path.parent}` tells the damage") from error
    return value if isinstance(value, dict) else {}


def overview(index: RunIndex) -> dict[str, Any]:
    """Return counts by task, domain, style, licence and reason."""
    pairs = index.counts("pairs", "task", "domain", "style", "licence")
    clips = index.columns("clips", ["kept"]).column("kept")
    kept = pc.sum(clips.cast(pa.int64())).as_py() or 0
    size = sum(int(shard.get("bytes", 0)) for shard in index.dataset.get("shards", []) if isinstance(shard, dict))
    drops = index.counts("rejects", "stage", "reason")
    return {
        "name": index.name,
        "pairs": sum(pairs.values()),
        "tasks": _by(pairs, 0, TASKS),
        "domains": _by(pairs, 1, tuple(DOMAINS)),
        "styles": _by(pairs, 2, ()),
        "licences": _by(pairs, 3, ()),
        "clips": len(clips),
        "kept": kept,
        "dropped": sum(drops.values()),
        "drops": {f"{stage}/{reason}": number for (stage, reason), number in _largest(drops)},
        "shards": len(index.dataset.get("shards", [])),
        "bytes": size,
    }


def _by(counts: dict[tuple[str, ...], int], place: int, order: Sequence[str]) -> dict[str, int]:
    sums: dict[str, int] = dict.fromkeys(order, 0)
    for key, number in counts.items():
        sums[key[place] or "none"] = sums.get(key[place] or "none", 0) + number
    return sums if order else dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def _largest(counts: dict[tuple[str, ...], int]) -> list[tuple[tuple[str, ...], int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
