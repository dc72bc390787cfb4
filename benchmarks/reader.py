"""Writing and reading a dataset of pairs: beside a bare `tarfile` and plain `webdataset`, and complete on resume.

``python benchmarks/reader.py [--pairs 4000] [--many 100000] [--json FILE]``. Speeds are pairs a CPU-second of one
process, medians of `ROUNDS`, on pairs of 8 pictures of 20 KB; files stay in the page cache. Then a dataset of very many
small pairs is read by four processes that all stop in the middle and go on. Exits 1 where a bound is not kept.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import multiprocessing
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.datasets import Album, made_pair, write_dataset

from synflow.durable import Attempt
from synflow.store.pack import write_pair
from synflow.store.reader import combined, open_dataset
from synflow.store.tar import TarWriter, members_of

ROUNDS = 5
FRAMES, PICTURE = 8, 20_000
LEAST_WRITE, LEAST_READ = 0.8, 1.0
WORKERS = 4


def rate(work: Callable[[], int]) -> float:
    """Return the best of few: pairs a CPU-second, as a median."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        number = work()
        found.append(number / (time.process_time() - began))
    return statistics.median(found)


def written(folder: Path, pairs: int) -> dict[str, float]:
    """Compare our writing of the members of pairs with that of `tarfile`, of the same names and bytes."""
    album = Album(PICTURE)
    drawn = [made_pair("t2v", number, album, FRAMES) for number in range(pairs)]
    with Attempt(folder / "warm") as attempt:
        draft = attempt.draft("x.tar")
        tar = TarWriter(draft)
        held: dict[tuple[int, int], bytes] = {}

        def read(name: str, offset: int, size: int) -> bytes:
            key = (offset, size)
            if key not in held:
                held[key] = album.read(name, offset, size)
            return held[key]

        for pair in drawn:
            write_pair(tar, pair, read)
        size = draft.size
        tar.finish()
        draft.close()
        members = list(members_of(draft.path.read_bytes()[:size]))

    def bare() -> int:
        with tarfile.open(folder / "bare.tar", "w", format=tarfile.USTAR_FORMAT) as out:
            for name, data in members:
                header = tarfile.TarInfo(name)
                header.size = len(data)
                out.addfile(header, io.BytesIO(data))
        (folder / "bare.tar").unlink()
        return pairs

    def ours() -> int:
        with Attempt(folder / "ours") as attempt:
            writer = TarWriter(attempt.draft("x.tar"))
            for name, data in members:
                writer.add(name, data)
            writer.finish()
            writer.draft.close()
        return pairs

    def whole() -> int:
        with Attempt(folder / "ours") as attempt:
            writer = TarWriter(attempt.draft("x.tar"))
            for pair in drawn:
                write_pair(writer, pair, read)
            writer.finish()
            writer.draft.close()
        return pairs

    return {"tarfile": rate(bare), "tar writer, hashed": rate(ours), "pairs checked and written": rate(whole)}


def compared(root: Path) -> dict[str, float]:
    """Compare our reading with plain `webdataset`, raw bytes both."""
    import webdataset as wds

    urls = [str(path) for path in sorted((root / "shards").glob("*/*.tar"))]
    dataset = open_dataset(root)

    def plain() -> int:
        return sum(1 for sample in wds.WebDataset(urls, shardshuffle=False) if json.loads(sample["json"]))

    return {
        "webdataset": rate(plain),
        "reader, in order": rate(lambda: sum(1 for _ in dataset.stream(window=1))),
        "reader, mixed": rate(lambda: sum(1 for _ in dataset.stream(seed=1))),
    }


def share(root: Path, states: list[dict[str, Any]] | None, part: int, parts: int, stop: int | None, out: Any) -> None:
    """Read one part from where ``states`` were; send the ids, and where it stopped."""
    stream = open_dataset(root).stream(seed=11, part=part, parts=parts)
    if states is not None:
        stream.load_state_dict(states[part] if len(states) == parts else combined(states))
    ids = [pair.id for pair in itertools.islice(stream, stop)]
    out.put((part, ids, stream.state_dict()))


def side_by_side(
    root: Path, states: list[dict[str, Any]] | None, stops: list[int | None]
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Let as many processes read as there are ``stops``; return their ids and states by part."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    parts = len(stops)
    workers = [context.Process(target=share, args=(root, states, part, parts, stop, queue))
               for part, stop in enumerate(stops)]  # fmt: skip
    for worker in workers:
        worker.start()
    found = sorted(queue.get() for _ in workers)
    for worker in workers:
        worker.join()
    return [ids for _, ids, _ in found], [state for _, _, state in found]


def dealt(shares: list[list[str]]) -> list[str]:
    """Return what readers gave in turns."""
    return [one for turn in itertools.zip_longest(*shares) for one in turn if one is not None]


def complete(root: Path, pairs: int) -> dict[str, Any]:
    """Read with four processes at one go and with a stop; then stop unevenly and go on with three."""
    began = time.perf_counter()
    whole, _ = side_by_side(root, None, [None] * WORKERS)
    seconds = time.perf_counter() - began
    first, states = side_by_side(root, None, [pairs // 10] * WORKERS)
    second, _ = side_by_side(root, states, [None] * WORKERS)
    uneven, states = side_by_side(root, None, [pairs // 10, pairs // 7, 5, pairs // 9])
    rest, _ = side_by_side(root, states, [None] * 3)
    alone = [pair.id for pair in open_dataset(root).stream(seed=11)]
    again = sorted(one for ids in (*uneven, *rest) for one in ids)
    return {
        "pairs": len(alone),
        "seconds with 4 processes": round(seconds, 1),
        "order as of one reader": dealt(whole) == alone,
        "order kept on resume": dealt(first) + dealt(second) == alone,
        "lost": pairs - len(set(dealt(whole))),
        "twice": len(dealt(whole)) - len(set(dealt(whole))),
        "lost or twice, 4 uneven then 3": len(set(alone) ^ set(again)) + len(again) - len(set(again)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000, help="pairs for speeds, 160 KB each")
    parser.add_argument("--many", type=int, default=100_000, help="small pairs that are read side by side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writing = written(folder, min(options.pairs, 1000))
        reading = compared(write_dataset(folder / "large", {"t2v": options.pairs}, frames=FRAMES, picture=PICTURE))
        each = {"t2v": options.many // 2, "t2t": options.many // 4}
        small = write_dataset(folder / "small", {**each, "i2v": options.many - sum(each.values())}, picture=64)
        order = complete(small, options.many)
    for title, found in (("written, pairs a CPU-second", writing), ("read, pairs a CPU-second", reading)):
        print(title)
        first = next(iter(found.values()))
        for what, value in found.items():
            print(f"  {what:28} {value:9,.0f}   {value / first:5.2f}")
    print("read side by side")
    for what, value in order.items():
        print(f"  {what:32} {value}")
    if options.json:
        options.json.write_text(json.dumps({"written": writing, "read": reading, "order": order}))
    kept = (
        writing["tar writer, hashed"] >= LEAST_WRITE * writing["tarfile"]
        and min(reading["reader, in order"], reading["reader, mixed"]) >= LEAST_READ * reading["webdataset"]
        and order["order as of one reader"]
        and order["order kept on resume"]
        and order["lost"] == order["twice"] == order["lost or twice, 4 uneven then 3"] == 0
    )
    print("bounds kept" if kept else "NOT KEPT")
    sys.exit(int(not kept))


if __name__ == "__main__":
    main()
