"""Draws sample pairs and rejected clips by hash and seed, and reads a pair out of its shard.

A draw depends on the ids and the seed alone: the same pairs come again whatever the order of the table, and a run
with more pairs keeps those drawn before unless a new one hashes lower. Only the bytes of a drawn pair are read.
"""

from __future__ import annotations

import hashlib
import heapq
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synflow.errors import Damage, UsageError
from synflow.inspect.index import RunIndex
from synflow.records import TASKS

SIDES = ("query", "target")


def ticket(seed: int) -> Callable[[str], bytes]:
    """Return the function that gives each id its place in the draw of ``seed``."""
    start = hashlib.blake2b(f"inspect {seed}\n".encode(), digest_size=8)

    def draw(name: str) -> bytes:
        running = start.copy()
        running.update(name.encode("utf-8", errors="surrogatepass"))
        return running.digest()

    return draw


def smallest(number: int, names: Iterable[str], seed: int) -> list[str]:
    """Return the ``number`` names that the draw of ``seed`` puts first."""
    return heapq.nsmallest(number, names, key=ticket(seed))


def draw(index: RunIndex, task: str | None, number: int | None, seed: int) -> list[dict[str, Any]]:
    """Return rows of ``pairs.parquet`` drawn by hash.

    Args:
        index: of a finished run.
        task: one task, or None for all: then they take turns, in the order of `synflow.records.TASKS`.
        number: how many; None for one of each task, or three of a single one.
        seed: another seed draws other pairs.

    Raises:
        UsageError: there is no such task.
    """
    if task is not None and task not in TASKS:
        raise UsageError(f"no task {task!r}", f"tasks are {' '.join(TASKS)}")
    wanted = [task] if task else list(TASKS)
    each = number if number is not None else (3 if task else 1)
    heaps: dict[str, list[str]] = {name: [] for name in wanted}
    for batch in index.batches("pairs", ["id", "task"]):
        ids, tasks = batch.column("id").to_pylist(), batch.column("task").to_pylist()
        for name in wanted:
            mine = (one for one, its in zip(ids, tasks, strict=True) if its == name)
            heaps[name] = smallest(each, [*heaps[name], *mine], seed)
    turns = [heap[turn] for turn in range(each) for heap in heaps.values() if turn < len(heap)]
    return index.rows("pairs", "id", turns[:number])


def find(index: RunIndex, pair: str) -> dict[str, Any]:
    """Return the row of the pair whose id is or begins with ``pair``.

    Raises:
        UsageError: there is none, or several.
    """
    found = [
        one
        for batch in index.batches("pairs", ["id"])
        for one in batch.column("id").to_pylist()
        if one.startswith(pair)
    ]
    if not pair or len(found) != 1:
        several = f"{len(found)} pairs have an id that begins with" if found else "no pair has an id that begins with"
        raise UsageError(f"{several} {pair!r}", f"`synflow inspect {index.root}` shows ids")
    return index.rows("pairs", "id", found)[0]


@dataclass(frozen=True)
class Stored:
    """A pair as its shard holds it.

    Attributes:
        row: its row of ``pairs.parquet``.
        record: its ``.json`` member.
        texts: side -> text.
        pictures: side -> JPEGs in order.
        films: side -> offset and size of an mp4 in the shard.
    """

    row: dict[str, Any]
    path: Path
    record: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, list[bytes]] = field(default_factory=dict)
    films: dict[str, tuple[int, int]] = field(default_factory=dict)


def shard_path(root: Path, row: dict[str, Any]) -> Path:
    """Return the tar that holds a pair.

    Raises:
        Damage: the index names a file outside the run, or one that is missing.
    """
    path: Path = (root / row["shard"]).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise Damage(f"{root / row['shard']} is missing", f"`synflow verify {root}` tells the damage")
    return path


def read_pair(root: Path, row: dict[str, Any]) -> Stored:
    """Return a pair read from its shard: the bytes that the index names, no others.

    Raises:
        Damage: what lies there is not this pair.
    """
    path = shard_path(root, row)
    with path.open("rb") as file:
        file.seek(row["offset"])
        data = file.read(row["bytes"])
    damage = Damage(f"{path} does not hold pair {row['id']} at byte {row['offset']}", f"run `synflow verify {root}`")
    texts: dict[str, str] = {}
    films: dict[str, tuple[int, int]] = {}
    pictures: dict[str, dict[int, bytes]] = {}
    record: dict[str, Any] | None = None
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                content = tar.extractfile(member)
                if key != row["key"] or content is None:
                    raise damage
                side, _, rest = suffix.partition(".")
                if suffix == "json":
                    record = json.loads(content.read())
                elif rest == "txt":
                    texts[side] = content.read().decode("utf-8", errors="replace")
                elif rest == "mp4":
                    films[side] = (row["offset"] + member.offset_data, member.size)
                elif rest.endswith("jpg"):
                    place = rest.removesuffix("jpg").removesuffix(".")
                    pictures.setdefault(side, {})[int(place) if place else 0] = content.read()
    except (tarfile.TarError, ValueError) as error:
        raise damage from error
    if record is None:
        raise damage
    ordered = {side: [jpeg for _, jpeg in sorted(found.items())] for side, found in pictures.items()}
    return Stored(row, path, record, texts, ordered, films)


def described(pair: Stored) -> dict[str, Any]:
    """Return a pair as JSON: its row, its record, and the members that are not text by their sizes."""
    media = {side: [len(jpeg) for jpeg in jpegs] for side, jpegs in pair.pictures.items()}
    films = {side: [size] for side, (_, size) in pair.films.items()}
    return {**pair.row, "record": pair.record, "texts": pair.texts, "media_bytes": {**media, **films}}


def examples(index: RunIndex, number: int, seed: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return for each stage and reason up to ``number`` rejected records, drawn by hash."""
    place = ticket(seed)
    chosen: dict[tuple[str, str], list[tuple[bytes, dict[str, Any]]]] = {}
    names = ["record_id", "clip_id", "source_uri", "stage", "reason", "detail"]
    for batch in index.batches("rejects", [*names, "measures"]):
        flat = batch.select(names).to_pylist()
        for i, row in enumerate(flat):
            held = chosen.setdefault((row["stage"], row["reason"]), [])
            token = place(f"{row['record_id']}\n{row['clip_id']}")
            if len(held) < number or token < held[-1][0]:
                row["measures"] = dict(batch.column("measures")[i].as_py() or ())
                held.append((token, row))
                held.sort(key=lambda one: one[0])
                del held[number:]
    return {key: [row for _, row in held] for key, held in sorted(chosen.items())}
