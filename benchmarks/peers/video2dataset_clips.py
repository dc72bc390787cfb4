"""video2dataset: fetches files over HTTP, finds cuts, cuts clips, writes tars. It has no filter and finds no copies.

Called as ``python video2dataset_clips.py CORPUS OUT`` with the peer's own interpreter; writes ``OUT/kept.json``.
"""

from __future__ import annotations

import csv
import functools
import http.server
import json
import os
import sys
import tarfile
import threading
from pathlib import Path

CONFIG = """
subsampling:
  CutDetectionSubsampler:
    cuts_are_clips: True
    args: {{cut_detection_mode: all, framerates: null, threshold: 27, min_scene_len: 48}}
  ClippingSubsampler:
    args: {{min_length: 2.0, max_length: 20.0, max_length_strategy: all, precision: keyframe_adjusted}}
reading:
  yt_args: {{download_size: 360, download_audio_rate: 44100, yt_metadata_args: null}}
  timeout: 60
  sampler: null
storage: {{number_sample_per_shard: 1000, oom_shard_count: 5, captions_are_subtitles: False}}
distribution: {{processes_count: 2, thread_count: 2, subjob_size: 1000, distributor: multiprocessing}}
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the corpus on the loopback address without a word."""

    def log_message(self, *given: object) -> None:
        """Say nothing."""


def silent(folder: Path) -> None:
    """Put an empty torchaudio on the path of this process and its children.

    It is imported for sound and has no build beside this torch; nothing of it is used on pictures.
    """
    package = folder / "torchaudio"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "functional.py").touch()
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)


def main() -> None:
    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    silent(out / "stub")
    from video2dataset import video2dataset

    rows = [json.loads(line) for line in (corpus / "videos.jsonl").read_text().splitlines()]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(corpus)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with (out / "urls.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["url", "caption", "id"])
        for row in rows:
            url = f"http://127.0.0.1:{server.server_address[1]}/{row['path']}"
            writer.writerow([url, row.get("caption") or "none", row["id"]])
    (out / "config.yaml").write_text(CONFIG.format())
    video2dataset(
        url_list=str(out / "urls.csv"), input_format="csv", url_col="url", caption_col="caption",
        save_additional_columns=["id"], output_folder=str(out / "set"), output_format="webdataset",
        config=str(out / "config.yaml"), enable_wandb=False,
    )  # fmt: skip
    server.shutdown()
    kept = set()
    for path in sorted((out / "set").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if member.name.endswith(".json") and file is not None:
                    kept.add(json.loads(file.read())["id"])
    dropped = {row["id"]: "" for row in rows if row["id"] not in kept}
    (out / "kept.json").write_text(json.dumps({"kept": sorted(kept), "dropped": dropped}))


if __name__ == "__main__":
    main()
