from __future__ import annotations

import cv2
import numpy as np
import pytest

from stages.audit import Audit
from stages.enrich import Enrich
from stages.rules.claims import Evidence, claims_of, judge
from stages.rules.evidence import Lacks
from synflow import prompts
from synflow.asks import Answer, Picture
from synflow.contract import Drop, Keep, Stage, Stills
from synflow.errors import ClipFailure
from synflow.ids import digest, digest_of_frames, rng_of
from synflow.media.findings import findings
from synflow.media.told import sure_camera, sure_paths
from synflow.models.signals.vlm import SignalsVlm
from synflow.records import Caption, Clip, Facts, Sample, Source

RED, BLUE, GREY = (210, 20, 20), (20, 40, 210), (130, 130, 130)
PAN = {"camera": {"motion": "pan", "direction": "left", "strength": 0.2}, "cuts": []}
STILL = {"camera": {"motion": "still", "direction": "", "strength": 0.001}, "cuts": []}


def mover():
    rgb = np.full((8, 90, 160, 3), GREY, np.uint8)
    for i in range(8):
        rgb[i, 30:55, 5 + 17 * i : 30 + 17 * i] = RED
    return rgb


def halves():
    rgb = np.full((8, 90, 160, 3), RED, np.uint8)
    rgb[:, :, 80:] = BLUE
    return rgb


def brighter():
    return np.stack([np.full((90, 160, 3), 30 + 25 * i, np.uint8) for i in range(8)])


CLIPS = {"mover": mover(), "halves": halves(), "brighter": brighter()}


class Shown:
    def stills(self, sample):
        if sample.record_id not in CLIPS:
            raise ClipFailure("unreadable", "gone")
        rgb = CLIPS[sample.record_id]
        pictures = []
        for i, one in enumerate(rgb):
            jpeg = cv2.imencode(".jpg", one[..., ::-1])[1].tobytes()
            pictures.append(Picture(jpeg, digest(jpeg), float(i)))
        return Stills(tuple(pictures), rgb, digest_of_frames(p.digest for p in pictures))


class Context:
    seed, frames = 7, 4

    def __init__(self, vlm=None):
        self.media, self.vlm = Shown(), vlm or SignalsVlm()

    def prompt(self, name):
        return prompts.load(name)

    def rng(self, sample, *salt):
        return rng_of(self.seed, sample.key, *salt)


def sample(name, *captions, **more):
    facts = Facts(
        digest="d" * 64, bytes=1, container="mp4", codec="h264", pix_fmt="yuv420p", duration=8.0, fps=25.0,
        frames=200, width=160, height=90,
    )  # fmt: skip
    clip = Clip(id=f"clip-{name}", start=0.0, end=8.0, facts=facts)
    return Sample(source=Source(record_id=name, uri=name), clip=clip, captions=captions, **more)


def by_model(text, frame=None):
    return Caption(text=text, origin="model", style="summary", frame=frame)


def audit(samples, vlm=None, **config):
    return Audit(Audit.Config(**config))(samples, Context(vlm))


def verdict(name, claim, facts=None, still=False):
    rgb = CLIPS[name][:1] if still else CLIPS[name]
    return judge(claim, Evidence(findings(list(rgb)), facts or {}, still, Lacks(rgb)))


