"""The clips nearest to a cut, on both sides, from the index alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from handmade import write_run

from synflow.inspect.index import open_index
from synflow.inspect.thresholds import configs, measured, nearest


def test_neighbours_of_a_simple_cut(handmade: Path) -> None:
    near = {one.cut.reason: one for one in nearest(open_index(handmade), 2)}["blurred"]
    assert near.threshold == 50 and near.dropped_in_all == 3
    assert [one.value for one in near.dropped] == [14, 13]
    assert [one.value for one in near.kept] == [60, 61]
    assert near.kept[0].source_uri == "videos/v0.mp4"


def test_a_rule_of_several_measures_is_one_ratio(handmade: Path) -> None:
    near = {one.cut.reason: one for one in nearest(open_index(handmade))}["static-clip"]
    # residual 0.11 of 0.15 is nearer to passing than changed 0.01 of 0.02.
    assert [one.value for one in near.dropped] == [round(0.11 / 0.15, 6)]
    assert near.threshold == 1 and [one.value for one in near.kept][:2] == [round(0.2 / 0.15, 6), 2.0]


def test_who_another_clause_judged_is_no_neighbour(handmade: Path) -> None:
    index = open_index(handmade)
    for entry in index.run["manifest"]["stages"]:
        entry["config"].update(min_sharpness=61.5, min_residual=0.105)
    near = {one.cut.reason: one for one in nearest(index, 9)}
    assert [one.value for one in near["blurred"].kept][:2] == [62, 63], "60 and 61 were kept for another reason"
    assert near["static-clip"].dropped == () and near["static-clip"].dropped_in_all == 1


def test_cuts_that_dropped_nothing_are_left_out(tmp_path: Path) -> None:
    reasons = [one.cut.reason for one in nearest(open_index(write_run(tmp_path, number=1, frames=1)))]
    assert reasons == ["blurred", "static-clip"]


def test_parameters_are_found_where_run_json_has_them() -> None:
    entry = {"name": "quality", "config": {"min_sharpness": 0.2}}
    assert (
        configs({"stages": [entry]})
        == configs({"manifest": {"stages": [entry]}})
        == {"quality": {"min_sharpness": 0.2}}
    )
    assert configs({"fingerprint": {"stages[0].name": "quality"}}) == {}


def test_measures_that_are_absent_or_words() -> None:
    numbers = pa.array([[("a", 1.5)], [], None, [("b", 2.0)]], pa.map_(pa.string(), pa.float64()))
    np.testing.assert_equal(measured(numbers, "a"), [1.5, np.nan, np.nan, np.nan])
    words = pa.array([[("a", "1.5")], [("a", "2")]], pa.map_(pa.string(), pa.string()))
    np.testing.assert_equal(measured(words, "a"), [1.5, 2.0])
    assert np.isnan(measured(pa.array([[("a", "pan")]], pa.map_(pa.string(), pa.string())), "a")).all()
