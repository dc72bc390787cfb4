"""Fingerprints of clips that do not exist, like those of real ones, as many as wanted; which are copies is known.

A clip is a place and a course. The place is a mixture of parts of real pictures and of noise with their spectrum; the
course is how one or two real clips change over time, turned, cut and at another speed, as strong as in some real clip.
Of 1,000 clips

- 100 are copies of others (`KINDS`), some of them of one that has many;
- 100 are other takes of a scene that others show: the same place, another course;
- 20 begin with one of few openings that very many clips share;
- 50 stand still, and are told apart by their 32 x 32 pixels alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from synflow.errors import ClipFailure
from synflow.media.sandbox import Sandbox
from synflow.media.signature import DETAIL, LEVELS, SIDE, Signature, pack, signature, unit, unpack
from synflow.records import Location

KINDS = ("squeezed", "crop", "corner", "mirrored", "mirrored crop", "mark", "speed", "excerpt", "gamma")

TAKES, COPIES, OPENINGS, STILLS = 0.1, 0.1, 0.02, 0.05

OPENING_COUNT = 20

TAKES_OF_ONE = 10

MANY_COPIES = 12
"""Copies of one clip in 100 of those that have copies; the others have one."""

BATCH = 2_000

Film = np.ndarray[Any, np.dtype[np.float32]]
"""Pictures of a clip, float32 ``[k, 12, 12]``, mean 0 and spread about 1."""


def taken(videos: Sequence[Path], cache: Path) -> list[Signature]:
    """Return fingerprints of real clips; measured once and kept in ``cache``."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        sandbox, lines = Sandbox(), []
        for video in videos:
            try:
                scan = sandbox.scan(Location(path=str(video)), 360)
            except ClipFailure as error:
                print(f"{video.name} left out: {error}", file=sys.stderr)
                continue
            lines.append(json.dumps(pack(signature(scan.times, scan.luma))))
        sandbox.close()
        cache.write_text("\n".join(lines))
    return [unpack(json.loads(line)) for line in cache.read_text().splitlines()]


