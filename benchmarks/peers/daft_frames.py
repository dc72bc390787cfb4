"""Daft: decodes two pictures a second of each video. That is all it has for videos: no filter, no copies, no tars.

Called as ``python daft_frames.py CORPUS OUT`` with the peer's own interpreter; writes ``OUT/kept.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    import daft

    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [json.loads(line) for line in (corpus / "videos.jsonl").read_text().splitlines()]
    names = {str(corpus / row["path"]): row["id"] for row in rows}
    seen, error = _frames(daft, list(names)), ""
    if isinstance(seen, str):
        # One bad file ended the run; it is asked again without those that no video container can be.
        error = seen
        good = [path for path in names if not Path(path).stem.endswith(("_torn", "_text"))]
        seen = _frames(daft, good)
        if isinstance(seen, str):
            raise SystemExit(seen)
    counted = {names[path.removeprefix("file://")]: count for path, count in seen.items()}
    dropped = {name: "not read" for name in names.values() if name not in counted}
    (out / "kept.json").write_text(
        json.dumps(
            {"kept": sorted(counted), "dropped": dropped, "note": f"a bad file ended the run: {error}" if error else ""}
        )
    )


def _frames(daft: object, paths: list[str]) -> dict[str, int] | str:
    """Return the number of pictures of each file, or what ended the run."""
    try:
        frame = daft.read_video_frames(paths, 224, 398, sample_interval_seconds=0.5)  # type: ignore[attr-defined]
        found = frame.groupby("path").agg(daft.col("frame_index").count()).to_pydict()  # type: ignore[attr-defined]
    except (ValueError, RuntimeError, OSError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    return dict(zip(found["path"], found["frame_index"], strict=True))


if __name__ == "__main__":
    main()
