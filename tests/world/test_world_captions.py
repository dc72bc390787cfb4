"""Captions: their lengths, their grammar, and that they say what the script says."""

from __future__ import annotations

import re

import pytest

from synflow.world.captions import LIMITS, captions, words
from synflow.world.plot import write_script
from synflow.world.script import COLORS, SHAPES

COUNT = 300
NOUN = re.compile(rf"\b({'|'.join(COLORS)}) ({'|'.join(SHAPES)})\b")


@pytest.fixture(scope="module")
def told():
    return [(script, captions(script)) for script in (write_script(42, i) for i in range(COUNT))]


def test_every_caption_keeps_its_limits(told):
    for script, texts in told:
        assert set(texts) == set(LIMITS)
        for style, text in texts.items():
            assert LIMITS[style][0] <= words(text) <= LIMITS[style][1], (script.id, style, text)


def test_grammar(told):
    for script, texts in told:
        for style, text in texts.items():
            assert not re.search(r"\b[Aa] [aeiou]", text), (script.id, text)
            assert not re.search(r"\b[Aa]n [^aeiou]", text), (script.id, text)
            assert not re.search(r"  |,,|\.\.| ,| ;|\b(\w+) \1\b", text), (script.id, text)
            if style != "keywords":
                assert text[0].isupper()
                assert text.endswith(".")


def test_captions_name_only_movers_that_are_there(told):
    for script, texts in told:
        there = {(m.color, m.shape) for m in script.movers}
        there |= {(e.color, script.movers[e.mover].shape) for e in script.events if e.color}
        for text in texts.values():
            assert set(NOUN.findall(text)) <= there, (script.id, text)


def test_the_dense_caption_tells_all_events_in_their_order(told):
    for script, texts in told:
        text = texts["dense"]
        assert text.count("cut") == len(script.shots) - 1
        first = list(dict.fromkeys(e.mover for e in script.events))
        assert all(script.movers[m].shape in text for m in first)
        if len(script.events) > 1:
            assert text.index("First,") < max(text.find(w) for w in ("Finally,", "At last,", "In the end,"))


def test_directions_are_those_of_the_script(told):
    for script, texts in told:
        if len(script.events) != 1 or script.events[0].kind not in {"enter", "cross"}:
            continue
        event, text = script.events[0], texts["summary"]
        if event.kind == "cross":
            assert f"from {event.origin} to {event.toward}" in text, text
        elif event.origin in {"left", "right"}:
            assert f"from the {event.origin}" in text, text


def test_captions_of_different_clips_differ(told):
    for style in ("summary", "dense", "abstract"):
        assert len({texts[style] for _, texts in told}) == COUNT


def test_a_salt_words_the_same_facts_differently():
    script = write_script(42, 5)
    assert captions(script) == captions(script)
    assert captions(script, "again")["dense"] != captions(script)["dense"]
