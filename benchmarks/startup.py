"""How long a user waits for the first word: `import synflow` and `synflow --help`, each in a fresh process.

Promises: import under 150 ms, help under 300 ms (medians; a bare interpreter is shown for comparison).
Run: ``python benchmarks/startup.py [--runs 15] [--json]``; exits 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

CASES: dict[str, tuple[list[str], float | None]] = {
    "bare interpreter": ([sys.executable, "-c", "pass"], None),
    "import synflow": ([sys.executable, "-c", "import synflow"], 150.0),
    "synflow --help": ([str(Path(sys.executable).parent / "synflow"), "--help"], 300.0),
}
"""What is run, and the most milliseconds that it may take."""


def measure(command: list[str], runs: int) -> list[float]:
    """Return the milliseconds of ``runs`` fresh processes, after one that warms the file cache."""
    taken = []
    for turn in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if turn:
            taken.append((time.perf_counter() - start) * 1000)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    results = {}
    for name, (command, most) in CASES.items():
        taken = measure(command, options.runs)
        results[name] = {
            "median_ms": round(statistics.median(taken), 1),
            "fastest_ms": round(min(taken), 1),
            "slowest_ms": round(max(taken), 1),
            "most_ms": most,
        }
    if options.json:
        print(json.dumps({"runs": options.runs, "results": results}, indent=2))
    else:
        print(f"{'case':<18}{'median':>9}{'fastest':>9}{'slowest':>9}{'promise':>9}   ms, {options.runs} runs")
        for name, row in results.items():
            promise = f"< {row['most_ms']:.0f}" if row["most_ms"] else ""
            print(f"{name:<18}{row['median_ms']:>9}{row['fastest_ms']:>9}{row['slowest_ms']:>9}{promise:>9}")
    broken = [name for name, row in results.items() if row["most_ms"] and row["median_ms"] >= row["most_ms"]]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