class Stock:
    """What synthetic clips are mixed from.

    Args:
        found: fingerprints of real clips; at least 20 of them with motion.
    """

    def __init__(self, found: Sequence[Signature]) -> None:
        units = [unit(one.thumbs).reshape(-1, SIDE, SIDE) * SIDE for one in found if one.detail is None]
        units = [one for one in units if len(one) >= 5]
        if len(units) < 20:
            raise SystemExit(f"only {len(units)} clips with motion: too few to mix from")
        self.lengths = [len(one) for one in units]
        self.places = np.concatenate([one[:: max(1, len(one) // 4)] for one in units]).astype(np.float32)
        self.courses = [(one - one.mean(axis=0)).astype(np.float32) for one in units]
        self.energies = [float((one**2).mean()) for one in self.courses]
        rows = _cosines(SIDE)
        self.spectrum = (rows @ self.places @ rows.T).std(axis=0)

    def place(self, rng: np.random.Generator) -> Film:
        """Return a picture ``[12, 12]``: parts of two real ones, and noise of their spectrum."""
        noise = _cosines(SIDE).T @ (self.spectrum * rng.standard_normal((SIDE, SIDE))) @ _cosines(SIDE)
        shares = np.sqrt(rng.dirichlet((1.0, 1.0, 1.5)))
        parts = [_view(self.places[rng.integers(len(self.places))], *_window(rng)) for _ in range(2)]
        return _normal(shares[0] * _normal(parts[0]) + shares[1] * _normal(parts[1]) + shares[2] * _normal(noise))

    def course(self, rng: np.random.Generator, number: int) -> Film:
        """Return changes ``[k, 12, 12]``, mostly those of real clip ``number``, as strong as those of some real one."""
        length = int(rng.choice(self.lengths))
        out = np.zeros((length, SIDE, SIDE), np.float32)
        for share, which in ((1.0, number), (rng.uniform(0, 0.6), int(rng.integers(len(self.courses))))):
            begin = rng.uniform(0, 0.3)
            at = np.linspace(begin, begin + rng.uniform(0.6, 0.7), length)
            one = _at(self.courses[which], at if rng.random() < 0.5 else at[::-1])
            one = _view(one, *_window(rng))
            out += share * one / max(1e-3, float(one.std()))
        return out / max(1e-3, float(out.std())) * np.sqrt(float(rng.choice(self.energies)))


def _cosines(side: int) -> np.ndarray:
    rows = np.sqrt(2 / side) * np.cos(np.pi * (2 * np.arange(side) + 1) * np.arange(side)[:, None] / (2 * side))
    rows[0] /= np.sqrt(2)
    return rows


def _window(rng: np.random.Generator) -> tuple[float, float, float, bool]:
    """Return a part of a picture: its share of both sides, where it lies, and whether it is mirrored."""
    return rng.uniform(0.6, 1.0), rng.random(), rng.random(), bool(rng.random() < 0.5)


def _view(pictures: Film, share: float, x: float, y: float, mirrored: bool) -> Film:
    """Return a part of pictures ``[..., 12, 12]`` in their size."""

    def read(place: float) -> np.ndarray:
        spots = np.clip((np.arange(SIDE) + 0.5) * share + SIDE * (1 - share) * place - 0.5, 0, SIDE - 1)
        return np.maximum(0, 1 - np.abs(spots[:, None] - np.arange(SIDE))).astype(np.float32)

    pictures = read(y) @ pictures @ read(x).T
    return pictures[..., ::-1] if mirrored else pictures


def _at(pictures: Film, at: np.ndarray) -> Film:
    """Return pictures at places 0 to 1 of their course."""
    at = np.clip(at, 0, 1) * (len(pictures) - 1)
    low = np.minimum(at.astype(int), max(0, len(pictures) - 2))
    share = (at - low)[:, None, None].astype(np.float32)
    return (1 - share) * pictures[low] + share * pictures[np.minimum(low + 1, len(pictures) - 1)]


def _normal(picture: np.ndarray) -> np.ndarray:
    picture = picture - picture.mean()
    return np.asarray(picture / max(1e-3, float(picture.std())), np.float32)


def stored(film: np.ndarray, detail: np.ndarray | None = None) -> Signature:
    """Return the fingerprint of pictures ``[k, 12, 12]``, and of one of 32 x 32 where nothing moves in them."""

    def levels(pictures: np.ndarray) -> np.ndarray:
        pictures = pictures - pictures.mean(axis=(-2, -1), keepdims=True)
        pictures = pictures / np.maximum(1e-3, pictures.std(axis=(-2, -1), keepdims=True))
        return np.clip(np.round(LEVELS / 2 + LEVELS / 5.2 * pictures), 0, LEVELS - 1).astype(np.uint8)

    return Signature(levels(film), None if detail is None else levels(detail))


def copied(rng: np.random.Generator, film: Film, kind: str) -> Film:
    """Return a copy of a clip: coded and sampled anew, and edited as ``kind`` says."""
    length = len(film)
    inside = np.linspace(0, 1, max(5, round(length * rng.uniform(0.7, 1.1))))
    if kind == "excerpt" and length >= 14:
        begin = rng.uniform(0, 0.4)
        inside = begin + np.linspace(0, 0.6, max(7, round(0.6 * length)))
    if kind == "speed":
        inside = np.linspace(0, 1, max(5, round(length / rng.uniform(1.2, 1.5))))
    film = _at(film, inside)
    if kind in ("crop", "mirrored crop"):
        film = _view(film, rng.uniform(0.85, 1.0), 0.5, 0.5, kind != "crop")
    if kind == "corner":
        film = _view(film, rng.uniform(0.9, 1.0), float(rng.integers(2)), float(rng.integers(2)), False)
    if kind == "mirrored":
        film = film[:, :, ::-1]
    if kind == "gamma":
        low, high = float(film.min()), float(film.max())
        film = low + (high - low) * ((film - low) / max(1e-3, high - low)) ** rng.uniform(0.75, 1.3)
    film = film + rng.normal(0, 0.06, film.shape) * film.std()
    if kind == "mark":
        film[:, :2, -3:] = film.max()
    return np.asarray(film, np.float32)


class Maker:
    """Makes rows of `stages.dedup`; ``<n>`` is an original, ``<n>.<kind>`` a copy of it, with fewer pixels."""

    def __init__(self, stock: Stock, seed: int) -> None:
        self._stock, self._seed = stock, seed
        rng = np.random.default_rng((seed, 0))
        self._openings = [stock.place(rng) for _ in range(OPENING_COUNT)]

    def batch(self, batch: int) -> Iterator[dict[str, Any]]:
        """Yield `BATCH` rows, or a few more so that no copy lacks its original; no two batches share a clip."""
        rng = np.random.default_rng((self._seed, 1 + batch))
        count = len(self._stock.courses)
        number, made = batch * BATCH, 0
        while made < BATCH:
            draw = rng.random()
            if draw < TAKES / TAKES_OF_ONE:
                place = self._stock.place(rng)
                for course in rng.permutation(count)[:TAKES_OF_ONE]:
                    yield _row(number, "", stored(place + self._stock.course(rng, int(course))))
                    number, made = number + 1, made + 1
                continue
            if draw < TAKES / TAKES_OF_ONE + STILLS:
                found = [(kind, _still(one)) for kind, one in self._still(rng)]
            else:
                found = [(kind, stored(one)) for kind, one in self._moving(rng)]
            for kind, one in found:
                yield _row(number, kind, one)
            number, made = number + 1, made + len(found)

    def _moving(self, rng: np.random.Generator) -> Iterator[tuple[str, Film]]:
        film = self._stock.place(rng) + self._stock.course(rng, int(rng.integers(len(self._stock.courses))))
        if rng.random() < OPENINGS:
            film[: len(film) // 4] = self._openings[rng.integers(OPENING_COUNT)]
        yield "", film
        for kind in _kinds(rng):
            yield kind, copied(rng, film, kind.partition("-")[0])

    def _still(self, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        """Yield pictures ``[32, 32]``."""
        order = np.hypot(*np.meshgrid(np.arange(DETAIL), np.arange(DETAIL)))
        noise = _cosines(DETAIL).T @ (rng.standard_normal(order.shape) / (1 + order) ** 1.2) @ _cosines(DETAIL)
        place = cv2.resize(self._stock.place(rng), (DETAIL, DETAIL), interpolation=cv2.INTER_CUBIC)
        picture = place + 0.6 * _normal(noise)
        yield "", picture
        for kind in _kinds(rng):
            copy = picture[:, ::-1] if kind.startswith("mirrored") else picture
            yield kind, copy + rng.normal(0, 0.04, copy.shape)


def _kinds(rng: np.random.Generator) -> list[str]:
    """Return the kinds of the copies of a clip: mostly none."""
    # Of a hundred clips that have copies, 99 have one and one has many.
    if rng.random() > COPIES / (1 - COPIES) / (0.99 + 0.01 * MANY_COPIES) / (1 - TAKES):
        return []
    many = rng.random() < 0.01
    kinds = [str(one) for one in rng.choice(KINDS, MANY_COPIES if many else 1)]
    return [f"{kind}-{number}" for number, kind in enumerate(kinds)]


def _still(picture: np.ndarray) -> Signature:
    small = cv2.resize(picture.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return stored(np.repeat(small[None], 4, axis=0), picture)


def _row(number: int, kind: str, found: Signature) -> dict[str, Any]:
    name = f"{number:08d}" + (f".{kind}" if kind else "")
    return {"clip": name, "source": f"{hash_of(name):016x}", "span": [0.0, 8.0], "pixels": 100_000 if kind else 200_000,
            "said": 9, "captions": [], "thumbs": pack(found)}  # fmt: skip


def hash_of(name: str) -> int:
    """Return a number that no other name has, for the digest of the file."""
    stem, _, kind = name.partition(".")
    which, _, number = kind.partition("-")
    return (int(stem) << 16) + (KINDS.index(which) + 1 if which else 0) * 256 + int(number or 0) + 1
