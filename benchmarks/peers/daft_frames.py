"""Daft: decodes two pictures a second of each video. That is all it has for videos: no filter, no copies, no tars.

Called as ``python daft_frames.py CORPUS OUT`` with the peer's own interpreter; writes ``OUT/kept.json``.

Several files in one call never come back on two CPUs, so it is called file by file. A file that is no whole video ends
its run, or stops it for good: what it does with such a file is tried before, in a process of its own, and noted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PATIENCE = 60.0
"""Seconds after which a read of broken files is given up."""

PROBE = """
import sys, daft
for path in sys.argv[1:]:
    print(daft.read_video_frames(path, 224, 398, sample_interval_seconds=0.5).select("frame_index").to_pydict())
"""


def main() -> None:
    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [json.loads(line) for line in (corpus / "videos.jsonl").read_text().splitlines()]
    names = {str(corpus / row["path"]): row["id"] for row in rows}
    broken = [path for path in names if Path(path).stem.endswith(("_torn", "_text"))]
    note = f"broken files: {tried(broken)}" if broken else ""

    import daft

    good = [path for path in names if path not in broken]
    kept = []
    for path in good:
        frame = daft.read_video_frames(path, 224, 398, sample_interval_seconds=0.5)
        if frame.collect().count_rows():
            kept.append(names[path])
    dropped = {name: "" for name in names.values() if name not in kept}
    (out / "kept.json").write_text(json.dumps({"kept": kept, "dropped": dropped, "note": note}))


def tried(paths: list[str]) -> str:
    """Return what becomes of a run that is given broken files."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, *paths], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE:g} s"
    said = (done.stderr.strip().splitlines() or ["no word"])[-1][:160]
    return "read without complaint" if done.returncode == 0 else f"the run ends: {said}"


if __name__ == "__main__":
    main()
