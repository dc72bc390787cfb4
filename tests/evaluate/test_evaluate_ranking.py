"""Ranks over files that are read one at a time are those of the whole matrix; scorers do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synflow.asks import Item, Vector
from synflow.errors import ServiceDown, UsageError
from synflow.evaluate import ranking, vectors
from synflow.evaluate.collection import Entry
from synflow.evaluate.media import Loader
from synflow.evaluate.metrics import ranks_of
from synflow.evaluate.scoring import Cosine, MaxSim, StochasticText
from synflow.evaluate.vectors import Batch, VectorCache, Vectors, bfloat16

Rows = list[np.ndarray[Any, np.dtype[np.float32]]]


class Given:
    """Gives each text ``i`` the rows of item i."""

    model = "given"

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def embed(self, items: list[Item]) -> list[Vector]:
        found = [self.rows[int(item.text or 0)] for item in items]
        return [Vector(one[0] if len(one) else None) for one in found]

    def parts(self, items: list[Item]) -> Rows:
        return [self.rows[int(item.text or 0)] for item in items]


def stored(folder: Path, rows: Rows, shape: Any = "one") -> Vectors:
    entries = [Entry(f"e{i}", str(i)) for i in range(len(rows))]
    keys, _ = Loader().keys(entries)
    cache = VectorCache(folder, {"rows": str([one.tolist() for one in rows])})
    return cache.embed(Given(rows), entries, keys, Loader(), shape, lambda done, total: None)  # type: ignore[arg-type]


def units(rng: np.random.Generator, count: int, wide: int = 6) -> np.ndarray[Any, np.dtype[np.float32]]:
    values = rng.normal(size=(count, wide))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def levels(rng: np.random.Generator, count: int) -> Rows:
    """Return single vectors of which many are equal, and some are missing."""
    few = units(rng, 7)
    return [
        np.zeros((0, 0), np.float32) if rng.random() < 0.1 else few[[int(rng.integers(0, 7))]] for _ in range(count)
    ]


@pytest.mark.parametrize("turn", range(12))
def test_files_and_blocks_change_nothing(turn: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(turn)
    monkeypatch.setattr(vectors, "BLOCK", int(rng.integers(1, 9)))
    queries, corpus = levels(rng, 23), levels(rng, int(rng.integers(2, 40)))
    relevant = [sorted(set(rng.integers(0, len(corpus), int(rng.integers(0, 4))).tolist())) for _ in queries]
    lists: list[list[int] | None] = [
        None if rng.random() < 0.7 else sorted({*one, *rng.integers(0, len(corpus), 5).tolist()}) for one in relevant
    ]
    q, c = stored(tmp_path / "q", queries), stored(tmp_path / "c", corpus)
    found = ranking.rank(Cosine(), q, c, relevant, lists, block=int(rng.integers(1, 30)))
    for place, asked in enumerate(queries):
        held = range(len(corpus)) if lists[place] is None else lists[place]
        assert held is not None
        scores = np.array([float(asked[0] @ corpus[i][0]) if len(asked) and len(corpus[i]) else -np.inf for i in held])
        at = {item: i for i, item in enumerate(held)}
        assert found.ranks[place] == ranks_of(scores, [at[item] for item in relevant[place]], 1e-6)
        best = [score for score in sorted(scores.tolist(), reverse=True) if np.isfinite(score)][:10]
        assert found.scores[place] == pytest.approx(best, abs=2e-5)
        assert [scores[at[item]] for item in found.top[place]] == pytest.approx(best, abs=1e-5)


def test_an_embedder_that_abstains_from_one_side_ranks_nothing(tmp_path: Path) -> None:
    none: Rows = [np.zeros((0, 0), np.float32)] * 3
    some: Rows = [one[None] for one in units(np.random.default_rng(0), 3)]
    q, c = stored(tmp_path / "q", none), stored(tmp_path / "c", some)
    assert ranking.rank(Cosine(), q, c, [[0]] * 3, [None] * 3).ranks == [()] * 3
    assert q.abstained == 3 and c.abstained == 0


def test_vectors_of_two_lengths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "BLOCK", 1)
    with pytest.raises(ServiceDown, match="2 and 3 numbers"):
        stored(tmp_path, [np.ones((1, 2), np.float32), np.ones((1, 3), np.float32)])


def batch(rng: np.random.Generator, count: int, most: int) -> Batch:
    return Batch.joined([units(rng, int(rng.integers(0, most + 1))) for _ in range(count)], 6)


def test_late_interaction_is_the_mean_of_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    for cells in (1, 1 << 24):
        monkeypatch.setattr("synflow.evaluate.scoring.CELLS", cells)
        queries, items = batch(rng, 9, 5), batch(rng, 14, 7)
        found = MaxSim().scores(queries, items)
        for i in range(9):
            for j in range(14):
                q, v = queries.of(i), items.of(j)
                wanted = -np.inf if not len(q) or not len(v) else np.mean([max(float(a @ b) for b in v) for a in q])
                assert found[i, j] == pytest.approx(wanted, abs=1e-6)
        assert MaxSim().pairs(queries, Batch.joined([items.of(i) for i in range(9)], 6)) == pytest.approx(
            np.diagonal(found[:, :9]), abs=1e-6
        )


def test_one_vector_a_side_makes_late_interaction_cosine() -> None:
    rng = np.random.default_rng(4)
    one, other = Batch.joined([a[None] for a in units(rng, 5)], 6), Batch.joined([a[None] for a in units(rng, 7)], 6)
    assert MaxSim().scores(one, other) == pytest.approx(Cosine().scores(one, other), abs=1e-6)


def drawn(text: Any, items: Any, scorer: StochasticText, radius: Any) -> float:
    points = [text + radius * point for point in scorer._noise(len(text))]
    return max(float(point @ items[0] / np.linalg.norm(point)) for point in points)


def test_a_stochastic_text_is_the_best_of_its_points() -> None:
    rng = np.random.default_rng(5)
    queries = Batch.joined([a[None] for a in units(rng, 4)], 6)
    items = Batch.joined([units(rng, 4) for _ in range(5)], 6)
    scorer = StochasticText(samples=6, seed=1, radius=0.3)
    found = scorer.scores(queries, items)
    for i in range(4):
        for j in range(5):
            text, held = queries.of(i)[0], items.of(j)
            radius = 0.3 * np.exp(np.mean(held[1:] @ text))
            assert found[i, j] == pytest.approx(drawn(text, held, scorer, radius), abs=1e-5)
    assert scorer.pairs(queries, Batch.joined([items.of(i) for i in range(4)], 6)) == pytest.approx(
        np.diagonal(found), abs=1e-6
    )
    assert StochasticText(samples=6, radius=0.0).scores(queries, items) == pytest.approx(
        Cosine().scores(queries, items), abs=1e-6
    )
    assert (StochasticText(samples=6, seed=1, radius=0.3).scores(queries, items) == found).all()


def test_a_trained_radius_is_read_from_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    weight, bias = rng.normal(size=(3, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32) - 3
    np.savez(tmp_path / "radius.npz", weight=weight, bias=bias)
    queries = Batch.joined([a[None] for a in units(rng, 2)], 6)
    items = Batch.joined([units(rng, 4) for _ in range(3)], 6)
    scorer = StochasticText(samples=5, seed=2, weights=tmp_path / "radius.npz")
    text, held = queries.of(1)[0], items.of(2)
    radius = np.exp((held[1:] @ text) @ weight + bias) * np.sqrt(6)
    assert scorer.scores(queries, items)[1, 2] == pytest.approx(drawn(text, held, scorer, radius), abs=1e-5)
    with pytest.raises(UsageError, match="made for 3 frames"):
        scorer.scores(queries, Batch.joined([units(rng, 2)], 6))
    (tmp_path / "bad.npz").write_bytes(b"x")
    with pytest.raises(UsageError, match="cannot be read"):
        StochasticText(weights=tmp_path / "bad.npz")


@given(st.lists(st.floats(-3.0, 3.0, width=32), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_bfloat16_keeps_eight_bits(values: list[float]) -> None:
    given_ = np.array(values, np.float32)
    rounded = bfloat16(given_)
    assert (rounded.view(np.uint32) & 0xFFFF == 0).all()
    assert (np.abs(rounded - given_) <= np.abs(given_) * 2**-8 + 1e-38).all()
    assert (bfloat16(rounded) == rounded).all()
