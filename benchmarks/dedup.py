"""Copies among a million clips: seconds, memory, and how many are found; recall and precision against all pairs.

Signatures are made like real ones: a clip is a smooth walk through pictures of which the spectrum falls as that of
natural pictures does, with its own amount of motion; one clip in ten shares its place with others (another take of the
same scene), and a tenth has a copy: cropped, marked, noisy, sped up, mirrored or an excerpt.

Run: ``python benchmarks/dedup.py [CLIPS] [SAMPLE]`` (by default 1,000,000 and 2,000), or
``python benchmarks/dedup.py --edits FOLDER ORIGINAL...`` on files that ``benchmarks/edits.py`` wrote.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import cv2
import numpy as np

from stages.near.copies import Copies
from synflow.ids import canonical
from synflow.media.likeness import Seen, compare
from synflow.media.signature import LEVELS, SIDE, Signature, pack, unpack

BATCH = 5_000


class Stored(Sequence[dict[str, Any]]):
    """Rows in a file of JSON lines, read where they lie, as a run reads them."""

    def __init__(self, path: Path) -> None:
        self.path, self.offsets = path, np.zeros(0, np.int64)

    def write(self, rows: Iterator[dict[str, Any]]) -> None:
        """Write rows and remember where they lie."""
        offsets, offset = [], 0
        with self.path.open("wb") as file:
            for row in rows:
                offsets.append(offset)
                offset += file.write(canonical(row) + b"\n")
        self.offsets, self.bytes = np.array(offsets), offset

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            yield from map(json.loads, file)

    def __getitem__(self, place: int) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(self.offsets[place])
            return json.loads(file.readline())


def fields(rng: np.random.Generator, count: int, knots: int) -> np.ndarray:
    """Return smooth random pictures, ``[count, knots, 12, 12]``: amplitude falls with frequency (1/f)."""
    waves = rng.standard_normal((count, knots, SIDE, SIDE)).astype(np.float32)
    order = np.hypot(*np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    waves /= np.maximum(1, order) ** 1.3
    rows = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * np.arange(SIDE) + 1) * np.arange(SIDE)[:, None] / (2 * SIDE))
    return np.einsum("ai,nkab,bj->nkij", rows, waves, rows, optimize=True)


def films(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Return clips as float pictures ``[k, 12, 12]``, 7 to 24 of them; one in ten in a place that nine others share."""
    places = fields(rng, max(1, count // 100), 1)[:, 0]
    still = fields(rng, count, 1)[:, 0]
    shared = rng.random(count) < 0.1
    still[shared] = places[rng.integers(0, len(places), int(shared.sum()))]
    moves = fields(rng, count, 5)
    found = []
    for place in range(count):
        length = int(rng.integers(7, 25))
        at = np.linspace(0, 4, length)
        low = np.minimum(at.astype(int), 3)
        share = (at - low)[:, None, None]
        walk = (1 - share) * moves[place][low] + share * moves[place][low + 1]
        found.append(still[place] + rng.uniform(0.15, 0.8) * walk)
    return found


def stored(film: np.ndarray) -> Signature:
    """Return the signature of a clip."""
    film = film - film.mean(axis=(1, 2), keepdims=True)
    film = film / film.std(axis=(1, 2), keepdims=True)
    return Signature(np.clip(np.round(LEVELS / 2 + LEVELS / 5.2 * film), 0, LEVELS - 1).astype(np.uint8))


def copied(rng: np.random.Generator, film: np.ndarray, kind: int) -> np.ndarray:
    """Return a copy of a clip, made in one of six ways."""
    length = len(film)
    at = np.linspace(0, length - 1, max(5, round(length * rng.uniform(0.7, 1.2))))
    low = np.minimum(at.astype(int), length - 2)
    share = (at - low)[:, None, None]
    film = (1 - share) * film[low] + share * film[low + 1]
    film = film + rng.normal(0, 0.05, film.shape) * film.std()
    if kind in (0, 3):
        edge = SIDE * rng.uniform(0.0, 0.05)
        grid = np.linspace(edge - 0.5, SIDE - edge - 0.5, 2 * SIDE + 1)[1::2].astype(np.float32)
        x, y = np.meshgrid(grid, grid)
        film = np.stack(
            [cv2.remap(p.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for p in film]
        )
    if kind in (1, 3):
        film = film[:, :, ::-1]
    if kind == 2:
        film = film.copy()
        film[:, :2, -3:] = film.max()
    if kind == 4 and length >= 14:
        film = film[length // 4 : length // 4 + max(7, length // 2)]
    return film


def rows_of(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Yield rows; clip ``<n>`` is an original, ``<n>c`` its copy."""
    rng = np.random.default_rng(seed)
    number = 0
    while number < count:
        for film in films(rng, min(BATCH, count - number)):
            yield row(f"{number:07d}", film, 2)
            number += 1
            if number % 10 == 0 and number < count:
                yield row(f"{number - 1:07d}c", copied(rng, film, number // 10 % 6), 1)
                number += 1


def row(name: str, film: np.ndarray, size: int) -> dict[str, Any]:
    source = f"{int(name[:7]) * 2 + len(name):016x}"
    return {"clip": name, "source": source, "span": [0.0, 8.0], "pixels": 100_000 * size, "said": 9, "captions": [],
            "thumbs": pack(stored(film))}  # fmt: skip


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def million(count: int, sample: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = Stored(Path(folder) / "rows.jsonl")
        rows.write(rows_of(count))
        print(f"{len(rows):,} rows of {rows.bytes / len(rows):,.0f} bytes; {peak():.2f} GiB before")
        began, wall = time.process_time(), time.time()
        copies = Copies(rows, {}, 0.7, 48, None)
        read = time.process_time()
        verdicts = [verdict.copy_of for verdict in copies.verdicts()]
        done = time.process_time()
        names = [one.decode() for one in copies._clips]
    told = {name: kept for name, kept in zip(names, verdicts, strict=True) if kept}
    real = {name for name in names if name.endswith("c")}
    right = sum(told.get(name) == name[:-1] for name in real)
    wrong = sum(name.rstrip("c") != kept.rstrip("c") for name, kept in told.items())
    print(f"settled in {done - began:.0f} CPU-s ({read - began:.0f} to read), {time.time() - wall:.0f} s on the wall")
    print(f"peak {peak():.2f} GiB; {copies.compared:,} pairs compared")
    print(f"copies found {right:,} of {len(real):,} ({right / len(real):.4f}); wrong {wrong}")
    against_all(sample)


def against_all(sample: int) -> None:
    """Compare every pair of a sample, and say how many of the copies among them the hashes lead to."""
    rows = list(rows_of(sample, seed=2))
    seen = [Seen.of(unpack(one["thumbs"])) for one in rows]
    began = time.process_time()
    true = {(a, b) for a, b in combinations(range(len(rows)), 2) if compare(seen[a], seen[b]).copy}
    spent = time.process_time() - began
    copies = Copies(rows, {}, 0.7, 48, None)
    _, alike = copies._alike()
    found = {(a, b) for a, others in alike.items() for b in others if a < b}
    pairs = len(rows) * (len(rows) - 1) // 2
    print(f"all {pairs:,} pairs: {spent:.0f} CPU-s, {1e3 * spent / pairs:.3f} ms a pair, {len(true)} copies")
    print(f"{copies.compared:,} compared: recall {len(found & true) / len(true):.4f}, beyond {len(found - true)}")


def edits(folder: Path, originals: list[Path]) -> None:
    """Say of each edit how many of its copies are found, and how many copies are taken for those of another."""
    from stages.dedup import Dedup
    from synflow.media.sandbox import Sandbox
    from synflow.media.signature import signature
    from synflow.records import Location

    sandbox = Sandbox()
    rows = []
    for path in [*originals, *sorted(folder.iterdir())]:
        scan = sandbox.scan(Location(path=str(path)), 360)
        first = path in originals
        rows.append(
            {
                "clip": path.stem,
                "source": f"{len(rows) + 1:016x}",
                "span": [0.0, scan.end],
                "pixels": 9**6 if first else 9**5,
                "said": 0,
                "captions": [],
                "thumbs": pack(signature(scan.times, scan.luma)),
            }
        )
    sandbox.close()
    found: dict[str, list[bool]] = defaultdict(list)
    strange = []
    for one, decision in zip(rows, Dedup().settle(rows, 0), strict=True):
        kept = decision.drop.detail if decision.drop else ""
        stem, _, edit = str(one["clip"]).partition(".")
        if edit:
            found[edit].append(kept.partition(".")[0] == stem)
        if kept and kept.partition(".")[0] != stem:
            strange.append((one["clip"], kept))
    for edit, results in sorted(found.items()):
        print(f"| {edit.replace('_', ' ')} | {sum(results)} of {len(results)} |")
    total = [one for results in found.values() for one in results]
    print(f"found {sum(total)} of {len(total)}; taken for copies of another: {strange}")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    if sys.argv[1:2] == ["--edits"]:
        edits(Path(sys.argv[2]), [Path(one) for one in sys.argv[3:]])
    else:
        given = [int(one) for one in sys.argv[1:]]
        million(*(given + [1_000_000, 2_000][len(given) :]))
