"""A made-up UVRB tree: 16 small datasets, each in another spelling of the layout; `oracles.Oracle` solves all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from synflow.world.video import encode

COUNT = 6


def jpeg(number: int, suffix: str = ".jpg", noise: int = 0) -> bytes:
    """Return a picture that shows a number to `oracles.number_of`."""
    picture = np.full((24, 32, 3), number * 8, np.uint8)
    picture[0, 0] = noise
    return cv2.imencode(suffix, picture)[1].tobytes()


def frames(folder: Path, number: int, count: int = 3, suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True)
    for place in range(count):
        (folder / f"frame_{place}{suffix}").write_bytes(jpeg(number, suffix, place))


def lists(folder: Path, **rows: list[Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, own in rows.items():
        text = "".join(json.dumps(row) + "\n" for row in own)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def plain(folder: Path, text: Any = None, jsonl: bool = True, frame_count: int = 3) -> None:
    """Write the usual layout: texts, and videos as folders of frames."""
    for number in range(1, COUNT + 1):
        frames(folder / "videos_frames" / f"v{number}", number, frame_count)
    lists(
        folder / "jsonl" if jsonl else folder,
        queries=[{"id": f"q{n}", "text": text(n) if text else f"thing {n}"} for n in range(1, COUNT + 1)],
        corpus=[{"id": f"c{n}", "video": f"videos/v{n}.mp4"} for n in range(1, COUNT + 1)],
        instances=[{"qid": f"q{n}", "pos": [f"c{n}"]} for n in range(1, COUNT + 1)],
    )


def numbered(folder: Path) -> None:
    """Ids that are numbers, a byte-order mark, empty lines, PNG frames, and names without a suffix."""
    for number in range(1, COUNT + 1):
        frames(folder / "videos_frames" / f"v.{number}", number, suffix=".png")
    (folder / "jsonl").mkdir(parents=True)
    rows = {
        "queries": [{"id": n, "text": f"thing {n}"} for n in range(1, COUNT + 1)],
        "corpus": [{"id": n, "video": f"v.{n}"} for n in range(1, COUNT + 1)],
        "instances": [{"qid": n, "pos": n} for n in range(1, COUNT + 1)],
    }
    for name, own in rows.items():
        text = "\ufeff" + "\n\n".join(json.dumps(row) for row in own) + "\n\n"
        (folder / "jsonl" / f"{name}.jsonl").write_text(text, encoding="utf-8")


def listed_frames(folder: Path) -> None:
    """Videos as lists of picture files."""
    plain(folder)
    corpus = [
        {"id": f"c{n}", "video": [f"videos_frames/v{n}/frame_{i}.jpg" for i in range(3)]} for n in range(1, COUNT + 1)
    ]
    lists(folder / "jsonl", corpus=corpus)


def nested(folder: Path) -> None:
    """Videos in folders of folders, frames beside."""
    plain(folder)
    (folder / "videos_frames" / "day").mkdir()
    for number in range(1, COUNT + 1):
        (folder / "videos_frames" / f"v{number}").rename(folder / "videos_frames" / "day" / f"v{number}")
    lists(folder / "jsonl", corpus=[{"id": f"c{n}", "video": f"videos/day/v{n}.webm"} for n in range(1, COUNT + 1)])


def decoded(folder: Path) -> None:
    """Videos as files, of which there are no frames, and one item that nobody asks for."""
    lists(
        folder / "jsonl",
        queries=[{"id": f"q{n}", "text": f"thing {n}"} for n in range(1, 3)],
        corpus=[{"id": f"c{n}", "video": f"v{n}.mp4"} for n in range(1, 4)],
        instances=[{"qid": f"q{n}", "pos": [f"c{n}"]} for n in range(1, 3)],
    )
    (folder / "videos").mkdir()
    for number in range(1, 4):
        shown = [np.full((48, 64, 3), number * 8, np.uint8)] * 12
        encode(folder / "videos" / f"v{number}.mp4", shown, 6, "h264", quality={"crf": "4"})


def many(folder: Path) -> None:
    """Several relevant items of a query, over several lines, and a larger corpus."""
    for number in range(1, 3 * COUNT + 1):
        frames(folder / "videos_frames" / f"v{number}", (number - 1) % COUNT + 1)
    lists(
        folder / "jsonl",
        queries=[{"id": f"q{n}", "text": f"thing {n}"} for n in range(1, COUNT + 1)],
        corpus=[{"id": f"c{n}", "video": f"v{n}.mp4"} for n in range(1, 3 * COUNT + 1)],
        instances=[
            {"query_id": f"q{n}", "positives": [f"c{n + turn * COUNT}"]}
            for turn in range(3)
            for n in range(1, COUNT + 1)
        ],
    )


def composed(folder: Path, video: bool) -> None:
    """Queries of text and picture, or text and clip, each with candidates of its own."""
    plain(folder)
    queries, instances = [], []
    for number in range(1, COUNT + 1):
        if video:
            frames(folder / "videos_frames" / f"q{number}", number + 10)
            shown = {"video": f"q{number}.mp4"}
        else:
            (folder / "images").mkdir(exist_ok=True)
            (folder / "images" / f"q{number}.jpg").write_bytes(jpeg(number + 10))
            shown = {"image": f"images/q{number}.jpg"}
        queries.append({"id": f"q{number}", "text": f"thing {number}", **shown})
        others = [f"c{n}" for n in range(1, COUNT + 1) if n != number][:3]
        given = {"neg": others} if video else {"candidates": [*others, f"c{number}"]}
        instances.append({"qid": f"q{number}", "pos": [f"c{number}"], **given})
    lists(folder / "jsonl", queries=queries, instances=instances)


def seen(folder: Path, video: bool) -> None:
    """Queries that are one frame, or a clip."""
    plain(folder)
    queries: list[dict[str, str]] = []
    for number in range(1, COUNT + 1):
        if video:
            frames(folder / "videos_frames" / f"q{number}", number)
            queries.append({"id": f"q{number}", "video": f"videos_frames/q{number}"})
        else:
            (folder / "images").mkdir(exist_ok=True)
            (folder / "images" / f"q{number}.jpg").write_bytes(jpeg(number))
            queries.append({"id": f"q{number}", "image": f"q{number}.jpg"})
    lists(folder / "jsonl", queries=queries)


def fake_uvrb(root: Path) -> Path:
    """Write the tree; names of some folders are spelt as others spell them."""
    plain(root / "MSRVTT", frame_count=12)
    plain(root / "DiDeMo", text=lambda n: ["Something is there.", f"It is thing {n}."])
    plain(root / "CRB-G", jsonl=False)
    plain(root / "crb_s")
    numbered(root / "VDC-O")
    listed_frames(root / "CRB-T")
    many(root / "CMRB")
    many(root / "DREAM-1K-E")
    plain(root / "LoVR-TH")
    plain(root / "PEV-K", text=lambda n: f"thing {n}, keywords")
    nested(root / "LoVR-V")
    decoded(root / "VDC-D")
    composed(root / "MS-TI", video=False)
    composed(root / "MS-TV", video=True)
    seen(root / "MSRVTT-I2V", video=False)
    seen(root / "LoVR-C2V", video=True)
    return root
