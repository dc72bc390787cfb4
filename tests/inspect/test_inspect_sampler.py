"""Draws depend on ids and seed alone, and a pair is read from the bytes that the index names."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from handmade import HOSTILE, name_of, write_run

from synflow.errors import Damage, Incomplete, UsageError
from synflow.inspect.index import open_index, overview
from synflow.inspect.sampler import described, draw, examples, find, read_pair, smallest
from synflow.records import TASKS


def test_a_draw_ignores_the_order_of_the_table(handmade: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(handmade, other)
    table = pq.read_table(other / "index/pairs.parquet")
    order = list(range(len(table)))
    random.Random(3).shuffle(order)
    pq.write_table(table.take(order), other / "index/pairs.parquet", row_group_size=5)
    for seed in range(4):
        rows = [draw(open_index(root), "t2v", 2, seed) for root in (handmade, other)]
        assert [row["id"] for row in rows[0]] == [row["id"] for row in rows[1]]


def test_seeds_draw_differently_and_tasks_take_turns(handmade: Path) -> None:
    index = open_index(handmade)
    assert len({tuple(row["id"] for row in draw(index, "t2v", 2, seed)) for seed in range(12)}) > 4
    assert [row["task"] for row in draw(index, None, None, 0)] == list(TASKS)
    assert [row["task"] for row in draw(index, None, 9, 0)] == [*TASKS, *TASKS[:2]]
    assert len(draw(index, "v2v", 50, 0)) == 4
    with pytest.raises(UsageError, match="no task 'x2v'"):
        draw(index, "x2v", 1, 0)


def test_a_larger_sample_begins_with_the_smaller_one() -> None:
    names = [str(n) for n in range(500)]
    assert smallest(20, names, 7)[:5] == smallest(5, reversed(names), 7)


def test_a_draw_is_even() -> None:
    names = [str(n) for n in range(40)]
    seen = [one for seed in range(400) for one in smallest(4, names, seed)]
    counts = [seen.count(name) for name in names]
    assert min(counts) > 15 and max(counts) < 75


def test_a_pair_is_read_whole(handmade: Path) -> None:
    index = open_index(handmade)
    pair = read_pair(handmade, find(index, name_of("tv2v", 2)[:12]))
    assert pair.record["task"] == "tv2v" and pair.texts["query"].endswith("Number 2.")
    assert [len(pair.pictures[side]) for side in ("query", "target")] == [8, 8]
    hostile = read_pair(handmade, find(index, name_of("t2v", 0)))
    assert hostile.texts["query"] == HOSTILE
    assert described(hostile)["media_bytes"]["target"] == [len(one) for one in hostile.pictures["target"]]


def test_an_id_must_name_one_pair(handmade: Path) -> None:
    index = open_index(handmade)
    for wrong, cause in (("zzzz", "no pair has"), ("", "28 pairs have")):
        with pytest.raises(UsageError, match=cause):
            find(index, wrong)


def test_a_pair_that_is_not_there_is_damage(tmp_path: Path) -> None:
    write_run(tmp_path, number=2, frames=2)
    row = find(open_index(tmp_path), name_of("t2v", 1))
    with pytest.raises(Damage, match="does not hold pair"):
        read_pair(tmp_path, {**row, "offset": row["offset"] + 512})
    with pytest.raises(Damage, match="does not hold pair"):
        read_pair(tmp_path, {**row, "offset": 0})
    with pytest.raises(Damage, match="is missing"):
        read_pair(tmp_path, {**row, "shard": "../../etc/passwd"})
    (tmp_path / row["shard"]).unlink()
    with pytest.raises(Damage, match="is missing"):
        read_pair(tmp_path, row)


def test_counts_and_examples(handmade: Path) -> None:
    index = open_index(handmade)
    facts = overview(index)
    assert facts["pairs"] == 28 and facts["tasks"] == dict.fromkeys(TASKS, 4)
    assert facts["domains"] == {"cg": 0, "s": 4, "t": 4, "pr": 4, "lc": 0, "cmp": 8, "vis": 8}
    assert (facts["clips"], facts["kept"], facts["dropped"], facts["shards"]) == (12, 12, 7, 7)
    assert next(iter(facts["drops"].items())) == ("quality/blurred", 3)
    found = examples(index, 2, 0)
    assert len(found["quality", "blurred"]) == 2 and len(found["engine", "bad-record"]) == 1
    assert found["dynamics", "static-clip"][0]["measures"]["dynamics.residual"] == 0.11


def test_what_is_no_finished_run_is_told(handmade: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        open_index(tmp_path / "absent")
    with pytest.raises(UsageError, match="not a run directory"):
        open_index(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(Incomplete, match="not finished"):
        open_index(tmp_path)
    (tmp_path / "dataset.json").write_text("{broken")
    with pytest.raises(Damage, match=r"dataset\.json cannot be read"):
        open_index(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    (tmp_path / "index").mkdir()
    (tmp_path / "index/pairs.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(Damage, match=r"pairs\.parquet cannot be read"):
        overview(open_index(tmp_path))
