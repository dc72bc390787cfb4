"""Strange text is made safe before it reaches a terminal; numbers keep their units."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow.console import clean, count_of, duration_of, listed, number_of, people, size_of


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(1, 80))
def test_nothing_that_a_terminal_obeys_is_left(text: str, limit: int) -> None:
    shown = clean(text, limit)
    kinds = {unicodedata.category(char) for char in shown if char not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a \x1b[31mred\x1b[0m", r"a \x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("nul\x00 c1\x9b2J", r"nul\x00 c1\x9b2J"),
        ("right \u202eto left\u2066", r"right \u202eto left\u2066"),
        ("lone \ud800 half", r"lone \ud800 half"),
        ("two\r\nlines\tand\u2028more", "two lines and more"),
        ("[bold]no markup[/bold]", "[bold]no markup[/bold]"),
        ("e" + "\u0301" * 40 + "x", "e\u0301\u0301x"),
        ("naïve 東京 🎬", "naïve 東京 🎬"),
    ],
)
def test_each_kind_is_spelled_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_long_text_is_cut_and_the_rest_is_counted() -> None:
    shown = clean("word " * 10_000, 50)
    assert shown.startswith("word word") and shown.endswith("… (+9,990 words)")
    assert len(clean("x" * 10_000, 50)) == 51


def test_markup_is_printed_as_it_stands() -> None:
    stream = io.StringIO()
    people(stream).print("[red]not red[/red] :smile:")
    assert stream.getvalue() == "[red]not red[/red] :smile:\n"


def test_numbers_with_units() -> None:
    assert [count_of(n, "pair") for n in (0, 1, 1024)] == ["0 pairs", "1 pair", "1,024 pairs"]
    assert [number_of(n) for n in (0.03124, 14.23, 1920.0, -0.5, float("nan"))] == [
        "0.0312",
        "14.2",
        "1,920",
        "-0.5",
        "nan",
    ]
    assert [size_of(n) for n in (12, 12_900_000, 3 << 40)] == ["12 B", "12.3 MiB", "3.0 TiB"]
    assert [duration_of(n) for n in (3.21, 59, 200, 3_700, 90_000)] == [
        "3.2 s",
        "59 s",
        "3 min 20 s",
        "1 h 01 min",
        "1 d 1 h",
    ]
    assert listed({"a": 1, "b": 2_000, "c": 3}, 2) == "a 1 · b 2,000 · 1 more"
