"""A clip played backward is a negative only of texts that are measured to be true of it, and false of that."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stages.rules.backward import Backward, turned
from stages.rules.focused import with_negatives
from synflow.pairs import text_side
from synflow.records import Frame, Pair, Side, Video

GREY, RED, BLUE = (130, 130, 130), (210, 20, 20), (20, 40, 210)
STILL: dict[str, Any] = {"camera": {"motion": "still", "direction": "", "strength": 0.001}, "cuts": []}
PAN = {"motion": "pan", "direction": "left", "strength": 0.2}


def across() -> npt.NDArray[np.uint8]:
    """A red square that goes to the right."""
    rgb = np.full((8, 90, 160, 3), GREY, np.uint8)
    for place in range(8):
        rgb[place, 30:55, 10 + 15 * place : 35 + 15 * place] = RED
    return rgb


def in_turn() -> npt.NDArray[np.uint8]:
    """A red square that comes in from the left; when it is there a blue one leaves to the right."""
    rgb = np.full((16, 90, 160, 3), GREY, np.uint8)
    for place in range(16):
        right = min(12 * place, 60)
        if right:
            rgb[place, 10:30, max(0, right - 20) : right] = RED
        left = 100 + 12 * max(0, place - 9)
        rgb[place, 55:80, left : left + 25] = BLUE
    return rgb


def brighter() -> npt.NDArray[np.uint8]:
    return np.stack([np.full((90, 160, 3), 30 + 25 * place, np.uint8) for place in range(8)])


def plain() -> npt.NDArray[np.uint8]:
    return np.full((8, 90, 160, 3), GREY, np.uint8)


def clip(rgb: npt.NDArray[np.uint8], facts: dict[str, Any] = STILL) -> Backward:
    return Backward(rgb, [3.0 + 0.5 * place for place in range(len(rgb))], facts)


@pytest.mark.parametrize(
    ("rgb", "facts", "text"),
    [
        (across(), STILL, "A red square moves to the right."),
        (across(), STILL, "On grey ground a red square slides right, in a plain drawing."),
        (in_turn(), STILL, "A red square enters from the left, and then a blue square leaves to the right."),
        (brighter(), STILL, "The scene gets brighter."),
        (plain(), {"camera": {**PAN, "parts": [PAN]}, "cuts": []}, "A street; the camera pans to the left."),
    ],
)
def test_what_is_true_in_one_order_only_is_false_backward(
    rgb: npt.NDArray[np.uint8], facts: dict[str, Any], text: str
) -> None:
    assert clip(rgb, facts).belies(text)
    assert not clip(rgb[::-1], turned(facts)).belies(text), "what is false of the clip has no negative there"


@pytest.mark.parametrize(
    ("rgb", "facts", "text"),
    [
        (across(), STILL, "A red square on grey ground."),
        (across(), STILL, "A red square moves to the left."),
        (across(), STILL, "A dog runs, then it sits down."),
        (across(), {**STILL, "cuts": [1.0]}, "A red square moves to the right."),
        (plain(), STILL, "A red square moves to the right."),
        (across()[:2], STILL, "A red square moves to the right."),
        (plain(), STILL, "The camera stays still, then the scene stays the same."),
    ],
)
def test_nothing_is_made_where_the_order_cannot_be_told(
    rgb: npt.NDArray[np.uint8], facts: dict[str, Any], text: str
) -> None:
    assert not clip(rgb, facts).belies(text)


def test_facts_of_a_clip_played_backward_and_forward_again() -> None:
    camera = {
        "motion": "mixed",
        "direction": "",
        "strength": 0.2,
        "parts": [PAN, {**PAN, "motion": "zoom", "direction": "in"}],
    }
    facts = {"camera": camera, "movers": {"count": 1, "paths": [{"from": "left/top", "to": "right/top"}]}, "cuts": []}
    back = turned(facts)
    assert [part["direction"] for part in back["camera"]["parts"]] == ["out", "right"]
    assert back["movers"]["paths"] == [{"from": "right/top", "to": "left/top"}]
    assert turned(back) == facts and facts["camera"] is camera


def pair(text: str, style: Any = "summary") -> Pair:
    frames = tuple(Frame(index=n, time=float(n), width=160, height=90, digest=f"{n}", bytes=1) for n in range(2))
    goal = Video(clip_id="c1", start=0, end=4, frames=frames, digest="d")
    return Pair(
        id="p", task="t2v", query=text_side(text, style, "d"), target=Side(video=goal), instruction="Find it.",
        domain="t", record_id="r", source_id="s", source_uri="u", licence="MIT",
    )  # fmt: skip


def test_a_pair_gets_its_target_backward_as_a_negative() -> None:
    def made(one: Pair) -> list[dict[str, str]]:
        return list(with_negatives(one, ["red", "grey"], clip(across()), random.Random(1)).negatives)

    text = "A red square moves to the right."
    turned_ones = [one for one in made(pair(text)) if one["kind"] == "reversed-video"]
    assert turned_ones == [{"kind": "reversed-video", "negative_clip_id": "c1"}]
    assert not made(pair(text, "keywords"))
    assert "reversed-video" not in {one["kind"] for one in made(pair("A red square on grey ground."))}
