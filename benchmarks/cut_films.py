"""Films with known cuts, composed of seeded segments of real clips and encoded anew.

Each kind of film is one entry of `KINDS`: films with a change of shot in many guises, and films without any that
look as if they had one. A film is made of clips of one half of the set (by hash), so that a rule tuned on one half
can be judged on the other.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
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
    # Some containers seek past the place; then all is read from the beginning.
    times, found = next(
        filter(lambda read: read[1], (_read(span.path, seek, start, length, size) for seek in (start, 0.0)))
    )
    wanted = np.arange(round(seconds * fps)) / fps
    swing = np.abs((wanted + length) % (2 * length) - length) if length < seconds else wanted
    places = np.clip(np.searchsorted(np.array(times), start + swing + 1e-4, side="right") - 1, 0, len(found) - 1)
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


def _joined(*shots: Film) -> tuple[Film, list[int]]:
    places = np.cumsum([len(shot) for shot in shots])[:-1]
    return np.concatenate(shots), [int(place) for place in places]


def hard(s: Set) -> tuple[Film, list[int]]:
    return _joined(*(s.shot(2, 4) for _ in range(3)))


def short(s: Set) -> tuple[Film, list[int]]:
    return _joined(s.shot(2, 3), s.shot(0.2, 0.5), s.shot(2, 3))


def close(s: Set) -> tuple[Film, list[int]]:
    return _joined(s.shot(2, 3), s.shot(0.5, 0.9), s.shot(0.5, 0.9), s.shot(2, 3))


def edge(s: Set) -> tuple[Film, list[int]]:
    return _joined(s.shot(0.12, 0.3), s.shot(3, 4), s.shot(0.12, 0.3))


def boxed(s: Set) -> tuple[Film, list[int]]:
    film, places = hard(s)
    film, height = film.copy(), film.shape[1]
    bar = round(height * s.rng.uniform(0.1, 0.2))
    film[:, :bar] = film[:, height - bar :] = 0
    return film, places


def angle(s: Set) -> tuple[Film, list[int]]:
    """The same scene from another side: a jump to another, mirrored and nearer part of the picture."""
    film = s.shot(6)
    middle, (width, height) = len(film) // 2, s.size
    side = s.rng.random() < 0.5
    left = 0 if side else width * 2 // 5
    wide, near = slice(left, left + width * 3 // 5), slice(width * 2 // 5 - left, width - left)
    first = [cv2.resize(p[: height * 3 // 5, wide], s.size) for p in film[:middle]]
    second = [cv2.resize(p[height * 2 // 5 :, near][:, ::-1], s.size) for p in film[middle:]]
    return _joined(np.stack(first), np.stack(second))


def dissolve(s: Set) -> tuple[Film, list[int]]:
    one, other = s.shot(3, 4), s.shot(3, 4)
    count = max(3, round(s.rng.uniform(0.3, 1.5) * s.fps))
    weight = ((np.arange(count) + 1) / (count + 1))[:, None, None, None]
    middle = (1 - weight) * one[-count:] + weight * other[:count]
    return np.concatenate([one[:-count], middle.round().astype(np.uint8), other[count:]]), [len(one) - count // 2]


def _faded(s: Set, tone: int) -> tuple[Film, list[int]]:
    one, other = s.shot(3, 4).astype(np.float32), s.shot(3, 4).astype(np.float32)
    count = max(3, round(s.rng.uniform(0.2, 0.8) * s.fps))
    weight = np.linspace(1, 0, count, dtype=np.float32)[:, None, None, None]
    one[-count:] = tone + (one[-count:] - tone) * weight
    other[:count] = tone + (other[:count] - tone) * weight[::-1]
    hold = np.full((round(s.rng.uniform(0, 0.4) * s.fps), *one.shape[1:]), tone, np.float32)
    return np.concatenate([one, hold, other]).astype(np.uint8), [len(one) + len(hold) // 2]


def fade_black(s: Set) -> tuple[Film, list[int]]:
    return _faded(s, 0)


def fade_white(s: Set) -> tuple[Film, list[int]]:
    return _faded(s, 255)


def wipe(s: Set) -> tuple[Film, list[int]]:
    one, other = s.shot(3, 4), s.shot(3, 4)
    count, axis = max(4, round(s.rng.uniform(0.4, 1.0) * s.fps)), s.rng.choice((0, 1))
    middle = one[-count:].copy()
    for k in range(count):
        edge = round((k + 1) / (count + 1) * middle.shape[1 + axis])
        part = (slice(0, edge), slice(None)) if axis == 0 else (slice(None), slice(0, edge))
        middle[k][part] = other[k][part]
    return np.concatenate([one[:-count], middle, other[count:]]), [len(one) - count // 2]


def plain(s: Set) -> tuple[Film, list[int]]:
    return s.shot(6), []


def flash(s: Set) -> tuple[Film, list[int]]:
    film = s.shot(6).astype(np.float32)
    for _ in range(s.rng.randint(1, 4)):
        at, length = (
            s.rng.randrange(len(film) // 6, len(film) * 5 // 6),
            max(1, round(s.rng.uniform(0.03, 0.25) * s.fps)),
        )
        strength = np.linspace(s.rng.uniform(0.6, 1), 0.2, length, dtype=np.float32)[:, None, None, None]
        film[at : at + length] += (255 - film[at : at + length]) * strength[: len(film[at : at + length])]
    return film.astype(np.uint8), []


def strobe(s: Set) -> tuple[Film, list[int]]:
    film = s.shot(6).astype(np.float32)
    period = max(2, round(s.fps / s.rng.uniform(4, 10)))
    film[np.arange(len(film)) % period >= period // 2] *= s.rng.uniform(0.05, 0.4)
    return film.astype(np.uint8), []


def _warped(film: Film, moves: Iterator[tuple[float, float, float]]) -> Film:
    """Return ``film`` seen through a window of ``zoom`` whose centre is moved by a share of what there is room for."""
    height, width = film.shape[1:3]
    out = []
    for picture, (zoom, right, down) in zip(film, moves, strict=True):
        x = width / 2 + right * (width - width / zoom) / 2
        y = height / 2 + down * (height - height / zoom) / 2
        move = np.array([[zoom, 0, width / 2 - zoom * x], [0, zoom, height / 2 - zoom * y]], np.float32)
        out.append(cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REFLECT))
    return np.stack(out)


def shake(s: Set) -> tuple[Film, list[int]]:
    film, size = s.shot(6), s.rng.uniform(0.2, 0.8)
    return _warped(film, ((1.2, s.rng.gauss(0, size), s.rng.gauss(0, size)) for _ in film)), []


def zoom(s: Set) -> tuple[Film, list[int]]:
    film = s.shot(6)
    at, length, most = len(film) // 2, s.rng.uniform(0.25, 1.0) * s.fps, s.rng.uniform(1.5, 2.5)
    return _warped(film, ((1 + (most - 1) * min(1.0, max(0.0, (k - at) / length)), 0, 0) for k in range(len(film)))), []


def whip(s: Set) -> tuple[Film, list[int]]:
    """The camera swings from one side of the scene to the other and smears while it does."""
    film = s.shot(6)
    at, length = len(film) // 2, max(4, round(s.rng.uniform(0.25, 0.6) * s.fps))
    view = s.rng.uniform(2.0, 2.6)
    sub = 6
    film = np.repeat(film, sub, axis=0)
    way = [-1 + 2 * min(1.0, max(0.0, (k / sub - at) / length)) for k in range(len(film))]
    moved = _warped(film, ((view, x, 0) for x in way))
    return moved.reshape(-1, sub, *moved.shape[1:]).mean(axis=1).astype(np.uint8), []


def exposure(s: Set) -> tuple[Film, list[int]]:
    film, at = s.shot(6).astype(np.float32), s.fps * 3
    film[at:] = np.clip(film[at:] * s.rng.choice((0.4, 0.55, 1.5, 2.0)), 0, 255)
    return film.astype(np.uint8), []


def frozen(s: Set) -> tuple[Film, list[int]]:
    film, at, length = s.shot(6), s.rng.randrange(s.fps, 2 * s.fps), s.rng.randrange(s.fps, 3 * s.fps)
    film[at : at + length] = film[at]
    return film, []


def overlay(s: Set) -> tuple[Film, list[int]]:
    """A lower third, a card or a picture in the picture appears, covering up to a third of it."""
    film = s.shot(6)
    height, width = film.shape[1:3]
    kind, at = s.rng.choice(("lower", "card", "inset")), s.fps * 2
    until = at + s.rng.randrange(s.fps // 2, s.fps * 3)
    top, bottom, left, right = {
        "lower": (height * 3 // 4, height, 0, width),
        "card": (height // 4, height * 3 // 4, width // 5, width * 4 // 5),
        "inset": (0, height * 11 // 20, width * 9 // 20, width),
    }[kind]
    patch = np.full((bottom - top, right - left, 3), [s.rng.randrange(256) for _ in range(3)], np.uint8)
    if kind == "inset":
        patch = cv2.resize(s.shot(0.3)[0], (right - left, bottom - top))
    else:
        cv2.putText(
            patch, "Some title here", (6, (bottom - top) // 2), cv2.FONT_HERSHEY_SIMPLEX, width / 500, (255, 255, 255)
        )
    film[at:until, top:bottom, left:right] = patch
    return film, []


def insert(s: Set) -> tuple[Film, list[int]]:
    """A card that fills the picture for less than half a second; the same scene goes on after it."""
    film, at = s.shot(6), s.fps * 2
    card = np.full(film.shape[1:], [s.rng.randrange(256) for _ in range(3)], np.uint8)
    cv2.putText(card, "LATER", (s.size[0] // 6, s.size[1] // 2), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
    film[at : at + max(1, round(s.rng.uniform(0.1, 0.5) * s.fps))] = card
    return film, []


def dim(s: Set) -> tuple[Film, list[int]]:
    film = s.shot(5) * np.float32(s.rng.uniform(0.08, 0.25))
    grain = np.random.default_rng(s.rng.randrange(1 << 30))
    return np.clip(film + grain.normal(8, 9, film.shape).astype(np.float32), 0, 255).astype(np.uint8), []


def timelapse(s: Set) -> tuple[Film, list[int]]:
    film = s.shot(24)[::6].astype(np.float32)
    gain = np.array([s.rng.uniform(0.75, 1.25) for _ in film], np.float32)[:, None, None, None]
    return np.clip(film * gain, 0, 255).astype(np.uint8), []


def slow(s: Set) -> tuple[Film, list[int]]:
    """Five new pictures a second, as animation and GIFs have."""
    film = s.shot(6)
    return film[(np.arange(len(film)) // max(1, s.fps // 5)) * max(1, s.fps // 5)], []


CUT: dict[str, Recipe] = {
    "hard": hard, "short": short, "close": close, "edge": edge, "boxed": boxed, "angle": angle, "dissolve": dissolve,
    "fade-black": fade_black, "fade-white": fade_white, "wipe": wipe,
}  # fmt: skip
UNCUT: dict[str, Recipe] = {
    "plain": plain, "flash": flash, "strobe": strobe, "shake": shake, "zoom": zoom, "whip": whip,
    "exposure": exposure, "frozen": frozen, "overlay": overlay, "insert": insert, "dim": dim, "timelapse": timelapse,
    "slow": slow,
}  # fmt: skip
KINDS = {**CUT, **UNCUT}


def films(data: Path, folder: Path, each: int, seed: int) -> Iterator[Made]:
    """Write ``each`` films of every kind to ``folder`` and tell what each holds; the same for the same seed."""
    pools = spans(data)
    for k in range(each):
        for kind, recipe in KINDS.items():
            rng = random.Random(f"{seed}/{kind}/{k}")
            scene = Set(pools[k % 2], rng)
            film, places = recipe(scene)
            path = folder / f"{kind}-{k:03d}.mp4"
            encode(film, path, scene.fps, rng.choice(QUALITIES))
            yield Made(path, kind, k % 2, tuple(place / scene.fps for place in places))


def encode(film: Film, path: Path, fps: int, crf: int) -> None:
    """Write ``film`` as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = film.shape[2], film.shape[1], "yuv420p"
        stream.thread_count = 1
        for picture in film:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode())
