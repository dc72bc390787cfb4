from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from curation_films import Films, hold, sample_of, texture, walk
from pydantic import ValidationError

from stages.consistency import Consistency, ConsistencyConfig
from synflow.asks import Item, Vector
from synflow.contract import CorpusStage, Decision, Drop, Keep, Stage
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
