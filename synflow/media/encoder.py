"""Writes spans as H.264 in mp4 with bytes that depend on the pictures alone."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av

TIME_BASE = Fraction(1, 90000)
"""Clock of the written pictures: fine enough for every common rate."""

SETTINGS = {
    "preset": "veryfast",
    "crf": "23",
    "threads": "1",
    "x264-params": "threads=1:sliced-threads=0:cpu-independent=1",
}
"""The bytes of x264 depend on how many threads there are, and on the processor: what it does in AVX-512 for its
macroblock tree even takes in memory that nobody wrote, so that each encode came out different (25 of the same
pictures in up to 17 ways, between uses of the memory for other things; told to be independent of it, 3,000 in one)."""


class Encoder:
    """Encodes upright pictures of one size.

    Args:
        size: width and height, both even.
        start: time of the first picture in the source, in seconds; it becomes time 0.
        fps: average pictures per second; a hint for rate control, the times are kept as they are.
    """

    def __init__(self, size: tuple[int, int], start: float, fps: float) -> None:
        self._start = start
        self._file = io.BytesIO()
        options = {"fflags": "+bitexact"}
        self._container: Any = av.open(self._file, "w", format="mp4", options=options)
        rate = Fraction(fps).limit_denominator(1001) if 1 <= fps <= 240 else Fraction(25)
        self._stream: Any = self._container.add_stream("libx264", rate=rate, options=dict(SETTINGS))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count, context.time_base = 1, TIME_BASE
        context.flags |= int(av.codec.context.Flags.bitexact)

    def add(self, frame: Any, time: float) -> None:
        """Append ``frame`` (yuv420p), shown from ``time`` on, in seconds of the source."""
        copy = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
        copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
        copy.pts = round((time - self._start) / TIME_BASE)
        copy.time_base = TIME_BASE
        self._container.mux(self._stream.encode(copy))

    def finish(self) -> bytes:
        """Return the whole file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()
