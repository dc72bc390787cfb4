from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from stages.audit import Audit
from stages.enrich import Enrich
from stages.rules.claims import Evidence, claims_of, judge
from stages.rules.evidence import Lacks
from synflow import prompts
from synflow.asks import Answer, Picture, Vector
from synflow.contract import Drop, Keep, Stage, Stills
from synflow.errors import ClipFailure
from synflow.ids import digest, digest_of_frames, rng_of
from synflow.media.findings import findings
from synflow.media.told import sure_camera, sure_paths
from synflow.models.signals.embedder import SignalsEmbedder
from synflow.models.signals.vlm import SignalsVlm
from synflow.pairs.draw import draw_captions, repeats
from synflow.records import Caption, Clip, Facts, ModelUse, Sample, Source

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

    def __init__(self, vlm=None, embed=None):
        self.media, self.vlm, self.embed = Shown(), vlm or SignalsVlm(), embed or SignalsEmbedder()

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


def audit(samples, vlm=None, embed=None, **config):
    return Audit(Audit.Config(**config))(samples, Context(vlm, embed))


def verdict(name, claim, facts=None, still=False):
    rgb = CLIPS[name][:1] if still else CLIPS[name]
    return judge(claim, Evidence(findings(list(rgb)), facts or {}, still, Lacks(rgb), list(rgb)))


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
        ("mover", STILL, "The camera doesn't move", "supported"),
        ("mover", PAN, "The camera does not move", "contradicted"),
        ("mover", STILL, "Two red squares slide along", "contradicted"),
        ("mover", STILL, "Three small red squares slide along", "contradicted"),
        ("halves", STILL, "Two red cars wait", "unknown"),
        ("halves", {}, "With nothing but a green car", "contradicted"),
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
    """Says of each claim what a function of the claim and the polarity makes of it."""

    model = "judges"

    def __init__(self, say):
        self.say, self.asks = say, []

    def answer(self, asks):
        self.asks.append(list(asks))
        return [
            Answer(
                a.digest(self.model),
                {"answers": [self.say(claim, a.slots["polarity"]) for claim in a.slots["claims"]]},
                self.model,
                bound=a.bound,
            )
            for a in asks
        ]


def knows(*true):
    """Return a judge who holds some claims for true and all others for false."""
    return Judges(lambda claim, polarity: "yes" if (claim in true) == (polarity == "true") else "no")


def test_open_claims_of_each_caption_are_put_to_the_model_both_ways_round():
    given = sample("halves", by_model("A dog runs, the left half is mostly red."), by_model("A cat sleeps."))
    vlm = knows("A dog runs")
    (outcome,) = audit([given], vlm, ask=True)
    (asks,) = vlm.asks
    assert [(a.slots["claims"], a.slots["polarity"]) for a in asks] == [
        (["A dog runs"], "true"), (["A dog runs"], "false"), (["A cat sleeps"], "true"), (["A cat sleeps"], "false"),
    ]  # fmt: skip
    assert "1. A dog runs" in asks[0].text
    assert "is the statement false?" in asks[1].text
    assert {len(a.pictures) for a in asks} == {4}
    assert {(a.system, a.affinity) for a in asks} == {(asks[0].system, "clip-halves")}
    assert [c.text for c in outcome.sample.captions] == ["A dog runs, the left half is mostly red."]
    assert outcome.sample.captions[0].verdicts["A dog runs"] == "supported"
    assert [outcome.sample.measures[f"audit.{name}"] for name in ("asked", "torn", "distrusted")] == [2, 0, 0]


def test_captions_of_single_pictures_are_asked_about_with_their_picture():
    vlm = knows()
    (outcome,) = audit([sample("halves", by_model("A dog runs.", frame=3), by_model("x y z"))], vlm, ask=True)
    (asks,) = vlm.asks
    assert [len(a.pictures) for a in asks] == [1, 1, 4, 4]
    assert outcome.reason == "captions-contradicted"


@pytest.mark.parametrize("always", ["yes", "no"])
def test_who_always_says_the_same_is_not_believed(always):
    given = sample("halves", by_model("A dog runs. A cat sleeps."))
    (outcome,) = audit([given], Judges(lambda claim, polarity: always), ask=True)
    assert set(outcome.sample.captions[0].verdicts.values()) == {"unknown"}
    assert [outcome.sample.measures[f"audit.{name}"] for name in ("asked", "torn", "distrusted")] == [2, 2, 1]


def test_who_often_contradicts_himself_is_not_believed_at_all():
    def say(claim, polarity):
        return "yes" if claim in ("A dog runs", "A cat sleeps") else "no" if polarity == "true" else "yes"

    (outcome,) = audit([sample("halves", by_model("A dog runs. A cat sleeps. A cow eats."))], Judges(say), ask=True)
    assert set(outcome.sample.captions[0].verdicts.values()) == {"unknown"}
    many = "A dog runs. A cow eats. A pig digs. A hen pecks."
    (outcome,) = audit([sample("halves", by_model(many), by_model("A cat sleeps."))], Judges(say), ask=True)
    assert [c.text for c in outcome.sample.captions] == ["A cat sleeps."]
    assert [outcome.sample.measures[f"audit.{name}"] for name in ("torn", "distrusted")] == [2, 1]


