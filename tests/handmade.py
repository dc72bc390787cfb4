"""A finished run directory made by hand, as the contract lays it down: tables, shards, dataset.json, receipts."""

# ruff: noqa: E501, C408  rows of tables stay on one line

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WHOLE_ROAD = (
    "validate",
    "shots",
    "rectify",
    "quality",
    "dynamics",
    "dedup",
    "consistency",
    "enrich",
    "audit",
    "expand",
)
"""The stages of a whole run, in order."""

TEXT, NUMBER = pa.string(), pa.float64()
MAP = pa.map_(TEXT, NUMBER)
PAIR_TEXTS = (
    "id", "record_id", "task", "domain", "style", "emphasis", "query_text", "target_text", "clip_id", "query_clip_id",
    "source_id", "source_uri", "licence", "shard", "key",
)  # fmt: skip
PAIRS = pa.schema(
    [
        *((n, TEXT) for n in PAIR_TEXTS),
        ("offset", pa.int64()),
        ("bytes", pa.int64()),
        ("scores", MAP),
        ("model", TEXT),
        ("prompt", TEXT),
    ]
)
REJECTS = pa.schema(
    [*((n, TEXT) for n in ("record_id", "clip_id", "source_uri", "stage", "reason", "detail")), ("measures", MAP)]
)
CLIPS = pa.schema(
    [*((n, TEXT) for n in ("record_id", "clip_id", "source_uri", "codec", "phash")), ("start", NUMBER), ("end", NUMBER), ("width", pa.int32()),
     ("height", pa.int32()), ("fps", NUMBER), ("measures", MAP), ("kept", pa.bool_())]
)  # fmt: skip

HOSTILE = "a \x1b[31mred\x1b]0;title\x07 \u202edoor\x00 " + "word " * 10_000
CAPTION = "A red ball rolls from left to right across a wooden table while the camera stays still."
STYLES = {"t2v": ("summary", "temporal", "t"), "t2i": ("frame", "spatial", "s"), "t2t": ("partial", "topical", "pr")}
INSTRUCTIONS = {
    "t2v": "Find the video that this text describes.",
    "v2v": "Find the whole video that this segment is from.",
}


