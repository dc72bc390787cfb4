"""NeMo Curator: splits, re-encodes, scores motion from motion vectors, writes clips. Copies need a GPU there.

Called as ``python nemo_curator_clips.py CORPUS OUT`` with the peer's own interpreter; writes ``OUT/kept.json``.
It calls the ``ffmpeg`` and the ``ffprobe`` on the path; without the second it keeps no clip and ends with 0. Where
ffmpeg has no libopenh264, a wrapper puts libx264 in its place.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path

WRAPPER = """#!{python}
import os, subprocess, sys
if "-encoders" in sys.argv:
    told = subprocess.run([{ffmpeg!r}, *sys.argv[1:]], capture_output=True, text=True).stdout
    print(told.replace("libx264 ", "libopenh264 "))
    sys.exit()
given = ["libx264" if one == "libopenh264" else one for one in sys.argv[1:]]
os.execv({ffmpeg!r}, [{ffmpeg!r}, *given])
"""
CPUS = 16
"""CPUs that Ray is told of: with the two that are there, its stages wait for one another for ever."""


def wrapped(folder: Path) -> None:
    """Put a wrapper of ffmpeg in front of the path.

    Raises:
        FileNotFoundError: there is no ffmpeg, neither on the path nor in the imageio-ffmpeg package.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        import imageio_ffmpeg

        found = imageio_ffmpeg.get_ffmpeg_exe()
    folder.mkdir(exist_ok=True)
    path = folder / "ffmpeg"
    path.write_text(WRAPPER.format(python=sys.executable, ffmpeg=found))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def main() -> None:
    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    wrapped(out / "bin")
    videos = out / "videos"
    videos.mkdir()
    rows = [json.loads(line) for line in (corpus / "videos.jsonl").read_text().splitlines()]
    for row in rows:
        shutil.copyfile(corpus / row["path"], videos / row["path"])

    import ray
    from nemo_curator.backends.xenna import XennaExecutor
    from nemo_curator.pipeline import Pipeline
    from nemo_curator.stages.video.clipping.clip_extraction_stages import (
        ClipTranscodingStage,
        FixedStrideExtractorStage,
    )
    from nemo_curator.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
    from nemo_curator.stages.video.io.clip_writer import ClipWriterStage
    from nemo_curator.stages.video.io.video_reader import VideoReader

    ray.init(num_cpus=CPUS, include_dashboard=True, log_to_driver=False)  # the dashboard counts its actors
    pipeline = Pipeline(name="curate", description="clips with motion")
    for stage in (
        VideoReader(input_video_path=str(videos)),
        FixedStrideExtractorStage(clip_len_s=10.0, clip_stride_s=10.0, min_clip_length_s=2.0, limit_clips=0),
        ClipTranscodingStage(num_cpus_per_worker=1.0, encoder="libopenh264", encoder_threads=1),
        MotionVectorDecodeStage(num_cpus_per_worker=1.0),
        MotionFilterStage(score_only=False, num_gpus_per_worker=0.0),
        ClipWriterStage(
            output_path=str(out / "clips"), input_path=str(videos), upload_clips=True, dry_run=False,
            generate_embeddings=False, generate_previews=False, generate_captions=False,
        ),
    ):  # fmt: skip
        pipeline.add_stage(stage)
    pipeline.run(XennaExecutor())
    kept = set()
    for path in (out / "clips" / "metas").rglob("*.json"):
        value = json.loads(path.read_text())
        source = Path(str(value.get("source_video", ""))).name
        if (out / "clips" / "clips" / f"{path.stem}.mp4").exists():  # `valid` is false for clips that passed, too
            kept.add(source)
    ids = sorted(row["id"] for row in rows if row["path"] in kept)
    dropped = {row["id"]: "" for row in rows if row["id"] not in ids}
    (out / "kept.json").write_text(json.dumps({"kept": ids, "dropped": dropped}))
    ray.shutdown()


if __name__ == "__main__":
    main()
