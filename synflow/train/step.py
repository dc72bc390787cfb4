"""One step of a training: its learning rate, its gradients over all processes, and what is told of it."""

from __future__ import annotations

import json
import math

import torch

from synflow.durable import Attempt, replace_file
from synflow.errors import Incomplete, ServiceDown
from synflow.train.curriculum import EpochPlan
from synflow.train.embedder import kept
from synflow.train.feed import Share, visual_of
from synflow.train.gradients import Work, backward
from synflow.train.recipe import OptimizerSpec
from synflow.train.session import Training
from synflow.train.sizes import operations_of, peak_of


def rate_of(spec: OptimizerSpec, step: int, steps: int) -> float:
    """Return the learning rate of a step: up over the first share of the steps, then down as the schedule says."""
    warm = round(spec.warmup * steps)
    if step < warm:
        return spec.lr * (step + 1) / warm
    left = (steps - step) / max(1, steps - warm)
    return spec.lr * {"cosine": (1 - math.cos(math.pi * left)) / 2, "linear": left, "constant": 1.0}[spec.schedule]


def take_step(training: Training, share: Share, plan: EpochPlan) -> None:
    """Train one step."""
    recipe, ranks, embedder = training.recipe, training.ranks, training.embedder
    every = ranks.all_of((share.pairs, share.spoilt, int(share.sound.sum())))
    training.state.spoilt.update({name: why for _, spoilt, _ in every for name, why in spoilt})
    if not sum(sound for _, _, sound in every):
        raise Incomplete(
            f"step {share.step + 1}: no pair of the batch of {share.task} can be read: {share.spoilt[0][1]}",
            "`synflow verify` tells what is damaged in the run",
        )
    rate = rate_of(recipe.optimizer, share.step, training.steps)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    work = _worked(training, share)
    loss = float(ranks.total(work.loss.value.detach()))
    weights = list(embedder.trained.values())
    ranks.add_gradients(weights)
    norm = float(torch.nn.utils.clip_grad_norm_(weights, recipe.optimizer.clip or math.inf))
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise _no_number(training, share, loss, norm, [name for names, _, _ in every for name in names])
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    training.state.step += 1
    _remember(training, share, work)
    tokens, padded, patches = (
        int(ranks.total(torch.tensor(n, device=embedder.device)))
        for n in (work.tokens, work.padded, visual_of(share.media))
    )
    seconds = training.meter.lap()
    training.meter.step(
        {
            "step": share.step, "epoch": plan.epoch, "task": share.task, "loss": loss, "positive": work.loss.positive,
            "gap": work.loss.positive - work.loss.hardest, "chance": plan.chances[share.task], "lr": rate, "norm": norm,
            "pairs": sum(len(names) for names, _, _ in every), "spoilt": sum(len(bad) for _, bad, _ in every),
            "tokens": tokens, "patches": patches, "padding": 1 - tokens / max(1, padded), "seconds": seconds,
            "tokens_per_s": tokens / seconds, "mfu": _mfu(training, tokens, patches, seconds),
        },
        training.steps,
    )  # fmt: skip


def _worked(training: Training, share: Share) -> Work:
    """Compute loss and gradients; where memory is not enough, say which knob to turn."""
    recipe = training.recipe
    try:
        return backward(training.embedder, share, recipe.loss, recipe.batch, training.ranks, recipe.seed)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # On a CPU torch says so in a RuntimeError.
        known = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
        if not known:
            raise
        knobs = [f"lower batch.chunk_tokens below {recipe.batch.chunk_tokens}"]
        if not recipe.batch.gradient_caching:
            knobs.insert(0, "set batch.gradient_caching to true")
        if not recipe.model.checkpointing:
            knobs.append("set model.checkpointing to true")
        raise ServiceDown(
            f"step {share.step + 1}: the memory of {training.embedder.device} is not enough for {len(share.rows)} "
            f"sequences of {share.task}",
            f"{', or '.join(knobs)}; then --resume",
        ) from error


def _no_number(training: Training, share: Share, loss: float, norm: float, names: list[str]) -> Incomplete:
    """Name the batch whose loss or gradient is no number; the weights are as before it."""
    place = training.recipe.out / f"broken-step-{share.step + 1}.json"
    if training.ranks.first:
        told = {"step": share.step, "task": share.task, "pairs": sorted(names), "loss": str(loss), "norm": str(norm)}
        with Attempt(training.recipe.out / "staging") as attempt:
            replace_file(json.dumps(told, indent=2).encode() + b"\n", place, attempt)
    what = "loss" if not math.isfinite(loss) else "gradient"
    return Incomplete(
        f"step {share.step + 1}: the {what} of a batch of {share.task} is no number (pairs "
        f"{', '.join(sorted(names)[:3])} and {max(0, len(names) - 3)} more)",
        f"{place} names the batch; look at its pairs, or lower optimizer.lr and train into another --out",
    )


def _remember(training: Training, share: Share, work: Work) -> None:
    """Keep what the frozen vision tower saw in this step, where the recipe wants it kept."""
    cache = training.sequencer.cache
    if cache is None:
        return
    for key, media in share.media.items():
        if media.seen is None:
            cache.put(key, media.grid, kept(work.seen[key], cache.dtype))


def _mfu(training: Training, tokens: int, patches: int, seconds: float) -> float | None:
    """Return the share of the arithmetic that all GPUs could do; None where their speed is unknown."""
    device = training.embedder.device
    if device.type != "cuda" or training.size is None:
        return None
    peak = peak_of(torch.cuda.get_device_name(device))
    if peak is None:
        return None
    frozen = training.embedder.adapter is not None
    return operations_of(training.size, tokens, patches, frozen) / seconds / peak / training.ranks.size
