"""What a recipe will do, told before anything is loaded: steps, batches by task, tokens, memory. Needs no torch."""

from __future__ import annotations

from typing import Any

from synflow.records import TASKS
from synflow.train.batches import steps_of_epoch
from synflow.train.curriculum import plan_epoch
from synflow.train.pool import Pool, counted, open_pool
from synflow.train.recipe import Pyramid, Recipe
from synflow.train.sizes import MADE, dimensions_of, memory_of, tokens_of, trained_of


def outlook(recipe: Recipe, ranks: int = 1) -> dict[str, Any]:
    """Return what a training will do, as JSON.

    What the prober will say is not known yet: for the pyramid, batches are those of equal scores.

    Raises:
        UsageError, Incomplete, Damage: as `open_pool`.
    """
    pool = open_pool(recipe, ranks)
    steps = steps_of_epoch(pool, recipe.steps)
    drawn: dict[str, int] = dict.fromkeys(TASKS, 0)
    chances = []
    for epoch in range(recipe.epochs):
        plan = plan_epoch(recipe.curriculum, epoch, recipe.epochs, steps, recipe.seed, pool.pairs, pool.sizes)
        chances.append({"sigma": round(plan.sigma, 6), **{k: round(v, 6) for k, v in plan.chances.items()}})
        for task in plan.tasks:
            drawn[task] += 1
    tokens = {task: _tokens(pool, task, recipe) for task in pool.trained}
    tasks = {
        task: {**told, "drawn": drawn[task], "tokens": round(tokens[task])}
        for task, told in counted(pool).items()
    }  # fmt: skip
    return {
        "name": recipe.name,
        "run": recipe.run,
        "output": str(recipe.out),
        "processes": ranks,
        "epochs": recipe.epochs,
        "steps_of_epoch": steps,
        "steps": steps * recipe.epochs,
        "curriculum": recipe.curriculum.use,
        "scores_assumed_equal": isinstance(recipe.curriculum, Pyramid),
        "chances": chances,
        "tasks": tasks,
        "left_out": pool.left_out,
        "held_out": {"videos": pool.videos, "pairs": sum(len(places) for places in pool.held.values())},
        "tokens": round(sum(drawn[task] * pool.sizes[task] * tokens[task] for task in pool.trained)),
        "model": _model(recipe, max(pool.sizes[task] * tokens[task] for task in pool.trained) / ranks),
    }


def _tokens(pool: Pool, task: str, recipe: Recipe) -> float:
    """Return the tokens of a pair of a task, on average, where pictures are as large as they may be."""
    return tokens_of(task, float(pool.characters[pool.trained[task]].mean()), recipe)


def _model(recipe: Recipe, share_tokens: float) -> dict[str, Any]:
    size = dimensions_of(recipe.model.base if recipe.model.base in MADE else recipe.base)
    if size is None:
        return {"base": recipe.model.base, "known": False}
    memory = memory_of(size, recipe, share_tokens)
    parts = {"weights": memory.weights, "trained": memory.trained, "activations": memory.activations}
    return {
        "base": recipe.model.base, "known": True, "parameters": size.parameters, "trained": trained_of(size, recipe),
        "memory": {**parts, "vision": memory.vision, "total": memory.total},
    }  # fmt: skip
