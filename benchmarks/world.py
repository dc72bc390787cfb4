"""How fast a world is rendered: clips a second with one and with two processes, 256 x 144.

Run: ``python benchmarks/world.py [--clips 100] [--runs 3]``; prints medians and spreads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from synflow.world.render import render_world


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("processes   clips/s")
    for workers in (1, 2):
        rates = []
        for _ in range(options.runs):
            with tempfile.TemporaryDirectory() as folder:
                world = render_world(Path(folder) / "world", options.clips, defects=0.2, workers=workers)
            rates.append(options.clips / world.seconds)
        print(f"{workers:9}   {statistics.median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
