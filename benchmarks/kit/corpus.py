"""Benchmark corpora cut from a folder of videos: equal clips, copies and broken files whose truth is known.

Clips are 8 s of H.264 at 640 x 360 and 24 pictures a second. They are cut once and kept in a cache folder; a second
call finds them there. Nothing of them is ever part of the repository.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "runs" / "benchmarks"
"""Where corpora and environments are kept; ignored by git."""

SHARED = ROOT.parent / "shared" / "data" / "videos"
"""Real clips that may lie beside the checkout."""

SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".ts", ".mpg"}
WIDTH, HEIGHT, RATE, SECONDS = 640, 360, 24, 8.0

ALIKE = 0.95
"""Correlation of thumbnails from which two pieces count as the same footage; only one of them is used."""

Picture = np.ndarray[Any, np.dtype[np.uint8]]
"""RGB, uint8, shape ``[h, w, 3]``."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a source video.

    Attributes:
        path: of the source. start: seconds from its first picture.
        caption: what the source is said to show; empty where nothing is known.
        still: the labels say that nothing moves in it.
    """

    path: Path
    start: float
    caption: str = ""
    still: bool = False

    @property
    def name(self) -> str:
        """Name of files made from it: letters, digits and underscores."""
        plain = "".join(c if c.isalnum() else "_" for c in self.path.stem)
        return f"{plain}_{round(self.start * 10):04d}"


@dataclass
class Labels:
    """What ``videos.jsonl`` and ``facts.jsonl`` beside a folder of videos tell of them, where there are such lists."""

    captions: dict[str, str] = field(default_factory=dict)
    still: set[str] = field(default_factory=set)
    cuts: dict[str, list[float]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    @classmethod
    def beside(cls, folder: Path) -> Labels:
        """Read the lists in ``folder`` or in its parent."""
        found = cls()
        for name in ("videos.jsonl", "facts.jsonl"):
            for place in (folder, folder.parent):
                if (place / name).exists():
                    for line in (place / name).read_text("utf-8").splitlines():
                        found._note(json.loads(line))
                    break
        return found

    def _note(self, row: dict[str, Any]) -> None:
        name = Path(row["path"]).name
        if isinstance(row.get("caption"), str):
            self.captions[name] = row["caption"]
        if row.get("near_static"):
            self.still.add(name)
        if row.get("cut_times"):
            self.cuts[name] = [float(time) for time in row["cut_times"]]
        if row.get("duplicate_group"):
            self.groups[name] = str(row["duplicate_group"])


def default_videos() -> Path:
    """Return the real clips beside the checkout, else a rendered world."""
    if SHARED.is_dir():
        return SHARED
    folder = CACHE / "world"
    if not (folder / "videos.jsonl").exists():
        command = [sys.executable, "-m", "synflow", "world", str(folder), "--clips", "40", "--seed", "7"]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def sources(folder: Path) -> list[Path]:
    """Return the videos of ``folder`` and its sub-folders in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def pieces(folder: Path, seconds: float = SECONDS, most: int = 3) -> list[Piece]:
    """Return stretches of ``seconds`` of the videos in ``folder``: first one of each, then the next of each.

    Stretches of the same footage (of another file, or of a still video) are left out, whether the labels say so or
    the pictures do. So are those in which the labels know a cut: they would become two clips.
    """
    labels = Labels.beside(folder)
    seen: list[Picture] = []
    groups: set[tuple[str, int]] = set()
    found: list[tuple[int, Piece]] = []
    for path in sources(folder):
        length = duration(path)
        for turn in range(min(most, int(length // seconds))):
            start = turn * seconds
            group = labels.groups.get(path.name, str(path))
            cut = any(start < time < start + seconds for time in labels.cuts.get(path.name, ()))
            if cut or (group, turn) in groups:
                continue
            mark = _thumbnail(path, start + seconds / 2)
            if mark is None or any(_correlation(mark, other) >= ALIKE for other in seen):
                continue
            groups.add((group, turn))
            seen.append(mark)
            caption = labels.captions.get(path.name, "")
            found.append((turn, Piece(path, start, caption, path.name in labels.still)))
    return [piece for _, piece in sorted(found, key=lambda item: item[0])]


def duration(path: Path) -> float:
    """Return the length of a video in seconds; 0 where it cannot be read."""
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            if stream.duration and stream.time_base:
                return float(stream.duration * stream.time_base)
            return (container.duration or 0) / 1e6
    except (av.FFmpegError, IndexError):
        return 0.0


def _thumbnail(path: Path, time: float) -> Picture | None:
    with av.open(str(path), metadata_errors="ignore") as container:
        container.seek(int(time * 1e6))
        for frame in container.decode(video=0):
            return frame.reformat(32, 18, "gray").to_ndarray()
    return None


def _correlation(one: Picture, other: Picture) -> float:
    a, b = (picture.astype(np.float64).ravel() - picture.mean() for picture in (one, other))
    return float(a @ b / max(1e-9, float(np.linalg.norm(a) * np.linalg.norm(b))))


def pictures(piece: Piece, seconds: float = SECONDS, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[Picture]:
    """Return the pictures of ``piece`` at 24 a second, cropped to the aspect of ``size``."""
    count = round(seconds * RATE)
    found: list[Picture] = []
    first: float | None = None
    with av.open(str(piece.path), metadata_errors="ignore") as container:
        last: Picture | None = None
        for frame in container.decode(video=0):
            first = frame.time if first is None else first
            at = frame.time - first - piece.start
            if last is not None:
                while len(found) < count and len(found) / RATE < at - 1e-6:
                    found.append(last)
            if len(found) >= count:
                break
            if at > -1.0:
                last = _fitted(frame, size)
        while last is not None and len(found) < count:
            found.append(last)
    return found


def _fitted(frame: Any, size: tuple[int, int]) -> Picture:
    """Return ``frame`` scaled to cover ``size``, its middle."""
    scale = max(size[0] / frame.width, size[1] / frame.height)
    width, height = (
        max(side, round(length * scale)) for side, length in zip(size, (frame.width, frame.height), strict=True)
    )
    big: Picture = frame.reformat(width, height, "rgb24", interpolation="AREA" if scale < 1 else "BICUBIC").to_ndarray()
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    return big[y : y + size[1], x : x + size[0]]


def write_video(
    path: Path, shown: Sequence[Picture] | Iterator[Picture], *, crf: int = 23, rate: int = RATE, codec: str = "libx264"
) -> None:
    """Write RGB pictures of one size as a video, on one thread; it appears whole or not at all."""
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    kind = {".webm": "webm", ".mkv": "matroska"}.get(path.suffix, "mp4")
    options = {"crf": str(crf), "threads": "1"}
    options |= {"preset": "veryfast"} if codec in ("libx264", "libx265") else {"b": "0", "cpu-used": "6"}
    if codec == "libx265":
        options["x265-params"] = "log-level=none:pools=none:frame-threads=1"
    with av.open(str(part), "w", format=kind) as container:
        stream: Any = None
        for picture in shown:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(rate), options=options)
                stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
                stream.codec_context.thread_count = 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.rename(path)


VARIANTS = ("plain", "reversed", "upside-down", "negative", "halves")
"""How one piece of footage gives several clips that are no copies of one another, equally dear to decode."""


def varied(shown: list[Picture], variant: str) -> list[Picture]:
    """Return the pictures of a clip as another clip."""
    if variant == "reversed":
        return [np.fliplr(picture) for picture in reversed(shown)]
    if variant == "upside-down":
        return [np.flipud(picture) for picture in shown]
    if variant == "negative":
        return [np.rot90(255 - picture, 2) for picture in reversed(shown)]
    if variant == "halves":
        return [np.roll(picture, picture.shape[1] // 2, axis=1)[::-1] for picture in shown]
    return shown


def peers_corpus(videos: Path, multiple: int = 1, count: int = 26) -> Path:
    """Return a folder with ``count * multiple`` clips, two copies, a torn and a text file, and ``videos.jsonl``.

    ``truth.json`` there names what is wrong: ``exact-copy``, ``recoded-copy`` (with the name of the original), ``torn``
    and ``text``.

    Args:
        videos: the folder that clips are cut from.
        multiple: 1 or 4; with 4, every piece gives the first four `VARIANTS`, or all five.
        count: pieces; where the footage does not last, variants fill up.
    """
    clips = _clips(videos, count * multiple, CACHE / f"clips-{folder_tag(videos)}")
    folder = CACHE / f"peers-{folder_tag(videos)}-{count}x{multiple}"
    if (folder / "videos.jsonl").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    said: set[str] = set()
    for path, caption in clips:
        shutil.copyfile(path, folder / path.name)
        # A caption that several clips share describes none of them: only the first has it.
        rows.append({"id": path.stem, "path": path.name, "caption": caption if caption not in said else ""})
        said.add(caption)
    one, other, whole = (clips[k % len(clips)] for k in (2, 5, 8))
    shutil.copyfile(one[0], folder / "zz_exact_copy.mp4")
    with av.open(str(other[0])) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    write_video(folder / "zz_recoded_copy.mp4", shown, crf=32)
    data = whole[0].read_bytes()
    (folder / "zz_torn.mp4").write_bytes(data[: len(data) * 6 // 10])
    (folder / "zz_text.mp4").write_text("#EXTM3U\nThis is no video at all.\n" * 20)
    rows += [
        {"id": f"zz_{name}", "path": f"zz_{name}.mp4", "caption": ""}
        for name in ("exact_copy", "recoded_copy", "torn", "text")
    ]
    truth = {"exact-copy": ["zz_exact_copy", one[0].stem], "recoded-copy": ["zz_recoded_copy", other[0].stem],
             "torn": ["zz_torn"], "text": ["zz_text"]}  # fmt: skip
    (folder / "truth.json").write_text(json.dumps(truth, indent=1))
    write_rows(folder / "videos.jsonl", [{k: v for k, v in row.items() if v != ""} for row in rows])
    return folder


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write JSON lines; the file appears whole or not at all."""
    part = path.with_name(f".part-{path.name}")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    part.rename(path)


def folder_tag(videos: Path) -> str:
    """Return a short name for a folder of videos."""
    names = "\n".join(f"{path.name} {path.stat().st_size}" for path in sources(videos))
    return f"{random.Random(names).getrandbits(32):08x}"


def _clips(videos: Path, count: int, folder: Path) -> list[tuple[Path, str]]:
    """Cut ``count`` clips into ``folder``; return their paths and captions."""
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "pieces.json"
    if known.exists():
        found = [Piece(Path(p), start, caption, still) for p, start, caption, still in json.loads(known.read_text())]
    else:
        found = pieces(videos)
        known.write_text(json.dumps([[str(p.path), p.start, p.caption, p.still] for p in found]))
    if not found:
        raise SystemExit(f"{videos} holds no video of {SECONDS:g} s")
    wanted = [(piece, variant) for variant in VARIANTS for piece in found][:count]
    if len(wanted) < count:
        least = -(-count // len(VARIANTS))
        raise SystemExit(f"{videos} gives {len(found)} pieces of {SECONDS:g} s; {count} clips need {least}")
    clips = []
    for piece, variant in wanted:
        path = folder / f"{piece.name}_{variant.replace('-', '')}.mp4"
        if not path.exists():
            write_video(path, varied(pictures(piece), variant))
        clips.append((path, piece.caption))
    return clips


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else default_videos()
    print(peers_corpus(given, int(sys.argv[2]) if len(sys.argv) > 2 else 1))
