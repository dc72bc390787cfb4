"""Which pictures are kept follows from the picture times alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synflow.media import grid
from synflow.media.render import fit_longer, fit_shorter

GAPS = st.lists(st.floats(0.001, 0.5), min_size=0, max_size=300)


def clock(gaps: list[float]) -> np.ndarray:
    return np.round(np.cumsum([0.0, *gaps]), 6)


@settings(max_examples=60, deadline=None)
@given(GAPS, st.integers(1, 40), st.floats(0, 1), st.floats(0, 1))
def test_stills_are_distinct_increasing_and_inside(gaps: list[float], count: int, a: float, b: float) -> None:
    times = clock(gaps)
    end = float(times[-1]) + 0.04
    start, stop = sorted((a * end, b * end))
    places = grid.candidates(times, grid.still_grid(times, 345_600), start, stop, count)
    chosen = grid.choose(times, places, start, stop, count)
    there = grid.inside(times, range(len(times)), start, stop)
    assert len(chosen) == min(count, len(there))
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(there)


@settings(max_examples=60, deadline=None)
@given(GAPS, st.integers(1, 50))
def test_the_grid_keeps_to_its_limit_and_is_even(gaps: list[float], limit: int) -> None:
    times = clock(gaps)
    kept = grid.every(times, 0.125, limit)
    assert 1 <= len(kept) <= limit
    assert kept[0] == 0
    assert kept == sorted(set(kept))


def test_stills_stand_in_the_middle_of_equal_parts() -> None:
    times = np.arange(250) / 25
    chosen = grid.choose(times, grid.still_grid(times, 345_600), 0.0, 10.0, 8)
    assert [float(times[k]) for k in chosen] == pytest.approx([0.625 + 1.25 * k for k in range(8)], abs=0.07)


def test_long_sources_are_thinned() -> None:
    times = np.arange(60 * 600) / 60
    lit = grid.luma_grid(times)
    assert 4500 <= len(lit) <= 9000
    assert len(set(np.diff(lit).tolist())) == 1
    assert 300 < len(grid.color_grid(times)) <= 600
    kept = grid.still_grid(times, 640 * 360 * 3 // 2)
    assert 256 < len(kept) <= 512
    assert len(grid.still_grid(times, 64 << 20)) <= 4


@pytest.mark.parametrize(("rate", "kept"), [(4, 1), (24, 1), (29.97, 1), (50, 1), (60, 1), (120, 2), (240, 4)])
def test_brightness_is_kept_of_sixty_pictures_a_second_at_most(rate: float, kept: int) -> None:
    times = np.round(np.arange(400) / rate, 6)
    assert set(np.diff(grid.luma_grid(times)).tolist()) == {kept}


def test_pictures_at_one_time_count_once() -> None:
    assert grid.luma_grid(np.array([0.0, 0.0, 0.04, 0.04, 0.05, 0.12])) == [0, 2, 5]


def test_sizes_are_even_and_never_enlarged() -> None:
    assert fit_shorter((1280, 720), 360) == (640, 360)
    assert fit_shorter((200, 150), 360) == (200, 150)
    assert fit_shorter((361, 1001), 360) == (360, 998)
    assert fit_shorter((1, 1), 360) == (2, 2)
    assert fit_longer((1920, 1080), 160) == (160, 90)
    assert fit_longer((1, 4000), 160) == (1, 160)
