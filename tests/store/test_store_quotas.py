"""What is told of targets: how many were asked for, offered and made, and why there are fewer."""

from __future__ import annotations

from typing import Any

import pytest

from synflow.store.quotas import CAUSES, targets_told
from synflow.store.receipts import Counts, Receipt


def receipts(*pairs: dict[str, int]) -> list[Receipt]:
    return [Receipt(pass_name="p", shard=f"{n}", inputs="", counts=Counts(), pairs=p) for n, p in enumerate(pairs)]


def told(
    config: dict[str, Any], offered: list[dict[str, int]], made: dict[str, int], withdrawn: dict[str, int] | None = None
) -> dict[str, Any]:
    stages = [{"name": "expand", "config": {}}, {"name": "quota", "config": config}]
    found: dict[str, Any] = targets_told(stages, [receipts(*offered), receipts(made)], made, withdrawn or {})
    return found


@pytest.mark.parametrize(
    ("target", "offered", "made", "shares", "cause"),
    [
        (10, 25, 10, {}, ""),
        (10, 10, 10, {"source_share": 0.1}, ""),
        (10, 7, 7, {}, "material"),
        (10, 0, 0, {}, "material"),
        (10, 25, 8, {"source_share": 0.1}, "shares"),
        (10, 25, 8, {"topic_share": 0.1}, "shares"),
        (10, 12, 9, {}, "repeats"),
        (0, 12, 0, {}, ""),
    ],
)
def test_causes(target: int, offered: int, made: int, shares: dict[str, float], cause: str) -> None:
    half = {"t2v": offered // 2, "t2t": 3}
    found = told({"targets": {"t2v": target}, **shares}, [half, {"t2v": offered - offered // 2}], {"t2v": made})
    wanted = {"target": target, "offered": offered, "made": made, "short": max(0, target - made), "cause": cause}
    assert found == {"targets": {"t2v": wanted}}
    assert cause == "" or cause in CAUSES


def test_without_targets_nothing_is_told() -> None:
    assert told({"targets": None}, [{"t2v": 3}], {"t2v": 3}) == {}
    assert targets_told([{"name": "expand", "config": {}}], [receipts({"t2v": 1})], {"t2v": 1}, {}) == {}


def test_pairs_that_were_withdrawn_are_the_cause_where_they_are_all_that_lacks() -> None:
    quota: dict[str, Any] = {"targets": {"t2v": 10}}
    assert told(quota, [{"t2v": 25}], {"t2v": 8}, {"t2v": 2})["targets"]["t2v"]["cause"] == "withdrawn"
    assert told(quota, [{"t2v": 9}], {"t2v": 7}, {"t2v": 2})["targets"]["t2v"]["cause"] == "material"