@pytest.mark.parametrize(
    ("name", "facts", "claim", "wanted"),
    [
        ("halves", {}, "The left half is mostly red", "supported"),
        ("halves", {}, "The left half is mostly blue", "contradicted"),
        ("halves", {}, "Most of the picture is green", "contradicted"),
        ("halves", {}, "Nearly all of the red is in the left half of the picture", "supported"),
        ("halves", {}, "Red appears chiefly in the right half", "contradicted"),
        ("halves", {}, "The right half is brighter than the left half", "contradicted"),
        ("halves", {}, "Compared with the left half, the right half is dark", "supported"),
        ("halves", {}, "The right half is darker than the left half", "supported"),
        ("halves", {}, "The left half is darker than the right half", "contradicted"),
        ("halves", {}, "A green car waits", "contradicted"),
        ("halves", {}, "A red car waits", "unknown"),
        ("halves", {}, "A dog runs over a lawn", "unknown"),
        ("halves", {}, "The picture is in black and white", "contradicted"),
        ("halves", {}, "A man dressed in black and white waits", "unknown"),
        ("halves", {}, "A black-and-white rabbit eats", "unknown"),
        ("halves", {}, "The picture is square", "contradicted"),
        ("brighter", {}, "It is shown in black and white", "supported"),
        ("brighter", {}, "The scene gets darker", "contradicted"),
        ("brighter", {}, "The scene slowly gets brighter", "supported"),
        ("mover", {}, "The scene gets darker", "contradicted"),
        ("mover", STILL, "A red square moves from left to right", "supported"),
        ("mover", STILL, "A red square moves from right to left", "contradicted"),
        ("mover", STILL, "A red square moves from top to bottom", "unknown"),
        ("mover", PAN, "A red square moves from right to left", "unknown"),
        ("mover", {"cuts": [2.0]}, "A red square moves from right to left", "unknown"),
        ("mover", PAN, "The camera pans to the left", "supported"),
        ("mover", PAN, "The camera slowly pans right", "contradicted"),
        ("mover", PAN, "The camera stays still", "contradicted"),
        ("mover", STILL, "The camera stays still", "supported"),
        ("mover", STILL, "The camera pans left", "contradicted"),
        ("mover", STILL, "The camera zooms in", "contradicted"),
        ("mover", STILL, "She tosses a pancake in a frying pan in a kitchen", "unknown"),
        ("mover", {}, "The camera pans left", "unknown"),
        ("mover", {"cuts": [1.0, 2.0]}, "It is made up of three shots", "supported"),
        ("mover", {"cuts": []}, "Two shots follow one another", "contradicted"),
        ("mover", {}, "Two shots follow one another", "unknown"),
        ("mover", STILL, "A sign says “the camera pans left” in green", "contradicted"),
        ("mover", STILL, "A sign says “the camera pans left”", "unknown"),
    ],
)
def test_verdicts(name, facts, claim, wanted):
    assert verdict(name, claim, facts) == wanted


def test_claims_on_time_are_not_judged_by_one_picture():
    assert verdict("mover", "The camera stays still", PAN, still=True) == "unknown"
    assert verdict("mover", "A green car waits", still=True) == "contradicted"


def test_claims_are_sentences_cut_at_clauses():
    text = "A man walks a dog, and the camera pans to the left. It is dark; then a light goes on."
    assert claims_of(text) == ["A man walks a dog", "the camera pans to the left", "It is dark", "then a light goes on"]
    assert claims_of("") == []


def test_it_is_a_stage():
    assert isinstance(Audit(Audit.Config()), Stage)


def test_a_contradicted_model_caption_goes_and_a_source_caption_stays():
    wrong = "A green car waits."
    (outcome,) = audit(
        [sample("halves", Caption(text=wrong), by_model(wrong), by_model("The left half is mostly red."))]
    )
    assert [(c.origin, c.verdicts) for c in outcome.sample.captions] == [
        ("scraped", {"A green car waits": "contradicted"}),
        ("model", {"The left half is mostly red": "supported"}),
    ]
    measures = outcome.sample.measures
    assert [measures[f"audit.{name}"] for name in ("supported", "contradicted", "unknown", "removed")] == [1, 2, 0, 1]


def test_parameters_decide_what_falls():
    given = sample(
        "halves", Caption(text="A green car waits."), by_model("A green bus stops."), by_model("A dog runs.")
    )
    (outcome,) = audit([given], contradicted="keep")
    assert len(outcome.sample.captions) == 3
    (outcome,) = audit([given], source_captions=True)
    assert [c.text for c in outcome.sample.captions] == ["A dog runs."]


