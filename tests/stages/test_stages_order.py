"""The order in which a caption tells what one thing does: it does nothing in the picture before it comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stages.rules.claims import Watched, judged

GREY, ORANGE, PINK = (130, 130, 130), (240, 130, 20), (250, 120, 190)
FACTS: dict[str, Any] = {"camera": {"motion": "still", "direction": "", "strength": 0.001}, "cuts": []}


def comes_turns_grows() -> npt.NDArray[np.uint8]:
    """An orange square comes in from the right, turns pink on its way, and then grows."""
    rgb = np.full((16, 120, 200, 3), GREY, np.uint8)
    for place in range(16):
        left = max(200 - 16 * place, 60)
        half = 14 + 4 * max(0, place - 11)
        color = ORANGE if place < 7 else PINK
        rgb[place, 60 - half : 60 + half, left : left + 2 * half] = color
    return rgb


def told(text: str, rgb: npt.NDArray[np.uint8]) -> str:
    found = judged(text, Watched(list(rgb), [0.5 * place for place in range(len(rgb))], FACTS))
    return found.get(f"in this order: {text}", "unknown")


FALSE = (
    "An orange square turns pink and then enters from the right.",
    "An orange square moves left, and then enters from the right.",
    "A pink square grows much bigger, then turns pink, and then enters from the right.",
)
TRUE = (
    "An orange square enters from the right, then turns pink, and then grows much bigger.",
    "An orange square enters from the right and then turns pink.",
)
OPEN = (
    "An orange square moves left, then leaves on the left, and then enters from the right.",
    "An orange square moves left and then comes down.",
    "An orange square moves left before a green circle enters from the right.",
)


@pytest.mark.parametrize("text", FALSE)
def test_nothing_is_done_before_coming_in(text: str) -> None:
    assert told(text, comes_turns_grows()) == "contradicted"


@pytest.mark.parametrize("text", TRUE)
def test_the_true_order_stands(text: str) -> None:
    assert told(text, comes_turns_grows()) != "contradicted"


@pytest.mark.parametrize("text", OPEN[1:])
def test_another_thing_or_another_way_of_coming_says_nothing(text: str) -> None:
    assert told(text, comes_turns_grows()) != "contradicted"


RED, BLUE, GREEN = (210, 20, 20), (20, 40, 210), (20, 170, 60)


def leaves_grows_crosses() -> npt.NDArray[np.uint8]:
    """A red square leaves on the left; then a blue one grows; then a green one begins to cross, and is not through."""
    rgb = np.full((16, 120, 200, 3), GREY, np.uint8)
    for place in range(16):
        left = 80 - 24 * max(0, place - 1)
        rgb[place, 70:94, max(0, left) : max(0, left + 24)] = RED
        half = 10 + 4 * min(5, max(0, place - 6))
        rgb[place, 40 - half : 40 + half, 150 - half : 150 + half] = BLUE
        begin = 30 * (place - 12) - 10
        rgb[place, 96:116, max(0, begin) : max(0, begin + 20)] = GREEN
    return rgb


@pytest.mark.parametrize(
    "text",
    [
        "A blue square grows much bigger, then a red square leaves to the left.",
        "A green square crosses from left to right, then a blue square grows much bigger.",
        "A green square crosses from left to right, then a red square leaves to the left.",
        "A red square leaves to the left and then comes in from the right.",
    ],
)
def test_what_was_over_before_did_not_come_after(text: str) -> None:
    assert told(text, leaves_grows_crosses()) == "contradicted"


@pytest.mark.parametrize(
    "text",
    [
        "A red square leaves to the left, then a blue square grows much bigger.",
        "A blue square grows much bigger, then a green square crosses from left to right.",
        "A red square leaves to the left, then a green square crosses from left to right.",
    ],
)
def test_what_followed_is_told_to_follow(text: str) -> None:
    assert told(text, leaves_grows_crosses()) == "supported"


def test_what_is_missed_by_a_picture_may_have_come_again() -> None:
    rgb = leaves_grows_crosses()
    rgb[3][rgb[3][..., 0] == RED[0]] = GREY
    assert told("A red square leaves to the left and then comes in from the right.", rgb) == "unknown"
