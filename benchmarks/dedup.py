"""Copies among a million clips: CPU-seconds, memory, how many are found; recall and precision against all pairs.

``python benchmarks/dedup.py [CLIPS] [SAMPLE] [--videos FOLDER ...] [--peer PYTHON]`` (by default 1,000,000 and 2,000)
makes rows of clips that do not exist like those of the real ones in the folders (`kit.fingerprints`), lets the stage
settle them where they lie on disk, as in a run, and compares all pairs of the first of them. With ``--peer``, the
Python of an environment that has ``faiss-cpu==1.15.1``, it looks for candidates with the binary indexes of FAISS too.

``python benchmarks/dedup.py --edits FOLDER ORIGINAL...`` asks for the files that ``benchmarks/edits.py`` wrote.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import cv2
import numpy as np
from kit.corpus import CACHE, default_videos, sources
from kit.fingerprints import BATCH, Maker, Stock, taken

from stages.dedup import Dedup, DedupConfig
from stages.near.buckets import Entries, candidates
from stages.near.copies import Copies
from stages.near.gather import Gather
from synflow.durable import Attempt
from synflow.ids import canonical
from synflow.media.likeness import Seen, compare_all
from synflow.media.signature import SIDE, pack, unpack_all
from synflow.store.layout import RunLayout
from synflow.store.lines import StoredLines, seal_encoded
from synflow.store.receipts import ObjectRef

SHARD = 250
"""Rows of an object, as of a shard of 64 videos with a few clips each."""

WIDE = 20_000
"""Clips of which those pairs are compared that have pictures (4 of each) with a correlation of `CHEAP`."""

CHEAP = 0.8

PEERED = (5_000, 20_000)
"""Clips of which candidates are sought with FAISS: by all its indexes, and by those that are not exhaustive."""

Row = dict[str, Any]


def original(name: str) -> str:
    """Return the clip that one of that name is a copy of; itself if it is none."""
    return name.partition(".")[0]


_MAKER: list[Maker] = []


def _start(videos: Sequence[Path], cache: Path, seed: int) -> None:
    cv2.setNumThreads(1)
    _MAKER.append(Maker(Stock(taken(videos, cache)), seed))


def _lines(batch: int) -> list[bytes]:
    return [canonical(row) for row in _MAKER[0].batch(batch)]


def made(count: int, folders: Sequence[Path], seed: int) -> Iterator[bytes]:
    """Yield rows as lines, made by two processes."""
    videos = [path for folder in folders for path in sources(folder)]
    cache = CACHE / f"fingerprints-{len(videos)}.jsonl"
    taken(videos, cache)
    batches = -(-count // BATCH)
    with multiprocessing.get_context("spawn").Pool(2, _start, (videos, cache, seed)) as pool:
        yield from islice((line for batch in pool.imap(_lines, range(batches)) for line in batch), count)


def sealed(layout: RunLayout, lines: Iterable[bytes]) -> list[ObjectRef]:
    """Write rows as the objects of a run."""
    refs, rest = [], iter(lines)
    while shard := list(islice(rest, SHARD)):
        with Attempt(layout.staging) as attempt:
            refs.append(seal_encoded(layout, attempt, "rows", shard))
    return refs


def peak() -> float:
    """Return GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def million(layout: RunLayout, refs: Sequence[ObjectRef]) -> None:
    """Settle, and say what was found and what it took."""
    before, began, wall = peak(), time.process_time(), time.time()
    rows: Any = StoredLines(layout, refs)
    opened = time.process_time()
    decisions = Dedup().settle(rows, 0)
    done, wall = time.process_time(), time.time() - wall
    size = sum(ref.bytes for ref in refs)
    print(f"{len(rows):,} rows of {size / len(rows):,.0f} bytes; {before:.2f} GiB before, at most {peak():.2f}")
    print(
        f"settled in {done - opened:,.0f} CPU-s, {opened - began:.0f} to check the objects; {wall:,.0f} s on the wall"
    )
    names = [row["clip"] for row in rows]
    told = {n: one.drop.detail for n, one in zip(names, decisions, strict=True) if one.drop and one.drop.detail}
    known = set(names)
    copies = [name for name in names if "." in name and original(name) in known]
    found = [name for name in copies if original(told.get(name, "")) == original(name)]
    wrong = [name for name, kept in told.items() if original(name) != original(kept)]
    right = len(told) - len(wrong)
    print(f"copies found {len(found):,} of {len(copies):,} ({len(found) / max(1, len(copies)):.4f})")
    print(f"dropped {len(told):,}, of them wrongly {len(wrong)} (precision {right / max(1, len(told)):.5f})")
    kinds = Counter(kind(name) for name in copies)
    missed = Counter(kind(name) for name in set(copies) - set(found))
    print("missed by kind: " + ", ".join(f"{one} {missed[one]} of {kinds[one]}" for one in sorted(kinds)))


