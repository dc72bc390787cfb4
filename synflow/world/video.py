"""Encodes pictures: one thread, no dates, no library versions, so the same pictures give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

SUFFIX = {"h264": ".mp4", "vp9": ".webm", "mpeg4": ".avi"}
ENCODERS = {"h264": "libx264", "vp9": "libvpx-vp9", "mpeg4": "mpeg4"}
MUXERS = {".mp4": "mp4", ".webm": "webm", ".avi": "avi"}
OPTIONS: dict[str, dict[str, str]] = {
    "h264": {
        "preset": "superfast",
        "crf": "22",
        "g": "48",
        "bf": "0",
        "threads": "1",
        "x264-params": "cabac=0:weightp=0:8x8dct=0",
    },
    "vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "24", "b": "1M", "g": "48", "lag-in-frames": "0"},
    "mpeg4": {"qmin": "1", "qmax": "3", "b": "4M", "g": "48"},
}
"""What each encoder is told; the picture stays good enough to read colours and edges from."""


def encode(
    path: Path,
    pictures: Iterable[Pixels],
    fps: int,
    codec: str,
    grain: float = 0.0,
    seed: int = 0,
    quality: dict[str, str] | None = None,
) -> int:
    """Write ``pictures`` (uint8 RGB) to ``path`` and return their number.

    Args:
        path: the file; its suffix chooses the container.
        pictures: all of one even size.
        fps: pictures per second.
        codec: ``h264``, ``vp9`` or ``mpeg4``.
        grain: deviation of the film grain that is laid over the brightness, in steps of 255.
        seed: draws the grain.
        quality: options of the encoder that replace the usual ones.
    """
    rng = np.random.default_rng(seed)
    count = 0
    tile: npt.NDArray[np.int16] | None = None
    options = {"flags": "+bitexact", **OPTIONS[codec], **(quality or {})}
    with av.open(path, "w", format=MUXERS[path.suffix], options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(ENCODERS[codec], rate=Fraction(fps), options=options)
        stream.codec_context.thread_count = 1
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            height, width = picture.shape[:2]
            if count == 0:
                stream.width, stream.height = width, height
            planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
            if grain:
                if tile is None:
                    tile = np.round(rng.normal(0, grain, (height + 96, width + 96))).astype(np.int16)
                top, left = rng.integers(0, 96, 2)
                luma = planes[:height].astype(np.int16) + tile[top : top + height, left : left + width]
                planes[:height] = np.clip(luma, 16, 235).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = count
            frame.time_base = Fraction(1, fps)
            for packet in stream.encode(frame):
                container.mux(packet)
            count += 1
        for packet in stream.encode(None):
            container.mux(packet)
    return count
