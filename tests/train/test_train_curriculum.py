"""The pyramid: a pure function of scores, epoch and seed; and the baselines."""

from __future__ import annotations

import itertools
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synflow.ids import seed_of
from synflow.records import TASKS
from synflow.train.curriculum import EpochPlan, Score, drawn_as_svg, plan_epoch, sigma_of, softmax
from synflow.train.recipe import LOWEST, Order, Plain, Pyramid

PAIRS = {"t2v": 879, "t2i": 210, "i2v": 200, "t2t": 100, "ti2v": 89, "v2v": 36, "tv2v": 35}
SIZES = dict.fromkeys(TASKS, 8)
SCORES = {task: Score(0.9 - 0.1 * place, 0.1 * place, 100) for place, task in enumerate(TASKS)}


def plan(spec: Pyramid | Plain | Order, epoch: int = 0, steps: int = 4000, seed: int = 1) -> EpochPlan:
    return plan_epoch(spec, epoch, 3, steps, seed, PAIRS, SIZES, SCORES)


def test_sigma_rises_linearly() -> None:
    assert [sigma_of(Pyramid(), epoch, 3) for epoch in range(3)] == pytest.approx([0.1, 0.55, 1.0])
    assert sigma_of(Pyramid(), 0, 1) == 0.1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(TASKS), st.floats(-1, 1), min_size=1), st.floats(0.05, 2))
def test_softmax_is_as_it_is_written(scores: dict[str, float], sigma: float) -> None:
    found = softmax(scores, sigma)
    total = sum(math.exp(value / sigma) for value in scores.values())
    assert found == pytest.approx({task: math.exp(value / sigma) / total for task, value in scores.items()})
    assert sum(found.values()) == pytest.approx(1)
    for one, other in itertools.combinations(scores, 2):
        assert scores[one] == scores[other] or (scores[one] > scores[other]) >= (found[one] > found[other])


def test_the_first_epoch_keeps_to_easy_tasks_and_the_last_one_mixes() -> None:
    first, _, last = (plan(Pyramid(), epoch) for epoch in range(3))
    assert first.chances["t2v"] > 0.6 > 0.3 > last.chances["t2v"]
    assert last.chances["tv2v"] > 10 * first.chances["tv2v"]


def test_steps_are_drawn_by_the_chances_and_by_nothing_else() -> None:
    made = plan(Pyramid(), 2)
    assert made == plan(Pyramid(), 2)
    assert made.tasks != plan(Pyramid(), 2, seed=2).tasks
    for task, chance in made.chances.items():
        seen, deviation = made.tasks.count(task) / 4000, math.sqrt(chance * (1 - chance) / 4000)
        assert abs(seen - chance) < 5 * deviation
    assert plan(Pyramid(), 2, steps=100).tasks == made.tasks[:100]


def test_scores_may_be_relative_to_shuffled_pairs() -> None:
    absolute, relative = plan(Pyramid(), 1), plan(Pyramid(relative=True), 1)
    assert absolute.scores["ti2v"] == pytest.approx(0.5) and relative.scores["ti2v"] == pytest.approx(0.1)
    assert relative.chances["tv2v"] < absolute.chances["tv2v"]


def test_plain_mixing_meets_each_pair_as_often() -> None:
    made = plan(Plain(use="plain"))
    assert made.chances == pytest.approx({task: number / sum(PAIRS.values()) for task, number in PAIRS.items()})
    halved = plan_epoch(Plain(use="plain"), 0, 1, 10, 0, PAIRS, {**SIZES, "t2v": 4})
    assert halved.chances["t2v"] / halved.chances["t2i"] == pytest.approx(2 * 879 / 210)


@pytest.mark.parametrize("tasks", [LOWEST, LOWEST[::-1], ("t2v", "t2i")])
def test_a_fixed_order_goes_through_the_tasks_once(tasks: tuple[str, ...]) -> None:
    made = plan(Order(use="order", tasks=tasks), steps=500)
    assert [task for task, _ in itertools.groupby(made.tasks)] == list(tasks)
    assert len(made.tasks) == 500
    assert made.tasks.count("t2v") == pytest.approx(500 * made.chances["t2v"], abs=1)


def test_the_plot_is_the_same_for_the_same_plans() -> None:
    plans = [plan(Pyramid(), epoch, steps=50) for epoch in range(3)]
    text = drawn_as_svg(plans)
    assert text == drawn_as_svg(plans)
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert all(task in text for task in TASKS)


def test_the_task_of_a_step_is_where_its_draw_falls() -> None:
    made = plan(Pyramid(), 0, steps=5)
    rng = np.random.Generator(np.random.PCG64(seed_of("curriculum", 1, 0)))
    edges = np.cumsum(list(made.chances.values()))
    assert list(made.tasks) == [list(made.chances)[int((edges <= draw).sum())] for draw in rng.random(5) * edges[-1]]
