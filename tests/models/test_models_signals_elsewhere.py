from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from synflow.media.findings import Findings, findings
from synflow.models.signals.elsewhere import Thing, image_query, named, video_query

GREEN, RED, BLUE, YELLOW = (40, 160, 60), (220, 30, 30), (40, 80, 225), (245, 220, 50)


def shown(ground: tuple[int, int, int], thing: tuple[int, int, int] | None, pictures: int = 4) -> Findings:
    """A ground of one colour with a square of another one."""
    rgb = np.full((pictures, 90, 160, 3), ground, np.uint8)
    if thing:
        rgb[:, 30:55, 60:95] = thing
    return findings(list(rgb))


def facts(here: str, there: str, kinship: str, **more: Any) -> dict[str, Any]:
    return {"reference_caption": here, "source_caption": there, "kinship": kinship, "same_clip": False, **more}


def told(reference: Findings, target: Findings, about: dict[str, Any], seed: int = 1) -> str:
    found = image_query(reference, target, about, "relational", random.Random(seed))
    return found["query"] if found else ""


def test_things_of_a_caption_with_their_traits() -> None:
    assert named("A small red square slides past the blue wall in a flat animation.") == [
        Thing("square", ("small", "red"), "a small red square"),
        Thing("wall", ("blue",), "the blue wall"),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_colour_is_told_where_both_colours_are_seen(seed: int) -> None:
    about = facts("A red square rests.", "A blue square rests.", "attribute")
    text = told(shown(GREEN, RED), shown(GREEN, BLUE), about, seed)
    assert "blue" in text and "red" in text and "square" in text
    assert "blue square instead" not in told(shown(GREEN, RED), shown(GREEN, None), about, seed)
    found = video_query(shown(GREEN, RED), shown(GREEN, BLUE), about, "variation", random.Random(seed))
    assert found and 5 <= len(found["query"].split()) <= 15 and found["relation"] == "variation"


def test_a_scene_is_said_to_look_alike_only_of_partners_that_do() -> None:
    captions = ("A red kite rises.", "A blue boat sails.")
    scene = told(shown(GREEN, RED), shown(GREEN, BLUE), facts(*captions, "scene"))
    assert "a blue boat" in scene and "green" in scene
    assert told(shown(GREEN, RED), shown(GREEN, BLUE), facts(*captions, "subject")) == ""


@pytest.mark.parametrize("seed", range(4))
def test_a_shared_subject_is_named_by_its_kind_with_what_looks_different(seed: int) -> None:
    about = facts("A red kite rises.", "A red kite falls.", "subject")
    text = told(shown(GREEN, RED), shown(YELLOW, RED), about, seed)
    assert "kite" in text and "yellow" in text
    assert "red" not in text, "the picture tells the colour of the kite, and the text alone must not"


def test_of_two_things_of_a_kind_none_is_meant() -> None:
    both = "A red kite rises past a blue kite."
    assert told(shown(GREEN, RED), shown(YELLOW, RED), facts(both, "A red kite falls.", "subject")) == ""


@pytest.mark.parametrize("there", ["", "A man walks.", "It is late."])
def test_what_cannot_be_told_is_not(there: str) -> None:
    assert told(shown(GREEN, RED), shown(GREEN, BLUE), facts("A red kite rises.", there, "scene")) == ""


def test_a_caption_of_a_longer_video_is_not_believed_of_its_part() -> None:
    about = facts("A red kite rises.", "A blue boat sails.", "scene", caption_scope="video")
    assert told(shown(GREEN, RED), shown(GREEN, BLUE), about) == ""


def test_what_is_ruled_out_must_not_be_there_and_all_else_be_alike() -> None:
    about = facts("A red square rests.", "A blue square rests.", "attribute")
    assert told(shown(GREEN, RED), shown(GREEN, BLUE), about)
    rgb = np.full((4, 90, 160, 3), GREEN, np.uint8)
    rgb[:, 30:55, 20:55], rgb[:, 30:55, 90:125] = RED, BLUE
    assert "instead" not in told(shown(GREEN, RED), findings(list(rgb)), about), "the red one is there as well"
    assert told(shown(GREEN, RED), shown(YELLOW, BLUE), about) == "", "not like it at all"
    assert told(shown(GREEN, RED), shown(YELLOW, BLUE), {**about, "kinship": "subject"}) == ""


@pytest.mark.parametrize("kinship", ["subject", "attribute"])
def test_of_a_thing_that_turns_another_colour_neither_is_meant(kinship: str) -> None:
    there = "A blue square turns white." if kinship == "attribute" else "A red square turns blue while sliding left."
    about = facts("A red square rests.", there, kinship)
    text = told(shown(GREEN, RED), shown(YELLOW if kinship == "subject" else GREEN, BLUE), about)
    assert not any(word in text for word in ("square of this", "kind of square", "instead", "rather")), text
