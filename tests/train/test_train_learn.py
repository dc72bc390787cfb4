"""What the benchmark of learning rests on: which clips a caption is true of, and recall among so many candidates."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from synflow.world.defects import take
from synflow.world.tracks import key_points

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from _world_claims import Claims, Shown, among, best_among, claims_of, reversed_order, shown_by, true_of


@pytest.fixture(scope="module")
def world() -> list[tuple[str, Shown]]:
    found = []
    for index in range(150):
        shown = take(5, index, 0.0)
        story = shown.script.record()
        assert all(key_points(shown.script, event) for event in shown.script.events)
        found.append((shown.caption, shown_by(story, 0.0, 1e9)))
    return found


def test_a_caption_is_true_of_its_own_clip_and_of_few_others(world: list[tuple[str, Shown]]) -> None:
    told = [(claims_of(caption), own) for caption, own in world]
    assert all(claims is not None for claims, _ in told)
    # A caption may leave out that a mover changed its colour on the way, and is then not read as it is meant.
    assert sum(true_of(claims, own) for claims, own in told if claims) >= 0.98 * len(told)
    others = [sum(true_of(claims, shown) for _, shown in world) - 1 for claims, _ in told if claims]
    assert sum(others) < 0.1 * len(told)
    # Of one event alone, without its place, more clips tell.
    single = [Claims(claims.deeds[:1], "") for claims, _ in told if claims]
    assert sum(sum(true_of(claims, shown) for _, shown in world) - 1 for claims in single) > 0.1 * len(told)


def test_a_reversed_caption_is_false_of_its_clip_and_has_the_same_words(world: list[tuple[str, Shown]]) -> None:
    pairs = [(caption, reversed_order(caption), own) for caption, own in world]
    made = [(caption, other, own) for caption, other, own in pairs if other]
    assert len(made) > 30
    for caption, other, _ in made:
        claims = claims_of(other)
        assert claims is not None
        same = (
            Counter(text.lower().replace(";", " ").replace(",", " ").strip(".").split()) for text in (caption, other)
        )
        first, second = same
        assert first == second
        assert reversed_order(other) == caption
    false = [not true_of(claims, own) for _, other, own in made if (claims := claims_of(other))]
    assert np.mean(false) > 0.95


def test_recall_among_a_number_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(1)
    others, many, ranks = 40, 12, np.array([0, 1, 5, 30])
    drawn = []
    for rank in ranks:
        before = np.arange(others) < rank
        drawn.append(np.mean([not before[rng.permutation(others)[: many - 1]].any() for _ in range(4000)]))
    assert among(ranks, others + 1, many) == pytest.approx(np.mean(drawn), abs=0.01)
    assert among(ranks, others + 1, 1000) == pytest.approx(0.25)


def test_a_perfect_searcher_guesses_among_equals() -> None:
    rng = np.random.default_rng(2)
    others, alike, many = 30, 4, 10
    same = np.arange(others) < alike
    drawn = [1 / (1 + same[rng.permutation(others)[: many - 1]].sum()) for _ in range(6000)]
    assert best_among(others, alike, many) == pytest.approx(np.mean(drawn), abs=0.01)
    assert best_among(others, 0, many) == 1.0
    assert best_among(others, 1, 1000) == 0.5
