"""How long the web page of a run of the paper's size (1,549,000 pairs) makes people wait, and what it holds in memory.

A table of pairs is generated as a run writes it, the server is started as a user would, and pages are asked for over
HTTP. Promises: first page, filter, search and sort each under 1 s; memory of the server under 1.5 GB.
Run: ``python benchmarks/browse.py [--pairs 1549000] [--keep DIR] [--json]``; exits 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from synflow.store.index import BATCH, CLIPS, PAIRS, REJECTS

MOST_MS, MOST_MB = 1000.0, 1500.0
WORDS = """the a red blue dog cat man woman car ball street kitchen forest water camera pans tilts left right slowly
quickly walks runs opens door while behind under over table night two hands""".split()  # noqa: SIM905  easier to read
TASKS = {"t2v": 879, "t2i": 210, "i2v": 200, "t2t": 100, "ti2v": 89, "v2v": 36, "tv2v": 35}
ASKED = {
    "first page": "/pairs",
    "page 50,000": "/pairs?start=1000000",
    "filter: task": "/pairs?task=tv2v",
    "filter: three columns": "/pairs?task=t2v&domain=lc&style=dense",
    "filter: score": "/pairs?score=consistency.score&least=0.9995",
    "filter: source": "/pairs?source=0123456",
    "search: frequent": "/pairs?q=camera+pans",
    "search: one in 50,000": "/pairs?q=ZEBRA",
    "search: nothing": "/pairs?q=no+such+words",
    "sort: score": "/pairs?sort=high&score=quality.sharpness",
    "sort: length": "/pairs?sort=long",
    "one pair": "/pairs/{id}",
}


def write_index(root: Path, number: int) -> str:
    """Write the tables of a finished run of ``number`` pairs; return the id of one of them."""
    (root / "index").mkdir(parents=True)
    draw = np.random.default_rng(7)
    tasks = np.repeat(list(TASKS), np.ceil(np.array(list(TASKS.values())) * number / 1549).astype(int))[:number]
    with pq.ParquetWriter(root / "index/pairs.parquet", PAIRS, compression="zstd") as writer:
        for start in range(0, number, BATCH):
            writer.write_table(batch(draw, start, tasks[start : start + BATCH]))
    for name, schema in (("rejects", REJECTS), ("clips", CLIPS)):
        pq.write_table(pa.Table.from_pylist([], schema=schema), root / f"index/{name}.parquet")
    (root / "run.json").write_text(json.dumps({"name": "large", "passes": [], "manifest": {"stages": []}}))
    (root / "dataset.json").write_text(json.dumps({"name": "large", "shards": []}))
    return name_of(number // 2)


def name_of(place: int) -> str:
    return hashlib.blake2b(str(place).encode(), digest_size=12).hexdigest()


def batch(draw: np.random.Generator, start: int, tasks: np.ndarray) -> pa.Table:
    size = len(tasks)
    places = range(start, start + size)
    words = np.array(WORDS)[draw.integers(0, len(WORDS), (size, 40))]
    texts = [" ".join(row[:length]) for row, length in zip(words, draw.integers(8, 40, size), strict=True)]
    texts = [f"{text} zebra" if place % 50_000 == 17 else text for place, text in zip(places, texts, strict=True)]
    names = [name_of(place) for place in places]
    scores = [
        [("consistency.score", float(one)), ("quality.sharpness", float(two))]
        for one, two in draw.random((size, 2)).round(5)
    ]
    columns = {
        "id": names, "key": names, "task": tasks, "query_text": texts, "target_text": [""] * size, "scores": scores,
        "record_id": [f"r{place % 400_000}" for place in places],
        "domain": np.array(["cg", "s", "t", "pr", "lc", "cmp", "vis"])[draw.integers(0, 7, size)],
        "style": np.array(["summary", "dense", "keywords", "partial", "abstract"])[draw.integers(0, 5, size)],
        "emphasis": np.array(["spatial", "temporal", "stylistic", ""])[draw.integers(0, 4, size)],
        "clip_id": [name_of(place % 600_000) for place in places], "query_clip_id": [""] * size,
        "source_id": [name_of(place % 400_000) for place in places],
        "source_uri": [f"videos/{place % 400_000:07d}.mp4" for place in places], "licence": ["CC-BY-4.0"] * size,
        "shard": [f"shards/{task}/{task}-000000.tar" for task in tasks], "offset": [place * 1024 for place in places],
        "query_source_uri": [""] * size, "query_licence": [""] * size, "target_licence": ["CC-BY-4.0"] * size,
        "relation": [""] * size, "kinship": [""] * size,
        "bytes": [1024] * size, "model": ["Qwen/Qwen2.5-VL-7B-Instruct"] * size, "prompt": ["video-captions"] * size,
    }  # fmt: skip
    return pa.table(columns, schema=PAIRS)


def asked(address: urllib.parse.SplitResult, cookie: str, path: str) -> float:
    """Return the milliseconds until the whole page is there."""
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=120)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    taken = (time.perf_counter() - began) * 1000
    if answer.status != 200:
        raise RuntimeError(f"{path} gave {answer.status}")
    return taken


def spent(process: int) -> float:
    """Return the CPU-seconds of a process so far, of all its threads."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def measure(root: Path, one: str, runs: int) -> tuple[dict[str, dict[str, float]], float, float]:
    """Return milliseconds by question, the server's memory in MB, and milliseconds from its start to the first page."""
    command = [sys.executable, "-m", "synflow", "inspect", str(root), "--serve", "--port", "0"]
    results: dict[str, dict[str, float]] = {}
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            line = re.search(r"http://\S+", server.stderr.readline())
            assert line
            address = urllib.parse.urlsplit(line[0])
            cookie = f"synflow-{address.port}={urllib.parse.parse_qs(address.query)['token'][0]}"
            asked(address, cookie, "/pairs")
            opened = (time.perf_counter() - began) * 1000
            for name, path in ASKED.items():
                # What a filter found is kept, so that the first of the runs is the one that counts.
                before = spent(server.pid)
                taken = [asked(address, cookie, path.format(id=one))]
                cpu = 1000 * (spent(server.pid) - before)
                taken += [asked(address, cookie, path.format(id=one)) for _ in range(runs - 1)]
                row = {"first_ms": taken[0], "cpu_ms": cpu, "median_ms": statistics.median(taken)}
                results[name] = {column: round(value, 1) for column, value in row.items()}
            memory = psutil.Process(server.pid).memory_info().rss / 1e6
        finally:
            server.terminate()
    return results, round(memory, 1), round(opened, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_549_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="write the tables here and use them again")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder) / "run"
        one = name_of(options.pairs // 2) if (root / "dataset.json").is_file() else write_index(root, options.pairs)
        results, memory, opened = measure(root, one, options.runs)
    if options.json:
        print(
            json.dumps({"pairs": options.pairs, "memory_mb": memory, "opened_ms": opened, "results": results}, indent=2)
        )
    else:
        print(
            f"{options.pairs:,} pairs; the server holds {memory:,.0f} MB; first page {opened:,.0f} ms after its start"
        )
        print(f"{'question':<24}{'first':>9}{'its CPU':>9}{'median':>9}   ms, {options.runs} runs")
        for name, row in results.items():
            print(f"{name:<24}{row['first_ms']:>9}{row['cpu_ms']:>9}{row['median_ms']:>9}")
    slow = [name for name, row in results.items() if row["first_ms"] >= MOST_MS]
    return 1 if slow or memory >= MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
