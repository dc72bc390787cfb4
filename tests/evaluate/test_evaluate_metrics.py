"""Metrics against definitions written out another way, on many random matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synflow.evaluate.metrics import Found, means, ranks_of, table_of, values_of


def slowly(scores: list[float], relevant: list[int], unranked: int) -> dict[str, float]:
    """Score one query from the definitions: an ordered list, and counting."""
    wanted = set(relevant)
    order = sorted((i for i, score in enumerate(scores) if score > -math.inf), key=lambda i: (-scores[i], i in wanted))
    hits = [i in wanted for i in order]
    total = len(wanted) + unranked

    def seen(k: int) -> float:
        return 1.0 if any(hits[:k]) else 0.0

    gain = sum(1 / math.log2(place + 2) for place in range(min(10, len(hits))) if hits[place])
    best = sum(1 / math.log2(place + 2) for place in range(min(10, total)))
    reciprocal = next((1 / (place + 1) for place, hit in enumerate(hits) if hit), 0.0)
    return {
        "R@1": seen(1), "R@5": seen(5), "R@10": seen(10), "P@1": sum(hits[:1]) / 1, "MRR": reciprocal,
        "nDCG@10": gain / best,
    }  # fmt: skip


def test_equal_to_brute_force_on_a_thousand_matrices() -> None:
    rng = np.random.default_rng(7)
    ties = small = empty = several = unranked_any = 0
    for turn in range(1000):
        queries, corpus = int(rng.integers(1, 7)), int(rng.integers(1, 40))
        # Few levels: ties are the rule, not the exception.
        scores = rng.integers(0, int(rng.integers(1, 30)), (queries, corpus)) / 8.0
        if turn % 3 == 0:
            scores[rng.random(scores.shape) < 0.15] = -np.inf
        found, wanted = [], []
        for row in scores:
            relevant = np.flatnonzero(rng.random(corpus) < rng.choice([0.0, 0.03, 0.2, 1.0])).tolist()
            lost = int(rng.integers(0, 2))
            found.append(Found(ranks_of(row, relevant), len(relevant) + lost))
            wanted.append(slowly(row.tolist(), relevant, lost) if relevant or lost else None)
            ties += len(set(row.tolist())) < len(row)
            empty += not relevant
            several += len(relevant) > 1
            unranked_any += bool(np.isinf(row).any())
        small += corpus < 10
        table = table_of(found)
        for place, values in enumerate(wanted):
            for name, column in table.items():
                if values is None:
                    assert math.isnan(column[place])
                else:
                    assert column[place] == pytest.approx(values[name], abs=1e-12), (turn, name)
        for name, mean in means(table).items():
            own = [values[name] for values in wanted if values is not None]
            assert mean == (pytest.approx(sum(own) / len(own), abs=1e-6) if own else None)
    assert min(ties, small, empty, several, unranked_any) > 100


def test_a_model_that_gives_all_items_one_score_finds_nothing() -> None:
    assert ranks_of(np.zeros(50), [3]) == (50,)
    assert values_of(Found(ranks_of(np.zeros(50), [3]), 1))["R@10"] == 0.0


def test_scores_within_the_tolerance_are_equal() -> None:
    scores = np.array([0.5, 0.5 - 1e-8, 0.4])
    assert ranks_of(scores, [0]) == (1,)
    assert ranks_of(scores, [0], tolerance=1e-6) == (2,)


def test_an_item_that_was_not_ranked_is_a_miss_and_not_left_out() -> None:
    scores = np.array([-np.inf, 0.1, np.nan])
    assert ranks_of(scores, [0, 2]) == ()
    assert set(values_of(Found((), 2)).values()) == {0.0}
    with pytest.raises(ValueError, match="relevant"):
        values_of(Found((), 0))
