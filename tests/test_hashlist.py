"""Lists of what must not be in a dataset: written line by line, read as a whole, and refused with the line at fault."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synflow.errors import UsageError
from synflow.hashlist import (
    FORMAT,
    OVERLAP,
    PIECE,
    HashList,
    caption_hash,
    caption_line,
    has_words,
    head_line,
    read_list,
    video_lines,
)
from synflow.ids import canonical
from synflow.media.signature import track


def pictures(count: int) -> np.ndarray:
    """Return pictures in which a bright bar wanders."""
    out = np.random.default_rng(1).integers(0, 120, (1, 24, 32)).repeat(count, axis=0).astype(np.uint8)
    for place, picture in enumerate(out):
        begin = place % 28
        picture[4:20, begin : begin + 4] = 250
    return out


def written(*lines: dict[str, object]) -> bytes:
    return b"".join(canonical(line) + b"\n" for line in (head_line("bench"), *lines))


@pytest.mark.parametrize(
    "other",
    ["a man  PLAYS the guitar!", "A man plays the guitar.", "\ta man, plays -- the guitar", "a_man_plays_the_guitar"],
)
def test_captions_that_say_the_same_share_a_hash(other: str) -> None:
    assert caption_hash(other) == caption_hash("a man plays the guitar")


@pytest.mark.parametrize(
    ("one", "other"),
    [("it's a café", "its a cafe"), ("don\u2019t", "don't"), ("STRASSE", "stra\u00dfe"), ("\ufb01re", "fire")],
)
def test_apostrophes_accents_and_letter_forms_do_not_matter(one: str, other: str) -> None:
    assert caption_hash(one) == caption_hash(other)


def test_other_words_or_another_order_have_another_hash() -> None:
    texts = [
        "a man plays the guitar",
        "a man plays a guitar",
        "the guitar plays a man",
        "aman plays the guitar",
        "男人",
    ]
    assert len({caption_hash(text) for text in texts}) == len(texts)


@settings(max_examples=25)
@given(st.text(max_size=40))
def test_a_hash_is_of_16_digits_whatever_the_text(text: str) -> None:
    assert len(caption_hash(text)) == 16
    assert int(caption_hash(text), 16) >= 0
    assert caption_hash(text) == caption_hash(f"  {text}\n")


def test_what_has_no_words_is_known() -> None:
    assert [has_words(text) for text in ("", " ?! ", "...", "a", "7", "猫")] == [False] * 3 + [True] * 3


def test_a_list_is_read_as_it_was_written() -> None:
    times, luma = np.arange(60) / 10, pictures(60)
    lines = [*video_lines("v1", "d" * 64, times, luma), caption_line("v1", "two cats"), caption_line("v2", "Two cats!")]
    found = read_list(written(*lines), "bench.jsonl")
    assert found.name == "bench"
    (video,) = found.videos
    assert (video.name, video.digest, video.span) == ("v1", "d" * 64, (0.0, 5.9))
    assert np.array_equal(video.signature.thumbs, track(times, luma).thumbs)
    # Of a caption that stands there twice the first is named.
    assert found.captions == {caption_hash("two cats"): "v1"}


def test_an_empty_list_is_a_list() -> None:
    assert read_list(written(), "bench.jsonl") == HashList("bench", (), {})


def test_a_long_video_has_lines_that_overlap_and_cover_it() -> None:
    times = np.arange(0.0, 600, 2)
    spans = [line["span"] for line in video_lines("v", "d" * 64, times, pictures(len(times)))]
    assert len(spans) == 3
    assert spans[0][0] == 0
    assert spans[-1][1] == times[-1]
    for (begin, end), (following, _) in pairwise(spans):
        assert end - begin < PIECE
        assert end - following == OVERLAP


HEAD = head_line("bench")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "no list of hashes"),
        (b"{}\n", ":1: not a line"),
        (canonical({**HEAD, "kind": "manifest"}), "no list of hashes"),
        (canonical({**HEAD, "format": FORMAT + 1}), "no list of hashes"),
        (written()[:-20], ":1: not a line"),
        (written({"kind": "caption", "name": "v"}), ":2: not a line"),
        (written({"kind": "video", "name": "v", "digest": "d", "span": [0, 1], "thumbs": "AAAA"}), ":2: not a line"),
        (written({"kind": "video", "name": "v", "digest": "d", "span": [0], "thumbs": "AAAA"}), ":2: not a line"),
        (written(caption_line("v", "x")) + b"[1]\n", ":3: not a line"),
        (written() + b"\xff\xfe\n", ":2: not a line"),
    ],
)
def test_what_is_no_list_is_refused_with_the_line(data: bytes, fault: str) -> None:
    with pytest.raises(UsageError, match=r"bench\.jsonl") as refused:
        read_list(data, "bench.jsonl")
    assert fault in str(refused.value)
