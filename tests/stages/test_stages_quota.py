from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.quota import Quota, QuotaConfig
from synflow.contract import CorpusStage, Keep, Row
from synflow.records import Pair, Sample, Side, Source, Text

DOMAINS = ("cg", "s", "t", "pr")
OFFERS = st.tuples(st.integers(0, 60), st.sampled_from(["t2v", "i2v", "t2t"]), st.sampled_from(DOMAINS))
ROWS = st.lists(st.lists(OFFERS, min_size=1, max_size=5), max_size=15)
TARGETS = st.dictionaries(st.sampled_from(["t2v", "i2v", "t2t", "v2v"]), st.integers(0, 20))


def rows_of(drawn: list[list[tuple[int, str, str]]]) -> list[Row]:
    return [
        {"sample": f"s{i}", "pairs": [[f"p{task}{n}", task, domain, "raw", f"src{i % 4}"] for n, task, domain in pairs]}
        for i, pairs in enumerate(drawn)
    ]


def settle(rows: list[Row], targets: Any, seed: int = 1) -> dict[str, list[str]]:
    decisions = Quota(QuotaConfig(targets=targets)).settle(rows, seed)
    assert all(d.drop is None for d in decisions)
    return {row["sample"]: d.note for row, d in zip(rows, decisions, strict=True)}


@given(ROWS, TARGETS | st.none(), st.integers(0, 3))
@settings(deadline=None)
def test_targets_are_met_exactly_and_no_pair_is_kept_twice(
    drawn: list[list[tuple[int, str, str]]], targets: Any, seed: int
) -> None:
    rows = rows_of(drawn)
    kept = [p for ids in settle(rows, targets, seed).values() for p in ids]
    available = {p[0]: p[1] for row in rows for p in row["pairs"]}
    assert len(kept) == len(set(kept))
    offered, taken = Counter(available.values()), Counter(available[p] for p in kept)
    for task, number in offered.items():
        assert taken[task] == (number if targets is None else min(targets.get(task, 0), number))


@given(ROWS, TARGETS | st.none(), st.randoms())
@settings(deadline=None)
def test_order_of_arrival_changes_nothing(drawn: list[list[tuple[int, str, str]]], targets: Any, rng: Any) -> None:
    rows = rows_of(drawn)
    mixed = [{**row, "pairs": rng.sample(row["pairs"], len(row["pairs"]))} for row in rng.sample(rows, len(rows))]
    assert settle(mixed, targets) == settle(rows, targets)


def test_domains_and_sources_are_balanced() -> None:
    rows = []
    for i in range(400):
        domain = DOMAINS[0] if i < 340 else DOMAINS[1 + i % 3]
        source = "big" if i % 10 else f"small{i % 7}"
        rows.append({"sample": f"s{i}", "pairs": [[f"p{i}", "t2v", domain, "raw", source]]})
    of = {row["pairs"][0][0]: row["pairs"][0] for row in rows}
    kept = [of[p] for ids in settle(rows, {"t2v": 40}).values() for p in ids]
    assert Counter(p[2] for p in kept) == dict.fromkeys(DOMAINS, 10)
    sources = Counter(p[4] for p in kept if p[2] == "cg")
    assert max(sources.values()) - min(sources.values()) <= 1 or sources["big"] <= 5
    assert len(sources) == 8


def test_a_larger_target_keeps_what_a_smaller_one_chose() -> None:
    rows = [{"sample": f"s{i}", "pairs": [[f"p{i}", "t2v", DOMAINS[i % 4], "raw", f"src{i % 9}"]]} for i in range(200)]
    chosen: set[str] = set()
    for target in (0, 1, 10, 57, 120, 200, 500):
        now = {p for ids in settle(rows, {"t2v": target}).values() for p in ids}
        assert len(now) == min(target, 200)
        assert chosen <= now
        chosen = now
    assert settle(rows, {"t2v": 50}, seed=2) != settle(rows, {"t2v": 50}, seed=1)


def pair(name: str) -> Pair:
    side = Side(text=Text(text=name))
    return Pair(
        id=name, task="t2t", query=side, target=side, instruction="", domain="cg", style="raw", record_id="r",
        source_id="src", source_uri="u", licence="MIT",
    )  # fmt: skip


def test_rows_and_apply() -> None:
    stage = Quota(QuotaConfig(targets={"t2t": 2}))
    assert isinstance(stage, CorpusStage)
    source = Source(record_id="r", uri="u")
    samples = [Sample(source=source, pairs=(pair("a"), pair("b"), pair("c"))), Sample(source=source)]
    rows = stage.rows(samples, ctx=None)  # type: ignore[arg-type]
    assert rows[1] is None
    assert rows[0] == {"sample": "r\n", "pairs": [[n, "t2t", "cg", "raw", "src"] for n in "abc"]}
    (decision,) = stage.settle([rows[0]], 5)
    outcome = stage.apply(samples[0], decision)
    assert isinstance(outcome, Keep)
    assert [p.id for p in outcome.sample.pairs] == decision.note
    assert len(decision.note) == 2


@pytest.mark.parametrize("targets", [{"t2v": -1}, {"x2v": 3}, {"t2v": "many"}])
def test_wrong_targets_are_refused(targets: Any) -> None:
    with pytest.raises(ValueError):
        QuotaConfig(targets=targets)
