"""Renders a world: videos, the list that a manifest reads, and the truth about each clip beside it."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from synflow.errors import ServiceDown, UsageError
from synflow.ids import seed_of
from synflow.world.defects import EXPECTED, Take, defect_of, take
from synflow.world.tracks import key_points
from synflow.world.video import SUFFIX, encode

VIDEOS, LIST, TRUTH = "videos", "videos.jsonl", "truth.jsonl"


@dataclass(frozen=True)
class WorldSummary:
    """What was rendered.

    Attributes:
        clips: their number; ``defects`` counts the bad ones by kind.
        seconds: wall time that it took.
    """

    clips: int
    defects: dict[str, int]
    seconds: float


def render_world(
    folder: Path, clips: int = 60, seed: int = 42, defects: float = 0.0, workers: int | None = None
) -> WorldSummary:
    """Render a world into ``folder``: ``videos/``, ``videos.jsonl`` and ``truth.jsonl``.

    A clip depends on ``seed``, its index and ``defects`` alone: any number of workers gives the same bytes, and a
    longer world begins with the clips of a shorter one.

    Args:
        folder: made where it is missing; an earlier world in it is replaced.
        clips: how many.
        seed: draws all of them.
        defects: share of clips that have a known defect, 0 to 0.5; the kinds take turns.
        workers: processes; by default one for each CPU.

    Raises:
        UsageError: a number is out of range, or the folder holds something else.
        ServiceDown: the folder cannot be written.
    """
    if clips < 1:
        raise UsageError(f"clips: must be at least 1, got {clips}", "use for example --clips 60")
    defect_of(0, defects)
    began = time.perf_counter()
    try:
        _clear(folder)
        lines = list(_rendered(folder, clips, seed, defects, workers))
        _write_lines(folder / LIST, (record for record, _ in lines))
        _write_lines(folder / TRUTH, (truth for _, truth in lines))
    except OSError as error:
        raise ServiceDown(f"{folder}: cannot be written: {error.strerror}", "free space, or choose another") from error
    found = [truth["defect"] for _, truth in lines if truth["defect"]]
    counts = {kind: found.count(kind) for kind in EXPECTED if kind in found}
    return WorldSummary(clips, counts, time.perf_counter() - began)


def _clear(folder: Path) -> None:
    """Remove an earlier world, and nothing else."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file", "name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / VIDEOS).is_dir():
        raise UsageError(f"{folder}: holds something other than a world", "name an empty or new folder")
    (folder / VIDEOS).mkdir(parents=True, exist_ok=True)
    for old in [folder / LIST, folder / TRUTH, *(folder / VIDEOS).glob("world-*")]:
        old.unlink(missing_ok=True)


def _rendered(
    folder: Path, clips: int, seed: int, defects: float, workers: int | None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    work = partial(render_clip, folder, seed, defects)
    processes = min(workers or len(os.sched_getaffinity(0)), clips)
    if processes == 1:
        yield from map(work, range(clips))
        return
    # Fresh processes: a fork after threads were started may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(work, range(clips))


def render_clip(folder: Path, seed: int, defects: float, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Render one clip; return its line of the list and its line of the truth."""
    shown = take(seed, index, defects)
    script = shown.script
    path = folder / VIDEOS / f"{script.id}{SUFFIX[script.codec]}"
    grain_seed = seed_of("grain", seed, index)
    encode(path, shown.pictures(), script.fps, script.codec, shown.grain, grain_seed, shown.options)
    if shown.keep < 1.0:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * shown.keep)])
    record = {
        "id": script.id,
        "path": f"{VIDEOS}/{path.name}",
        "caption": shown.caption,
        "licence": "CC0-1.0",
        "source": "synflow world",
    }
    return record, _truth(shown, record)


def _truth(shown: Take, record: dict[str, Any]) -> dict[str, Any]:
    script = shown.script
    expected = EXPECTED[shown.defect] if shown.defect else ()
    story = script.record()
    for line, event in zip(story["events"], script.events, strict=True):
        line["track"] = key_points(script, event)
    return {
        **story,
        "path": record["path"],
        "caption": shown.caption,
        "captions": shown.truths,
        "defect": shown.defect,
        "expect": {"stage": expected[0][0], "reason": expected[0][1]} if expected else None,
        "accept": [{"stage": stage, "reason": reason} for stage, reason in expected[1:]],
        "duplicate_of": shown.duplicate_of,
    }


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
