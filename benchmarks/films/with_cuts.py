"""Films with changes of shot, in many guises."""

from __future__ import annotations

import cv2
import numpy as np

from films.segments import Film, Recipe, Set


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


CUT: dict[str, Recipe] = {
    "hard": hard, "short": short, "close": close, "edge": edge, "boxed": boxed, "angle": angle, "dissolve": dissolve,
    "fade-black": fade_black, "fade-white": fade_white, "wipe": wipe,
}  # fmt: skip
