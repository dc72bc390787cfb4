"""The workers of a training under Ray Train: as many processes, on as many machines, as the recipe says.

Each runs the same story as one that ``torchrun`` started (`synflow.train.training`); Ray places them, joins them and
watches them. Checkpoints stay those of the trainer, on the disk that all share: when a worker is lost, Ray ends the
others, and all begin anew from the last checkpoint. A failure that would happen again is not tried again.
"""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer

from synflow.console import people
from synflow.errors import Incomplete, Interrupted, Refused, ServiceDown, SynflowError
from synflow.executors.ray import connect
from synflow.store.lock import Lock
from synflow.train.checkpoint import Checkpoints
from synflow.train.executor import RayWorkers
from synflow.train.ranks import PATIENCE
from synflow.train.recipe import Recipe
from synflow.train.session import ask, finished

REMEDY = "start the cluster or correct executor.address; `--set executor.use=processes` trains without Ray"
LETTING_GO_SECONDS = 60.0
"""So long a worker waits for the one before it, which is being ended, to let go of the output folder."""


def train_under_ray(recipe: Recipe, spec: RayWorkers, *, resume: bool = False) -> dict[str, Any]:
    """Train with workers of Ray; return what was left, as ``result.json`` tells it.

    Args:
        recipe: of the training.
        spec: its executor.
        resume: go on from the last checkpoint of the output folder.

    Raises:
        SynflowError: as `synflow.train.training.train`, from whichever worker. ServiceDown: Ray cannot be used, or has
            too few cores. Incomplete: workers were lost again and again. Refused: the folder holds another training.
    """
    out = recipe.out
    if (done := finished(recipe, spec.workers)) is not None:
        return done
    ask(recipe, resume, (out / "training.json").exists())
    checkpoints = Checkpoints(out / "checkpoints", out / "staging", recipe.checkpoints.keep)
    with ExitStack() as held:
        _joined(spec, held)
        left, reached = spec.failures, -1
        while (lost := _tried(recipe, spec, checkpoints)) is not None:
            step = (checkpoints.steps() or [0])[-1]
            left = spec.failures if step > reached > -1 else left
            if not left:
                raise Incomplete(
                    f"a worker was lost {spec.failures + 1} times at step {step:,}: {lost}",
                    "see what Ray says of it (too little memory?); the same command with --resume goes on",
                )
            left, reached = left - 1, step
            people().print(f"a worker was lost: {lost}; all go on from step {step:,}", soft_wrap=True)
    return dict(json.loads((out / "result.json").read_bytes()))


def _joined(spec: RayWorkers, held: ExitStack) -> None:
    """Start or join Ray, and see that it has enough cores: Ray itself would wait for more."""
    if not ray.is_initialized():
        connect(spec.address, spec.workers * spec.cpus, REMEDY, told=True)
        held.callback(ray.shutdown)
    there = int(ray.cluster_resources().get("CPU", 0))
    if there < spec.workers * spec.cpus:
        raise ServiceDown(
            f"executor: {spec.workers} workers of {spec.cpus} cores are asked for, and Ray has {there}",
            "lower executor.workers or executor.cpus, or add nodes",
        )


def _tried(recipe: Recipe, spec: RayWorkers, checkpoints: Checkpoints) -> str | None:
    """Train once; return what became of a worker that was lost, None where the training is done.

    Raises:
        SynflowError: of a worker. Interrupted: by the user.
    """
    storage = recipe.out.absolute() / "staging" / "ray"
    gpus = recipe.model.device != "cpu" and bool(ray.cluster_resources().get("GPU"))
    trainer = TorchTrainer(
        _work,
        train_loop_config={"recipe": recipe.model_dump_json(), "folder": str(recipe._folder), "gpus": gpus},
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo", timeout_s=int(PATIENCE.total_seconds())),
        scaling_config=ScalingConfig(
            num_workers=spec.workers, use_gpu=gpus,
            resources_per_worker={"CPU": spec.cpus, **({"GPU": 1} if gpus else {})},
        ),
        run_config=RunConfig(name="train", storage_path=str(storage), failure_config=FailureConfig(max_failures=0)),
    )  # fmt: skip
    # In a thread of its own: in the main one Ray would take Ctrl-C for itself.
    pool = ThreadPoolExecutor(1)
    fitted = pool.submit(trainer.fit)
    try:
        wait([fitted])
    except KeyboardInterrupt:
        last = checkpoints.steps()
        raise Interrupted(
            "interrupted", f"the same command with --resume goes on from step {last[-1]:,}" if last else "type it again"
        ) from None
    finally:
        pool.shutdown(wait=False)
        shutil.rmtree(storage, ignore_errors=True)
    error = fitted.exception()
    return None if error is None else _told(error)


def _told(error: BaseException) -> str:
    """Return why a worker was lost, in one line.

    Raises:
        SynflowError: a worker said itself why it cannot go on; it would say so again.
    """
    of_workers = getattr(error, "worker_failures", {})
    for one in of_workers.values():
        own = getattr(one, "_base_exc", one)
        if isinstance(own, SynflowError):
            raise own
    if not isinstance(error, TrainingFailedError):
        raise error
    ranks = sorted(of_workers)
    # Of one that died Ray tells; the others raise something because they miss it.
    gone = [rank for rank in ranks if not hasattr(of_workers[rank], "_base_exc")] or ranks
    first = next((line for line in str(of_workers[gone[0]] if gone else error).splitlines() if line.strip()), "")
    return f"{'rank ' + str(gone[0]) + ', ' if gone else ''}{first.strip()[:200]}"


def _work(told: dict[str, Any]) -> None:
    """Be one of the workers: train, or go on from the last checkpoint."""
    from synflow.train.training import train

    recipe = Recipe.model_validate_json(told["recipe"], strict=True).located(Path(told["folder"]))
    if ray.train.get_context().get_world_rank() == 0:
        _wait_for(recipe.out / "lock")
    device = ray.train.torch.get_device() if told["gpus"] else None
    train(recipe, resume=(recipe.out / "training.json").exists(), device=device)


def _wait_for(path: Path) -> None:
    """Wait until the worker that held the folder before has let go of it."""
    end = time.monotonic() + LETTING_GO_SECONDS
    while path.exists() and time.monotonic() < end:
        try:
            Lock(path).close()
        except Refused:
            time.sleep(0.5)
        else:
            return
