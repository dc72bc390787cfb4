"""What Ray costs and gives against the serial executor: the same run, wall, CPU and memory of all its processes.

``python benchmarks/executors.py [LIST] [--runs N]`` takes a list of clips (a rendered world of 24 clips where none is
given), runs it with each executor in turn, and prints medians and spreads. The three must leave the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EXECUTORS = {
    "serial": "{use: serial}",
    "ray 1": "{use: ray, address: local, cpus: 1}",
    "ray 2": "{use: ray, address: local, cpus: 2}",
}
MANIFEST = """
version: 1
name: bench
inputs: [{{clips: "{clips}"}}]
shard_clips: 4
stages:
  - validate: {{min_short_side: 144}}
  - shots
  - rectify
  - quality
  - dynamics
  - dedup
  - consistency
  - enrich
  - audit
  - expand
"""


@dataclass
class Usage:
    """What a process and all its descendants took: seconds of wall and CPU, bytes of memory at most."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def watched(command: list[str], usage: Usage) -> None:
    """Run ``command`` to its end and note what it and its descendants took, sampled every 0.1 s."""
    began = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cpu: dict[int, float] = {}
    peak = 0
    while process.poll() is None:
        held = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                times = one.cpu_times()
                held += one.memory_info().rss
            except psutil.Error:
                continue
            cpu[one.pid] = times.user + times.system
        peak = max(peak, held)
        time.sleep(0.1)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    usage.wall.append(time.perf_counter() - began)
    usage.cpu.append(sum(cpu.values()))
    usage.peak.append(peak / 2**20)


def spread(values: list[float], digits: int = 1) -> str:
    """Return median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = options.clips or rendered(folder / "world")
        (folder / "manifest.yaml").write_text(MANIFEST.format(clips=clips.resolve()))
        usage = {title: Usage() for title in EXECUTORS}
        digests: set[str] = set()
        for number in range(options.runs):
            for title, executor in EXECUTORS.items():
                out = folder / f"{title}-{number}".replace(" ", "-")
                command = [sys.executable, "-m", "synflow", "run", str(folder / "manifest.yaml"), "--out", str(out)]
                watched([*command, "--set", f"executor={executor}"], usage[title])
                digests.add(hashlib.sha256((out / "dataset.json").read_bytes()).hexdigest())
        report(usage)
        print("same bytes" if len(digests) == 1 else f"{len(digests)} different datasets")
        if len(digests) != 1:
            raise SystemExit(1)


def report(usage: dict[str, Usage]) -> None:
    """Print the table."""
    print(f"{'executor':8}  {'wall s':>20}  {'CPU s':>20}  {'peak MiB':>22}  wall against serial")
    for title, one in usage.items():
        ratio = spread([a / b for a, b in zip(one.wall, usage["serial"].wall, strict=True)], 2)
        print(f"{title:8}  {spread(one.wall):>20}  {spread(one.cpu):>20}  {spread(one.peak, 0):>22}  {ratio}")


def rendered(folder: Path) -> Path:
    """Render a world and return its list."""
    subprocess.run(
        [sys.executable, "-m", "synflow", "world", str(folder), "--clips", "24"], check=True, capture_output=True
    )
    return folder / "videos.jsonl"


if __name__ == "__main__":
    main()
