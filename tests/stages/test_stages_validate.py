from __future__ import annotations

import pytest
from curation_films import Films, facts_of, hold, sample_of, texture

from stages.validate import Validate, ValidateConfig
from synflow.contract import Drop, Keep, Stage
from synflow.errors import ClipFailure
from synflow.ids import make_id
from synflow.records import Facts, Sample


def judge(config: ValidateConfig | None = None, start: float | None = None, end: float | None = None, **facts: object):
    ctx = Films(probes={"a": facts_of(**facts)})
    outcome = Validate(config)([sample_of("a", start=start, end=end)], ctx)[0]
    assert ctx.scanned == 0, "a probe is enough"
    return outcome


def test_is_a_stage():
    assert isinstance(Validate(), Stage)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"width": 640, "height": 200}, "too-small"),
        ({"duration": 1.5, "frames": 38}, "too-short"),
        ({"duration": 3.0, "frames": 3}, "too-short"),
        ({"duration": 700.0, "frames": 17500}, "too-long"),
        ({"width": 1280, "height": 300}, "odd-aspect"),
        ({"width": 250, "height": 900}, "odd-aspect"),
        ({"frames": 0}, "no-video"),
    ],
)
def test_drops_with_its_reason_and_measures(facts: dict[str, object], reason: str):
    outcome = judge(**facts)
    assert isinstance(outcome, Drop)
    assert outcome.reason == reason
    assert reason in Validate.reasons
    assert outcome.measures["validate.fps"] == 25.0


@pytest.mark.parametrize(
    "facts",
    [
        {"duration": 1.999, "frames": 60},
        {"duration": 2.0, "frames": 8, "fps": 4.0},
        {"width": 360, "height": 640},
        {"width": 426, "height": 240},
    ],
)
def test_keeps_what_is_just_good_enough(facts: dict[str, object]):
    assert isinstance(judge(**facts), Keep)


def test_makes_the_whole_clip():
    outcome = judge(duration=4.0)
    assert isinstance(outcome, Keep)
    clip = outcome.sample.clip
    assert clip is not None
    assert (clip.start, clip.end, clip.cut) == (0.0, 4.0, "whole")
    assert clip.id == make_id("clip", facts_of().digest, 0.0, 4.0, "whole")
    assert outcome.sample.source.digest == facts_of().digest


def test_an_asked_span_becomes_the_clip():
    outcome = judge(start=5.0, end=9.0, duration=20.0, frames=500)
    assert isinstance(outcome, Keep)
    assert outcome.sample.clip is not None
    assert (outcome.sample.clip.start, outcome.sample.clip.end, outcome.sample.clip.cut) == (5.0, 9.0, "asked")
    assert outcome.sample.measures["validate.duration"] == 4.0


def test_an_asked_span_is_cut_at_the_end_of_the_video():
    outcome = judge(start=15.0, end=90.0, duration=20.0, frames=500)
    assert isinstance(outcome, Keep)
    assert outcome.sample.clip is not None
    assert outcome.sample.clip.end == 20.0


@pytest.mark.parametrize(("start", "end"), [(25.0, 30.0), (9.0, 5.0), (20.0, None)])
def test_a_span_outside_the_video_is_dropped(start: float, end: float | None):
    outcome = judge(start=start, end=end, duration=20.0, frames=500)
    assert isinstance(outcome, Drop)
    assert outcome.reason == "bad-span"


def test_a_short_part_of_a_long_video_is_too_short():
    outcome = judge(start=1.0, end=2.0, duration=20.0, frames=500)
    assert isinstance(outcome, Drop)
    assert outcome.reason == "too-short"


def test_an_unknown_length_is_learned_from_the_pictures():
    ctx = Films(films={"a": hold(texture(1), 3.0)}, probes={"a": facts_of(duration=0.0, frames=75)})
    outcome = Validate()([sample_of("a")], ctx)[0]
    assert isinstance(outcome, Keep)
    assert outcome.sample.clip is not None
    assert outcome.sample.clip.end == 3.0


def test_limits_are_parameters():
    strict = ValidateConfig(min_short_side=400)
    assert isinstance(judge(strict), Drop)
    assert isinstance(judge(ValidateConfig(min_duration=1.0), duration=1.5, frames=30), Keep)


def test_a_failure_of_the_media_passes_through():
    class Torn(Films):
        def facts(self, sample: Sample) -> Facts:
            raise ClipFailure("unreadable", "no index")

    with pytest.raises(ClipFailure, match="unreadable"):
        Validate()([sample_of("a")], Torn())


def test_each_outcome_belongs_to_its_sample():
    ctx = Films(probes={"a": facts_of("a"), "b": facts_of("b", width=100)})
    first, second = Validate()([sample_of("a"), sample_of("b")], ctx)
    assert isinstance(first, Keep)
    assert isinstance(second, Drop)