def kind(name: str) -> str:
    """Return how a copy was made."""
    return name.partition(".")[2].partition("-")[0]


def against_all(rows: Sequence[Row], sample: int) -> None:
    """Compare all pairs of a sample, and of more clips all that look alike; say how many of the copies are found."""
    few = list(combinations(range(sample), 2))
    true, spent = copies_of(rows[:sample], few)
    report(f"all {len(few):,} pairs of {sample:,} clips", rows[:sample], true, spent)
    alike = looking_alike(rows[:WIDE])
    beyond = len(true - set(alike))
    true, spent = copies_of(rows[:WIDE], alike)
    report(f"{len(alike):,} pairs of {min(WIDE, len(rows)):,} clips that look alike", rows[:WIDE], true, spent)
    print(f"  of the copies among the first {sample:,} clips {beyond} do not look alike")


def copies_of(rows: Sequence[Row], pairs: Sequence[tuple[int, int]]) -> tuple[set[tuple[int, int]], float]:
    """Return which pairs are copies, and CPU-seconds."""
    seen = Seen.all(unpack_all([row["thumbs"] for row in rows]))
    began = time.process_time()
    true = set()
    for begin in range(0, len(pairs), 8192):
        part = pairs[begin : begin + 8192]
        told = compare_all([(seen[a], seen[b]) for a, b in part])
        true |= {pair for pair, one in zip(part, told, strict=True) if one.copy}
    return true, time.process_time() - began


def report(title: str, rows: Sequence[Row], true: set[tuple[int, int]], spent: float) -> None:
    """Say which of the copies that are there the stage found among so many clips."""
    config = DedupConfig()
    copies = Copies(rows, {}, config.same_span, config.most_candidates, None)
    found = {(a, b) for a, others in copies.alike().items() for b in others if a < b}
    names = [row["clip"] for row in rows]
    strange = [pair for pair in true if original(names[pair[0]]) != original(names[pair[1]])]
    print(f"{title}: {spent:.0f} CPU-s, {len(true)} copies, {len(strange)} of them not made as such")
    print(
        f"  {copies.compared:,} compared: {len(found & true)} found ({len(found & true) / max(1, len(true)):.4f}), "
        f"{len(found - true)} beyond these"
    )


