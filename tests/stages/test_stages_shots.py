from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from curation_films import Films, dissolve, facts_of, hold, sample_of, texture, walk
from pydantic import ValidationError

from stages.shots import RULE, Shots, ShotsConfig
from synflow.contract import Drop, Keep, Scan, Split, Stage
from synflow.media.spans import clip_of
from synflow.records import Sample


def film(seed: int, seconds: float) -> np.ndarray:
    return walk(texture(seed), seconds)


def cut(pictures: np.ndarray, **config: float):
    return Shots(ShotsConfig(**config))([sample_of("a", "a cat and a dog")], Films({"a": pictures}))[0]


def test_is_a_stage():
    assert isinstance(Shots(), Stage)


def test_one_shot_stays_whole_with_its_id():
    ctx = Films({"a": film(1, 4)})
    sample = sample_of("a", clip=True)
    outcome = Shots()([sample], ctx)[0]
    assert isinstance(outcome, Keep)
    assert outcome.sample.clip == sample.clip
    assert outcome.sample.measures["shots.count"] == 1
    assert outcome.sample.facts["caption_scope"] == "clip"


def test_makes_the_clip_where_no_stage_did():
    outcome = cut(film(1, 4))
    assert isinstance(outcome, Keep)
    assert outcome.sample.clip is not None
    assert (outcome.sample.clip.start, outcome.sample.clip.end, outcome.sample.clip.cut) == (0.0, 4.0, "whole")


def test_splits_at_a_cut():
    outcome = cut(np.concatenate([film(1, 3), film(2, 4)]))
    assert isinstance(outcome, Split)
    clips = [sample.clip for sample in outcome.samples]
    assert [(clip.start, clip.end, clip.cut, clip.place, clip.of) for clip in clips if clip] == [
        (0.0, 3.0, RULE, 0, 2),
        (3.0, 7.0, RULE, 1, 2),
    ]
    assert len({clip.id for clip in clips if clip}) == 2
    assert {sample.facts["caption_scope"] for sample in outcome.samples} == {"video"}
    assert outcome.samples[0].captions[0].text == "a cat and a dog"


def test_pictures_that_were_left_out_at_a_cut_belong_to_neither_side():
    class Sparse(Films):
        def scan(self, sample: Sample) -> Scan:
            scan = super().scan(sample)
            return replace(scan, times=scan.times[::3], until=scan.until[::3], luma=scan.luma[::3])

    outcome = Shots()([sample_of("a")], Sparse({"a": np.concatenate([film(1, 3.04), film(2, 4)])}))[0]
    assert isinstance(outcome, Split)
    # Looked at were the pictures 75 and 78: of 76, the first of the new shot, and of 77 nobody knows.
    assert [(s.clip.start, s.clip.end) for s in outcome.samples if s.clip] == [(0.0, 3.04), (3.12, 7.04)]


def test_a_dissolve_belongs_to_neither_side():
    outcome = cut(dissolve(film(1, 4), film(2, 4), 0.8))
    assert isinstance(outcome, Split)
    first, second = (sample.clip for sample in outcome.samples)
    assert first is not None
    assert second is not None
    assert first.end <= 3.5
    assert second.start >= 3.7


def test_short_shots_are_left_out():
    outcome = cut(np.concatenate([film(1, 3), film(2, 1), film(3, 3)]))
    assert isinstance(outcome, Split)
    assert [(s.clip.start, s.clip.end) for s in outcome.samples if s.clip] == [(0.0, 3.0), (4.0, 7.0)]
    assert outcome.samples[0].measures["shots.count"] == 3


def test_nothing_but_short_shots_is_dropped():
    outcome = cut(np.concatenate([film(1, 1.5), film(2, 1.5)]))
    assert isinstance(outcome, Drop)
    assert outcome.reason == "too-short"
    assert outcome.measures["shots.cuts"] == 1


def test_a_long_shot_is_divided_evenly():
    outcome = cut(film(1, 12), max_clip=5.0)
    assert isinstance(outcome, Split)
    assert [(s.clip.start, s.clip.end) for s in outcome.samples if s.clip] == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0)]


def test_a_long_shot_is_divided_at_a_lesser_change():
    pictures = hold(texture(1), 12)
    pictures[163:, 60:, :60] = texture(3)[60:, :60]
    outcome = cut(pictures, max_clip=8.0)
    assert isinstance(outcome, Split)
    assert [(s.clip.start, s.clip.end) for s in outcome.samples if s.clip] == [(0.0, 6.52), (6.52, 12.0)]


def test_a_shot_just_over_the_limit_stays_whole():
    assert isinstance(cut(film(1, 5.2), max_clip=5.0), Keep)


def test_only_the_asked_span_is_searched():
    sample = sample_of("a", clip=True)
    ctx = Films({"a": np.concatenate([film(1, 3), film(2, 5)])})
    sample = sample.having(clip=clip_of(facts_of(), 4.0, 8.0, "asked"))
    outcome = Shots()([sample], ctx)[0]
    assert isinstance(outcome, Keep)
    assert outcome.sample.clip == sample.clip


def test_a_torn_video_ends_where_its_pictures_end():
    ctx = Films({"a": film(1, 3)}, probes={"a": facts_of(duration=60.0)})
    sample = sample_of("a").having(clip=clip_of(facts_of(duration=60.0), 0.0, 60.0))
    outcome = Shots()([sample], ctx)[0]
    assert isinstance(outcome, Split)
    assert outcome.samples[0].clip is not None
    assert outcome.samples[0].clip.end == 3.0


def test_limits_that_cannot_be_met_are_refused():
    with pytest.raises(ValidationError, match="at least twice"):
        ShotsConfig(min_clip=4.0, max_clip=5.0)