def name_of(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def jpeg(hue: int, width: int = 160, height: int = 90) -> bytes:
    ramp = np.linspace(0, 255, width, dtype=np.float64)[None, :, None] * np.array([0.2, 0.6, 1.0])
    picture = np.repeat(ramp, height, axis=0)
    cv2.circle(picture, (20 + hue % 120, height // 2), 18, (40, 60, 230), -1)
    done, data = cv2.imencode(".jpg", picture.astype(np.uint8))
    assert done
    return bytes(data)


def sides_of(task: str, place: int, frames: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the sides of a pair as JSON, and its members but for the JSON."""
    record: dict[str, Any] = {"query": {}, "target": {}}
    members: dict[str, bytes] = {}
    query, target = task.split("2")
    for side, kinds in (("query", query), ("target", target)):
        if "t" in kinds:
            text = HOSTILE if place == 0 and side == "query" else f"{CAPTION} Number {place}."
            record[side]["text"] = {"text": text, "style": "summary", "bound": "0" * 64}
            members[f"{side}.txt"] = text.encode()
        if "i" in kinds:
            record[side]["image"] = {"clip_id": name_of("clip", place), "time": 1.25, "digest": "1" * 64}
            members[f"{side}.jpg"] = jpeg(10 * place)
        if "v" in kinds:
            times = [round(0.5 + i, 3) for i in range(frames)]
            record[side]["video"] = {
                "clip_id": name_of("clip", place),
                "start": 0.0,
                "end": float(frames),
                "times": times,
                "digest": "2" * 64,
            }
            members.update({f"{side}.{i}.jpg": jpeg(20 * i) for i in range(frames)})
    return record, members


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    tar.addfile(header, io.BytesIO(data))


def write_shard(root: Path, task: str, number: int, frames: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Write one tar of a task; return its index rows and its line in dataset.json."""
    shard = f"shards/{task}/{task}-000000.tar"
    path = root / shard
    path.parent.mkdir(parents=True)
    style, emphasis, domain = STYLES.get(task, ("", "", "cmp" if task in ("ti2v", "tv2v") else "vis"))
    rows = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for place in range(number):
            pair = name_of(task, place)
            record, members = sides_of(task, place, frames)
            record.update(
                id=pair, task=task, instruction=INSTRUCTIONS.get(task, "Find what matches."), relation="",
                provenance={
                    "steps": [{"stage": "validate", "version": 1, "config": "c" * 64}, {"stage": "expand", "version": 2, "config": "d" * 64}],
                    "models": [{"model": "signals-vlm", "revision": "1", "prompt": "video-captions", "prompt_digest": "e" * 64, "request": "f" * 64, "seed": 7}],
                },
            )  # fmt: skip
            start = tar.offset
            add(tar, f"{pair}.json", json.dumps(record).encode())
            for suffix, data in members.items():
                add(tar, f"{pair}.{suffix}", data)
            rows.append(
                dict(
                    id=pair, record_id=f"r{place}", task=task, domain=domain, style=style, emphasis=emphasis, query_text=record["query"].get("text", {}).get("text", ""),
                    target_text="", clip_id=name_of("clip", place), query_clip_id="", source_id=name_of("source", place), source_uri=f"videos/v{place}.mp4",
                    licence="CC-BY-4.0", shard=shard, key=pair, offset=start, bytes=tar.offset - start, scores=[("consistency", 0.31)], model="signals-vlm", prompt="video-captions",
                )
            )  # fmt: skip
    data = path.read_bytes()
    return rows, {
        "path": shard,
        "task": task,
        "pairs": number,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def write_run(root: Path, number: int = 4, frames: int = 8) -> Path:
    """Write a finished run of ``number`` pairs a task, 12 clips and 7 drops; return its folder."""
    rows: list[dict[str, Any]] = []
    shards = []
    for task in ("t2v", "t2i", "i2v", "t2t", "ti2v", "v2v", "tv2v"):
        more, shard = write_shard(root, task, number, frames)
        rows, shards = rows + more, [*shards, shard]
    clips = [
        dict(
            record_id=f"r{i}", clip_id=name_of("clip", i), source_uri=f"videos/v{i}.mp4", codec="h264", phash="00", start=0.0, end=8.0, width=640, height=360, fps=25.0,
            measures=[("dynamics.residual", 0.2 + i / 10), ("quality.sharpness", 60.0 + i), ("validate.duration", 8.0)], kept=True,
        )
        for i in range(12)
    ]  # fmt: skip
    drops = [
        ("quality", "blurred", "sharpness 12.0", {"quality.sharpness": 12.0 + i, "validate.duration": 8.0})
        for i in range(3)
    ]
    drops += [
        (
            "dynamics",
            "static-clip",
            "nothing moves",
            {"dynamics.residual": 0.11, "dynamics.changed": 0.01, "quality.sharpness": 90.0},
        )
    ]
    drops += [("rectify", "caption-boilerplate", "stock \x1b[2Jfootage", {})] * 2 + [
        ("engine", "bad-record", "line 7: no path", {})
    ]
    rejects = [
        dict(record_id=f"d{i}", clip_id="" if stage == "engine" else name_of("bad", i), source_uri=f"videos/bad{i}.mp4", stage=stage, reason=reason, detail=detail, measures=list(measures.items()))
        for i, (stage, reason, detail, measures) in enumerate(drops)
    ]  # fmt: skip
    (root / "index").mkdir()
    for name, schema, table in (("pairs", PAIRS, rows), ("rejects", REJECTS, rejects), ("clips", CLIPS, clips)):
        pq.write_table(pa.Table.from_pylist(table, schema=schema), root / "index" / f"{name}.parquet")
    stages = [
        {"name": "quality", "config": {"min_sharpness": 50.0, "max_black": 0.5}},
        {"name": "dynamics", "config": {"min_residual": 0.15, "min_changed": 0.02}},
    ]
    run = {
        "name": "handmade",
        "passes": [],
        "shards": 1,
        "records": 19,
        "fingerprint": {},
        "manifest": {"stages": stages},
        "folder": "/",
    }
    (root / "run.json").write_text(json.dumps(run))
    (root / "dataset.json").write_text(json.dumps({"name": "handmade", "pairs": {}, "shards": shards, "index": {}}))
    return root
