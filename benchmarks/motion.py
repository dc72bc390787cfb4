"""How rightly and how cheaply motion is told from stillness, and the camera from what moves.

Five parts, each can be left out: ``films`` (known motions made of stills), ``world`` (the miniature world, whose
camera is known), ``clips`` (labels of real clips), ``rank`` (does the small flow rank real clips as a large one does?)
and ``cost`` (CPU of a clip of 8 s, beside Farneback's flow on the same pictures).
Run: ``python benchmarks/motion.py [--parts films,world] [--data DIR] [--every 4] [--json]``; DIR holds ``facts.jsonl``
and the clips. Without it the stills come from the world, and the parts about real clips are left out. Exits 1 where
fewer than 95 % of the static or of the moving films are told right, or the F1 of near-static clips is below 0.9.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from _motion_films import films_of

from stages.dynamics import Dynamics, looked_at
from synflow.contract import Scan
from synflow.media.sandbox import Sandbox
from synflow.records import Location
from synflow.world.render import render_world

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LARGE = 398
"""Longer side of the pictures of the large flow, in pixels."""

Gray = npt.NDArray[np.uint8]
Row = dict[str, Any]


def labels_of(data: Path) -> list[Row]:
    return [json.loads(line) for line in (data / "facts.jsonl").read_text(encoding="utf-8").splitlines()]


def scans_of(paths: list[Path]) -> Iterator[tuple[Path, Scan]]:
    sandbox = Sandbox()
    for path in paths:
        yield path, sandbox.scan(Location(path=str(path)), 144)
    sandbox.close()


def pictures(path: Path, longer: int, at: npt.NDArray[np.float64] | None = None) -> list[Gray]:
    """Return the pictures of a file at the given seconds (or its first), brightness, with this longer side."""
    out: list[Gray] = []
    wanted = list(at) if at is not None else [0.0]
    with av.open(str(path)) as box:
        first: float | None = None
        for frame in box.decode(video=0):
            now = float(frame.time or 0.0)
            first = now if first is None else first
            while wanted and now - first >= wanted[0] - 1e-3:
                scale = longer / max(frame.width, frame.height)
                size = (max(16, round(frame.width * scale)), max(16, round(frame.height * scale)))
                out.append(frame.reformat(*size, format="gray", interpolation="AREA").to_ndarray())
                wanted.pop(0)
            if not wanted:
                break
    return out


def judged_films(stills: dict[str, Gray]) -> Row:
    """Return how many films of stills are told right, and which kinds are not."""
    stage, names = Dynamics(), sorted(stills)
    right: dict[str, list[bool]] = defaultdict(list)
    camera: dict[str, list[bool]] = defaultdict(list)
    table: dict[tuple[bool, bool], int] = defaultdict(int)
    for place, name in enumerate(names):
        for film in films_of(name, stills[name], stills[names[(place + 5) % len(names)]]):
            measures, facts = looked_at(film.times, film.luma)
            static = stage.verdict(measures) is not None
            table[film.static, static] += 1
            right[film.name].append(static == film.static)
            seen = facts["camera"]
            camera[film.camera].append((seen["motion"], seen["direction"]) == (film.camera, film.direction))
    found, missed, wrong = table[True, True], table[True, False], table[False, True]
    return {
        "films": sum(table.values()),
        "recall": round(found / (found + missed), 4),
        "precision": round(found / max(1, found + wrong), 4),
        "moving kept": round(table[False, False] / max(1, table[False, False] + wrong), 4),
        "camera": {kind: f"{sum(seen)}/{len(seen)}" for kind, seen in camera.items()},
        "wrong": {name: f"{len(seen) - sum(seen)}/{len(seen)}" for name, seen in right.items() if not all(seen)},
    }


def judged_world(folder: Path) -> Row:
    """Return how often the camera of a shot of the world is named rightly, with its direction."""
    truth = {line["path"]: line for line in map(json.loads, (folder / "truth.jsonl").read_text().splitlines())}
    sound = [path for path, line in truth.items() if line["defect"] not in ("unreadable", "frozen", "truncated")]
    named: dict[str, list[bool]] = defaultdict(list)
    for path, scan in scans_of([folder / path for path in sound]):
        for shot in truth[str(path.relative_to(folder))]["shots"]:
            part = scan.within(shot["start"], shot["end"])
            if len(part.times) >= 12:
                seen, told = looked_at(part.times, part.luma)[1]["camera"], shot["camera"]
                named[told["motion"]].append((seen["motion"], seen["direction"]) == (told["motion"], told["direction"]))
    return {kind: f"{sum(seen)}/{len(seen)}" for kind, seen in sorted(named.items())}


def judged_clips(scans: list[tuple[Row, Scan]]) -> Row:
    """Return precision, recall and F1 of near-static clips, and how the camera is named beside its label."""
    stage = Dynamics()
    table: dict[tuple[bool, bool], list[str]] = defaultdict(list)
    cameras: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for label, scan in scans:
        measures, facts = looked_at(scan.times, scan.luma)
        table[label["near_static"], stage.verdict(measures) is not None].append(label["id"])
        cameras[label["camera"].split(",")[0]][facts["camera"]["motion"]] += 1
    found, missed, wrong = (table[key] for key in ((True, True), (True, False), (False, True)))
    return {
        "F1": round(2 * len(found) / max(1, 2 * len(found) + len(missed) + len(wrong)), 4),
        "found": len(found), "missed": missed, "wrongly dropped": wrong,
        "camera, label: named": {label: dict(named) for label, named in sorted(cameras.items())},
    }  # fmt: skip


def residual_of(flow: npt.NDArray[np.float32]) -> float:
    """Return the strongest 5 % of a flow beyond its least-squares similarity, as a share of the width."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float64)
    place = ((x - width / 2) + 1j * (y - height / 2)).ravel()
    moved = (flow[::4, ::4, 0] + 1j * flow[::4, ::4, 1]).ravel()
    shift, turn, weight = complex(np.median(moved.real), np.median(moved.imag)), 0j, np.ones(len(place))
    for _ in range(6):
        apart = np.abs(moved - shift - turn * place)
        weight = 1 / (1 + (apart / max(0.15, 1.5 * float(np.median(apart)))) ** 2) ** 2
        centre, mean = weight @ place / weight.sum(), weight @ moved / weight.sum()
        off = place - centre
        turn = complex((weight * off.conj()) @ (moved - mean) / (weight @ np.abs(off) ** 2))
        shift = mean - turn * centre
    apart = np.sort(np.abs(moved - shift - turn * place))
    return float(apart[-max(1, len(apart) // 20) :].mean()) / width


def farneback(one: Gray, other: Gray) -> npt.NDArray[np.float32]:
    start = np.zeros((*one.shape, 2), np.float32)
    return np.asarray(cv2.calcOpticalFlowFarneback(one, other, start, 0.5, 3, 15, 2, 5, 1.2, 0), np.float32)


def ranked(data: Path, scans: list[tuple[Row, Scan]]) -> Row:
    """Return Spearman correlations of residuals: ours and Farneback's at 160 pixels against Farneback's at 398."""
    found: dict[str, tuple[float, float, float]] = {}
    for label, scan in scans:
        last = len(scan.times) - 1
        firsts = np.unique(
            np.searchsorted(scan.times, np.linspace(0, float(scan.times[-1]) - 0.25, 6)).clip(0, last - 1)
        )
        seconds = np.maximum(np.searchsorted(scan.times, scan.times[firsts] + 0.2 - 1e-3), firsts + 1).clip(0, last)
        at = np.unique(scan.times[np.concatenate([firsts, seconds])])
        large, small = (pictures(data / label["path"], side, at) for side in (LARGE, 160))
        couples = list(zip(*(np.searchsorted(at, scan.times[k]).tolist() for k in (firsts, seconds)), strict=True))
        couples = [(i, j) for i, j in couples if j < min(len(large), len(small))]
        values = [
            float(np.median([residual_of(farneback(film[i], film[j])) / (at[j] - at[i]) for i, j in couples]))
            for film in (large, small)
        ]
        found[label["id"]] = (float(looked_at(scan.times, scan.luma)[0]["dynamics.residual"]), values[1], values[0])
    table = np.argsort(np.argsort(np.array(list(found.values())), axis=0), axis=0)
    order = np.corrcoef(table.T)
    apart = np.abs(table[:, 0] - table[:, 2])
    return {
        "clips": len(found),
        "ours at 160, large": round(float(order[0, 2]), 3),
        "Farneback at 160, large": round(float(order[1, 2]), 3),
        "furthest apart": {list(found)[k]: [int(r) for r in table[k]] for k in np.argsort(-apart)[:6]},
    }


def cost(films: list[tuple[str, npt.NDArray[np.float64], Gray]], runs: int = 7) -> Row:
    """Return CPU milliseconds of clips of 8 s (at most 192 pictures), least of some runs, beside one Farneback flow."""
    out: Row = {}
    for name, times, luma in films:
        places = np.flatnonzero(times < 8)
        places = places[:: max(1, -(-len(places) // 192))]
        times, luma = times[places], luma[places]
        ours = least(lambda t=times, p=luma: looked_at(t, p), runs)
        flow = least(lambda p=luma: farneback(p[0], p[-1]), 2 * runs)
        out[name] = {"ms": round(ours, 1), "farneback ms": round(flow, 2), "flows": round(ours / flow, 1)}
    out["mean"] = {key: round(float(np.mean([row[key] for row in out.values()])), 2) for key in ("ms", "flows")}
    return out


def least(work: Any, runs: int) -> float:
    taken = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) * 1000)
    return min(taken)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default="films,world,clips,rank,cost")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--every", type=int, default=4, help="make films of every n-th still only")
    parser.add_argument("--offset", type=int, default=0, help="the first of them")
    parser.add_argument("--clips", type=int, default=40, help="clips of the world")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    parts, told = set(options.parts.split(",")), {}
    labels = labels_of(options.data) if (options.data / "facts.jsonl").is_file() else []
    with tempfile.TemporaryDirectory() as name:
        world = Path(name) / "world"
        if "world" in parts or not labels:
            render_world(world, clips=options.clips, seed=11, defects=0.0, workers=1)
        sources = [options.data / row["path"] for row in labels if not row["near_static"] and row["width"] >= 480]
        sources = sources or sorted((world / "videos").iterdir())
        if "films" in parts:
            stills = {path.stem: pictures(path, 640)[0] for path in sources[options.offset :: options.every]}
            told["films"] = judged_films(stills)
        if "world" in parts:
            told["world"] = judged_world(world)
        if labels and parts & {"clips", "rank", "cost"}:
            by_path = {options.data / row["path"]: row for row in labels}
            scans = [(by_path[path], scan) for path, scan in scans_of(list(by_path))]
            if "clips" in parts:
                told["clips"] = judged_clips(scans)
            if "rank" in parts:
                told["rank"] = ranked(options.data, scans)
            if "cost" in parts:
                long = [(row["id"], scan.times, scan.luma) for row, scan in scans if scan.times[-1] >= 8]
                told["cost"] = cost(long[:12])
    print(json.dumps(told, indent=None if options.json else 2))
    films, clips = told.get("films"), told.get("clips")
    broken = films is not None and min(films["recall"], films["moving kept"], films["precision"]) < 0.95
    return int(broken or (clips is not None and clips["F1"] < 0.9))


if __name__ == "__main__":
    sys.exit(main())
