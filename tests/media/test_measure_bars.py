from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow.media.bars import find_bars, refine
from synflow.records import Crop

WIDTH, HEIGHT = 640, 360
SUBTITLES = ("it was never meant", "to come to this at all", "and yet we are here")
Film = np.ndarray


def scene(width: int, height: int, frames: int = 24, seed: int = 1) -> Film:
    """A view that pans over structure, bright enough at its rim."""
    rng = np.random.default_rng(seed)
    large = cv2.resize(
        rng.integers(50, 230, (12, 24)).astype(np.uint8), (width + 3 * frames, height), interpolation=cv2.INTER_CUBIC
    )
    return np.stack([large[:, 3 * k : 3 * k + width] for k in range(frames)])


def boxed(inner: Film, noise: float = 0.0, level: int = 0) -> Film:
    """The film in the middle of black pictures."""
    film = np.full((len(inner), HEIGHT, WIDTH), level, np.uint8)
    top, left = (HEIGHT - inner.shape[1]) // 2, (WIDTH - inner.shape[2]) // 2
    film[:, top : top + inner.shape[1], left : left + inner.shape[2]] = inner
    if noise:
        grain = np.random.default_rng(2).normal(0, noise, (HEIGHT, WIDTH)).astype(np.int16)
        rolled = [np.roll(grain, (7 * k, 13 * k), (0, 1)) for k in range(len(film))]
        film = np.stack([np.clip(p + g, 0, 255) for p, g in zip(film, rolled, strict=True)]).astype(np.uint8)
    return film


def written(film: Film, texts: tuple[str, ...], row: int, left: int = 170) -> Film:
    film = film.copy()
    for place, picture in enumerate(film):
        text = texts[place * len(texts) // len(film)]
        cv2.putText(picture, text, (left, row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2, cv2.LINE_AA)
    return film


def inner_of(film: Film) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the inner picture in pixels of the film, as the stage finds it."""
    luma = np.stack([cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA) for picture in film])
    bars = find_bars(luma)
    if bars is None:
        return None
    rgb = np.repeat(film[:: len(film) // 8, :, :, None], 3, axis=3)
    rows, columns = refine(bars, rgb).box(HEIGHT, WIDTH)
    return columns.start, rows.start, columns.stop, rows.stop


@pytest.mark.parametrize(("level", "noise"), [(0, 0.0), (16, 6.0)])
@pytest.mark.parametrize(
    ("width", "height"),
    [(640, 268), (640, 320), (480, 360), (202, 360), (480, 270), (400, 300)],
)
def test_bars_are_found_to_the_pixel(width: int, height: int, level: int, noise: float):
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    found = inner_of(boxed(scene(width, height), noise, level))
    assert found is not None
    lost = (found[0] - left, found[1] - top, left + width - found[2], top + height - found[3])
    assert all(0 <= pixels <= 4 for pixels in lost), (found, lost)


def test_subtitles_and_a_logo_may_stand_in_a_bar():
    film = written(boxed(scene(640, 250)), SUBTITLES, row=340)
    film[:, 10:34, 560:620] = 220
    found = inner_of(film)
    assert found is not None
    assert (found[0], found[2]) == (0, 640)
    assert 55 <= found[1] <= 60 and 300 <= found[3] <= 305


@pytest.mark.parametrize(
    "film",
    [
        pytest.param(scene(640, 360), id="no bars"),
        pytest.param(scene(640, 360) // 9, id="dark scene"),
        pytest.param(np.zeros((24, 360, 640), np.uint8), id="black"),
        pytest.param(np.concatenate([boxed(scene(640, 268, 12)), scene(640, 360, 12)]), id="for half of the time"),
        pytest.param(written(np.zeros((24, 360, 640), np.uint8), ("Chapter One",), 190), id="title on black"),
        pytest.param(boxed(scene(80, 60)), id="hardly anything left"),
    ],
)
def test_what_is_no_bar(film: Film):
    assert inner_of(film) is None


def test_a_ragged_skyline_under_a_black_sky_is_no_bar():
    film = scene(640, 360)
    skyline = 90 + np.abs(np.cumsum(np.random.default_rng(5).integers(-6, 7, 640))) % 120
    film[:, np.arange(360)[:, None] < skyline] = 2
    assert inner_of(film) is None


def test_the_head_of_a_game_is_no_bar():
    film = scene(640, 360)
    film[:, :80] = 0
    assert inner_of(written(film, ("SCORE 004600  TIME 121",), 50)) is None
    plain = scene(640, 360)
    plain[:, :80] = 0
    found = inner_of(plain)
    assert found is not None and 80 <= found[1] <= 84


def test_short_and_empty_films():
    assert find_bars(np.zeros((0, 90, 160), np.uint8)) is None
    assert find_bars(np.zeros((3, 1, 160), np.uint8)) is None
    one = cv2.resize(boxed(scene(640, 268, 1))[0], (160, 90), interpolation=cv2.INTER_AREA)
    assert find_bars(one[None]) is not None


@given(
    st.tuples(st.floats(0, 0.37), st.floats(0, 0.37), st.floats(0.63, 1), st.floats(0.63, 1)),
    st.integers(16, 900),
    st.integers(16, 900),
)
def test_a_box_is_even_and_inside(edges: tuple[float, float, float, float], height: int, width: int):
    rows, columns = Crop(left=edges[0], top=edges[1], right=edges[2], bottom=edges[3]).box(height, width)
    for part, low, high, size in ((rows, edges[1], edges[3], height), (columns, edges[0], edges[2], width)):
        assert part.start % 2 == 0 and (part.stop - part.start) % 2 == 0 and part.stop > part.start
        assert low * size - 0.02 <= part.start <= low * size + 2
        assert high * size - 2 - 1e-6 <= part.stop <= high * size + 0.02 or part.stop == part.start + 2
