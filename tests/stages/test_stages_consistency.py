from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from curation_films import Films, hold, sample_of, texture, walk
from pydantic import ValidationError

from stages.consistency import Consistency, ConsistencyConfig
from stages.rules.round_trip import pack, ranks, unpack
from synflow.asks import Item, Vector
from synflow.contract import CorpusStage, Decision, Drop, Keep, Stage
from synflow.models.signals.embedder import SignalsEmbedder
from synflow.records import Caption, Sample


class Told:
    """Gives each text the similarity that its first word says; pictures differ by their time."""

    model = "told"

    def __init__(self, shuffle: bool = False, peak: float | None = None) -> None:
        self.shuffle, self.peak = shuffle, peak

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        vectors = [self._vector(item) for item in items]
        if self.shuffle:
            shown = [place for place, item in enumerate(items) if item.pictures]
            turned = [vectors[place] for place in shown[1:] + shown[:1]]
            for place, vector in zip(shown, turned, strict=True):
                vectors[place] = vector
        return vectors

    def _vector(self, item: Item) -> Vector:
        if not item.pictures:
            first = (item.text or "").split()[0]
            if first == "abstain":
                return Vector(None)
            score = float(first)
            return Vector(np.array([score, np.sqrt(1 - score**2)], np.float32))
        bound = tuple(picture.digest for picture in item.pictures)
        near = 0.0
        if self.peak is not None and len(item.pictures) == 1:
            near = min(1.5, abs(item.pictures[0].time - self.peak) / 4)
        return Vector(np.array([np.cos(near), np.sin(near)], np.float32), bound)


def run(texts: Sequence[str], embedder: Told | None = None, **config: object):
    stage = Consistency(ConsistencyConfig.model_validate(config))
    samples = [sample_of(str(place), *([text] if text else []), clip=True) for place, text in enumerate(texts)]
    films = {str(place): walk(texture(place), 4) for place in range(len(texts))}
    rows = stage.rows(samples, Films(films, embedder=embedder or Told()))
    decisions = iter(stage.settle([row for row in rows if row is not None], 0))
    return [stage.apply(s, next(decisions) if row else Decision()) for s, row in zip(samples, rows, strict=True)]


def test_is_a_pure_corpus_stage():
    assert isinstance(Consistency(), CorpusStage)
    assert not isinstance(Consistency(), Stage)


def test_the_lowest_share_is_dropped():
    scores = [f"{score:.2f} x" for score in np.linspace(0.05, 0.95, 20)]
    outcomes = run(scores)
    assert [isinstance(outcome, Drop) for outcome in outcomes] == [True] * 3 + [False] * 17
    assert isinstance(outcomes[0], Drop)
    assert outcomes[0].reason == "caption-mismatch"
    assert outcomes[0].measures["consistency.score"] == pytest.approx(0.05)
    assert isinstance(outcomes[-1], Keep)
    assert outcomes[-1].sample.measures["consistency.score"] == pytest.approx(0.95)


def test_equal_scores_share_one_fate():
    outcomes = run(["0.2 x"] + ["1.0 x"] * 9)
    assert [isinstance(outcome, Drop) for outcome in outcomes] == [True] + [False] * 9
    assert all(isinstance(outcome, Keep) for outcome in run(["1.0 x"] * 5))


def test_an_absolute_score_takes_the_place_of_the_quantile():
    outcomes = run(["0.1 x", "0.3 x", "0.6 x"], min_score=0.5)
    assert [isinstance(outcome, Drop) for outcome in outcomes] == [True, True, False]


def test_a_quantile_of_nought_drops_nothing():
    assert all(isinstance(outcome, Keep) for outcome in run(["0.1 x", "0.9 x"], drop_quantile=0.0))


def test_who_abstains_or_has_no_caption_stays_and_does_not_count():
    outcomes = run(["abstain", "", "0.1 x", "0.9 x"], drop_quantile=0.5)
    assert [isinstance(outcome, Drop) for outcome in outcomes] == [False, False, True, False]
    assert isinstance(outcomes[0], Keep)
    assert "consistency.score" not in outcomes[0].sample.measures


def test_key_frames_are_those_that_fit_best_and_lie_apart():
    outcome = run(["1.0 x"], Told(peak=3.0))[0]
    assert isinstance(outcome, Keep)
    keys = outcome.sample.key_frames
    times = [(key + 0.5) * 0.5 for key in keys]  # eight pictures of four seconds
    assert abs(times[0] - 3.0) <= 0.25
    assert len(keys) == 3
    assert min(abs(a - b) for a in times for b in times if a is not b) >= 1.0 - 1e-6
    assert [abs(time - 3.0) for time in times] == sorted(abs(time - 3.0) for time in times)


def test_a_shuffling_model_is_caught():
    outcomes = run(["1.0 x", "1.0 x", "1.0 x"], Told(shuffle=True))
    assert all(isinstance(outcome, Drop) and outcome.reason == "answer-unbound" for outcome in outcomes)


