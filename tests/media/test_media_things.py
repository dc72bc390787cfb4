from __future__ import annotations

import math

import numpy as np
import pytest

from synflow.media.things import courses

GREY, RED, BLUE = (130, 130, 130), (210, 20, 20), (20, 40, 210)


def film(*places, size=20, color=RED):
    """Return pictures of squares: for each picture the left and upper corners of all of them."""
    pictures = []
    for corners in places:
        picture = np.full((90, 160, 3), GREY, np.uint8)
        for x, y in corners:
            left, top = max(0, x), max(0, y)
            picture[top : max(0, y + size), left : max(0, x + size)] = color
        pictures.append(picture)
    return pictures


def test_a_thing_that_comes_in_and_leaves_is_followed_from_side_to_side():
    course = courses(film(*[[(x, 30)] for x in range(-40, 200, 16)]))["red"]
    assert (course.entry(), course.exit()) == ("left", "right")
    assert course.comes is not None
    assert course.goes is not None
    assert course.comes < course.goes


@pytest.mark.parametrize(
    ("rows", "entry", "exit_"),
    [
        ([[(70, y)] for y in range(-36, 40, 8)], "up", None),
        ([[(70, y)] for y in range(30, 110, 8)], None, "down"),
        ([[(x, 30)] for x in range(60, -40, -8)], None, "left"),
        ([[(60 + 2 * i, 30)] for i in range(10)], None, None),
    ],
)
def test_sides(rows, entry, exit_):
    course = courses(film(*rows))["red"]
    assert (course.entry(), course.exit()) == (entry, exit_)


def test_nothing_is_told_of_a_colour_in_two_places_or_all_over():
    two = [[(20 + 4 * i, 10), (20 + 4 * i, 60)] for i in range(8)]
    assert "red" not in courses(film(*two))
    assert "red" not in courses(film(*[[(5, 5)]] * 8, size=85))
    assert courses(film(*[[]] * 8)) == {}


def test_a_thing_that_grows_tells_when():
    pictures = [film([(60, 30)], size=size)[0] for size in (10, 10, 10, 12, 18, 24, 26, 26, 26, 26)]
    found = courses(pictures)["red"].swells()
    assert 2.2 <= found.ratio <= 2.9
    assert (found.begins, found.ends) == (2, 6)
    # What grows from the first picture on, or to the last one, may do so before and after.
    assert courses(pictures[3:])["red"].swells().begins == -math.inf
    assert courses(pictures[:6])["red"].swells().ends == math.inf


def test_a_thing_that_grows_over_a_border_is_measured_along_it():
    pictures = [film([(60 - size // 2, 70 - size // 2)], size=size)[0] for size in (20, 20, 20, 30, 44, 52, 52, 52)]
    course = courses(pictures)["red"]
    assert [thing.cut for thing in course.seen] == [False] * 3 + [False] + [True] * 4
    found = course.swells()
    assert 2.3 <= found.ratio <= 2.9
    assert (found.begins, found.ends) == (2, 5)


def test_a_flash_is_no_thing_that_came_in():
    rows = [[(-10, 30)] if i == 4 else [] for i in range(12)] + [[(4, 30)]] + [[]] * 3
    found = courses(film(*rows)).get("red")
    assert found is None or (found.entry(), found.exit()) == (None, None)


def test_what_covers_its_hull_is_of_one_piece():
    one = courses(film(*[[(20 + 5 * i, 30)] for i in range(8)]))["red"]
    assert min(thing.fill for thing in one.seen) > 0.95
    corner = film(*[[(20 + 5 * i, 20), (32 + 5 * i, 38)] for i in range(8)])
    assert max(thing.fill for thing in courses(corner)["red"].seen) < 0.9


def fork(*tops):
    """Return pictures of a thing with two prongs downward, by the row at which it begins."""
    pictures = []
    for top in tops:
        picture = np.full((90, 160, 3), GREY, np.uint8)
        for left, right, high in ((50, 100, 16), (50, 64, 36), (86, 100, 36)):
            picture[max(0, top) : max(0, top + high), left:right] = RED
        pictures.append(picture)
    return pictures


def test_what_the_border_leaves_of_a_thing_is_one_thing():
    course = courses(fork(40, 34, 28, 21, 14, 6, -2, -10, -20))["red"]
    assert course.seen[-1] is not None
    assert course.seen[-1].right - course.seen[-1].left > 0.25
    assert (course.exit(), course.goes) == ("up", 8)


def test_two_things_at_a_border_stay_two():
    pictures = film(*[[(50, y), (90, y)] for y in range(40, -18, -8)])
    assert "red" not in courses(pictures)
    # One picture with one of them does not make one of both.
    assert "red" not in courses([*pictures[:-1], film([(50, -10)])[0], film([(50, -14), (90, -14)])[0]])
    # Nor does one that is not at that border.
    wide = film([(50, 30), (60, 30), (75, 30), (90, 30)])[0]
    assert "red" not in courses([*[wide] * 4, film([(50, -10), (90, -10)])[0]])


def test_a_thing_that_passes_behind_another_is_one_thing():
    pictures = film(*[[(x, 20)] for x in range(10, 120, 10)], size=40)
    poled = [picture.copy() for picture in pictures]
    for picture in poled:
        picture[:, 76:84] = BLUE
    course = courses(poled)["red"]
    assert course.lasting
    assert len(course.places) == len(pictures)
    # Cut in two with nothing before it, they are two things.
    for picture in pictures[4:7]:
        picture[:, 76:84] = GREY
    assert "red" not in courses(pictures)
