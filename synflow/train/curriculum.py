"""Modality Pyramid: how often each task is drawn, and which task each step of an epoch trains.

At the start of epoch t a prober embeds pairs of each task k; R_k is the mean cosine of the pairs, and tasks are drawn
with P(k) = softmax(R_k / sigma(t)), sigma growing linearly over the epochs (Guo et al., arXiv 2510.27571). So the
first epochs keep to tasks that are easy for the prober, and the last ones mix all. All of it is a pure function of
scores, epoch and seed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synflow.ids import seed_of
from synflow.records import TASKS
from synflow.train.recipe import Order, Plain, Pyramid

DIGITS = 6
"""Decimals of a score: what a prober says is rounded before anything depends on it."""


@dataclass(frozen=True)
class Score:
    """What the prober says of a task: mean cosine of its pairs, of shuffled pairs, and how many it placed."""

    paired: float
    shuffled: float
    pairs: int

    def value(self, relative: bool) -> float:
        """Return R_k; ``relative`` to shuffled pairs where asked for."""
        return round(self.paired - self.shuffled if relative else self.paired, DIGITS)


@dataclass(frozen=True)
class EpochPlan:
    """What an epoch trains.

    Attributes:
        epoch: from 0. sigma: of the softmax; 0 for baselines.
        scores: R_k by task; empty for baselines.
        chances: P(k) by task, of a single draw; for a fixed order the share of its steps.
        tasks: of each step, in order.
    """

    epoch: int
    sigma: float
    scores: Mapping[str, float]
    chances: Mapping[str, float]
    tasks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all but the draws, which follow from it."""
        return {
            "epoch": self.epoch, "sigma": self.sigma, "scores": dict(self.scores), "chances": dict(self.chances),
            "steps": len(self.tasks),
        }  # fmt: skip


def sigma_of(spec: Pyramid, epoch: int, epochs: int) -> float:
    """Return sigma of an epoch: linear from the first to the last one."""
    low, high = spec.sigma
    return low if epochs == 1 else low + (high - low) * epoch / (epochs - 1)


def softmax(scores: Mapping[str, float], sigma: float) -> dict[str, float]:
    """Return the chances of the tasks in the order of `TASKS`: the exponentials of their scores by sigma, as shares."""
    names = [task for task in TASKS if task in scores]
    top = max(scores[name] for name in names)
    raised = {name: math.exp((scores[name] - top) / sigma) for name in names}
    total = math.fsum(raised.values())
    return {name: value / total for name, value in raised.items()}


def shares(counts: Mapping[str, float]) -> dict[str, float]:
    """Return counts as shares of their sum, in the order of `TASKS`."""
    total = math.fsum(counts.values())
    return {task: counts[task] / total for task in TASKS if task in counts}


def plan_epoch(
    spec: Pyramid | Plain | Order, epoch: int, epochs: int, steps: int, seed: int, pairs: Mapping[str, int],
    sizes: Mapping[str, int], scores: Mapping[str, Score] | None = None,
) -> EpochPlan:  # fmt: skip
    """Return what an epoch trains.

    Args:
        spec: the curriculum of the recipe.
        epoch: from 0.
        epochs: of the training.
        steps: of this epoch.
        seed: of the recipe.
        pairs: that can be trained, by task.
        sizes: pairs of a batch, by task.
        scores: what the prober said; only the pyramid needs them.
    """
    if isinstance(spec, Order):
        return _in_order(spec, epoch, steps, pairs, sizes)
    if isinstance(spec, Plain):
        # By batches, so that each pair is as likely to be met whatever the batch size of its task.
        chances = shares({task: number / sizes[task] for task, number in pairs.items()})
        return EpochPlan(epoch, 0.0, {}, chances, _drawn(chances, steps, seed, epoch))
    sigma = sigma_of(spec, epoch, epochs)
    said = {task: (scores or {})[task].value(spec.relative) for task in pairs} if scores else dict.fromkeys(pairs, 0.0)
    chances = softmax(said, sigma)
    return EpochPlan(epoch, sigma, said, chances, _drawn(chances, steps, seed, epoch))


def _drawn(chances: Mapping[str, float], steps: int, seed: int, epoch: int) -> tuple[str, ...]:
    """Draw the task of each step."""
    rng = np.random.Generator(np.random.PCG64(seed_of("curriculum", seed, epoch)))
    names = list(chances)
    # Cumulated by hand: `choice` wants a sum of exactly 1, and its way of drawing is not promised to stay.
    edges = np.cumsum([chances[name] for name in names])
    places = np.searchsorted(edges, rng.random(steps) * edges[-1], side="right")
    return tuple(names[min(place, len(names) - 1)] for place in places.tolist())


def _in_order(spec: Order, epoch: int, steps: int, pairs: Mapping[str, int], sizes: Mapping[str, int]) -> EpochPlan:
    """Return an epoch that goes through the tasks in turn, each with its share of the steps."""
    wanted = [task for task in dict.fromkeys(spec.tasks) if task in pairs]
    chances = shares({task: pairs[task] / sizes[task] for task in wanted})
    drawn: list[str] = []
    reached = 0.0
    for task in wanted:
        reached += chances[task]
        drawn += [task] * (min(steps, round(reached * steps)) - len(drawn))
    drawn += [wanted[-1]] * (steps - len(drawn))
    return EpochPlan(epoch, 0.0, {}, chances, tuple(drawn))


def _pygal() -> Any:
    """Return pygal without the import hook it leaves for its plugins, which Python has no use for since 3.4."""
    import pygal

    sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__name__ != "PluginImportFixer"]
    return pygal


def drawn_as_svg(plans: Sequence[EpochPlan]) -> str:
    """Return a plot of P(k) over the steps: one stepped line a task, the same bytes for the same plans."""
    pygal = _pygal()
    chart = pygal.XY(
        css=[], js=[], disable_xml_declaration=True, width=640, height=320, pretty_print=False, show_dots=False,
        x_title="step", y_title="P(task)", range=(0, 1), include_x_axis=True, title="Modality Pyramid",
    )  # fmt: skip
    chart.uuid = "curriculum"
    for task in TASKS:
        points: list[tuple[int, float]] = []
        first = 0
        for plan in plans:
            if task in plan.chances:
                points += [(first, plan.chances[task]), (first + len(plan.tasks), plan.chances[task])]
            first += len(plan.tasks)
        if points:
            chart.add(task, points)
    text: str = chart.render(is_unicode=True)
    return text
