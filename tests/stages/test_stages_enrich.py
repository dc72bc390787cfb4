from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from caption_bench import Bench, Says, Shown, sample
from pydantic import ValidationError

from stages.enrich import STYLES, Enrich, draw_emphasis
from synflow.answers import fault_of, faults_of, is_repetitive
from synflow.asks import Answer, Refusal
from synflow.contract import Drop, Keep, Stage
from synflow.ids import digest_of_frames, rng_of
from synflow.media.keyframes import choose_key_frames
from synflow.pairs.draw import source_caption
from synflow.records import Caption


def enrich(samples, vlm=None, **config):
    return Enrich(Enrich.Config(**config))(samples, Bench(vlm))


def answer(ask, value, bound=None):
    return Answer(ask.digest("says"), value, "says", bound=ask.bound if bound is None else bound)


def test_it_is_a_stage():
    assert isinstance(Enrich(Enrich.Config()), Stage)


def test_five_styles_and_five_frame_captions_bound_to_what_was_shown():
    (outcome,) = enrich([sample("a", "A red square slides along.")])
    assert isinstance(outcome, Keep)
    made = [caption for caption in outcome.sample.captions if caption.origin == "model"]
    assert [caption.style for caption in made] == [*STYLES, *["frame"] * 5]
    stills = Shown().all
    shown = digest_of_frames(picture.digest for picture in stills.pictures[::2])
    assert {caption.bound for caption in made[:5]} == {shown}
    (index,) = outcome.sample.key_frames
    assert index % 2 == 1  # not one of the pictures that stand for the clip
    assert {(caption.frame, caption.bound) for caption in made[5:]} == {
        (index, digest_of_frames([stills.pictures[index].digest]))
    }
    assert all(caption.use and caption.use.model == "signals/3" and caption.use.prompt_digest for caption in made)
    assert outcome.sample.measures["enrich.kept"] == 10
    assert outcome.sample.measures["enrich.faults"] == 0
    assert outcome.sample.measures["enrich.short_and_long"] is True


def test_every_caption_carries_what_the_own_caption_names():
    (outcome,) = enrich([sample("a", "A red square slides along a grey wall.")])
    for caption in outcome.sample.captions:
        assert "red square" in caption.text.lower() or "grey wall" in caption.text.lower(), caption.text


def test_it_is_deterministic_and_does_not_depend_on_neighbours():
    one, two = sample("a", "A red square slides along."), sample("b")
    assert enrich([one, two])[0] == enrich([one])[0]
    assert enrich([one])[0] == enrich([one])[0]


def test_all_asks_of_a_shard_go_in_one_call():
    vlm = Says(lambda ask: Refusal(ask.digest("says"), "no-answer"))
    enrich([sample("a", "x"), sample("b", "y")], vlm)
    assert len(vlm.asks) == 1
    assert [ask.prompt for ask in vlm.asks[0]] == ["video-captions", "frame-captions"] * 2
    assert [ask.affinity for ask in vlm.asks[0]] == ["clip-a", "clip-a", "clip-b", "clip-b"]
    assert len(vlm.asks[0][0].pictures) == 8


def test_key_frames_of_an_earlier_stage_are_used():
    (outcome,) = enrich([sample("a", "x").having(key_frames=(3, 9, 14))], key_frames=2)
    assert outcome.sample.key_frames == (3, 9, 14)
    assert {c.frame for c in outcome.sample.captions if c.style == "frame"} == {3, 9}


def test_without_frame_captions_no_key_frame_is_asked_about():
    vlm = Says(lambda ask: Refusal(ask.digest("says"), "no-answer"))
    enrich([sample("a", "x")], vlm, frame_captions=False)
    assert [ask.prompt for ask in vlm.asks[0]] == ["video-captions"]


GOOD = {
    "1": "a red square slides over a plain grey ground from left to right",
    "2": " ".join(f"word{i}" for i in range(120)),
    "3": " ".join(f"idea{i}" for i in range(40)),
    "4": "red, square, grey, plain, sliding",
    "5": "one red square is seen on the left side of the picture",
}


def test_bad_captions_are_left_out_and_counted_by_fault():
    wrong = {**GOOD, "1": "too short", "3": "I'm sorry, but I cannot help with that request", "4": 7}
    vlm = Says(lambda ask: answer(ask, wrong))
    (outcome,) = enrich([sample("a", "x")], vlm, frame_captions=False)
    assert [c.style for c in outcome.sample.captions] == ["raw", "dense", "partial"]
    found = {k: v for k, v in outcome.sample.measures.items() if k.startswith("enrich.fault.")}
    assert found == {"enrich.fault.too-short": 1, "enrich.fault.refusal": 1, "enrich.fault.schema": 1}