def test_a_clip_that_loses_all_its_captions_is_dropped():
    (outcome,) = audit([sample("halves", by_model("A green car waits."))])
    assert isinstance(outcome, Drop)
    assert (outcome.reason, outcome.detail) == ("captions-contradicted", "A green car waits")
    assert outcome.reason in Audit.reasons


def test_a_clip_without_captions_goes_on_and_an_unreadable_one_does_not():
    empty, gone = audit([sample("halves"), sample("gone", by_model("x y"))])
    assert isinstance(empty, Keep)
    assert (gone.reason, gone.detail) == ("unreadable", "gone")


def test_frame_captions_are_judged_by_their_picture():
    rgb = CLIPS["brighter"]
    assert rgb[0].mean() < 40
    texts = [by_model("The picture is bright.", frame=0), by_model("The picture is dark.", frame=0)]
    (outcome,) = audit([sample("brighter", *texts)])
    assert [c.text for c in outcome.sample.captions] == ["The picture is dark."]


class Judges:
    model = "judges"

    def __init__(self, verdicts):
        self.verdicts, self.asks = verdicts, []

    def answer(self, asks):
        self.asks.append(list(asks))
        return [Answer(a.digest(self.model), {"verdicts": self.verdicts}, self.model, bound=a.bound) for a in asks]


def test_open_claims_are_put_to_the_model_where_wanted():
    given = sample("halves", by_model("A dog runs, the left half is mostly red."), by_model("A cat sleeps."))
    vlm = Judges(["supported", "contradicted"])
    (outcome,) = audit([given], vlm, ask=True)
    (asks,) = vlm.asks
    assert asks[0].slots == {"claims": ["A dog runs", "A cat sleeps"]}
    assert "1. A dog runs" in asks[0].text
    assert len(asks[0].pictures) == 4
    assert [c.text for c in outcome.sample.captions] == ["A dog runs, the left half is mostly red."]


@pytest.mark.parametrize("verdicts", [["supported"], "supported", ["maybe", "supported"], None])
def test_an_unusable_answer_leaves_claims_open(verdicts):
    (outcome,) = audit([sample("halves", by_model("A dog runs. A cat sleeps."))], Judges(verdicts), ask=True)
    assert set(outcome.sample.captions[0].verdicts.values()) == {"unknown"}


def test_a_refusal_leaves_claims_open():
    (outcome,) = audit([sample("halves", by_model("A dog runs."))], ask=True)
    assert outcome.sample.captions[0].verdicts == {"A dog runs": "unknown"}


@pytest.mark.parametrize("name", sorted(CLIPS))
@pytest.mark.parametrize("facts", [STILL, PAN, {}])
def test_what_signals_writes_is_never_contradicted(name, facts):
    (enriched,) = Enrich(Enrich.Config())([sample(name, facts=facts)], Context())
    (outcome,) = audit([enriched.sample])
    assert outcome.sample.measures["audit.contradicted"] == 0
    assert outcome.sample.measures["audit.supported"] >= 1


def test_only_sure_facts_speak():
    weak = {"camera": {"motion": "mixed", "direction": "", "strength": 0.05}}
    assert sure_camera(weak) == ("", "")
    assert sure_camera({**PAN, "cuts": [1.0]}) == ("", "")
    assert sure_camera({}) == ("", "")
    path = {"from": "left/middle", "to": "right/middle", "share": 0.05, "start": 0.0, "end": 3.0}
    assert sure_paths({**STILL, "movers": {"count": 1, "paths": [path]}})[0][2] == 0.05
    assert sure_paths({**PAN, "movers": {"count": 1, "paths": [path]}}) == []
    assert sure_paths({**STILL, "movers": {"count": 1, "paths": [{**path, "to": "center/top"}]}}) == []
