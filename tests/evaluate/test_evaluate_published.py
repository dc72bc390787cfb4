"""What the paper prints follows from what it prints, but for what is named; and its figures are computed again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synflow.evaluate.abilities import AVERAGES, SINGLE, Average, averages
from synflow.evaluate.correlation import matrix, pearson, ranked, spearman
from synflow.evaluate.reference import (
    NEAR,
    abilities_of_uvrb,
    ability_table,
    disagreements,
    figure_models,
    published,
    uvrb,
)


def test_the_benchmark_has_sixteen_datasets_of_seven_abilities() -> None:
    assert len(uvrb()) == 16
    assert {known.ability for known in uvrb().values()} == set(SINGLE)
    assert {name for name, known in uvrb().items() if known.metric != "R@1"} == {"CMRB", "LoVR-TH", "MS-TI", "MS-TV"}
    assert all(known.instruction.endswith(".") for known in uvrb().values())


def test_every_printed_average_follows_from_the_datasets_but_the_known_misprints() -> None:
    rows = [row for row in published() if len(row.datasets) == 16]
    assert len(rows) == 18
    # The two later models print averages by a rule of their own; only their datasets are carried.
    assert [row.model for row in rows if set(row.averages) != set(AVERAGES)] == ["Embed-RL-2B", "Embed-RL-4B"]
    named = {(row.model, name) for row in published() for name in row.misprints}
    assert {(model, name) for model, name, _, _ in disagreements()} == named
    assert {model for model, _ in named} == {"GME-2B", "VLM2Vec-V2"}
    checked = 0
    for row in rows:
        for name, average in averages(row.datasets, abilities_of_uvrb()).items():
            if name in row.averages and name not in row.misprints:
                assert average.whole and average.value == pytest.approx(row.averages[name], abs=NEAR + 1e-9)
                checked += 1
    assert checked == 16 * len(AVERAGES) - len(named)
    gme = next(row for row in rows if row.model == "GME-2B")
    assert averages(gme.datasets, abilities_of_uvrb())["abilities"].value == pytest.approx(0.516, abs=NEAR)


def of(rows: list[Any], one: str, other: str) -> float:
    value = matrix(ability_table(rows))[one, other].spearman
    assert value is not None
    return value


def test_the_correlations_of_the_figures_come_out_again() -> None:
    rows = figure_models()
    assert len(rows) == 16
    assert of(rows, "PR", "ALL") == pytest.approx(0.968, abs=0.0005)
    assert of(rows, "VIS", "ALL") == pytest.approx(0.255, abs=0.0005)
    clip = [row for row in rows if row.group == "clip"]
    assert len(clip) == 6
    mllm = [row for row in rows if row.group == "mllm"]
    assert len(mllm) == 8
    told = {(c.one, c.other): c for c in matrix(ability_table(clip)).values()}
    pairs = {("S", "CG"): 0.99, ("T", "CG"): 0.46, ("CMP", "VIS"): -0.71}
    for (one, other), value in pairs.items():
        held = told[one, other]
        assert held.n == 6
        assert any(v is not None and abs(v - value) < 0.006 for v in (held.spearman, held.pearson)), held


def test_temporal_and_fine_go_together_over_multimodal_models() -> None:
    rows = [row for row in figure_models() if row.group != "clip"]
    assert len(rows) == 10
    assert of(rows, "T", "FG") == pytest.approx(0.98, abs=0.01)


def test_the_printed_coefficient_of_spatial_and_temporal_comes_from_no_group() -> None:
    groups = {
        "figure": figure_models(),
        **{g: [r for r in published() if r.group == g] for g in ("clip", "mllm")},
        "main": [row for row in published() if row.group in ("clip", "mllm", "gve")],
    }
    for name, rows in groups.items():
        held = matrix(ability_table(rows))["S", "T"]
        assert held.spearman is not None and held.pearson is not None
        assert abs(held.spearman - 0.12) > 0.05 and abs(held.pearson - 0.12) > 0.05, name


def test_coefficients_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    for _ in range(50):
        one, other = rng.integers(0, 6, 12).tolist(), rng.integers(0, 6, 12).tolist()
        assert ranked(one).tolist() == stats.rankdata(one).tolist()
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other)[0])
        assert pearson(one, other) == pytest.approx(stats.pearsonr(one, other)[0])
    assert spearman([1, 1, 1], [1, 2, 3]) is None and pearson([1, 2], [1, 2]) is None


def test_an_average_that_lacks_a_dataset_is_marked_and_so_is_all_that_is_made_of_it() -> None:
    scores: dict[str, float | None] = dict.fromkeys(uvrb(), 0.5)
    scores |= {"CMRB": None, "CRB-T": 0.2}
    found = averages(scores, abilities_of_uvrb())
    assert found["T"] == Average(0.2, ("CMRB",))
    assert {name for name, one in found.items() if not one.whole} == {"T", "FG", "TXT", "abilities", "datasets"}
    del scores["CRB-T"]
    found = averages(scores, abilities_of_uvrb())
    assert found["T"] == Average(None, ("CRB-T", "CMRB"))
    assert found["FG"].value == 0.5 and set(found["FG"].missing) == {"CRB-T", "CMRB"}


def test_a_benchmark_without_an_ability_has_no_whole_average_of_it() -> None:
    found = averages({"a": 0.4}, {"a": "CG"})
    assert found["CG"].whole and found["datasets"].whole
    assert not found["TXT"].whole and found["TXT"].value == 0.4
    assert found["VIS"].value is None
