"""All that a training works with, opened and set to where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch

from synflow import __version__
from synflow.durable import Attempt, make_folder, publish
from synflow.errors import Refused, UsageError
from synflow.ids import canonical, digest
from synflow.store.lock import Lock
from synflow.train.batches import steps_of_epoch
from synflow.train.checkpoint import Checkpoints, State
from synflow.train.curriculum import EpochPlan, Score, plan_epoch
from synflow.train.embedder import Embedder, load
from synflow.train.metrics import Meter
from synflow.train.pool import Pool, open_pool
from synflow.train.prober import Trained
from synflow.train.ranks import Ranks
from synflow.train.recipe import OptimizerSpec, Recipe
from synflow.train.samples import Items, Sequencer
from synflow.train.sizes import MADE, Dimensions, dimensions_of
from synflow.train.vision import VisionCache


@dataclass
class Training:
    """Everything that a training works with."""

    recipe: Recipe
    ranks: Ranks
    base: str
    embedder: Embedder
    pool: Pool
    items: Items
    sequencer: Sequencer
    own: Trained
    optimizer: torch.optim.Optimizer
    checkpoints: Checkpoints
    meter: Meter
    steps_of_epoch: int
    size: Dimensions | None
    state: State = field(default_factory=State)
    plans: list[EpochPlan] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.steps_of_epoch * self.recipe.epochs


def device_of(recipe: Recipe) -> torch.device:
    """Return where a training runs: ``auto`` is the GPU of this process where there is one."""
    if recipe.model.device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("cuda", torch.cuda.current_device())
    try:
        device = torch.device(recipe.model.device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"model.device: there is no {recipe.model.device!r} here", "use auto, cpu or cuda") from error
    return device


def begun(recipe: Recipe, resume: bool, ranks: Ranks, held: ExitStack) -> dict[str, Any] | None:
    """Take the output folder; return what was left there, where the training is complete already."""
    out = recipe.out
    if ranks.first:
        make_folder(out)
        held.enter_context(Lock(out / "lock"))
    ranks.agree(None)
    told = _told(recipe, ranks.size)
    identity = out / "training.json"
    known = identity.exists()
    done = _finished(recipe, told) if known else None
    ranks.agree(None)
    if done is not None:
        return done
    ask(recipe, resume, known)
    if not known and ranks.first:
        with Attempt(out / "staging") as attempt:
            publish(canonical({**told, "synflow": __version__}), identity, attempt)
    return None


def finished(recipe: Recipe, processes: int) -> dict[str, Any] | None:
    """Return what a complete training of this recipe left, None where the output folder holds none.

    Args:
        recipe: of the training.
        processes: how many trained.

    Raises:
        Refused: the folder holds another training.
    """
    complete = all((recipe.out / name).exists() for name in ("training.json", "result.json"))
    return _finished(recipe, _told(recipe, processes)) if complete else None


def _told(recipe: Recipe, processes: int) -> dict[str, Any]:
    """Return what makes a training this one and no other."""
    return {"recipe": recipe.identity(), "data": open_pool(recipe, processes).state(), "processes": processes}


def _finished(recipe: Recipe, told: Mapping[str, Any]) -> dict[str, Any] | None:
    known = json.loads((recipe.out / "training.json").read_bytes())
    if differing := _differing(known, told):
        raise Refused(
            f"{recipe.out} holds another training: {'; '.join(differing[:3])}",
            "train into another --out, or remove that folder",
        )
    result = recipe.out / "result.json"
    return dict(json.loads(result.read_bytes())) if result.exists() else None


def ask(recipe: Recipe, resume: bool, known: bool) -> None:
    """Refuse to begin where something unfinished is, and to go on where nothing is.

    Args:
        recipe: of the training.
        resume: whether it shall go on.
        known: whether its folder holds a training.
    """
    if known and not resume and (recipe.out / "checkpoints").is_dir():
        raise Refused(
            f"{recipe.out} holds a training that is not finished", "add --resume to go on, or choose another --out"
        )
    if resume and not known:
        raise UsageError(f"{recipe.out} holds no training to go on with", "train without --resume")


def _differing(known: Mapping[str, Any], told: Mapping[str, Any], path: str = "") -> list[str]:
    """Return what differs, as ``key: old, now new``."""
    found: list[str] = []
    for name, value in told.items():
        old = known.get(name)
        where = f"{path}.{name}" if path else name
        if isinstance(value, dict) and isinstance(old, dict):
            found += _differing(old, value, where)
        elif old != value:
            found.append(f"{where.removeprefix('recipe.')}: {old}, now {value}")
    return found


def opened(recipe: Recipe, device: torch.device, ranks: Ranks, resume: bool) -> Training:
    """Load the model and all that a training works with, and set them to the last checkpoint where asked for."""
    base = base_of(recipe, ranks)
    embedder = load(recipe, base, device)
    pool = open_pool(recipe, ranks.size)
    cache = None
    if recipe.cache is not None:
        # What the tower sees of a clip does not depend on how long a text may be.
        shown = {name: value for name, value in recipe.input.identity().items() if name != "max_tokens"}
        tower = {"tower": tower_digest(embedder), "input": shown}
        cache = VisionCache.of(recipe.cache, tower, recipe.model.dtype)
    sequencer = Sequencer(base, recipe.model.revision, recipe.input, cache)
    training = Training(
        recipe, ranks, base, embedder, pool, Items(pool.dataset), sequencer,
        Trained(embedder, sequencer, recipe.batch.chunk_tokens), _optimizer(embedder, recipe.optimizer),
        Checkpoints(recipe.out / "checkpoints", recipe.out / "staging", recipe.checkpoints.keep),
        Meter(recipe.out if ranks.first else None, recipe.log_every, recipe.tensorboard),
        steps_of_epoch(pool, recipe.steps), dimensions_of(base),
    )  # fmt: skip
    for task, why in pool.left_out.items():
        training.meter.say(f"left out: {task}, {why}")
    if resume and training.checkpoints.steps():
        training.state, wrong = training.checkpoints.load(embedder.trained, training.optimizer)
        for line in wrong:
            training.meter.say(f"passed over a checkpoint that is damaged: {line}")
        training.plans = [again(training, plan) for plan in training.state.plans]
        training.meter.say(f"goes on after step {training.state.step:,} of {training.steps:,}")
    training.meter.begin(training.state.step)
    return training


def base_of(recipe: Recipe, ranks: Ranks) -> str:
    """Return the folder or id of the model; one of random weights is made in the output folder."""
    family = MADE.get(recipe.model.base)
    if family is None:
        return recipe.base
    folder = recipe.out / "base"
    if ranks.first and not (folder / "config.json").is_file():
        from synflow.train.tiny import TRAINED, make

        make(folder, recipe.seed, spread=TRAINED, family=family)
    ranks.agree(None)
    return str(folder)


def tower_digest(embedder: Embedder) -> str:
    """Return a digest of the vision tower's weights."""
    weights = embedder.model.visual.parameters()
    parts = [digest(one.detach().to("cpu", torch.float32).numpy().tobytes()) for one in weights]

    return digest("".join(parts).encode())


def _optimizer(embedder: Embedder, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """Return AdamW; norms and biases, which have one dimension, do not decay."""
    weights = list(embedder.trained.values())
    groups = [
        {"params": [one for one in weights if one.ndim > 1], "weight_decay": spec.weight_decay},
        {"params": [one for one in weights if one.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=spec.lr, betas=spec.betas)


def again(training: Training, told: Mapping[str, Any]) -> EpochPlan:
    """Return the plan of an epoch that began before, from what the prober said then."""
    recipe = training.recipe
    scores = {task: Score(*said) for task, said in told["said"].items()}
    return plan_epoch(
        recipe.curriculum, told["epoch"], recipe.epochs, told["steps"], recipe.seed, training.pool.pairs,
        training.pool.sizes, scores,
    )  # fmt: skip
