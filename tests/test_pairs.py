"""How pairs are put together: which pictures stand for a clip, and what may not be written."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow.ids import digest, digest_of_frames
from synflow.pairs import clip_video, faults, image_of, pair_id, segment_video, segments, shown, text_side, uniform
from synflow.records import Clip, Facts, Frame, Pair, Sample, Side, Source, Task

FACTS = Facts(
    digest="5" * 64, bytes=1, container="mp4", codec="h264", pix_fmt="yuv420p", duration=20, fps=25, frames=500,
    width=64, height=36,
)  # fmt: skip


def sample(seconds: float = 8.0, stills: int = 16) -> Sample:
    part = seconds / stills
    frames = tuple(
        Frame(index=i, time=(i + 0.5) * part, width=64, height=36, digest=digest(b"%d" % i), bytes=1)
        for i in range(stills)
    )
    return Sample(
        source=Source(record_id="r", uri="u"), clip=Clip(id="c", start=0.0, end=seconds, facts=FACTS), frames=frames
    )


@given(st.integers(1, 64), st.integers(1, 32))
def test_pictures_of_a_whole_are_spread_evenly(count: int, n: int) -> None:
    chosen = uniform(count, n)
    assert len(chosen) == min(count, n)
    assert chosen[0] == 0
    assert chosen[-1] < count
    steps = {b - a for a, b in itertools.pairwise(chosen)}
    assert not steps or (min(steps) >= 1 and max(steps) - min(steps) <= 1)
    assert uniform(2 * n, n) == tuple(range(0, 2 * n, 2))


@given(st.floats(0.5, 120), st.integers(1, 20))
def test_segments_are_within_their_bounds(seconds: float, stills: int) -> None:
    one = sample(seconds, stills)
    for first, end in segments(one, 2.0, 10.0, 0.6):
        video = segment_video(one, first, end, 8)
        assert 2.0 - 2e-3 <= video.end - video.start <= min(10.0, 0.6 * seconds) + 2e-3
        assert 0 <= video.start < video.end <= seconds + 1e-3
        assert 1 < len(video.frames) <= min(8, end - first)


def pair(task: Task, query: Side, target: Side, **change: Any) -> Pair:
    fields: dict[str, Any] = {
        "id": pair_id(task, query, target), "task": task, "query": query, "target": target, "instruction": "i",
        "domain": "cg", "record_id": "r", "source_id": "s", "source_uri": "u", "licence": "MIT", **change,
    }  # fmt: skip
    return Pair(**fields)


def sound() -> dict[str, Pair]:
    """One sound pair of each task, made by hand."""
    one = sample()
    whole, first, last = clip_video(one, 8), segment_video(one, 0, 6, 8), segment_video(one, 8, 14, 8)
    image = image_of(one, 3)
    mixed = digest_of_frames([image.frame.digest, *shown(last)])
    moving = digest_of_frames([*shown(first), *shown(last)])
    still = digest_of_frames([image.frame.digest])
    return {
        "t2v": pair("t2v", text_side("a", "raw", whole.digest), Side(video=whole)),
        "t2i": pair("t2i", text_side("a", "frame", still), Side(image=image)),
        "i2v": pair("i2v", Side(image=image), Side(video=whole)),
        "t2t": pair("t2t", text_side("a", "raw", "x"), text_side("b", "raw", "x")),
        "v2v": pair("v2v", Side(video=first), Side(video=whole)),
        "ti2v": pair("ti2v", text_side("a", "composed", mixed).model_copy(update={"image": image}), Side(video=last)),
        "tv2v": pair("tv2v", text_side("a", "composed", moving).model_copy(update={"video": first}), Side(video=last)),
    }


@pytest.mark.parametrize("task", sorted(sound()))
def test_sound_pairs_have_no_faults(task: str) -> None:
    assert faults(sound()[task]) == ()


@pytest.mark.parametrize("task", ["t2v", "t2i", "t2t", "ti2v", "tv2v"])
def test_a_text_bound_to_other_pictures_is_a_fault(task: str) -> None:
    good = sound()[task]
    assert good.query.text is not None
    text = good.query.text.model_copy(update={"bound": "0" * 64})
    bad = good.model_copy(update={"query": good.query.model_copy(update={"text": text})})
    assert faults(bad) == ("a text is bound to other pictures",)


@pytest.mark.parametrize("task", sorted(sound()))
def test_missing_and_added_fields_are_faults(task: str) -> None:
    good = sound()[task]
    assert faults(good.model_copy(update={"query": Side()}))
    assert faults(good.model_copy(update={"target": Side()}))
    assert faults(good.model_copy(update={"id": "0" * 24})) == ("the id does not follow from the content",)


def test_a_target_that_shows_the_query_is_a_fault() -> None:
    one = sample()
    first, last, image = segment_video(one, 0, 6, 8), segment_video(one, 4, 12, 8), image_of(one, 5)
    moving = text_side("a", "composed", digest_of_frames([*shown(first), *shown(last)]))
    tv2v = pair("tv2v", moving.model_copy(update={"video": first}), Side(video=last))
    assert faults(tv2v) == ("the target shows pictures of the query",)
    mixed = text_side("a", "composed", digest_of_frames([image.frame.digest, *shown(last)]))
    ti2v = pair("ti2v", mixed.model_copy(update={"image": image}), Side(video=last))
    assert faults(ti2v) == ("the target shows the query's picture",)


def test_equal_sides_swapped_frames_and_blank_texts_are_faults() -> None:
    whole = clip_video(sample(), 8)
    assert faults(pair("v2v", Side(video=whole), Side(video=whole))) == ("query and target are the same",)
    torn = whole.model_copy(update={"frames": whole.frames[::-1]})
    assert faults(pair("v2v", Side(video=whole), Side(video=torn))) == ("target video does not match its frames",)
    blank = text_side(" ", "raw", whole.digest)
    assert faults(pair("t2v", blank, Side(video=whole))) == ("query text is empty",)


def test_a_sample_without_a_clip_stands_in_no_pair() -> None:
    bare = sample().having(clip=None)
    assert segments(bare, 2.0, 10.0, 0.6) == ()
    for make in (lambda: clip_video(bare, 8), lambda: image_of(bare, 0), lambda: segment_video(bare, 0, 2, 8)):
        with pytest.raises(ValueError, match="clip"):
            make()