@pytest.mark.parametrize("value", [None, [], "text", {"1": None}, {}])
def test_answers_of_another_shape_leave_the_source_caption(value):
    (outcome,) = enrich([sample("a", "x")], Says(lambda ask: answer(ask, value)), frame_captions=False)
    assert [c.text for c in outcome.sample.captions] == ["x"]
    assert outcome.sample.measures["enrich.fault.schema"] == 5


def test_an_answer_to_other_pictures_is_not_used():
    vlm = Says(lambda ask: answer(ask, GOOD, bound=("other",)))
    (outcome,) = enrich([sample("a", "x")], vlm, frame_captions=False)
    assert [c.origin for c in outcome.sample.captions] == ["scraped"]
    assert outcome.sample.measures["enrich.fault.answer-unbound"] == 1


def test_only_a_clip_without_any_caption_is_dropped():
    vlm = Says(lambda ask: Refusal(ask.digest("says"), "server-refused"))
    kept, dropped = enrich([sample("a", "x"), sample("b")], vlm)
    assert isinstance(kept, Keep)
    assert isinstance(dropped, Drop)
    assert (dropped.reason, dropped.detail) == ("no-caption", "server-refused 2")
    assert dropped.reason in Enrich.reasons


def test_a_clip_that_cannot_be_read_does_not_harm_its_neighbours():
    bad, good = enrich([sample("bad", "x"), sample("a", "x")])
    assert (bad.reason, bad.detail) == ("unreadable", "no such picture")
    assert good == enrich([sample("a", "x")])[0]


def test_fewer_styles_can_be_kept():
    (outcome,) = enrich([sample("a", "A red square slides.")], captions=2, frame_captions=False)
    assert [c.style for c in outcome.sample.captions] == ["raw", "summary", "dense"]


def test_emphasis_is_drawn_by_its_shares():
    shares = Enrich.Config().emphasis
    drawn = Counter(draw_emphasis(rng_of(i), shares) for i in range(2000))
    assert abs(drawn["temporal"] / 2000 - 0.6) < 0.04
    assert abs(drawn["spatial"] / 2000 - 0.3) < 0.04
    assert min(drawn["topical"], drawn["stylistic"]) > 50


def test_a_refuted_caption_is_not_handed_to_the_model():
    text = Caption(text="wrong", verdicts={"wrong": "contradicted"})
    assert source_caption(sample("a").having(captions=(text, Caption(text="right")))) == "right"
    assert source_caption(sample("a")) == ""


@pytest.mark.parametrize(
    "config",
    [
        {"captions": 6},
        {"emphasis": {"spatial": -1.0}},
        {"emphasis": {}},
        {"words": {"summary": (1, 2)}},
        {"words": {**Enrich.Config().words, "dense": (9, 3)}},
        {"no_such": 1},
    ],
)
def test_bad_parameters_are_refused(config):
    with pytest.raises(ValidationError):
        Enrich.Config(**config)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("one two three four five", ""),
        ("one two", "too-short"),
        ("one two three four five six seven", "too-long"),
        ("", "schema"),
        (None, "schema"),
        ("the the the the dog", "repeated"),
        ("As an AI model I cannot", "refusal"),
        ("人 在 走路 的 画面", "language"),
    ],
)
def test_faults_of_one_text(text, fault):
    assert fault_of(text, 4, 6) == fault


def test_an_echo_of_the_instruction_is_a_fault_but_not_of_the_caption():
    told = "Write five captions of this video in plain English under the keys: a man walks his old dog down the road"
    assert fault_of("captions of this video in plain English under the keys", 5, 20, told) == "echo"
    own = "a man walks his old dog down the road"
    assert fault_of(own, 5, 20, told, allowed=own) == ""


def test_the_same_text_twice_is_a_fault_of_the_second():
    text = "a man walks a dog"
    assert faults_of({"1": text, "2": text + "."}, {"1": (1, 9), "2": (1, 9)}) == {"1": "", "2": "twice"}


def test_stutter():
    assert is_repetitive("in the left half of it " * 3)
    assert not is_repetitive("a quiet road leads past a house in the left half of the picture")


def test_key_frames_are_sharp_apart_and_not_black():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (6, 60, 80, 3), dtype=np.uint8)
    sharp[1] = 0
    sharp[3] = cv2.GaussianBlur(sharp[3], (0, 0), 5)
    chosen = choose_key_frames(sharp, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5], most=3, apart=1.0, cuts=[2.4])
    assert 2 <= len(chosen) <= 3
    assert not {1, 3, 5} & set(chosen)
    assert choose_key_frames(np.zeros((3, 20, 20, 3), np.uint8), [0.0, 1.0, 2.0]) == ()
    assert choose_key_frames(sharp, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0], most=1, last={0, 2, 4})[0] == 5
