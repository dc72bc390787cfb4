"""How fast a world is rendered: clips a second with one and with two processes, 256 x 144.

Run: ``python benchmarks/world.py [--clips 100] [--runs 3]``; prints medians and spreads, and ends with 1 where two
processes on two cores render fewer than 10 clips a second.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from synflow.world.render import render_world

LEAST = 10.0
"""Clips a second with two processes."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    median = 0.0
    print("processes   clips/s")
    for workers in (1, 2):
        rates = []
        for _ in range(options.runs):
            with tempfile.TemporaryDirectory() as folder:
                world = render_world(Path(folder) / "world", options.clips, defects=0.2, workers=workers)
            rates.append(options.clips / world.seconds)
        median = statistics.median(rates)
        print(f"{workers:9}   {median:.1f} ({min(rates):.1f}-{max(rates):.1f})")
    return 0 if median >= LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
