"""Data-Juicer: filters on duration, size, aspect and motion, and exact copies, as its own process recipe.

Called as ``python data_juicer.py CORPUS OUT`` with the peer's own interpreter; writes ``OUT/kept.json``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RECIPE = """
project_name: curate
executor_type: default
dataset_path: {data}
export_path: {result}
np: 2
open_tracer: false
use_cache: false
video_special_token: <__dj__video>
process:
  - video_duration_filter: {{min_duration: 2, max_duration: 1800, video_backend: av}}
  - video_resolution_filter: {{min_width: 240, min_height: 240}}
  - video_aspect_ratio_filter: {{min_ratio: 1/4, max_ratio: 4/1}}
  - video_motion_score_filter: {{min_score: 0.25, sampling_fps: 2, size: 224}}
  - video_deduplicator: {{}}
"""


def main() -> None:
    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [json.loads(line) for line in (corpus / "videos.jsonl").read_text().splitlines()]
    data, result = out / "data.jsonl", out / "result.jsonl"
    samples = [
        {"id": r["id"], "text": f"<__dj__video> {r.get('caption', '')}", "videos": [str(corpus / r["path"])]}
        for r in rows
    ]
    data.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    (out / "recipe.yaml").write_text(RECIPE.format(data=data, result=result))
    command = [str(Path(sys.executable).parent / "dj-process"), "--config", str(out / "recipe.yaml")]
    subprocess.run(command, check=True, cwd=out)
    kept = [json.loads(line)["id"] for line in result.read_text().splitlines()]
    # It tells no reason for what it leaves out.
    (out / "kept.json").write_text(
        json.dumps({"kept": kept, "dropped": {r["id"]: "" for r in rows if r["id"] not in kept}})
    )


if __name__ == "__main__":
    main()
