from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.quota import Quota, QuotaConfig
from stages.rules.topics import topic_of
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


def corpus(clips: int, sources: int, first: int = 0) -> list[Row]:
    """Return rows of clips with pairs of several tasks, skewed over domains, styles, topics and sources."""
    rows = []
    for i in range(first, first + clips):
        rng = random.Random(i)
        source, topic = f"src{first}-{int(sources * rng.random() ** 2)}", f"topic{int(12 * rng.random() ** 2)}"
        pairs = []
        for task, number in (("t2v", 2), ("t2t", 1), ("i2v", 1), ("t2i", 1), ("v2v", 1)):
            for n in range(number):
                domain, style = DOMAINS[int(4 * rng.random() ** 3)], rng.choice(["raw", "raw", "dense", "partial"])
                pairs.append([f"{task}-{i}-{n}", task, domain, style, source])
        rows.append({"sample": f"s{i}", "topic": topic, "pairs": pairs})
    return rows


SIZES = (0, 1, 7, 40, 99, 250, 500, 777, 1000, 1200)


@pytest.mark.parametrize("size", SIZES)
def test_targets_of_many_sizes_are_met_to_the_pair(size: int) -> None:
    rows = corpus(600, 150)
    targets = {"t2v": size, "t2t": size // 2, "i2v": size // 3, "t2i": min(size, 600), "v2v": 0}
    kept = Counter(p.split("-")[0] for ids in settle(rows, targets).values() for p in ids)
    assert kept == Counter({task: number for task, number in targets.items() if number})


def test_styles_and_topics_are_balanced_where_they_have_pairs_left() -> None:
    rows = corpus(2000, 500)
    of = {p[0]: (p[2], p[3], row["topic"]) for row in rows for p in row["pairs"]}
    kept = Counter(of[p] for ids in settle(rows, {"t2v": 400}).values() for p in ids)
    had = Counter(value for pair, value in of.items() if pair.startswith("t2v"))
    domains, styles = Counter[str](), Counter[tuple[str, str]]()
    for (domain, style, _), number in kept.items():
        domains[domain] += number
        styles[domain, style] += number
    assert max(domains.values()) - min(domains.values()) <= 1
    for domain in DOMAINS:
        counts = [styles[domain, style] for style in ("raw", "dense", "partial")]
        assert max(counts) - min(counts) <= 1, (domain, counts)
        for style in ("raw", "dense", "partial"):
            topics = {f"topic{n}": kept[domain, style, f"topic{n}"] for n in range(12)}
            most = max(topics.values())
            # Who got less than another by more than the last turn had nothing left to give.
            assert all(number >= most - 1 or number == had[domain, style, topic] for topic, number in topics.items()), (
                domain,
                style,
                topics,
            )


@pytest.mark.parametrize(("source_share", "topic_share"), [(0.02, None), (None, 0.1), (0.01, 0.12)])
def test_no_source_or_topic_passes_its_share(source_share: float | None, topic_share: float | None) -> None:
    rows = corpus(1500, 120)
    stage = Quota(QuotaConfig(targets={"t2v": 500}, source_share=source_share, topic_share=topic_share))
    kept = [p for decision in stage.settle(rows, 3) for p in decision.note]
    of = {p[0]: (p[4], row["topic"]) for row in rows for p in row["pairs"]}
    sources, topics = (Counter(of[p][i] for p in kept) for i in (0, 1))
    assert len(kept) <= 500
    assert max(sources.values()) <= 500 * (source_share or 1) and max(topics.values()) <= 500 * (topic_share or 1)
    left = [p for p in of if p.startswith("t2v") and p not in set(kept)]
    had = Counter(of[p][0] for p in of if p.startswith("t2v"))
    for pair in left if len(kept) < 500 else ():
        source, topic = of[pair]
        beyond = source_share is not None and had[source] > int(500 * source_share)
        assert beyond or (topic_share is not None and topics[topic] == int(500 * topic_share)), pair


@given(
    old=st.integers(1, 30), new=st.integers(1, 30), target=st.integers(0, 80), seed=st.integers(0, 5),
    share=st.sampled_from([None, None, 0.05, 0.3]),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_added_sources_only_take_places(old: int, new: int, target: int, seed: int, share: float | None) -> None:
    """Of the pairs that were there before, none is chosen now that was not chosen then; and no more leave than come."""
    before, added = corpus(old, 9), corpus(new, 12, first=1000)
    stage = Quota(QuotaConfig(targets={"t2v": target}, source_share=share))
    first = {p for decision in stage.settle(before, seed) for p in decision.note}
    then = {p for decision in stage.settle([*added, *before], seed) for p in decision.note}
    known = {p[0] for row in before for p in row["pairs"]}
    assert then & known <= first
    if share is None:
        assert len(first - then) == max(0, len(then - known) - (min(target, len(then)) - len(first)))


def test_a_topic_is_a_word_that_the_captions_share() -> None:
    guitar = ["A man plays the guitar on a small stage.", "Somebody with a guitar, and a crowd.", "A concert at night."]
    assert topic_of(guitar) == topic_of(reversed(guitar)) == "guitar"
    assert topic_of(["Two guitars and a guitar."]) == "guitar"
    assert topic_of(["A volcano erupts at night.", "Lava runs down the slope of a volcano."]) == "volcano"
    for nothing in ([], [""], ["It is what it is."], ["12 34"], ["xqzzt"]):
        assert topic_of(nothing) == ""


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
    assert rows[0] == {"sample": "r\n", "topic": "", "pairs": [[n, "t2t", "cg", "raw", "src"] for n in "abc"]}
    (decision,) = stage.settle([rows[0]], 5)
    outcome = stage.apply(samples[0], decision)
    assert isinstance(outcome, Keep)
    assert [p.id for p in outcome.sample.pairs] == decision.note
    assert len(decision.note) == 2


def test_of_pairs_with_one_id_in_one_sample_the_same_one_counts_and_stays_in_any_order() -> None:
    stage, source = Quota(QuotaConfig(targets={"t2t": 4})), Source(record_id="r", uri="u")
    twice = [pair("a"), pair("a").model_copy(update={"domain": "s"})]
    others = Sample(source=source, pairs=tuple(pair(name) for name in "bcdefgh"))
    kept = []
    for pairs in (twice, twice[::-1]):
        sample = Sample(source=source, pairs=tuple(pairs))
        rows = stage.rows([sample, others], ctx=None)  # type: ignore[arg-type]
        for seed in range(8):
            decisions = stage.settle([row for row in rows if row is not None], seed)
            left = [stage.apply(one, decision) for one, decision in zip([sample, others], decisions, strict=True)]
            kept.append([(p.id, p.domain) for one in left if isinstance(one, Keep) for p in one.sample.pairs])
    assert kept[:8] == kept[8:]
    assert {domain for one in kept for _, domain in one} == {"cg"}
    assert any("a" in dict(one) for one in kept)


@pytest.mark.parametrize("targets", [{"t2v": -1}, {"x2v": 3}, {"t2v": "many"}])
def test_wrong_targets_are_refused(targets: Any) -> None:
    with pytest.raises(ValueError):
        QuotaConfig(targets=targets)
