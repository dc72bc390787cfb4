"""Whether a worker grows: memory of driver and decoding child over thousands of clips, one run, serial executor.

``python benchmarks/memory.py [--clips 5000] [--json FILE]`` renders a few small clips, lists them again and again under
distinct ids, runs them, and prints the memory after each tenth of the run. Exits 1 where the last tenth holds more than
`ALLOWED` over what was held once the run was warm.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

ALLOWED = 0.10
"""Share by which the memory in the last tenth of a run may pass that in its second tenth."""

MANIFEST = """
version: 1
name: memory
inputs: [{{clips: "{list}", licence: unknown}}]
executor: {{use: serial}}
stages: [validate: {{min_short_side: 144}}, shots: {{}}, quality: {{}}, dynamics: {{}}]
"""


def listed(folder: Path, clips: int, distinct: int = 8) -> Path:
    """Render a small world and list its clips until there are ``clips``."""
    command = [sys.executable, "-m", "synflow", "world", str(folder / "world"), "--clips", str(distinct)]
    subprocess.run(command, check=True, capture_output=True)
    rows = [json.loads(line) for line in (folder / "world" / "videos.jsonl").read_text().splitlines()]
    path = folder / "world" / "many.jsonl"
    with path.open("w") as out:
        for k in range(clips):
            row = rows[k % len(rows)]
            # Another text makes another record of the same file.
            out.write(json.dumps({**row, "id": f"clip-{k:05d}", "caption": f"{row.get('caption', '')} {k}"}) + "\n")
    return path


def watched(command: list[str], out: Path, clips: int) -> list[tuple[int, int, int]]:
    """Run ``command``; return (clips begun, bytes of the driver, bytes of its children) from time to time."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seen = []
    while process.poll() is None:
        with suppress(psutil.Error):
            own = process.memory_info().rss
            below = sum(child.memory_info().rss for child in process.children(recursive=True))
            done = sum(1 for _ in (out / "receipts" / "curate").glob("*.json")) if out.exists() else 0
            seen.append((done, own, below))
        time.sleep(1.0)
    if process.returncode != 0:
        raise SystemExit(f"synflow ended with {process.returncode}: {process.stderr.read().decode()[-500:]}")
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifest.yaml").write_text(MANIFEST.format(list=listed(folder, options.clips)))
        out = folder / "run"
        command = [sys.executable, "-m", "synflow", "run", str(folder / "manifest.yaml"), "--out", str(out)]
        seen = watched(command, out, options.clips)
    working = [row for row in seen if row[2]]
    tenth = max(1, len(working) // 10)
    parts = [working[k : k + tenth] for k in range(0, len(working), tenth)][:10]
    print(f"{options.clips} clips; MiB, medians of each tenth of the run")
    print("tenth   driver  decoder")
    rows = [[statistics.median(row[k] for row in part) / 2**20 for k in (1, 2)] for part in parts]
    for k, (own, below) in enumerate(rows, start=1):
        print(f"{k:5}  {own:7.0f}  {below:7.0f}")
    peak = [max(row[k] for row in seen) / 2**20 for k in (1, 2)]
    print(f"peak   {peak[0]:7.0f}  {peak[1]:7.0f}")
    if options.json:
        options.json.write_text(json.dumps({"clips": options.clips, "tenths_mib": rows, "peak_mib": peak}))
    grown = [last - early for early, last in zip(rows[min(1, len(rows) - 1)], rows[-1], strict=True)]
    too_much = sum(grown) > ALLOWED * sum(rows[min(1, len(rows) - 1)])
    print(f"growth {grown[0]:7.0f}  {grown[1]:7.0f}  {'TOO MUCH' if too_much else 'none to speak of'}")
    sys.exit(int(too_much))


if __name__ == "__main__":
    main()
