"""Seeded segments of labelled real clips, the stuff that films are composed of."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Film = npt.NDArray[np.uint8]
"""Pictures, uint8 ``[n, h, w, 3]`` RGB."""

SIZES = ((320, 180), (426, 240), (240, 320), (256, 256))
RATES = (15, 24, 25, 30, 50)
QUALITIES = (18, 24, 30, 35)
MARGIN = 0.8
"""Seconds that segments keep from labelled cuts (a dissolve is labelled at its middle)."""

SCREEN = ("screen", "synthetic")
"""Cameras whose clips are left out: what is a cut in a recorded screen is not agreed upon."""


@dataclass(frozen=True)
class Span:
    """A stretch of one shot of a real clip, in seconds; ``group`` names its look-alikes."""

    path: Path
    group: str
    start: float
    end: float


@dataclass(frozen=True)
class Made:
    """A film on disk: its kind, half (0 or 1), and the true times of its cuts in seconds."""

    path: Path
    kind: str
    half: int
    cuts: tuple[float, ...]


def half_of(name: str) -> int:
    """Return the half of the set that a clip belongs to, from its name alone."""
    return hashlib.sha256(name.encode()).digest()[0] & 1


def spans(data: Path) -> list[list[Span]]:
    """Return the single-shot stretches of the labelled clips in ``data``, of either half."""
    out: list[list[Span]] = [[], []]
    for line in (data / "facts.jsonl").read_text(encoding="utf-8").splitlines():
        fact = json.loads(line)
        if any(word in fact["camera"] for word in SCREEN):
            continue
        group = fact["duplicate_group"] or fact["look_alike_group"] or fact["id"]
        marks = [-MARGIN, *fact["cut_times"], fact["duration_s"] + MARGIN]
        for before, after in pairwise(marks):
            start, end = before + MARGIN, after - MARGIN
            if end - start >= 1.2:
                out[half_of(group)].append(Span(data / fact["path"], group, start, end))
    return out


def pictures(span: Span, seconds: float, size: tuple[int, int], fps: float, rng: random.Random) -> Film:
    """Return ``seconds`` out of ``span``, cut to ``size`` (width, height); a shorter span runs to and fro."""
    length = min(seconds, span.end - span.start)
    start = span.start + rng.random() * max(0.0, span.end - span.start - length)
    # Some containers seek past the place, and some are shorter than they say: read from the beginning, then anything.
    for seek, begin in ((start, start), (0.0, start), (0.0, 0.0)):
        times, found = _read(span.path, seek, begin, length, size)
        if found:
            break
    wanted = np.arange(round(seconds * fps)) / fps
    swing = np.abs((wanted + length) % (2 * length) - length) if length < seconds else wanted
    places = np.clip(np.searchsorted(np.array(times), begin + swing + 1e-4, side="right") - 1, 0, len(found) - 1)
    return np.stack([found[k] for k in places])


def _read(
    path: Path, seek: float, start: float, length: float, size: tuple[int, int]
) -> tuple[list[float], list[Film]]:
    times: list[float] = []
    found: list[Film] = []
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        base, zero = stream.time_base or Fraction(1, 1000), stream.start_time or 0
        if seek > 0:
            container.seek(int(seek / base) + zero, stream=stream)
        for frame in container.decode(stream):
            time = float(((frame.pts or 0) - zero) * base)
            if time >= start - 0.2:
                scale = max(size[0] / frame.width, size[1] / frame.height)
                wide, high = max(size[0], round(frame.width * scale)), max(size[1], round(frame.height * scale))
                left, top = (wide - size[0]) // 2, (high - size[1]) // 2
                rgb = frame.to_ndarray(width=wide, height=high, format="rgb24")
                found.append(rgb[top : top + size[1], left : left + size[0]])
                times.append(time)
            if time >= start + length:
                break
    return times, found


class Set:
    """What a recipe draws from: segments, sizes and numbers of one film."""

    def __init__(self, pool: list[Span], rng: random.Random) -> None:
        self.rng, self._pool = rng, pool
        self.size, self.fps = rng.choice(SIZES), rng.choice(RATES)
        self._used: set[str] = set()

    def shot(self, low: float, high: float | None = None) -> Film:
        """Return a segment of a clip that was not used in this film, ``low .. high`` seconds long."""
        span = self.rng.choice([span for span in self._pool if span.group not in self._used])
        self._used.add(span.group)
        return pictures(span, self.rng.uniform(low, high or low), self.size, self.fps, self.rng)


Recipe = Callable[[Set], tuple[Film, list[int]]]
"""Composes a film: its pictures, and the places of the first pictures (middles) of its cuts."""


def encode(film: Film, path: Path, fps: int, crf: int) -> None:
    """Write ``film`` as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = film.shape[2], film.shape[1], "yuv420p"
        stream.thread_count = 1
        for picture in film:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode())
