"""A training, from the recipe to the model card."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import torch

from synflow.durable import Attempt, replace_file
from synflow.errors import Interrupted
from synflow.ids import digest
from synflow.train.batches import Batches
from synflow.train.curriculum import Score, plan_epoch
from synflow.train.embedder import Embedder
from synflow.train.feed import Steps, feed
from synflow.train.hard import open_hard
from synflow.train.holdout import trial
from synflow.train.prober import mined, prober_of, scores_of
from synflow.train.product import leave
from synflow.train.ranks import Ranks
from synflow.train.recipe import Pyramid, Recipe
from synflow.train.session import Training, begun, device_of, opened
from synflow.train.step import take_step


def train(recipe: Recipe, *, resume: bool = False, device: torch.device | None = None) -> dict[str, Any]:
    """Train as a recipe says; return what was left, as ``result.json`` tells it.

    Args:
        recipe: of the training.
        resume: go on from the last checkpoint of the output folder.
        device: where this process trains; None: as the recipe says.

    Raises:
        UsageError: something that the recipe names is not there. Damage: a shard or all checkpoints are damaged.
        Refused: the output folder holds another training, or an unfinished one and ``resume`` is false.
        Incomplete: the loss is no number. ServiceDown: memory is not enough. Interrupted: by the user.
    """
    device = device or device_of(recipe)
    ranks = Ranks.joined(device.type)
    with ExitStack() as held:
        done = begun(recipe, resume, ranks, held)
        if done is not None:
            return done
        training = opened(recipe, device, ranks, resume)
        held.callback(training.meter.close)
        try:
            for epoch in range(training.state.epoch, recipe.epochs):
                _epoch(training, epoch)
        except KeyboardInterrupt:
            last = training.checkpoints.steps()
            raise Interrupted(
                f"interrupted after step {training.state.step:,}",
                f"the same command with --resume goes on from step {last[-1]:,}" if last else "type the command again",
            ) from None
        made = None
        if ranks.first:
            made = leave(recipe, training.base, training.embedder, training.pool, training.state, training.plans)
            training.meter.say(f"done: {recipe.out}")
    found: dict[str, Any] = ranks.agree(made)
    return found


def _epoch(training: Training, epoch: int) -> None:
    """Ask the prober, train the steps of an epoch, try the held-out pairs, and keep the state."""
    recipe, state, ranks = training.recipe, training.state, training.ranks
    if len(training.plans) == epoch:
        _prepare(training, epoch)
    plan = training.plans[epoch]
    hard = open_hard(training.pool, recipe.negatives, state.hard)
    if hard.held_out:
        training.meter.say(f"{hard.held_out:,} hard negatives are of held-out videos and are left out")
    batches = Batches(training.pool, plan.tasks, state.before, state.first, recipe.seed)
    steps = Steps(batches, training.items, training.sequencer, hard, ranks.rank, ranks.size)
    training.embedder.train(True)
    training.meter.lap()
    for share in feed(steps, state.step - state.first, recipe.data.workers):
        take_step(training, share, plan)
        if state.step % recipe.checkpoints.every == 0 and state.step < state.first + len(batches):
            _keep(training)
    state.epoch, state.first, state.drawn = epoch + 1, state.step, dict(batches.after)
    if training.pool.videos:
        found = trial(training.own, training.items, training.pool) if ranks.first else {}
        state.trials.append(ranks.agree(found))
        training.meter.trial(epoch, state.step, state.trials[-1])
    _keep(training)


def _prepare(training: Training, epoch: int) -> None:
    """Let the prober of an epoch say how near the pairs are, and mine the hard negatives."""
    recipe, state, ranks = training.recipe, training.state, training.ranks
    scores: dict[str, Score] = {}
    pyramid = isinstance(recipe.curriculum, Pyramid)
    if ranks.first and (pyramid or recipe.negatives.remine):
        training.own.model = f"{recipe.name}/{_weights_digest(training.embedder)}"
        prober, known_by = prober_of(recipe, epoch, training.own)
        if isinstance(recipe.curriculum, Pyramid):
            scores = scores_of(prober, training.items, training.pool, recipe.curriculum.pairs, recipe.seed, epoch)
            told = "  ".join(f"{task} {one.paired:.3f}/{one.shuffled:.3f}" for task, one in scores.items())
            training.meter.say(f"epoch {epoch + 1}  prober {prober.model}: pairs/shuffled  {told}")
        if recipe.negatives.remine:
            state.hard = mined(prober, known_by, training.pool, recipe, lambda what, done, total: None)
    if not recipe.negatives.remine:
        state.hard = recipe.negatives.version
    scores, state.hard = ranks.agree((scores, state.hard))
    plan = plan_epoch(
        recipe.curriculum, epoch, recipe.epochs, training.steps_of_epoch, recipe.seed, training.pool.pairs,
        training.pool.sizes, scores,
    )  # fmt: skip
    training.plans.append(plan)
    said = {task: [one.paired, one.shuffled, one.pairs] for task, one in scores.items()}
    state.plans.append({**plan.as_json(), "said": said})
    if ranks.first:
        with Attempt(recipe.out / "staging") as attempt:
            replace_file(
                json.dumps(state.plans, indent=2, sort_keys=True).encode() + b"\n",
                recipe.out / "curriculum.json",
                attempt,
            )


def _weights_digest(embedder: Embedder) -> str:
    parts = [digest(one.detach().to("cpu").numpy().tobytes()) for one in embedder.trained.values()]
    return digest("".join(parts).encode())[:16]


def _keep(training: Training) -> None:
    """Write a checkpoint; the processes wait for one another."""
    if training.ranks.first:
        training.checkpoints.save(training.state, training.embedder.trained, training.optimizer)
    training.ranks.agree(None)