def test_unsure_is_unknown():
    (outcome,) = audit([sample("halves", by_model("A dog runs."))], Judges(lambda c, p: "unsure"), ask=True)
    assert outcome.sample.captions[0].verdicts == {"A dog runs": "unknown"}
    assert outcome.sample.measures["audit.torn"] == 0


class Garbled(Judges):
    def answer(self, asks):
        return [Answer(a.digest(self.model), self.say, self.model, bound=a.bound) for a in asks]


@pytest.mark.parametrize(
    "value",
    [
        None, [], "yes", 7, {"answers": ["yes"]}, {"answers": "yes"}, {"answers": ["maybe", "no"]}, {"verdicts": []},
        {"answers": ["yes"] * 999}, {"answers": [["yes"], "no"]}, {"answers": [True, False]}, {"answers": None},
    ],
)  # fmt: skip
def test_an_unusable_answer_leaves_claims_open(value):
    (outcome,) = audit([sample("halves", by_model("A dog runs. A cat sleeps."))], Garbled(value), ask=True)
    assert set(outcome.sample.captions[0].verdicts.values()) == {"unknown"}


def test_an_answer_to_other_pictures_leaves_claims_open():
    class Elsewhere(Judges):
        def answer(self, asks):
            return [Answer(a.digest("x"), {"answers": ["no"]}, "x", bound=("other",)) for a in asks]

    (outcome,) = audit([sample("halves", by_model("A dog runs."))], Elsewhere(None), ask=True)
    assert outcome.sample.captions[0].verdicts == {"A dog runs": "unknown"}


def test_a_refusal_leaves_claims_open():
    (outcome,) = audit([sample("halves", by_model("A dog runs."))], ask=True)
    assert outcome.sample.captions[0].verdicts == {"A dog runs": "unknown"}


def test_another_of_the_five_takes_the_place_of_one_that_falls():
    good = [by_model("The left half is mostly red, the right half is mostly blue."), by_model("A dog runs.")]
    given = sample("halves", by_model("A green car waits."), *good)
    (outcome,) = audit([given], contradicted="replace")
    texts = [caption.text for caption in outcome.sample.captions]
    assert texts == [good[0].text, good[1].text, good[0].text]
    assert (outcome.sample.measures["audit.removed"], outcome.sample.measures["audit.replaced"]) == (1, 1)
    assert repeats(outcome.sample) == {good[0].text.lower(): 2, good[1].text.lower(): 1}
    captions = list({caption.text: caption for caption in outcome.sample.captions}.values())
    drawn = Counter(
        draw_captions(rng_of(i), captions, {"summary": 1.0}, 1, repeats(outcome.sample))[0].text for i in range(600)
    )
    assert 350 < drawn[good[0].text] < 450  # two chances of three


def test_rates_are_told_by_prompt_style_and_axis():
    use = ModelUse(model="m", prompt="video-captions")
    one = Caption(text="A green car waits.", origin="model", style="dense", emphasis="spatial", use=use)
    other = Caption(text="The left half is mostly red.", origin="model", style="summary", emphasis="spatial", use=use)
    (outcome,) = audit([sample("halves", Caption(text="A green bus."), one, other)])
    measures = outcome.sample.measures
    names = ("captions", "removed", "supported", "contradicted", "unknown")
    assert [measures[f"audit.style.dense.{name}"] for name in names] == [1, 1, 0, 1, 0]
    assert [measures[f"audit.axis.spatial.{name}"] for name in names] == [2, 1, 1, 1, 0]
    assert [measures[f"audit.prompt.video-captions.{name}"] for name in names] == [2, 1, 1, 1, 0]


class SeesTime:
    """An embedder for which a text that speaks of the left fits what moves leftwards, or nothing but averages."""

    model, learned = "sees-time", True

    def __init__(self, blind=False):
        self.blind, self.asked = blind, 0

    def embed(self, items):
        self.asked += 1
        return [self.one(item) for item in items]

    def one(self, item):
        values = np.array([1.0, 0.0], np.float32)
        bound = tuple(picture.digest for picture in item.pictures)
        if item.pictures and not self.blind:
            means = [cv2.imdecode(np.frombuffer(p.jpeg, np.uint8), 1)[:, :80].mean() for p in item.pictures]
            values = np.array([0.8, 0.6] if means[-1] > means[0] else [0.6, 0.8], np.float32)
        return Vector(values, bound)


def test_a_temporal_caption_must_fit_its_clip_better_than_the_reversed_clip():
    text = by_model("First it is dim, then it is lit.")
    embed = SeesTime()
    (outcome,) = audit([sample("brighter", text, by_model("A plain wall."))], embed=embed)
    order = f"in this order: {text.text}"
    assert outcome.sample.captions[0].verdicts[order] == "supported"
    assert order not in outcome.sample.captions[1].verdicts
    assert embed.asked == 1
    CLIPS["dimmer"] = CLIPS["brighter"][::-1]
    (outcome,) = audit([sample("dimmer", text, by_model("A plain wall."))], embed=embed)
    assert [c.text for c in outcome.sample.captions] == ["A plain wall."]


@pytest.mark.parametrize("more", [{"embed": SeesTime(blind=True)}, {"embed": SeesTime(), "order": "measured"}, {}])
def test_without_an_embedder_that_sees_time_nothing_is_said_of_the_order(more):
    (outcome,) = audit([sample("brighter", by_model("First it is dim, then it is lit."))], **more)
    assert not any(claim.startswith("in this order") for claim in outcome.sample.captions[0].verdicts)


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
