"""Videos whose pictures carry their own number as a 12-bit bar code, made with PyAV; there is no ffmpeg here."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

os.environ.setdefault("SVT_LOG", "1")

BITS = 12
WIDTH, HEIGHT = 16 * BITS, 96


def stamp(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture whose vertical bars spell ``number``, lowest bit at the left; the lower third is a ramp."""
    bars = np.array([255 if number >> bit & 1 else 0 for bit in range(BITS)], dtype=np.uint8)
    picture = np.repeat(np.repeat(bars[None, :], height, axis=0), width // BITS, axis=1)
    picture[2 * height // 3 :] = np.linspace(40, 200, width, dtype=np.uint8)
    return np.repeat(picture[..., None], 3, axis=2)


def read(picture: np.ndarray) -> int:
    """The number that an upright picture of any size spells."""
    gray = picture.mean(axis=2) if picture.ndim == 3 else picture
    edges = np.linspace(0, gray.shape[1], BITS + 1)
    upper = gray[: gray.shape[0] // 2]
    bars = [upper[:, int(a + (b - a) * 0.3) : max(int(a + (b - a) * 0.7), int(a + (b - a) * 0.3) + 1)].mean()
            for a, b in itertools.pairwise(edges)]  # fmt: skip
    return sum(1 << bit for bit, level in enumerate(bars) if level > 128)


def numbers(path: Path) -> list[int]:
    """The numbers of all pictures of a video, in order."""
    with av.open(str(path)) as container:
        return [read(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


@dataclass(frozen=True)
class Case:
    """How one video is made."""

    name: str
    codec: str
    suffix: str
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    frames: int = 48
    start: int = 0
    variable: bool = False
    rotation: int = 0
    aspect: Fraction | None = None
    gop: int = 12
    b_frames: int | None = None

    def times(self) -> list[float]:
        """Seconds of the pictures from the first; 25 a second, or an uneven rhythm."""
        steps = [1, 3, 2, 6] if self.variable else [1]
        ticks = np.cumsum([0] + [steps[i % len(steps)] for i in range(self.frames - 1)])
        return [round(float(t) / 25, 6) for t in ticks]


X265 = {"x265-params": "log-level=none:pools=1:frame-threads=1:keyint=12:bframes=3"}
CASES = [
    Case("h264-b-frames", "libx264", ".mp4", b_frames=3),
    Case("h264-open-gop", "libx264", ".mkv", options={"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}),
    Case("h264-transport-stream", "libx264", ".ts", b_frames=2),
    Case("h264-ten-bit", "libx264", ".mp4", pix_fmt="yuv420p10le", b_frames=2),
    Case("h264-variable-rate", "libx264", ".mp4", variable=True, b_frames=2),
    Case("h264-start-offset", "libx264", ".mkv", start=125, b_frames=2),
    Case("h264-rotated-90", "libx264", ".mp4", rotation=90),
    Case("h264-rotated-180", "libx264", ".mov", rotation=180),
    Case("h264-rotated-270", "libx264", ".mp4", rotation=270),
    Case("h264-wide-pixels", "libx264", ".mp4", aspect=Fraction(2, 1)),
    Case("h264-interlaced", "libx264", ".mp4", options={"x264-params": "tff=1:keyint=12"}),
    Case("hevc", "libx265", ".mp4", options=X265),
    Case("hevc-ten-bit", "libx265", ".mkv", pix_fmt="yuv420p10le", options=X265),
    Case("vp8", "libvpx", ".webm", options={"deadline": "realtime", "cpu-used": "8", "b": "2M"}),
    Case("vp9", "libvpx-vp9", ".webm", options={"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"}),
    Case("av1", "libsvtav1", ".mkv", options={"preset": "12", "crf": "30", "svtav1-params": "lp=1"}, frames=24),
    Case("mpeg4", "mpeg4", ".mp4", options={"qscale": "3"}),
    Case("mpeg4-avi", "mpeg4", ".avi", b_frames=2, options={"b": "2M"}),
    Case("mpeg2", "mpeg2video", ".mpg", b_frames=2, options={"b": "4M"}),
    Case("gif", "gif", ".gif", pix_fmt="gray", frames=16),
]  # fmt: skip
BY_NAME = {case.name: case for case in CASES}


def make(case: Case, folder: Path, numbers: range | None = None) -> Path:
    """Encode ``case`` into ``folder``; returns the file."""
    path = folder / f"{case.name}{case.suffix}"
    container: Any = av.open(str(path), "w")
    stream: Any = container.add_stream(case.codec, rate=25, options=dict(case.options))
    stored = np.rot90(stamp(0), case.rotation // 90)
    stream.height, stream.width = stored.shape[:2]
    stream.pix_fmt = case.pix_fmt
    context = stream.codec_context
    context.thread_count = 1
    context.gop_size = case.gop
    if case.b_frames is not None:
        context.max_b_frames = case.b_frames
    if case.aspect:
        context.sample_aspect_ratio = case.aspect
    if case.rotation:
        # Stored turned to the left, so the header asks for a turn to the right (negative: counter-clockwise).
        stream.set_display_rotation(-case.rotation)
    context.time_base = Fraction(1, 25)
    for number, time in zip(numbers or range(case.frames), case.times(), strict=True):
        picture = np.ascontiguousarray(np.rot90(stamp(number), case.rotation // 90))
        frame: Any = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=case.pix_fmt)
        frame.pts, frame.time_base = round(time * 25) + case.start, Fraction(1, 25)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    container.close()
    return path
