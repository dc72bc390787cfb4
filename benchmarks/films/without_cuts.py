"""Films of one shot that look as if they had cuts."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from films.segments import Film, Recipe, Set


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
    return np.concatenate([film[:at], np.repeat(film[at : at + 1], length, axis=0), film[at:]]), []


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


UNCUT: dict[str, Recipe] = {
    "plain": plain, "flash": flash, "strobe": strobe, "shake": shake, "zoom": zoom, "whip": whip,
    "exposure": exposure, "frozen": frozen, "overlay": overlay, "insert": insert, "dim": dim, "timelapse": timelapse,
    "slow": slow,
}  # fmt: skip
