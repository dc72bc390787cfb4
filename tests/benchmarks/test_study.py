"""The statistics of the study, its false captions, and its page: what is outside the spread is decided by numbers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from _study_data import ADVERTS, spoilt
from _study_models import by_queries
from _study_page import ORDER, write_page
from _study_statistics import best_way, complete, difference, pooled, student, table_of

from synflow.evaluate.abilities import AVERAGES
from synflow.evaluate.outcome import file_of, write
from synflow.evaluate.reference import uvrb

CLIPS = {f"clip-{i}": f"a caption of clip {i}" for i in range(2000)}


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(5, 2.5706), (10, 2.2281), (12, 2.1788), (24, 2.0639), (36, 2.0281), (1000, 1.9623)]
)
def test_student_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, abs=2e-3)


def test_too_few_seeds_decide_nothing() -> None:
    table = {("raw", 0): [{"CMP": 0.1}, {"CMP": 0.2}], ("curation", 0): [{"CMP": 0.9}, {"CMP": 0.8}]}
    found = difference(table, "curation", "raw", "CMP", [0])
    assert found is not None
    assert found.value == pytest.approx(0.7)
    assert not found.outside


def drawn(apart: float, seed: int) -> dict[tuple[str, int], list[dict[str, float]]]:
    """Return 6 ways at 2 shares with 3 seeds each, of which the last way is better by ``apart`` deviations."""
    rng = np.random.default_rng(seed)
    return {
        (way, share): [{"CMP": float(rng.normal(apart if way == ORDER[-1] else 0.0))} for _ in range(3)]
        for way in ORDER
        for share in (0, 40)
    }


def test_one_in_twenty_equal_ways_is_outside_the_spread() -> None:
    equal = [difference(drawn(0.0, seed), "pyramid", "raw", "CMP", [0, 40]) for seed in range(600)]
    wrong = fmean(one.outside for one in equal if one is not None)
    assert 0.025 < wrong < 0.08


def test_a_way_that_is_better_by_three_deviations_is_found() -> None:
    found = [difference(drawn(3.0, seed), "pyramid", "raw", "CMP", [0, 40]) for seed in range(100)]
    assert fmean(one.outside and one.value > 0 for one in found if one is not None) > 0.95


def test_a_missing_cell_is_no_difference() -> None:
    table = drawn(0.0, 1)
    del table["raw", 40]
    assert difference(table, "curation", "raw", "CMP", [0, 40]) is None
    assert difference(table, "curation", "raw", "CMP", [0]) is not None
    assert complete(table, ORDER) == [0]


def test_shares_of_one_way_are_compared_with_one_another() -> None:
    table = {("raw", 0): [{"CMP": 0.5}] * 3, ("raw", 40): [{"CMP": 0.2}] * 3}
    found = difference(table, "raw", "raw", "CMP", [40], [0])
    assert found is not None
    assert found.value == pytest.approx(-0.3)
    assert found.outside


def test_the_spread_is_pooled_within_cells() -> None:
    table = {("raw", 0): [{"CMP": 0.0}, {"CMP": 2.0}], ("raw", 40): [{"CMP": 100.0}, {"CMP": 102.0}]}
    assert pooled(table, "CMP") == (pytest.approx(2**0.5), 2)


def test_false_captions_are_as_many_as_asked_for_and_nested() -> None:
    few, many = spoilt(CLIPS, 0.2), spoilt(CLIPS, 0.4)
    assert spoilt(CLIPS, 0.0) == {}
    assert len(few) / len(CLIPS) == pytest.approx(0.2, abs=0.03)
    assert len(many) / len(CLIPS) == pytest.approx(0.4, abs=0.03)
    assert few.keys() < many.keys()


def test_a_false_caption_is_that_of_another_clip_or_an_advert() -> None:
    false = spoilt(CLIPS, 0.4)
    swapped = [name for name, text in false.items() if text in CLIPS.values()]
    adverts = [text for text in false.values() if any(text.startswith(one.split("{")[0]) for one in ADVERTS)]
    assert all(false[name] != CLIPS[name] for name in false)
    assert len(swapped) + len(adverts) == len(false)
    assert len(swapped) / len(false) == pytest.approx(0.75, abs=0.05)


def results(gain: float) -> dict[str, Any]:
    """Return results in which expansion gains on composed queries alone, and curation and all else on nothing."""
    rng = np.random.default_rng(3)

    def cell(way: str) -> dict[str, Any]:
        composed = gain if ORDER.index(way) >= ORDER.index("expansion") else 0.0
        scores = {
            name: 0.2 + (composed if known.ability == "CMP" else 0.0) + float(rng.normal(0, 0.01))
            for name, known in uvrb().items()
        }
        return {"datasets": {name: [value, value] for name, value in scores.items()}, "steps": {"t2v": 6, "t2i": 3}}

    shares = (0, 40)
    facts = {"pairs": {"t2v": 10}, "videos": 10, "raw": 10, "false": 2}
    sizes = {"clips": 1, "base_clips": 1, "base_steps": 5, "defects": 0.2, "steps": 9, "mini": 12, "world_seed": 1}
    return {
        "plan": {**sizes, "base_seed": 2},
        "runs": {f"{name}/{share}": facts for name in ORDER[:4] for share in shares},
        "cells": {f"{way}/{share}/{seed}": cell(way) for way in ORDER for share in shares for seed in (1, 2, 3)},
        "base": cell("raw"),
        "queries": {way: {name: [gain, gain - 0.01, gain + 0.01] for name in AVERAGES} for way in ORDER[1:]},
    }


def test_the_page_says_what_the_numbers_say(tmp_path: Path) -> None:
    write_page(results(0.3), tmp_path)
    text = (tmp_path / "study.md").read_text()
    assert "outside the spread of seeds): it holds here too." in text
    assert "* **+ expansion** helps CMP, hurts none; by rank it helps CMP, hurts none." in text
    assert "it is +30.0 [+29.0, +31.0]; outside that spread it is better on TXT, CMP" in text
    assert "67% (`raw`)" in text
    assert "20 % false captions were not trained in all ways" in text
    once = [(tmp_path / name).read_bytes() for name in ("study-scores.svg", "study-gains.svg")]
    write_page(results(0.3), tmp_path)
    assert (tmp_path / "study.md").read_text() == text
    assert [(tmp_path / name).read_bytes() for name in ("study-scores.svg", "study-gains.svg")] == once


def test_the_page_claims_nothing_where_nothing_differs(tmp_path: Path) -> None:
    told = results(0.0)
    write_page(told, tmp_path)
    text = (tmp_path / "study.md").read_text()
    assert "this study does not decide it" in text
    table = table_of(told)
    best = best_way(table, ORDER, [0, 40])
    apart = difference(table, best, "raw", "abilities", [0, 40])
    assert apart is not None
    assert abs(apart.value) < 0.01


def test_a_loss_is_told_as_one(tmp_path: Path) -> None:
    write_page(results(-0.15), tmp_path)
    text = (tmp_path / "study.md").read_text()
    assert "* **+ expansion** helps none, hurts CMP" in text
    assert "it does not hold here, it is worse." in text


def test_without_trainings_there_is_no_page(tmp_path: Path) -> None:
    write_page({**results(0.1), "cells": {}}, tmp_path)
    assert not list(tmp_path.iterdir())


def found(folder: Path, ranks: dict[str, list[int]]) -> None:
    """Write what a model found: for each dataset the rank of the one relevant item of each query."""
    for name, known in uvrb().items():
        label = f"MiniUVRB/{name}"
        own = {"ranks": [[rank] for rank in ranks[name]], "relevant": [1] * len(ranks[name])}
        write(file_of(folder, label), {"name": label, "metric": known.metric, "per_query": own})


def test_the_spread_over_queries_is_that_of_their_means_over_seeds(tmp_path: Path) -> None:
    second = {name: [20] * 12 for name in uvrb()}
    better = {name: [1] * 6 + [20] * 6 if known.ability == "CMP" else [20] * 12 for name, known in uvrb().items()}
    for seed in (1, 2):
        found(tmp_path / "scores" / f"raw-0-{seed}", second)
        found(tmp_path / "scores" / f"pyramid-0-{seed}", better if seed == 1 else second)
    told = by_queries(tmp_path, "pyramid", {0: [1, 2]}, times=200)
    value, low, high = told["CMP"]
    assert value == pytest.approx(0.25)
    assert 0 < low < value < high < 0.5
    assert told["VIS"] == [0.0, 0.0, 0.0]


def test_the_page_that_ships_is_that_of_the_results_that_ship(tmp_path: Path) -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    write_page(json.loads((docs / "study.json").read_text()), tmp_path)
    assert (tmp_path / "study.md").read_text() == (docs / "study.md").read_text()
