from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from curation_films import Films, hold, sample_of, texture

from stages.scores import Scores, ScoresConfig
from synflow.asks import Item, Vector
from synflow.contract import Drop, Keep, Replayable, Stage


class Judge:
    """An embedder to which every picture is as good as its brightness says; it abstains from texts in ``mute``."""

    model = "judge"

    def __init__(self, mute: Sequence[str] = (), lies: bool = False) -> None:
        self.mute, self.lies, self.asked = mute, lies, 0

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        self.asked += 1
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Vector:
        if item.text is not None:
            axis = {"Good photo.": 0, "Bad photo.": 1, "Beautiful photo.": 2, "Ugly photo.": 3}[item.text]
            return Vector(None if item.text in self.mute else np.eye(4, dtype=np.float32)[axis])
        light = np.frombuffer(item.pictures[0].jpeg, np.uint8).mean() / 255
        values = np.array([light, 1 - light, 0.5, 0.5], np.float32)
        bound = ("0" * 64,) if self.lies else (item.pictures[0].digest,)
        return Vector(values / np.linalg.norm(values), bound)


def films(**options: object) -> Films:
    return Films({"a": hold(texture(1), 3), "b": hold(texture(2), 3)}, embedder=Judge(**options))  # type: ignore[arg-type]


def samples() -> list:
    return [sample_of(name, clip=True, seconds=3) for name in ("a", "b")]


def test_is_a_stage_that_can_be_replayed():
    assert isinstance(Scores(), Stage)
    assert isinstance(Scores(), Replayable)


def test_scores_are_noted_and_nothing_is_dropped():
    ctx = films()
    outcomes = Scores(ScoresConfig(scale=4.0))(samples(), ctx)
    for outcome in outcomes:
        assert isinstance(outcome, Keep)
        assert 0 < outcome.sample.measures["scores.quality"] < 1
        assert outcome.sample.measures["scores.aesthetic"] == 0.5
    assert ctx.embedder.asked == 1


def test_the_score_is_the_softmax_of_the_two_texts():
    one, other = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    picture = Vector(np.array([0.8, 0.6], np.float32))
    score = Scores(ScoresConfig(scale=10.0)).score(picture, Vector(one), Vector(other))
    assert score == pytest.approx(np.exp(8) / (np.exp(8) + np.exp(6)))
    assert Scores().score(picture, Vector(None), Vector(other)) is None


def test_limits_drop_with_their_reasons():
    low = Scores(ScoresConfig(min_quality=0.999, scale=4.0))(samples(), films())
    assert [outcome.reason for outcome in low if isinstance(outcome, Drop)] == ["low-quality", "low-quality"]
    plain = Scores(ScoresConfig(min_aesthetic=0.6))(samples(), films())
    assert {outcome.reason for outcome in plain if isinstance(outcome, Drop)} == {"low-aesthetic"}
    assert all("scores.aesthetic" in outcome.measures for outcome in plain if isinstance(outcome, Drop))


def test_an_embedder_that_abstains_gives_no_score():
    outcomes = Scores(ScoresConfig(min_quality=1.0))(samples(), films(mute=["Bad photo."]))
    for outcome in outcomes:
        assert isinstance(outcome, Keep)
        assert "scores.quality" not in outcome.sample.measures
        assert "scores.aesthetic" in outcome.sample.measures


def test_a_vector_of_other_pictures_is_caught():
    outcomes = Scores()(samples(), films(lies=True))
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Drop)] == ["answer-unbound"] * 2
