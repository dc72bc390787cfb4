from __future__ import annotations

import random

import numpy as np
import pytest

from stages.rules.focus import Part, events, parts, recolored, reversed_order
from stages.rules.focused import colors_shown, drawn_parts, false_texts
from synflow.records import Caption

ORDERED = "A red kite rises over the sea, then a blue boat sails past the pier."


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        (ORDERED, "A blue boat sails past the pier, then a red kite rises over the sea."),
        ("A chef cuts an onion before a waiter carries a tray.", "A waiter carries a tray, then a chef cuts an onion."),
        ("A dog barks at someone; next, a cat runs away; finally, a bird sings loudly.",
         "A bird sings loudly, then a cat runs away, then a dog barks at someone."),
    ],
)  # fmt: skip
def test_events_are_told_the_other_way_round(text: str, turned: str) -> None:
    assert reversed_order(text) == turned
    again = [event.lower() for event in events(reversed_order(text))]
    assert again == [event.lower() for event in events(text)][::-1]


@pytest.mark.parametrize(
    "text",
    [
        "A woman pours milk into a bowl, then she stirs it.",
        "A woman pours milk into a bowl, then stirs with a spoon.",
        "A man lifts a box, then the man drops the box.",
        "A red kite rises over the sea. Then a blue boat sails past.",
        "A sign reads \u201cA man walks in, then a dog barks loudly\u201d.",
        "Then a man walks.",
        "",
    ],
)
def test_what_cannot_be_turned_by_itself_is_left_alone(text: str) -> None:
    assert reversed_order(text) == ""
    assert not [part for part in parts(text) if part.kind in ("order", "event")]


def test_one_event_of_several_stands_by_itself() -> None:
    assert parts(ORDERED) == [
        Part("event", "A red kite rises over the sea."),
        Part("event", "A blue boat sails past the pier."),
    ]


def test_a_sentence_of_a_longer_caption_tells_the_order_or_the_camera() -> None:
    text = f"It is a sunny day. {ORDERED} The camera pans slowly to the left over the sea. It stays."
    kinds = {part.kind: part.text for part in parts(text)}
    assert kinds["order"] == ORDERED
    assert kinds["camera"] == "The camera pans slowly to the left over the sea."
    assert "theme" not in kinds


def test_the_first_sentence_of_an_abstract_caption_is_its_theme() -> None:
    text = "A quiet study of waiting by the sea. The colours are pale."
    assert Part("theme", "A quiet study of waiting by the sea.") in parts(text, abstract=True)
    assert parts(text) == []


def test_parts_are_drawn_of_different_kinds_and_none_that_is_taken() -> None:
    captions = [
        Caption(text=f"{ORDERED} The camera pans slowly to the left over the sea."),
        Caption(text="a, b, c", style="keywords"),
    ]
    drawn = drawn_parts(captions, [], 4, random.Random(1))
    assert [part.kind for part, _ in drawn[:3]].count("event") == 1
    assert {caption.text for _, caption in drawn} == {captions[0].text}
    assert ORDERED not in {part.text for part, _ in drawn_parts(captions, [ORDERED], 9, random.Random(1))}
    assert drawn_parts(captions, [], 0, random.Random(1)) == []


def test_a_changed_colour_is_one_that_nothing_has() -> None:
    seen = ["red", "blue", "green", "white", "black", "grey", "brown"]
    texts = {recolored("An orange kite over a house.", seen, random.Random(seed)) for seed in range(40)}
    assert texts == {f"A {color} kite over a house." for color in ("yellow", "purple", "pink")}
    assert recolored("A kite over a house.", seen, random.Random(1)) == ""
    assert recolored("Not a red kite.", seen, random.Random(1)) == ""
    told = {recolored("Red kites over a house.", seen, random.Random(seed)) for seed in range(40)}
    assert told == {f"{color} kites over a house." for color in ("Orange", "Yellow", "Purple", "Pink")}


def test_negatives_say_of_what_kind_they_are() -> None:
    made = list(false_texts(ORDERED, ["red", "blue"], random.Random(1)))
    assert [one["kind"] for one in made] == ["reversed-order", "attribute"]
    assert all(one["negative_text"] != ORDERED for one in made)
    assert list(false_texts("A kite.", [], random.Random(1))) == []


def test_colours_that_pictures_show() -> None:
    rgb = np.full((2, 60, 80, 3), 250, np.uint8)
    rgb[1, :10, :10] = (220, 30, 30)
    assert colors_shown(rgb) == ["white", "red"]


def test_what_another_caption_says_word_for_word_is_no_theme_and_a_bare_pan_no_query() -> None:
    abstract = Caption(text="A dog runs in the snow. The colours are pale.", style="abstract")
    found = drawn_parts([Caption(text="A dog runs in the snow"), abstract], [], 3, random.Random(1))
    assert found == []
    assert [part.kind for part, _ in drawn_parts([abstract], [], 3, random.Random(1))] == ["theme"]
    assert parts("The camera pans to the right.") == []
    assert parts("The view turns slowly to the left with the camera.") == []
    assert [part.kind for part in parts("The camera pans slowly to the right over a snowy field.")] == ["camera"]
