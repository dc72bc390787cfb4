"""Batches: one task each, every pair once a round, the same from any step on, and nothing of a held-out video."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from made import tiny, write_pictures

from synflow.errors import Damage, UsageError
from synflow.train.batches import Batches, steps_of_epoch
from synflow.train.pool import Pool, open_pool

TASKS = ["t2v", "t2i", "t2v", "tv2v", "t2v", "t2v", "t2v", "t2i", "t2i", "tv2v"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("made") / "run")


@pytest.fixture(scope="module")
def pool(run: Path) -> Pool:
    return open_pool(tiny(run, run.parent / "out"))


def batches(pool: Pool, tasks: list[str] = TASKS, seed: int = 1) -> Batches:
    return Batches(pool, tasks, Counter(), 0, seed)


def test_a_batch_holds_one_task_and_no_pair_twice(pool: Pool) -> None:
    made = list(batches(pool))
    assert [batch.task for batch in made] == TASKS
    for batch in made:
        assert len(set(batch.places)) == len(batch.places) == pool.sizes[batch.task]
        assert {pool.dataset[place].task for place in batch.places} == {batch.task}
    assert pool.sizes == {"t2v": 6, "t2i": 4, "i2v": 6, "t2t": 6, "ti2v": 6, "v2v": 6, "tv2v": 5}


def test_a_round_has_each_pair_once_and_the_next_one_another_order(pool: Pool) -> None:
    made = list(batches(pool, ["t2v"] * 8))
    first, second = ([p for batch in half for p in batch.places] for half in (made[:4], made[4:]))
    assert sorted(first) == sorted(second) == pool.trained["t2v"].tolist()
    assert first != second
    assert first != [p for batch in batches(pool, ["t2v"] * 4, seed=2) for p in batch.places]


def test_an_epoch_goes_on_where_the_one_before_ended(pool: Pool) -> None:
    whole = batches(pool)
    start = Batches(pool, TASKS[:4], Counter(), 0, 1)
    rest = Batches(pool, TASKS[4:], start.after, 4, 1)
    assert list(whole) == [*start, *rest]
    assert whole.after == rest.after
    assert rest[3] == whole[7]


def test_processes_share_a_batch(run: Path) -> None:
    pool = open_pool(tiny(run, run.parent / "out"), ranks=2)
    assert pool.sizes["tv2v"] == 4
    batch = batches(pool)[3]
    shares = [batch.share(rank, 2) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == sorted(batch.places) and len(shares[0]) == len(shares[1])


def test_held_out_videos_are_never_trained_on(run: Path) -> None:
    small, large = (open_pool(tiny(run, run.parent / "out", f"data.holdout={n}")) for n in (5, 20))
    sources = [
        {one.dataset[int(place)].record["source_id"] for places in one.held.values() for place in places}
        for one in (small, large)
    ]
    assert (len(sources[0]), len(sources[1])) == (5, 20) and sources[0] <= sources[1]
    for one, held in zip((small, large), sources, strict=True):
        trained = {one.dataset[int(p)].record["source_id"] for places in one.trained.values() for p in places}
        assert not trained & held


def test_the_videos_that_are_held_out_may_be_the_same_for_other_seeds(run: Path) -> None:
    def held(*sets: str) -> set[str]:
        pool = open_pool(tiny(run, run.parent / "out", "data.holdout=8", *sets))
        return {pool.sources[place] for places in pool.held.values() for place in places.tolist()}

    assert held("seed=1") != held("seed=2")
    assert held("seed=1", "data.holdout_seed=5") == held("seed=2", "data.holdout_seed=5") == held("seed=5")


def test_a_task_with_too_few_pairs_is_left_out_and_told(tmp_path: Path) -> None:
    run = write_pictures(tmp_path / "run", {"t2v": 4, "t2i": 1})
    pool = open_pool(tiny(run, tmp_path / "out"))
    assert set(pool.trained) == {"t2v"} and pool.left_out == {
        "t2i": "1 pairs to train on: a batch needs two, and one for each process"
    }
    with pytest.raises(UsageError, match="no task"):
        open_pool(tiny(run, tmp_path / "out", "data.tasks=[t2i, v2v]"))


def test_a_missing_or_shortened_shard_is_found_before_the_first_step(tmp_path: Path) -> None:
    run = write_pictures(tmp_path / "run", {"t2v": 4})
    (shard,) = run.glob("shards/t2v/*.tar")
    data = shard.read_bytes()
    shard.unlink()
    with pytest.raises(Damage, match="is missing"):
        open_pool(tiny(run, tmp_path / "out"))
    shard.write_bytes(data[:-512])
    with pytest.raises(Damage, match=r"has [\d,]+ bytes instead of"):
        open_pool(tiny(run, tmp_path / "out"))


def test_the_steps_of_an_epoch_are_one_pass(pool: Pool) -> None:
    assert steps_of_epoch(pool, None) == sum(len(pool.trained[t]) // pool.sizes[t] for t in pool.trained) == 12
    assert steps_of_epoch(pool, 7) == 7