def test_the_caption_that_came_with_the_source_is_judged():
    sample = Sample.model_validate(
        sample_of("a", clip=True).model_dump()
        | {"captions": [Caption(text="0.1 of a model", origin="model"), Caption(text="0.9 of the source")]}
    )
    row = Consistency().rows([sample], Films({"a": hold(texture(1), 4)}, embedder=Told()))[0]
    assert row is not None
    assert row["score"] == pytest.approx(0.9)


def test_the_quantile_must_be_a_share():
    with pytest.raises(ValidationError):
        ConsistencyConfig(drop_quantile=15)


class Seeing(Told):
    """Notes how many pictures each item shows."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[int] = []

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        self.shown += [len(item.pictures) for item in items if len(item.pictures) > 1]
        return super().embed(items)


def shots_of_one_video(number: int, of: int) -> list[Sample]:
    whole = sample_of("v", "0.5 x", clip=True)
    assert whole.clip is not None
    clips = [
        whole.clip.model_copy(
            update={"id": f"{place}", "place": place, "of": of, "start": 2.0 * place, "end": 2.0 * place + 2}
        )
        for place in range(number)
    ]
    return [whole.having(clip=clip, facts={"caption_scope": "video"}) for clip in clips]


def test_a_caption_of_a_cut_video_is_scored_against_all_its_shots():
    embedder = Seeing()
    rows = Consistency().rows(shots_of_one_video(2, 2), Films({"v": walk(texture(1), 4)}, embedder=embedder))
    assert [row["score"] for row in rows if row] == [0.5, 0.5]
    single = Seeing()
    Consistency().rows([sample_of("v", "0.5 x", clip=True)], Films({"v": walk(texture(1), 4)}, embedder=single))
    assert embedder.shown == [2 * single.shown[0]] * 2


def test_a_caption_of_a_cut_video_cannot_be_scored_when_shots_are_gone():
    rows = Consistency().rows(shots_of_one_video(1, 2), Films({"v": walk(texture(1), 4)}, embedder=Told()))
    assert [row["score"] for row in rows if row] == [None]
    decision = Consistency().settle([row for row in rows if row], 0)[0]
    assert decision.drop is None and decision.note["keys"]


def told(*texts: str, color: tuple[int, int, int] = (200, 30, 30), **config: object):
    """What becomes of a clip of one colour with these captions, where only what is measured decides."""

    class Painted(Films):
        def stills(self, sample: Sample):
            stills = super().stills(sample)
            return replace(stills, rgb=np.full_like(stills.rgb, color))

    stage = Consistency(ConsistencyConfig.model_validate(config))
    samples = [sample_of("a", *texts, clip=True)]
    ctx = Painted({"a": walk(texture(1), 4)}, embedder=SignalsEmbedder())
    rows = [row for row in stage.rows(samples, ctx) if row]
    return stage.apply(samples[0], stage.settle(rows, 0)[0])


def test_a_caption_that_claims_what_is_not_so_is_dropped():
    outcome = told("A green car waits, and a dog runs.")
    assert isinstance(outcome, Drop)
    assert (outcome.reason, outcome.detail) == ("caption-mismatch", "not so: A green car waits")
    assert outcome.measures["consistency.contradicted"] == 1
    assert outcome.measures["consistency.unknown"] == 1
    assert outcome.measures["consistency.score"] < 0.4


@pytest.mark.parametrize(
    "text",
    [
        "A red car waits.", "A dog runs.", "No green car waits.", "It is not like the green one.", "Green Bay wins.",
        "A sign says 'green'.", "He wants to buy a green car.", "People drink green tea.",
        "She has green eyes.", "in the blue mosque", "green with envy", "She takes two shots at the basket.",
        "a hairpin that pans out", "Two shots of whisky are poured.", "the night club", "A man with purple hair.",
    ],
)  # fmt: skip
def test_a_caption_that_may_be_true_stays(text: str):
    outcome = told(text)
    assert isinstance(outcome, Keep), outcome
    assert outcome.sample.measures["consistency.contradicted"] == 0


def test_of_several_captions_only_the_false_ones_go():
    outcome = told("A green car waits.", "A red car waits.", "A blue bus stops.")
    assert isinstance(outcome, Keep)
    assert [caption.text for caption in outcome.sample.captions] == ["A red car waits."]
    assert outcome.sample.measures["consistency.contradicted"] == 2
    kept = told("A green car waits.", "A red car waits.", contradicted="keep")
    assert isinstance(kept, Keep) and len(kept.sample.captions) == 2


def scored(*groups: tuple[str, Sequence[float]]) -> list[dict[str, object]]:
    return [
        {"score": float(score), "keys": [], "dataset": dataset, "claims": {}, "false": {}, "captions": 1}
        for dataset, scores in groups
        for score in scores
    ]


def test_each_data_set_may_have_a_quantile_of_its_own():
    rows = scored(("low", np.linspace(0.1, 0.3, 20)), ("high", np.linspace(0.6, 0.9, 20)), ("few", [0.05, 0.95]))
    run_wide = Consistency(ConsistencyConfig(drop_quantile=0.1)).settle(rows, 0)
    assert [place for place, one in enumerate(run_wide) if one.drop] == [0, 1, 2, 3, 40]
    each = Consistency(ConsistencyConfig(drop_quantile=0.1, per="source", min_group=10)).settle(rows, 0)
    assert [place for place, one in enumerate(each) if one.drop] == [0, 1, 20, 21, 40]


def planted(count: int, dims: int, wrong: set[int], seed: int = 3) -> list[dict[str, object]]:
    """Rows whose captions lie near their clips, but for those of ``wrong``, which lie near the next one."""
    rng = np.random.default_rng(seed)
    clips = rng.normal(size=(count, dims))
    rows = scored(("", [0.5] * count))
    for place, row in enumerate(rows):
        meant = clips[(place + 1) % count if place in wrong else place] + 0.3 * rng.normal(size=dims)
        row["vectors"] = [pack((v / np.linalg.norm(v)).astype(np.float32)) for v in (meant, clips[place])]
    return rows


def test_a_caption_that_does_not_find_its_clip_is_measured_and_may_be_dropped():
    rows = planted(60, 32, {7, 30})
    decisions = Consistency().settle(rows, 0)
    assert not any(decision.drop for decision in decisions)
    ranks_found = [decision.note["measures"]["consistency.rank"] for decision in decisions]
    assert [place for place, rank in enumerate(ranks_found) if rank > 1] == [7, 30]
    assert {decision.note["measures"]["consistency.rivals"] for decision in decisions} == {59}
    strict = Consistency(ConsistencyConfig(max_rank=1)).settle(rows, 0)
    assert [place for place, decision in enumerate(strict) if decision.drop] == [7, 30]
    assert strict[7].drop is not None and strict[7].drop.reason == "caption-mismatch"


def test_in_a_large_run_captions_are_compared_with_near_neighbours_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stages.rules.round_trip.CELL", 64)
    rows = planted(500, 16, set())
    pairs = [row["vectors"] for row in rows]
    found, sizes = ranks([p[0] for p in pairs], [p[1] for p in pairs], 5)
    assert found == ranks([p[0] for p in pairs], [p[1] for p in pairs], 5)[0]
    assert max(sizes) <= 2 * 64 and min(sizes) >= 1
    assert np.mean(np.array(found) == 1) > 0.95


def test_packed_vectors_keep_their_cosines():
    rng = np.random.default_rng(0)
    for dims in (16, 512, 3584):
        one, other = rng.normal(size=(2, dims))
        one, other = ((v / np.linalg.norm(v)).astype(np.float32) for v in (one, one + other))
        told_one, told_other = unpack(pack(one)), unpack(pack(other))
        exact = int(told_one.numbers.astype(np.int64) @ told_other.numbers.astype(np.int64))
        assert exact < 2**24
        assert exact * told_one.scale * told_other.scale == pytest.approx(float(one @ other), abs=0.01)


def test_only_a_learned_embedder_is_asked_for_the_round_trip():
    films = {"a": walk(texture(1), 4)}
    samples = [sample_of("a", "0.5 x", clip=True)]
    learned = Consistency().rows(samples, Films(films, embedder=Told()))[0]
    off = Consistency(ConsistencyConfig(round_trip="off")).rows(samples, Films(films, embedder=Told()))[0]
    painted = [sample_of("a", "A red ball.", clip=True)]
    measured = Consistency().rows(painted, Films(films, embedder=SignalsEmbedder()))[0]
    assert learned and off and measured
    assert len(learned["vectors"]) == 2 and "vectors" not in off and "vectors" not in measured
    assert measured["score"] is not None


class Swapping(SignalsEmbedder):
    """A faulty model that exchanges what it makes of two items, with all that belongs to it."""

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        vectors = list(super().embed(items))
        return vectors[::-1]


def test_a_model_that_swaps_texts_or_pictures_is_caught_every_time():
    texts = [f"A {color} car beside a {other} wall." for color in ("red", "blue") for other in ("green", "white")]
    samples = [sample_of(str(place), text, clip=True) for place, text in enumerate(texts)]
    films = {str(place): walk(texture(place), 4) for place in range(len(texts))}
    stage = Consistency(ConsistencyConfig(contradicted="keep", drop_quantile=0.0))
    for embedder, caught in ((SignalsEmbedder(), False), (Swapping(), True)):
        rows = [row for row in stage.rows(samples, Films(films, embedder=embedder)) if row]
        drops = [decision.drop for decision in stage.settle(rows, 0)]
        assert [drop is not None and drop.reason == "answer-unbound" for drop in drops] == [caught] * len(texts)


@pytest.mark.slow
def test_swapped_captions_of_a_world():
    command = [sys.executable, "benchmarks/consistency.py", "--clips", "40", "--seed", "9", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=1500)
    found = json.loads(done.stdout)
    assert found["contradictions caught"]["share"] >= 0.95, found
    assert found["true captions lost"]["share"] <= 0.02, found
    assert done.returncode == 0
