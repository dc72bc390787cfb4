"""Which pictures are kept follows from the times of all, and from which of them are spare."""

from __future__ import annotations

import itertools

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
    places = grid.candidates(times, grid.still_grid(times, grid.luma_grid(times), 345_600), start, stop, count)
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
    chosen = grid.choose(times, grid.still_grid(times, grid.luma_grid(times), 345_600), 0.0, 10.0, 8)
    assert [float(times[k]) for k in chosen] == pytest.approx([0.625 + 1.25 * k for k in range(8)], abs=0.07)


def test_long_sources_are_thinned() -> None:
    times = np.arange(60 * 600) / 60
    lit = grid.luma_grid(times)
    assert 4500 <= len(lit) <= 9000
    assert len(set(np.diff(lit).tolist())) == 1
    assert 300 < len(grid.color_grid(times, lit)) <= 600
    kept = grid.still_grid(times, lit, 640 * 360 * 3 // 2)
    assert 256 < len(kept) <= 512
    assert len(grid.still_grid(times, lit, 64 << 20)) <= 4


@pytest.mark.parametrize(("rate", "kept"), [
    (4, 1), (16, 1), (18, 1), (20, 2), (24, 2), (29.97, 2), (30, 2), (50, 4), (60, 4), (120, 8),
])  # fmt: skip
def test_brightness_is_kept_of_some_sixteen_pictures_a_second(rate: float, kept: int) -> None:
    times = np.round(np.arange(400) / rate, 6)
    assert set(np.diff(grid.luma_grid(times)).tolist()) == {kept}


RHYTHMS = st.lists(st.tuples(st.floats(0.001, 0.3), st.booleans()), min_size=0, max_size=200)


@settings(max_examples=200, deadline=None)
@given(RHYTHMS)
def test_spare_pictures_are_taken_only_where_gaps_would_be_long(rhythm: list[tuple[float, bool]]) -> None:
    times = clock([gap for gap, _ in rhythm])
    spare = [place for place, (_, is_spare) in enumerate(rhythm, 1) if is_spare]
    lit = grid.luma_grid(times, spare)
    assert lit == sorted(set(lit))
    assert lit[0] == 0
    for first, last in itertools.pairwise(lit):
        passed = [place for place in range(first + 1, last) if place in spare]
        if times[last] - times[first] > grid.LUMA_GAP + 1e-5:
            # What is passed over here would have to lie nearer to its neighbours than half of what is aimed at.
            wide = float(np.diff(times[first : last + 1]).max())
            assert not passed or wide > grid.LUMA_GAP / 2
    solid = [place for place in range(len(times)) if place not in spare]
    for first, last in itertools.pairwise(solid):
        if times[last] - times[first] <= grid.LUMA_GAP:
            assert not [place for place in lit if first < place < last and place != len(times) - 1]


@pytest.mark.parametrize(("rate", "pattern", "gaps"), [
    (30, "Psss", {2}),  # three spare between references: one of them, in the middle
    (30, "PsBs", {2}),
    (25, "Ps", {2}),
    (12, "Ps", {1}),
    (60, "Psss", {4}),
    (10, "Pssss", {1}),
])  # fmt: skip
def test_gaps_are_even_in_usual_rhythms(rate: float, pattern: str, gaps: set[int]) -> None:
    marks = pattern * 30 + "P"
    spare = [place for place, mark in enumerate(marks) if mark == "s"]
    lit = grid.luma_grid(np.round(np.arange(len(marks)) / rate, 6), spare)
    assert set(np.diff(lit).tolist()) == gaps


def test_the_last_picture_is_taken_although_it_is_spare() -> None:
    assert grid.luma_grid(np.arange(6) / 12, [1, 3, 5]) == [0, 1, 2, 3, 4, 5]


def test_pictures_at_one_time_count_once() -> None:
    assert grid.luma_grid(np.array([0.0, 0.0, 0.07, 0.07, 0.08, 0.14])) == [0, 2, 5]


def test_sizes_are_even_and_never_enlarged() -> None:
    assert fit_shorter((1280, 720), 360) == (640, 360)
    assert fit_shorter((200, 150), 360) == (200, 150)
    assert fit_shorter((361, 1001), 360) == (360, 998)
    assert fit_shorter((1, 1), 360) == (2, 2)
    assert fit_longer((1920, 1080), 160) == (160, 90)
    assert fit_longer((1, 4000), 160) == (1, 160)
