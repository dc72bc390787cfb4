"""The geometry of a strip of frames, and the colours of its half blocks."""

from __future__ import annotations

import io

import numpy as np
import pytest
from handmade import jpeg
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from synflow.inspect.strip import LEAST_COLUMNS, MOST_ROWS, can_draw, decode, geometry, strip


@given(st.integers(1, 64), st.floats(0.05, 20), st.integers(1, 400))
def test_a_strip_fits_its_width_and_keeps_ends(count: int, aspect: float, width: int) -> None:
    layout = geometry(count, aspect, width)
    assert layout.width <= max(width, 8)
    assert 1 <= layout.rows <= MOST_ROWS
    assert list(layout.shown) == sorted(set(layout.shown)) and layout.shown[0] == 0 and layout.shown[-1] < count
    if len(layout.shown) > 1:
        assert layout.shown[-1] == count - 1


@pytest.mark.parametrize(("width", "shown"), [(70, 3), (130, 6), (200, 8), (30, 1)])
def test_fewer_frames_rather_than_tiny_ones(width: int, shown: int) -> None:
    layout = geometry(8, 16 / 9, width)
    assert len(layout.shown) == shown and layout.columns >= LEAST_COLUMNS


def test_pixels_stay_square() -> None:
    layout = geometry(4, 16 / 9, 80)
    assert layout.columns / (2 * layout.rows) == pytest.approx(16 / 9, rel=0.15)
    tall = geometry(4, 9 / 16, 80)
    assert tall.rows == MOST_ROWS and tall.columns == round(2 * MOST_ROWS * 9 / 16)


def test_half_blocks_carry_upper_and_lower_colour() -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[:45] = (255, 0, 0)
    picture[45:] = (0, 0, 255)
    lines = strip([picture], ["1.0 s"], 40)
    top, bottom = lines[0].spans[0].style, lines[-2].spans[0].style
    assert top.color.get_truecolor() == top.bgcolor.get_truecolor() == (255, 0, 0)
    assert bottom.color.get_truecolor() == (0, 0, 255)
    assert lines[-1].plain.strip() == "1.0 s"
    assert set("".join(line.plain for line in lines[:-1])) == {"▀"}


def test_a_broken_jpeg_is_no_picture() -> None:
    assert decode(b"") is None and decode(b"not a jpeg") is None
    picture = decode(jpeg(3))
    assert picture is not None and picture.shape == (90, 160, 3)


@pytest.mark.parametrize(
    ("terminal", "color", "no_color", "draws"),
    [(True, "truecolor", False, True), (True, "256", False, True), (True, "standard", False, False),
     (True, "truecolor", True, False), (False, None, False, False)],
)  # fmt: skip
def test_strips_only_where_they_can_be_seen(terminal: bool, color: str | None, no_color: bool, draws: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, color_system=color, no_color=no_color)
    assert can_draw(console) is draws
