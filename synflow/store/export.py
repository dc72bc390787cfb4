"""A finished run in other tools' layout: its pairs with their media, or its index tables, as parquet files.

The layout ``hf`` is that of the Hugging Face hub: ``README.md`` names a configuration for each task (or table), and the
schema of each file says which columns are pictures, so that `datasets.load_dataset` opens the folder as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synflow.errors import Damage, UsageError
from synflow.licences import UNKNOWN, is_listed, strictest
from synflow.records import TASKS
from synflow.store.index import CLIPS, PAIRS, REJECTS
from synflow.store.reader import Dataset, StoredPair, StoredSide, open_dataset

FORMATS = ("parquet", "hf")
PARTS = ("pairs", "index")
FILE_BYTES = 256 << 20
"""Bytes of media from which a file is ended; the hub reads files of this size well."""

GROUP_BYTES = 32 << 20
"""Bytes of media that are held in memory, and make a row group."""

TABLES: Mapping[str, pa.Schema] = {"pairs": PAIRS, "clips": CLIPS, "rejects": REJECTS}
MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
IMAGE, VIDEO = {"_type": "Image"}, {"decode": False, "_type": "Video"}
TEXTS = (
    "id", "task", "domain", "style", "emphasis", "instruction", "relation", "kinship", "record_id", "clip_id",
    "query_clip_id", "source_id", "source_uri", "query_source_uri", "licence", "target_licence", "query_licence",
)  # fmt: skip
"""Columns of a pair that its record holds under the same name."""

SIDE: Mapping[str, tuple[pa.DataType, dict[str, Any]]] = {
    "text": (pa.string(), {"dtype": "string", "_type": "Value"}),
    "image": (MEDIA, IMAGE),
    "frames": (pa.list_(MEDIA), {"feature": IMAGE, "_type": "List"}),
    "video": (MEDIA, VIDEO),
    "times": (pa.list_(pa.float64()), {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "List"}),
}
"""Columns of each side: a JPEG, JPEGs in order, an mp4 that `datasets` is told to leave as bytes, seconds of frames."""

NUMBERS = {"name": {"dtype": "string", "_type": "Value"}, "value": {"dtype": "float64", "_type": "Value"}}
WORDS = {"name": {"dtype": "string", "_type": "Value"}, "value": {"dtype": "string", "_type": "Value"}}


def export(root: Path, out: Path, layout: str, what: str, tasks: Sequence[str] = ()) -> dict[str, int]:
    """Write a finished run into a new folder, whole or not at all; return rows by task or table.

    Args:
        root: of the run.
        out: the folder to make.
        layout: one of `FORMATS`.
        what: one of `PARTS`; ``pairs`` brings texts and media along.
        tasks: of the pairs; none for all.

    Raises:
        UsageError: there is no run, ``out`` exists, or there are no such pairs. Incomplete: the run is not finished.
        Damage: what lies in a shard is not the pair that the index names.
    """
    dataset = open_dataset(root)
    if out.exists() or not out.absolute().parent.is_dir():
        cause = f"{out} exists" if out.exists() else f"{out.parent} is not a folder"
        raise UsageError(cause, "name a new folder inside one that exists")
    chosen = [task for task in dataset.tasks if task in (tasks or TASKS)]
    if strange := sorted(set(tasks) - set(dataset.tasks)):
        raise UsageError(f"{root} has no pairs of {', '.join(strange)}", f"it has {', '.join(dataset.tasks) or 'none'}")
    part = out.absolute().with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        counts = _pairs(dataset, part, chosen) if what == "pairs" else _index(root, part, layout)
        if layout == "hf":
            (part / "README.md").write_text(_hub_card(root, counts), encoding="utf-8", errors="replace")
        part.rename(out.absolute())
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return counts


def _pairs(dataset: Dataset, out: Path, tasks: Sequence[str]) -> dict[str, int]:
    counts = {}
    for task in tasks:
        folder = out / "data" / task
        folder.mkdir(parents=True)
        places = dataset.places([task], 0, 0, window=1)
        counts[task] = _write(folder, _rows(dataset, sorted(int(place) for place in places)))
    return counts


def _rows(dataset: Dataset, places: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    for place in places:
        pair = dataset[place]
        yield _weight(pair), row_of(pair)


def row_of(pair: StoredPair) -> dict[str, Any]:
    """Return a pair as a row of the export: texts and media as columns, and all that its record says as JSON."""
    told = {name: str(pair.record.get(name) or "") for name in TEXTS}
    row: dict[str, Any] = {**told, "scores": [{"name": n, "value": v} for n, v in sorted(_scores(pair).items())]}
    for name, side in (("query", pair.query), ("target", pair.target)):
        row |= {f"{name}_{column}": value for column, value in _columns(side).items()}
    return {**row, "record": json.dumps(pair.record, ensure_ascii=False, sort_keys=True)}


def _scores(pair: StoredPair) -> dict[str, float]:
    return {str(name): float(value) for name, value in dict(pair.record.get("scores") or {}).items()}


def _columns(side: StoredSide) -> dict[str, Any]:
    return {
        "text": side.text,
        "image": _medium(side.image) if side.image is not None else None,
        "frames": [_medium(jpeg) for jpeg in side.frames] or None,
        "video": _medium(side.clip) if side.clip is not None else None,
        "times": list(side.times) or None,
    }


def _medium(data: bytes) -> dict[str, Any]:
    return {"bytes": data, "path": None}


def _weight(pair: StoredPair) -> int:
    sides = (pair.query, pair.target)
    return sum(len(side.image or b"") + len(side.clip or b"") + sum(map(len, side.frames)) for side in sides)


def pair_schema() -> pa.Schema:
    """Return the schema of exported pairs, which says to `datasets` what each column is."""
    text = {"dtype": "string", "_type": "Value"}
    fields: list[tuple[str, pa.DataType]] = [(name, pa.string()) for name in TEXTS]
    features: dict[str, Any] = dict.fromkeys(TEXTS, text)
    fields.append(("scores", pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64())]))))
    features["scores"] = {"feature": NUMBERS, "_type": "List"}
    for name in ("query", "target"):
        for column, (kind, feature) in SIDE.items():
            fields.append((f"{name}_{column}", kind))
            features[f"{name}_{column}"] = feature
    fields.append(("record", pa.string()))
    features["record"] = text
    return _told(pa.schema(fields), features)


def _told(schema: pa.Schema, features: Mapping[str, Any]) -> pa.Schema:
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": dict(features)}})})


def _write(folder: Path, rows: Iterator[tuple[int, dict[str, Any]]]) -> int:
    """Write rows into files of about `FILE_BYTES`; return how many there were."""
    schema, total, number = pair_schema(), 0, 0
    held = next(rows, None)
    while held is not None:
        path, size = folder / f"train-{number:05d}.parquet", 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            while held is not None and size < FILE_BYTES:
                group: list[dict[str, Any]] = []
                weight = 0
                while held is not None and weight < GROUP_BYTES:
                    weight += held[0]
                    group.append(held[1])
                    held = next(rows, None)
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                size, total = size + weight, total + len(group)
        number += 1
    return total


def _index(root: Path, out: Path, layout: str) -> dict[str, int]:
    """Copy the index tables as they are; for the hub with their maps as lists of name and value, which it can read."""
    counts = {}
    for name in TABLES:
        source = root / "index" / f"{name}.parquet"
        try:
            counts[name] = pq.read_metadata(source).num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise Damage(f"{source} cannot be read", f"`synflow verify {root}` tells the damage") from error
        if layout == "parquet":
            shutil.copyfile(source, out / f"{name}.parquet")
            continue
        folder = out / "data" / name
        folder.mkdir(parents=True)
        _unmapped(source, folder / "train-00000.parquet", TABLES[name])
    return counts


def _unmapped(source: Path, target: Path, schema: pa.Schema) -> None:
    flat, features = [], {}
    for field in schema:
        if pa.types.is_map(field.type):
            item = field.type.item_type
            flat.append((field.name, pa.list_(pa.struct([("name", pa.string()), ("value", item)]))))
            features[field.name] = {"feature": WORDS if pa.types.is_string(item) else NUMBERS, "_type": "List"}
        else:
            flat.append((field.name, field.type))
            dtype = {"double": "float64"}.get(str(field.type), str(field.type))
            features[field.name] = {"dtype": dtype, "_type": "Value"}
    told = _told(pa.schema(flat), features)
    maps = [field.name for field in schema if pa.types.is_map(field.type)]
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, told, compression="zstd") as writer:
        for batch in file.iter_batches(batch_size=4096, use_threads=False):
            rows = batch.to_pylist()
            for row in rows:
                row.update({name: [{"name": n, "value": v} for n, v in row.get(name) or ()] for name in maps})
            writer.write_table(pa.Table.from_pylist(rows, schema=told))


def _hub_card(root: Path, counts: Mapping[str, int]) -> str:
    """Return the card of the run behind the head that the hub reads: licence, and which files are what."""
    with pq.ParquetFile(root / "index/pairs.parquet") as file:
        names = set(file.read(["licence"], use_threads=False).column(0).to_pylist())
    strict = strictest(names)
    known = strict.lower() if is_listed(strict) else "unknown" if strict == UNKNOWN else "other"
    lines = ["---", f"license: {known}", "tags: [video-retrieval, synflow]", "configs:"]
    for name, number in counts.items():
        if number:
            lines += [f"- config_name: {name}", "  data_files:", "  - split: train", f"    path: data/{name}/*.parquet"]
    try:
        card = (root / "README.md").read_text(encoding="utf-8")
    except OSError:
        card = ""
    first = next(islice((name for name, number in counts.items() if number), 1), "t2v")
    own = (
        f'\n```python\nimport datasets\n\nrows = datasets.load_dataset("THIS_FOLDER", "{first}", split="train")\n```\n'
    )
    return "\n".join([*lines, "---", ""]) + card.split("## Read it")[0] + "## Read it\n" + own
