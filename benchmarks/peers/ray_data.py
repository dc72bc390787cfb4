"""Ray Data with operators written by hand: one decode, motion, blur, brightness, phash, copies, tars.

Called as ``python ray_data.py CORPUS OUT`` with the peer's own interpreter; writes ``OUT/kept.json`` and tars.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

SMALLEST, SHORTEST = 240, 2.0
FLOW_SIDE, FLOW_RATE = 398, 2.0
STILL, DARK, SOFT = 0.15, 16.0, 15.0
"""Mean length of flow in pixels, mean brightness and variance of the Laplacian under which a clip is dropped."""

STILLS, NEAR = 16, 6
"""Pictures written of each clip; bits by which phashes of two copies differ at most, on average."""


def measured(row: dict[str, Any]) -> dict[str, Any]:
    """Decode a clip once and measure it; a file that fails is told as such, so that it does not end the run."""
    import av
    import cv2
    import imagehash
    import numpy as np
    from PIL import Image

    cv2.setNumThreads(1)
    data = Path(row["file"]).read_bytes()
    found = {"id": row["id"], "caption": row["caption"], "digest": hashlib.sha256(data).hexdigest(), "fault": ""}
    grays, colors, last, count, size = [], [], -1.0, 0, (0, 0)
    try:
        with av.open(row["file"]) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            for frame in container.decode(stream):
                count, size = count + 1, (frame.width, frame.height)
                if frame.time >= last + 1 / FLOW_RATE:
                    last = frame.time
                    grays.append(frame.reformat(FLOW_SIDE, FLOW_SIDE * 9 // 16, "gray").to_ndarray())
                    colors.append(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, ValueError, IndexError) as error:
        return {**found, "fault": f"unreadable: {type(error).__name__}", "hashes": [], "jpegs": []}
    flows = [
        float(np.linalg.norm(cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0), axis=2).mean())
        for a, b in itertools.pairwise(grays)
    ]
    soft = float(np.median([cv2.Laplacian(gray, cv2.CV_64F).var() for gray in grays]))
    dark = float(np.mean([gray.mean() for gray in grays]))
    tests = {
        "too-small": min(size) < SMALLEST, "too-short": last + 1 / FLOW_RATE < SHORTEST, "black": dark < DARK,
        "blurred": soft < SOFT, "static": not flows or float(np.mean(flows)) < STILL,
    }  # fmt: skip
    found["fault"] = next((name for name, bad in tests.items() if bad), "")
    found["hashes"] = [int(str(imagehash.phash(Image.fromarray(rgb))), 16) for rgb in colors[::2]]
    wanted = np.linspace(0, len(colors) - 1, STILLS).round().astype(int)
    found["jpegs"] = [
        cv2.imencode(".jpg", colors[k][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for k in wanted
    ]
    return found


def copies(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return the ids of copies of earlier rows, and why each is one."""
    found: dict[str, str] = {}
    kept: list[dict[str, Any]] = []
    for row in rows:
        for other in kept:
            pairs = list(zip(row["hashes"], other["hashes"], strict=False))
            if row["digest"] == other["digest"]:
                found[row["id"]] = "exact copy"
            elif pairs and sum((a ^ b).bit_count() for a, b in pairs) / len(pairs) <= NEAR:
                found[row["id"]] = "near copy"
        if row["id"] not in found:
            kept.append(row)
    return found


def main() -> None:
    import ray

    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [json.loads(line) for line in (corpus / "videos.jsonl").read_text().splitlines()]
    items = [{"id": r["id"], "file": str(corpus / r["path"]), "caption": r.get("caption", "")} for r in rows]
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    data = ray.data.from_items(items).map(measured).materialize()
    briefs = [
        {"id": row["id"], "fault": row["fault"], "digest": row["digest"], "hashes": [int(h) for h in row["hashes"]]}
        for row in data.drop_columns(["jpegs"]).iter_rows()
    ]
    briefs.sort(key=lambda row: row["id"])
    dropped = {row["id"]: row["fault"] for row in briefs if row["fault"]}
    dropped |= copies([row for row in briefs if not row["fault"]])
    samples = data.filter(lambda row: row["id"] not in dropped).map(
        lambda row: {
            "__key__": row["id"],
            "json": json.dumps({"caption": row["caption"]}),
            **{f"{k}.jpg": jpeg for k, jpeg in enumerate(row["jpegs"])},
        }
    )
    samples.write_webdataset(str(out / "tars"), encoder=None)
    kept = [row["id"] for row in briefs if row["id"] not in dropped]
    (out / "kept.json").write_text(json.dumps({"kept": kept, "dropped": dropped}))
    ray.shutdown()


if __name__ == "__main__":
    main()
