"""The corpus of known edits: which records there are, their files, and the truth about each."""

from __future__ import annotations

import json
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from kit.captions import CAPTIONS, CONTRADICTION
from kit.corpus import CACHE, Piece, duration, folder_tag, pictures, pieces, write_rows, write_video
from kit.edits import KINDS, OTHER, colorful, moves, write_mpeg4

SECONDS = 4.0
EACH = 15
"""Records of each edit of pictures."""

GOOD = 90
FEWEST_RATE = 12.0
VERSION = 4
"""Raised when the edits change: the clips are then made anew."""


@dataclass(frozen=True)
class Record:
    """One line of the corpus and the truth about it.

    Attributes:
        edit: what was done; ``good`` where nothing was.
        reason: the code that must drop it; empty where it must be kept.
        base: name of the good clip whose footage it shows; empty where it shows none that counts as a copy.
    """

    id: str
    path: str
    caption: str
    edit: str
    reason: str
    base: str


def make_base(piece: Piece, folder: Path) -> dict[str, Any]:
    """Cut one good clip; return what is known of it."""
    known = folder / f"{piece.name}.json"
    if known.exists():
        told: dict[str, Any] = json.loads(known.read_text())
        return told
    shown = pictures(piece, SECONDS)
    told = {"name": piece.name, "caption": piece.caption, "good": moves(shown), "colorful": colorful(shown)}
    if told["good"]:
        write_video(folder / f"good_{piece.name}.mp4", shown)
    known.write_text(json.dumps(told))
    return told


def make_edit(piece: Piece, name: str, folder: Path) -> None:
    """Write one edited clip, unless it is there."""
    path = folder / f"{name}_{piece.name}.mp4"
    if path.exists():
        return
    kind = KINDS.get(name) or OTHER[name]
    seed = [*name.encode(), *piece.name.encode()]
    shown = kind.edit(pictures(piece, SECONDS), np.random.default_rng(seed))
    settings = dict(kind.settings)
    if settings.pop("codec", "") == "mpeg4":
        write_mpeg4(path, shown)
    else:
        write_video(path, shown, **settings)


def built(videos: Path, workers: int) -> tuple[Path, list[Record]]:
    """Make the corpus of a folder of videos, as far as it is not there; return it and its truth."""
    folder = CACHE / f"edits-{folder_tag(videos)}-v{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    found = [p for p in pieces(videos, SECONDS, 4) if not p.still and _usable(p.path)]
    with ProcessPoolExecutor(workers) as pool:
        told = list(pool.map(make_base, found, [folder] * len(found)))
        good = [(piece, one) for piece, one in zip(found, told, strict=True) if one["good"]][:GOOD]
        if len(good) < 10:
            raise SystemExit(
                f"{videos} gives {len(good)} clips of {SECONDS:g} s in which something moves; 10 are needed"
            )
        jobs = [(good[k][0], name) for name, ks in _turns(len(good)).items() for k in ks]
        jobs += [(piece, "flipped") for piece in _misread(good)]
        jobs += [(piece, "backwards") for piece, _ in good]
        list(pool.map(make_edit, *zip(*jobs, strict=True), [folder] * len(jobs)))
    records = _records(folder, good)
    # A clip without a caption is legal; an empty caption is a fault.
    rows = [
        {"id": one.id, "path": one.path}
        | ({"caption": one.caption} if one.caption or one.reason == "caption-empty" else {})
        for one in records
    ]
    write_rows(folder / "videos.jsonl", rows)
    (folder / "truth.json").write_text(json.dumps([asdict(one) for one in records], indent=1))
    return folder, records


def _turns(count: int) -> dict[str, list[int]]:
    """Return for each edit the places of the clips it is made of: spread, so that each clip serves a few."""
    lap = count // math.gcd(3, count)
    return {
        name: [(5 * turn + 3 * k + k // lap) % count for k in range(min(EACH, count))]
        for turn, name in enumerate(KINDS)
    }


def _usable(path: Path) -> bool:

    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 0)
        return rate >= FEWEST_RATE and min(stream.width, stream.height) >= 240 and duration(path) >= SECONDS


def _records(folder: Path, good: list[tuple[Piece, dict[str, Any]]]) -> list[Record]:
    """Return all records. Two clips of one source never share its caption: the later has none, which is legal."""
    records, said = [], set()
    for piece, _ in good:
        caption = piece.caption if piece.caption not in said else ""
        said.add(piece.caption)
        records.append(Record(f"good_{piece.name}", f"good_{piece.name}.mp4", caption, "good", "", piece.name))
    for name, places in _turns(len(good)).items():
        for k in places:
            piece = good[k][0]
            kind = KINDS[name]
            path = f"{name}_{piece.name}.mp4"
            records.append(Record(path[:-4], path, "", name, kind.reason, piece.name if kind.copies else ""))
    bases = [piece.name for piece, _ in good]
    for code, texts in CAPTIONS.items():
        for k, text in enumerate(texts):
            base = bases[(7 * k + len(code)) % len(bases)]
            # What many sources say is only known when copies are gone.
            footage, shows = ("backwards", "") if code == "caption-shared" else ("good", base)
            records.append(Record(f"{code}_{k}", f"{footage}_{base}.mp4", text, code, code, shows))
    for k in range(EACH):
        base = bases[(11 * k + 1) % len(bases)]
        data = (folder / f"good_{base}.mp4").read_bytes()
        for edit, content in (("torn", data[: len(data) // 2]), ("text", b"this is no video\n" * (20 + k))):
            path = f"{edit}_{k}.mp4"
            (folder / path).write_bytes(content)
            records.append(Record(path[:-4], path, "", edit, "unreadable", ""))
    for k, piece in enumerate(_colorful(good)):
        records.append(_flipped(piece, f"{CONTRADICTION} Reel {k}.", "contradiction"))
    for k, piece in enumerate(_captioned(good)):
        other = _captioned(good)[k - len(_captioned(good)) // 2].caption
        records.append(_flipped(piece, f"Here: {other}", "wrong"))
    return records


def _flipped(piece: Piece, caption: str, edit: str) -> Record:
    return Record(f"{edit}_{piece.name}", f"flipped_{piece.name}.mp4", caption, edit, "caption-mismatch", "")


def _colorful(good: list[tuple[Piece, dict[str, Any]]]) -> list[Piece]:
    return [piece for piece, one in good if one["colorful"]][:EACH]


def _captioned(good: list[tuple[Piece, dict[str, Any]]]) -> list[Piece]:
    """Return clips with captions of their own, none of those whose colours are denied."""
    denied = {piece.name for piece in _colorful(good)}
    firsts = {piece.caption: piece for piece, _ in reversed(good) if piece.caption and piece.name not in denied}
    return sorted(firsts.values(), key=lambda piece: piece.name)[:EACH]


def _misread(good: list[tuple[Piece, dict[str, Any]]]) -> list[Piece]:
    return _colorful(good) + _captioned(good)