def looking_alike(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Return the pairs of clips that have pictures, of 4 of each, with a correlation of `CHEAP`, mirrored or not."""
    seen = Seen.all(unpack_all([row["thumbs"] for row in rows]))
    some = np.stack([one.plain[np.linspace(0, len(one.plain) - 1, 4).round().astype(int)] for one in seen])
    flat = some.reshape(-1, SIDE * SIDE)
    turned = flat.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(flat.shape)
    out: list[tuple[int, int]] = []
    for begin in range(0, len(rows), 50):
        block = flat[4 * begin : 4 * (begin + 50)]
        near = np.maximum(block @ flat[4 * begin :].T, block @ turned[4 * begin :].T)
        most = near.reshape(len(block) // 4, 4, -1, 4).max(axis=(1, 3))
        one, other = np.nonzero(np.triu(most >= CHEAP, 1))
        out += zip((one + begin).tolist(), (other + begin).tolist(), strict=True)
    return out


def beside_faiss(rows: Sequence[Row], python: str) -> None:
    """Look for candidates with hashes, ours and those of FAISS: recall of the copies, CPU, memory."""
    for count in PEERED:
        chosen = rows[:count]
        gather = Gather()
        for place, row in enumerate(chosen):
            gather.add(place, row["thumbs"])
        entries = gather.entries(np.arange(len(chosen)))[0]
        stems = np.array([int(original(row["clip"])) for row in chosen])
        print(f"candidates among {len(chosen):,} clips, {entries.words.size:,} hashes")
        began = time.process_time()
        found = candidates(entries, DedupConfig().most_candidates)
        told(f"  ours, {found.nbytes >> 20} MiB of pairs", found, stems, time.process_time() - began)
        faiss(entries, stems, python, "all" if count == PEERED[0] else "approximate")


def told(title: str, pairs: np.ndarray, stems: np.ndarray, spent: float) -> None:
    """Print a line: recall counts pairs of one original."""
    groups = np.unique(stems, return_counts=True)[1]
    there = int((groups * (groups - 1) // 2).sum())
    found = int((stems[pairs[:, 0]] == stems[pairs[:, 1]]).sum())
    print(f"{title}: {spent:.1f} CPU-s, {len(pairs):,} pairs, recall {found / max(1, there):.4f} of {there:,}")


def faiss(entries: Entries, stems: np.ndarray, python: str, which: str) -> None:
    """Let FAISS look, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "entries.npz"
        np.savez(path, words=entries.words, owner=entries.owner, stems=stems)
        script = Path(__file__).parent / "peers" / "faiss_candidates.py"
        subprocess.run([python, str(script), str(path), which], check=True)


def edits(folder: Path, originals: list[Path]) -> None:
    """Say of each edit how many of its copies are found, and how many copies are taken for those of another."""
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
    missed: Counter[str] = Counter()
    strange = []
    for one, decision in zip(rows, Dedup().settle(rows, 0), strict=True):
        kept = decision.drop.detail if decision.drop else ""
        stem, _, edit = str(one["clip"]).partition(".")
        if edit:
            found[edit].append(kept.partition(".")[0] == stem)
            missed[stem] += not found[edit][-1]
        if kept and kept.partition(".")[0] != stem:
            strange.append((one["clip"], kept))
    for edit, results in sorted(found.items()):
        print(f"| {edit.replace('_', ' ')} | {sum(results)} of {len(results)} |")
    total = [one for results in found.values() for one in results]
    print(f"missed, by original: {dict(missed)}")
    print(f"found {sum(total)} of {len(total)}; taken for copies of another: {strange}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=int, nargs="?", default=1_000_000)
    parser.add_argument("sample", type=int, nargs="?", default=2_000)
    parser.add_argument("--videos", type=Path, nargs="+", help="folders of real clips")
    parser.add_argument("--rows", type=Path, help="rows that were made before, JSON lines")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--peer", default="", help="Python of an environment with faiss-cpu")
    parser.add_argument("--edits", type=Path, nargs="+", help="folder of edits, and the originals")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.edits:
        edits(options.edits[0], options.edits[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        layout = RunLayout(Path(folder))
        layout.prepare(("curate",))
        lines = options.rows.open("rb") if options.rows else None
        given = (line.rstrip() for line in islice(lines, options.clips)) if lines else None
        refs = sealed(layout, given or made(options.clips, options.videos or [default_videos()], options.seed))
        million(layout, refs)
        stored: Any = StoredLines(layout, refs)
        rows = list(islice(stored, max(WIDE, max(PEERED) if options.peer else 0)))
    against_all(rows, options.sample)
    if options.peer:
        beside_faiss(rows, options.peer)


if __name__ == "__main__":
    main()
