"""The index tables, the dataset card and ``dataset.json``: what a finished run shows to its readers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synflow.durable import Attempt, Draft, forget, make_folder, publish_file, seal
from synflow.ids import canonical
from synflow.store.layout import RunLayout
from synflow.store.lines import read_lines
from synflow.store.receipts import ObjectRef, Receipt
from synflow.store.rows import flat
from synflow.store.withdrawals import Withdrawals

NUMBERS = pa.map_(pa.string(), pa.float64())
WORDS = pa.map_(pa.string(), pa.string())

PAIRS = pa.schema(
    [
        *((name, pa.string()) for name in (
            "id", "record_id", "task", "domain", "style", "emphasis", "query_text", "target_text", "clip_id",
            "query_clip_id", "source_id", "source_uri", "licence",
            "query_source_uri", "query_licence", "target_licence", "relation", "kinship", "shard", "key",
        )),
        ("offset", pa.int64()), ("bytes", pa.int64()), ("scores", NUMBERS),
        ("model", pa.string()), ("prompt", pa.string()),
    ]
)  # fmt: skip
REJECTS = pa.schema(
    [
        *((name, pa.string()) for name in ("record_id", "clip_id", "source_uri", "stage", "reason", "detail")),
        ("measures", NUMBERS), ("labels", WORDS),
    ]
)  # fmt: skip
CLIPS = pa.schema(
    [
        ("record_id", pa.string()), ("clip_id", pa.string()), ("source_uri", pa.string()), ("start", pa.float64()),
        ("end", pa.float64()), ("width", pa.int32()), ("height", pa.int32()), ("fps", pa.float64()),
        ("codec", pa.string()), ("measures", NUMBERS), ("labels", WORDS), ("phash", pa.string()),
        ("kept", pa.bool_()),
    ]
)  # fmt: skip

TABLES = ("pairs.parquet", "rejects.parquet", "clips.parquet")
"""The files under ``index/``."""

BATCH = 4096


def reject_rows(
    layout: RunLayout, passes: Sequence[Sequence[Receipt]], withdrawals: Withdrawals
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``rejects.parquet``: each drop of each pass once, then the clips that were withdrawn."""
    for receipts in passes:
        for receipt in receipts:
            for row in read_lines(layout, receipt.objects.get("drops")):
                yield flat(row)
    yield from withdrawals.rejects(layout, passes[-1])


def clip_rows(
    layout: RunLayout, passes: Sequence[Sequence[Receipt]], withdrawals: Withdrawals
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``clips.parquet``: what the last pass kept, then what any pass dropped after it had a clip."""
    for receipt in passes[-1]:
        for row in read_lines(layout, receipt.objects.get("clips")):
            if row["record_id"] not in withdrawals.records:
                yield {**flat(row), "kept": True}
    for row in reject_rows(layout, passes, withdrawals):
        if row["clip_id"]:
            yield {**row, "kept": False}


def pair_rows(layout: RunLayout, packed: Sequence[Receipt]) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``pairs.parquet`` by shard and place in it."""
    for receipt in packed:
        for row in read_lines(layout, receipt.objects.get("index")):
            yield {**row, "scores": sorted(row["scores"].items())}


def write_table(
    layout: RunLayout, attempt: Attempt, name: str, schema: pa.Schema, rows: Iterable[dict[str, Any]]
) -> ObjectRef:
    """Write a table and give it its name under ``index/``; bytes depend on the rows alone."""
    draft = attempt.draft(f"{name}.parquet")
    total = write_parquet(draft, schema, rows)
    draft.close()
    ref = ObjectRef(name=f"{name}.parquet", bytes=draft.size, sha256=draft.digest, rows=total)
    place(layout, seal(draft, layout.objects, ".parquet"), f"index/{name}.parquet")
    return ref


def write_parquet(draft: Draft, schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as parquet into an open draft; return how many there were. Bytes depend on the rows alone."""
    source, total = iter(rows), 0
    with pq.ParquetWriter(pa.PythonFile(_Sink(draft), mode="w"), schema, compression="zstd") as writer:
        while batch := list(islice(source, BATCH)):
            total += len(batch)
            picked = [{field: row.get(field) for field in schema.names} for row in batch]
            writer.write_table(pa.Table.from_pylist(picked, schema=schema))
    return total


def read_parquet(source: Path | pa.BufferReader, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a whole table, read in this thread: `pyarrow.parquet.read_table` leaves threads behind.

    A process that ends just after it may be aborted by them (apache/arrow#34314).
    """
    with pq.ParquetFile(source) as file:
        return file.read(None if columns is None else list(columns), use_threads=False)


def pair_columns(index: bytes, names: Sequence[str]) -> dict[str, list[Any]]:
    """Return columns of the bytes of ``pairs.parquet`` as lists; their order is that of the reader's places."""
    return dict(read_parquet(pa.BufferReader(index), names).to_pydict())


class _Sink:
    """Lets pyarrow write into a draft."""

    closed = False

    def __init__(self, draft: Any) -> None:
        self._draft = draft

    def write(self, data: Any) -> int:
        view = bytes(data)
        self._draft.write(view)
        return len(view)

    def flush(self) -> None:
        """Nothing to do: the draft is flushed when closed."""

    def tell(self) -> int:
        return int(self._draft.size)

    def close(self) -> None:
        self.closed = True


def place(layout: RunLayout, name: str, target: str) -> None:
    """Give an object its public name in the run directory, as a hard link: no byte is copied."""
    path, home = layout.root / target, layout.object(name)
    make_folder(path.parent)
    if path.exists() and path.stat().st_ino != home.stat().st_ino:
        forget(path)
    publish_file(home, path)


def totals(receipts: Iterable[Receipt]) -> dict[str, int]:
    """Return the sum of what receipts say of drops, by ``stage/reason``."""
    found: dict[str, int] = {}
    for receipt in receipts:
        for name, number in receipt.drops.items():
            found[name] = found.get(name, 0) + number
    return dict(sorted(found.items()))


def dataset_value(
    name: str,
    fingerprint: str,
    passes: Sequence[Sequence[Receipt]],
    packed: Sequence[Receipt],
    tables: dict[str, ObjectRef],
) -> dict[str, Any]:
    """Return what ``dataset.json`` says: counts, shards and tables with bytes and digests."""
    shards = []
    pairs: dict[str, int] = {}
    for receipt in packed:
        task, tar = receipt.shard.rsplit("-", 1)[0], receipt.objects["tar"]
        pairs[task] = pairs.get(task, 0) + tar.rows
        path = f"shards/{task}/{receipt.shard}.tar"
        shards.append({"path": path, "task": task, "pairs": tar.rows, "bytes": tar.bytes, "sha256": tar.sha256})
    return {
        "format": 1,
        "name": name,
        "fingerprint": fingerprint,
        "records": {"inputs": sum(receipt.counts.inputs for receipt in passes[0])},
        "clips": {
            "kept": sum(receipt.counts.survivors for receipt in passes[-1]),
            "dropped": sum(receipt.counts.dropped + receipt.counts.made_dropped for done in passes for receipt in done),
        },
        "drops": totals(receipt for done in passes for receipt in done),
        "pairs": pairs,
        "shards": shards,
        "index": {title: {"rows": ref.rows, "bytes": ref.bytes, "sha256": ref.sha256} for title, ref in tables.items()},
    }


def encode_dataset(value: dict[str, Any]) -> bytes:
    """Return the one spelling of ``dataset.json``, indented for people."""
    return json.dumps(json.loads(canonical(value)), indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
