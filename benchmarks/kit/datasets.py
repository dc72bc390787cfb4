"""Finished datasets of any size without a run: made-up pairs, written by the writer of the pack pass."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synflow.durable import Attempt, seal
from synflow.ids import canonical, digest, digest_of_frames, make_id, seed_of, unit_of
from synflow.pairs import INSTRUCTIONS, SHAPES, domain_of, image_digest, pair_id, shown
from synflow.records import Frame, Image, Pair, Side, Style, Task, Text, Video
from synflow.store.index import CLIPS, PAIRS, REJECTS, dataset_value, encode_dataset, place, write_table
from synflow.store.layout import RunLayout
from synflow.store.lines import seal_lines
from synflow.store.pack import chunked, index_row, size_of, write_pair
from synflow.store.receipts import Counts, ObjectRef, Receipt
from synflow.store.tar import TarWriter

FRAMES = "frames.bin"


class Album:
    """Made-up pictures by number: bytes that begin and end as a JPEG does and are else drawn from the number."""

    def __init__(self, size: int) -> None:
        self.size = size

    def picture(self, number: int) -> bytes:
        """Return the bytes of a picture."""
        seed = digest(f"picture {number}".encode()).encode()
        filler = (seed * (self.size // len(seed) + 1))[: self.size - 4]
        return b"\xff\xd8" + filler + b"\xff\xd9"

    def frame(self, number: int, index: int = 0) -> Frame:
        """Return the record of a picture; its offset is its number."""
        data = self.picture(number)
        return Frame(
            index=index, time=index * 0.5, width=64, height=36, digest=digest(data), bytes=len(data), offset=number
        )

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return a stored picture, as `write_pair` asks for it."""
        data = self.picture(offset)
        assert (name, size) == (FRAMES, len(data))
        return data


def made_pair(task: Task, number: int, album: Album, frames: int, more: Mapping[str, Any] | None = None) -> Pair:
    """Return a sound pair of a task; ``number`` draws all of it, ``more`` overrides what an index row tells of it."""
    ask, goal = SHAPES[task]
    told = {"query": f"query {task} {number}", "target": f"target {task} {number}", **(more or {})}
    first = number * 2 * (frames + 1)
    sides: dict[str, dict[str, Any]] = {"query": {}, "target": {}}
    for place_, (name, kinds) in enumerate((("query", ask), ("target", goal))):
        clip = make_id("clip", task, number, place_ if task in ("ti2v", "tv2v") else 0)
        begin = first + place_ * (frames + 1)
        if "image" in kinds:
            sides[name]["image"] = Image(clip_id=clip, frame=album.frame(begin), frames_object=FRAMES)
        if "video" in kinds:
            shots = tuple(album.frame(begin + i, i) for i in range(frames))
            start = float(told.get("start", place_))
            sides[name]["video"] = Video(
                clip_id=clip, start=start, end=start + 4.0, frames=shots, frames_object=FRAMES,
                digest=digest_of_frames(f.digest for f in shots),
            )  # fmt: skip
    target = sides["target"]
    style: Style = "composed" if task in ("ti2v", "tv2v") else "summary"
    if task == "t2t":
        bound = make_id("bound", number)
        target["text"] = Text(text=told["target"], style="dense", bound=bound)
    elif task == "t2i":
        bound = image_digest(target["image"].frame)
    elif task == "t2v":
        bound = target["video"].digest
    else:
        media = [sides["query"][kind] for kind in ("image", "video") if kind in sides["query"]]
        bound = digest_of_frames(shown(*media, target["video"]))
    if "text" in ask:
        sides["query"]["text"] = Text(text=told["query"], style=style, bound=bound)
    query, wanted = Side(**sides["query"]), Side(**target)
    source = str(told.get("source", make_id("source", task, number)))
    return Pair(
        id=pair_id(task, query, wanted), task=task, query=query, target=wanted, instruction=INSTRUCTIONS[task],
        domain=domain_of(task, style, None), style=style, record_id=f"r{task}{number}", clip_id=make_id(task, number),
        source_id=source, source_uri=f"{source}.mp4", licence="CC0-1.0", scores={"made.up": 0.5},
    )  # fmt: skip


def pack(layout: RunLayout, task: Task, pairs: Iterable[Pair], album: Album, samples: int) -> Iterator[Receipt]:
    """Write pairs of one task into shards, as the pack pass does."""
    briefs = sorted(((size_of(p), p.id, p) for p in pairs), key=lambda brief: (unit_of(0, brief[1]), brief[1]))
    for number, chunk in enumerate(chunked(briefs, samples, 512 << 20)):
        name = f"{task}-{number:06d}"
        with Attempt(layout.staging) as attempt:
            draft = attempt.draft("shard.tar")
            tar = TarWriter(draft)
            path = f"shards/{task}/{name}.tar"
            rows = [index_row(pair, path, *write_pair(tar, pair, album.read)) for _, _, pair in chunk]
            tar.finish()
            objects = {
                "tar": ObjectRef(
                    name=seal(draft, layout.objects, ".tar"), bytes=draft.size, sha256=draft.digest, rows=len(rows)
                ),
                "index": seal_lines(layout, attempt, "index", rows),
            }
        place(layout, objects["tar"].name, path)
        counts = Counts(inputs=len(rows), kept=len(rows))
        yield Receipt(pass_name="pack", shard=name, inputs="", counts=counts, pairs={task: len(rows)}, objects=objects)


def write_dataset(
    root: Path, counts: Mapping[Task, int], *, samples: int = 1000, frames: int = 2, picture: int = 400,
    more: Mapping[tuple[str, int], Mapping[str, Any]] | None = None,
    clips: Iterable[Mapping[str, Any]] = (), rejects: Iterable[Mapping[str, Any]] = (), album: Album | None = None,
) -> Path:  # fmt: skip
    """Write the finished dataset of made-up pairs into ``root``: shards, tables and ``dataset.json``.

    Args:
        root: a new folder.
        counts: pairs by task.
        samples: of a shard.
        frames: of a video.
        picture: bytes of a picture.
        more: (task, number) -> ``query``, ``target`` (texts), ``source`` and ``start`` of a pair.
        clips: rows of that table.
        rejects: rows of that table.
        album: makes the pictures; by default such of ``picture`` bytes.
    """
    layout, album = RunLayout(root), album or Album(picture)
    layout.prepare(("pack",))
    packed: list[Receipt] = []
    for task, number in counts.items():
        pairs = (made_pair(task, n, album, frames, (more or {}).get((task, n))) for n in range(number))
        packed += pack(layout, task, pairs, album, samples)
    empty = Receipt(pass_name="curate", shard="000000", inputs="", counts=Counts())
    with Attempt(layout.staging) as attempt:
        rows = (row for receipt in packed for row in _rows(layout, receipt))
        tables = {
            "pairs.parquet": write_table(layout, attempt, "pairs", PAIRS, rows),
            "rejects.parquet": write_table(layout, attempt, "rejects", REJECTS, map(dict, rejects)),
            "clips.parquet": write_table(layout, attempt, "clips", CLIPS, map(dict, clips)),
        }
    value = dataset_value("made-up", str(seed_of(root.name)), [[empty]], packed, tables)
    layout.identity.write_bytes(canonical({"name": "made-up", "manifest": {"stages": []}}))
    layout.dataset.write_bytes(encode_dataset(value))
    return root


def _rows(layout: RunLayout, receipt: Receipt) -> Iterator[dict[str, Any]]:
    for line in layout.object(receipt.objects["index"].name).read_bytes().splitlines():
        yield json.loads(line)
