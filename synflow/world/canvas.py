"""Draws backgrounds: patterns without a short period, so that clips differ and a moving camera shows."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from synflow.world.palette import paper, tint
from synflow.world.script import Background

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

PENCIL = np.array([84, 82, 88], dtype=np.float32)


def paint(background: Background, width: int, height: int, scale: float, style: str) -> Pixels:
    """Return the background as uint8 RGB, shape ``[height, width, 3]``.

    Args:
        background: what to draw.
        width: of the canvas in pixels.
        height: of the canvas in pixels.
        scale: canvas pixels per view pixel.
        style: ``sketch`` draws pencil lines on paper, ``dark`` takes most of the light away.
    """
    rng = np.random.default_rng(background.seed)
    first = tint(background.color, background.tone, rng.uniform(-1, 1))
    second = tint(background.second, background.tone, rng.uniform(-1, 1))
    if background.second == background.color:  # two shades of one colour
        shade = 0.8 if background.color in {"yellow", "orange"} else 0.62 if first.mean() > 110 else 1.5
        second = first * np.float32(shade)
    marks = PATTERNS[background.kind](rng, height, width, scale, background.turn)[:, :, None]
    if style == "sketch":
        return _sketch(marks[:, :, 0], paper(background.color, rng.uniform(-1, 1)), rng)
    picture = first * (1 - marks) + second * marks
    picture = picture * _light(rng, height, width, 0.13 if background.kind != "plain" else 0.2)[:, :, None]
    picture = picture * _surface(rng, height, width, 0.26 if style == "dark" else 0.1)[:, :, None]
    if style == "dark":
        picture = picture * 0.4 + 7
    return np.clip(picture, 0, 255).astype(np.uint8)


def _light(rng: np.random.Generator, height: int, width: int, depth: float) -> Floats:
    """Return a soft light (factor around 1) that falls differently on every clip."""
    coarse = rng.uniform(1 - 2 * depth, 1 + depth, (3, 4)).astype(np.float32)
    out: Floats = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return out


def _surface(rng: np.random.Generator, height: int, width: int, depth: float) -> Floats:
    """Return the fine unevenness (factor around 1) of a painted wall or of paper, which shows where it moves."""
    coarse = rng.uniform(1 - depth, 1 + depth, (height // 4 + 2, width // 4 + 2)).astype(np.float32)
    out: Floats = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return out


def _sketch(marks: Floats, color: Floats, rng: np.random.Generator) -> Pixels:
    """Return pencil lines where the pattern has edges, and a light wash of shade between them, on paper."""
    levels = (np.clip(marks, 0, 1) * 255).astype(np.uint8)
    edges = cv2.morphologyEx(levels, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)).astype(np.float32) / 255
    lines = np.clip(edges * 2.2, 0, 1)[:, :, None]
    light = _light(rng, marks.shape[0], marks.shape[1], 0.05)[:, :, None]
    sheet = (
        color * (1 - 0.26 * marks[:, :, None]) * light * _surface(rng, marks.shape[0], marks.shape[1], 0.05)[:, :, None]
    )
    out: Pixels = np.clip(sheet * (1 - lines) + PENCIL * lines, 0, 255).astype(np.uint8)
    return out


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y, x


def _plain(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    return np.zeros((h, w), dtype=np.float32)


def _horizon(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    y, _ = _grid(h, w)
    return (y > h * rng.uniform(0.5, 0.75)).astype(np.float32)


def _stripes(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    y, x = _grid(h, w)
    along = {"horizontal": y, "vertical": x, "diagonal": (x + y * (1 if rng.random() < 0.5 else -1)) * 0.7}[turn]
    edges = np.cumsum(rng.uniform(9, 34, 60)) * scale - 200
    return (np.searchsorted(edges, along) % 2).astype(np.float32)


def _checks(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    y, x = _grid(h, w)
    side = rng.uniform(14, 36) * scale
    out: Floats = ((np.floor(y / side + rng.random()) + np.floor(x / side + rng.random())) % 2).astype(np.float32)
    return out


def _waves(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    y, x = _grid(h, w)
    bend = rng.uniform(4, 12) * np.sin(x / rng.uniform(14, 34) + rng.uniform(0, 6))
    out: Floats = (np.sin((y + bend) / rng.uniform(4, 9) + rng.uniform(0, 6)) > 0.1).astype(np.float32)
    return out


def _edges(rng: np.random.Generator, low: float, high: float, end: int) -> npt.NDArray[np.float64]:
    """Return places from 0 to beyond ``end`` with uneven gaps, so that no shift of the pattern fits itself."""
    return np.cumsum(rng.uniform(low, high, int(end / low) + 3))


def _tiles(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    tall, wide = rng.uniform(15, 28) * scale, rng.uniform(15, 34) * scale
    rows = np.searchsorted(_edges(rng, tall * 0.6, tall * 1.4, h), np.arange(h))
    columns = np.searchsorted(_edges(rng, wide * 0.6, wide * 1.4, w), np.arange(w))
    shades = rng.choice(np.array([0.0, 0.3, 0.65, 1.0], dtype=np.float32), (rows[-1] + 1, columns[-1] + 1))
    out: Floats = shades[rows[:, None], columns[None]]
    return out


def _bricks(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    tall, wide, joint = rng.uniform(12, 20) * scale, rng.uniform(26, 44) * scale, int(1.6 * scale)
    marks = np.ones((h, w), dtype=np.float32)
    top = 0
    for edge in _edges(rng, tall * 0.85, tall * 1.15, h):
        left = -int(rng.uniform(0, wide))
        for side in _edges(rng, wide * 0.75, wide * 1.25, w + int(wide)) - wide * rng.random():
            marks[top : int(edge) - joint, max(left, 0) : max(int(side) - joint, 0)] = rng.uniform(0.0, 0.5)
            left = int(side)
        top = int(edge)
    return marks


def _dots(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    marks = np.zeros((h, w), dtype=np.float32)
    big = rng.uniform(5, 13) * scale
    for _ in range(int(h * w / (big * big * 13))):
        center = (int(rng.uniform(0, w) * 8), int(rng.uniform(0, h) * 8))
        cv2.circle(marks, center, int(big * rng.uniform(0.6, 1.15) * 8), 1.0, -1, cv2.LINE_8, 3)
    return marks


def _patches(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    coarse = rng.random((max(int(h / (18 * scale)), 4), max(int(w / (18 * scale)), 4))).astype(np.float32)
    field = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    out: Floats = (field > 0.5).astype(np.float32)
    return out


def _lines(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    marks = np.zeros((h, w), dtype=np.float32)
    for _ in range(int(9 + h * w / (4200 * scale * scale))):
        a, b = rng.uniform(-0.1, 1.1, 2), rng.uniform(-0.1, 1.1, 2)
        start, end = (int(a[0] * w), int(a[1] * h)), (int(b[0] * w), int(b[1] * h))
        cv2.line(marks, start, end, 1.0, int(rng.uniform(1.5, 5) * scale), cv2.LINE_AA)
    return np.clip(marks, 0, 1)


def _rings(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    y, x = _grid(h, w)
    away = np.hypot(x - w * rng.uniform(0.25, 0.75), y - h * rng.uniform(0.25, 0.75))
    edges = np.cumsum(rng.uniform(7, 24, 80)) * scale
    out: Floats = (np.searchsorted(edges, away) % 2).astype(np.float32)
    return out


def _hills(rng: np.random.Generator, h: int, w: int, scale: float, turn: str) -> Floats:
    y, x = _grid(h, w)
    marks = np.zeros((h, w), dtype=np.float32)
    for layer, base in enumerate((rng.uniform(0.36, 0.46), rng.uniform(0.56, 0.66), rng.uniform(0.76, 0.88))):
        ridge = base * h
        for wave in (90, 43, 19):
            ridge = ridge + wave * 0.13 * scale * np.sin(x / (wave * scale) * 2.2 + rng.uniform(0, 6.3))
        marks[y > ridge] = (0.76, 0.88, 1.0)[layer]
    return marks


PATTERNS: dict[str, Callable[[np.random.Generator, int, int, float, str], Floats]] = {
    "plain": _plain,
    "horizon": _horizon,
    "stripes": _stripes,
    "checks": _checks,
    "waves": _waves,
    "tiles": _tiles,
    "bricks": _bricks,
    "dots": _dots,
    "patches": _patches,
    "lines": _lines,
    "rings": _rings,
    "hills": _hills,
}
