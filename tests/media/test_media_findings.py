"""What is named and what is said to travel: no colour of a seam, no way that nothing went."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from synflow.media.colors import COLORS, color_map, shares_of, solid
from synflow.media.findings import findings, one_way
from synflow.media.looks import look
from synflow.media.told import sure_paths

Rgb = npt.NDArray[np.uint8]

LINE = [(0.1 + 0.1 * step, 0.5) for step in range(8)]


@pytest.mark.parametrize(
    ("places", "straight"),
    [
        (LINE, True),
        (LINE[::-1], True),
        ([(0.2, 0.5), (0.2, 0.52), (0.21, 0.5), (0.8, 0.5), (0.8, 0.51)], False),  # one thing goes, another comes
        ([(0.5, 0.2), (0.5, 0.8), (0.5, 0.3), (0.5, 0.8), (0.5, 0.5)], False),  # it bounces
        ([(0.5, 0.5)] * 4, False),
    ],
)
def test_one_way_is_a_way_that_one_thing_went(places: list[tuple[float, float]], straight: bool) -> None:
    assert one_way(places) is straight


def film(places: list[tuple[float, float]], colors: list[tuple[int, int, int]]) -> list[Rgb]:
    pictures = []
    for (x, y), color in zip(places, colors, strict=True):
        picture = np.full((144, 256, 3), 170, dtype=np.uint8)
        left, top = int(x * 256), int(y * 144)
        picture[max(0, top - 16) : top + 16, max(0, left - 16) : left + 16] = color
        pictures.append(picture)
    return pictures


def test_a_thing_that_crosses_is_seen_and_two_in_turn_are_not_one() -> None:
    red, blue = (220, 30, 30), (30, 60, 220)
    mover = findings(film(LINE, [red] * 8)).mover
    assert mover is not None and mover.color == "red" and mover.end[0] > mover.start[0] + 0.5
    assert findings(film(LINE, [red] * 4 + [blue] * 4)).mover is None
    jump = [(0.15, 0.5), (0.16, 0.52), (0.17, 0.5), (0.18, 0.5), (0.82, 0.5), (0.83, 0.52), (0.84, 0.5), (0.85, 0.5)]
    found = findings(film(jump, [red] * 8))
    assert found.mover is None and found.patch is None


def test_a_crooked_path_is_not_told() -> None:
    path = {"from": "left/middle", "to": "right/middle", "share": 0.05, "start": 0.0, "end": 4.0}
    facts = {"camera": {"motion": "still", "direction": "", "strength": 0.0}}
    for straight, number in ((True, 1), (False, 0)):
        told = {**facts, "movers": {"count": 1, "paths": [{**path, "straight": straight}]}}
        assert len(sure_paths(told)) == number


def test_the_seam_between_two_colors_has_no_name() -> None:
    named = np.full((9, 12), COLORS.index("red"), dtype=np.int8)
    named[:, 5], named[:, 6:] = COLORS.index("brown"), COLORS.index("green")
    assert shares_of(named)["brown"] > 0
    shares = shares_of(solid(named))
    assert shares["brown"] == 0 and shares["red"] > 0.3 and shares["green"] > 0.4


def test_stripes_of_red_and_green_hold_no_brown() -> None:
    picture = np.zeros((144, 256, 3), dtype=np.uint8)
    for start in range(0, 256, 23):
        picture[:, start : start + 23] = (200, 40, 30) if start % 2 else (40, 160, 50)
    assert look(picture).colors["brown"] == 0
    assert min(look(picture).colors[color] for color in ("red", "green")) > 0.2
    assert color_map(picture).max() >= 0
