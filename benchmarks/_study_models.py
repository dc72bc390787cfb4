"""The models of the study: the base, the prober, and one training for each cell, scored on the miniature."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _study_data import World

from synflow.evaluate.abilities import AVERAGES
from synflow.evaluate.outcome import per_query, read_datasets
from synflow.ids import seed_of

COMMON = """
version: 1
name: {name}
data: {{run: {run}{cache}}}
output: {out}
model: {{base: {base}, dtype: float32, checkpointing: false, device: cpu}}
input: {{frames: 8, frame_tokens: 6, image_tokens: 6, max_tokens: 256}}
negatives: {{remine: false, tasks: {{t2v: 0, ti2v: 0, tv2v: 0}}}}
curriculum: {{use: plain}}
tensorboard: false
seed: {seed}
"""
BASE = """
tune: {{use: full, vision: true}}
optimizer: {{lr: 1.0e-3, weight_decay: 0.01, warmup: 0.05}}
batch: {{size: 32, tasks: {{}}, chunk_tokens: 8192, gradient_caching: false}}
epochs: 1
steps: {steps}
log_every: 25
"""
FINE = """
tune: {{use: full}}
optimizer: {{lr: {lr}, weight_decay: 0.01, warmup: 0.05}}
batch: {{size: 32, tasks: {{}}, chunk_tokens: 4096, gradient_caching: false}}
epochs: 3
steps: {steps}
checkpoints: {{every: 1000, keep: 1}}
log_every: 1000
"""
HARD = "negatives={{remine: false, texts: true, version: {version}}}"
PYRAMID = "curriculum={use: pyramid, pairs: 48}"

WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "raw": ("raw", ()),
    "curation": ("curation", ()),
    "enrichment": ("expansion", ("data.tasks=[t2v]",)),
    "expansion": ("expansion", ()),
    "negatives": ("expansion", (HARD,)),
    "pyramid": ("expansion", (HARD, PYRAMID)),
}
"""The run that each way trains on, and what it sets in the recipe."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the study; they stand in its results.

    Attributes:
        clips: of the world that is trained on; base_clips: of the base's, and base_steps.
        defects: share of clips with a planted defect.
        steps: of each training, in three epochs; lr: its highest rate.
        mini: clips of the miniature benchmark.
    """

    clips: int = 450
    base_clips: int = 900
    base_steps: int = 280
    defects: float = 0.2
    steps: int = 75
    lr: float = 1e-3
    mini: int = 96
    world_seed: int = 7002
    base_seed: int = 7001

    @property
    def fine(self) -> str:
        """Return the part of the recipe that all ways share."""
        return FINE.format(steps=self.steps // 3, lr=self.lr)

    def world(self, out: Path) -> World:
        """Return the world that is trained on."""
        return World(out / "world", self.clips, self.world_seed, self.defects)

    def base_world(self, out: Path) -> World:
        """Return the world of the base."""
        return World(out / "base-world", self.base_clips, self.base_seed, 0.0)


def recipe_of(out: Path, name: str, run: Path, base: str, seed: int, more: str, sets: Sequence[str] = ()) -> Any:
    """Return the recipe of a training; it goes into a folder of that name."""
    from synflow.train.recipe import parse_recipe

    # The tower of the base itself is trained, so nothing of it can be kept.
    cache = "" if base == "tiny" else f", cache: {(out / 'seen').absolute()}"
    place = out / "base" if base == "tiny" else out / "trained" / name
    text = COMMON.format(name=name, run=run.absolute(), cache=cache, out=place.absolute(), base=base, seed=seed)
    return parse_recipe(text + more, "study", out, sets)


def train_base(out: Path, plan: Plan, run: Path) -> Path:
    """Return the base model."""
    from synflow.train.training import train

    recipe = recipe_of(out, "base", run, "tiny", 7, BASE.format(steps=plan.base_steps))
    train(recipe, resume=begun(recipe.out))
    return out / "base" / "model"


def begun(folder: Path) -> bool:
    return (folder / "checkpoints").is_dir() and not (folder / "result.json").exists()


def opened(recipe: Any, base: Path, name: str) -> Any:
    """Return a model of this study as an embedder, whose vision tower sees each picture once for all of them."""
    import torch

    from synflow.train.embedder import load
    from synflow.train.prober import Trained
    from synflow.train.samples import Sequencer
    from synflow.train.session import tower_digest
    from synflow.train.vision import VisionCache

    held = load(recipe, str(base), torch.device("cpu"))
    tower = {"tower": tower_digest(held), "input": recipe.input.identity()}
    cache = VisionCache.of(recipe.cache, tower, recipe.model.dtype)
    plain = held.see

    def see(media: Mapping[str, Any]) -> dict[str, Any]:
        found = plain(media)
        for key, one in media.items():
            if one.seen is None:
                cache.put(key, one.grid, found[key].numpy())
        return found

    held.see = see
    return Trained(held, Sequencer(str(base), "", recipe.input, cache), recipe.batch.chunk_tokens, name)


def mine_hard(out: Path, plan: Plan, run: Path, base: Path) -> str:
    """Mine hard negatives with the base as prober; return the version of the tables."""
    from synflow.mining import Settings, mine

    prober = opened(recipe_of(out, "prober", run, str(base), 0, plan.fine), base, "base")
    return mine(run, prober, {"use": "base of the study"}, Settings(segments=0)).version


class Scattered:
    """An embedder that gives everything a direction of its own: what is found by chance."""

    model = "chance"

    def embed(self, items: Sequence[Any]) -> list[Any]:
        """Return a vector for each item."""
        from synflow.asks import Vector, said_digest
        from synflow.ids import digest

        found = []
        for item in items:
            bound = tuple(digest(picture.jpeg) for picture in item.pictures)
            values = np.random.default_rng(seed_of("chance", item.text or "", *bound)).standard_normal(64, np.float32)
            found.append(Vector(values / np.linalg.norm(values), bound, said_digest(item.text)))
        return found


def scored(out: Path, plan: Plan, name: str, embedder: Any) -> dict[str, Any]:
    """Return the scores of a model on the miniature: of each dataset its metric and MRR, and the averages."""
    from synflow.evaluate.evaluation import evaluate
    from synflow.evaluate.recipe import Recipe

    class NoVideos:
        """The miniature holds frames, no videos."""

        def __getattr__(self, what: str) -> Any:
            raise AssertionError(what)

    recipe = Recipe.model_validate(
        {"version": 1, "name": name, "embedder": {"use": "study"}, "output": f"scores/{name}",
         "miniature": {"folder": "mini", "clips": plan.mini}}
    )  # fmt: skip
    made = evaluate(recipe, out, embedder, {"model": name}, NoVideos())  # type: ignore[arg-type]
    shutil.rmtree(out / "scores" / name / "vectors", ignore_errors=True)
    told = made.results["benchmarks"][0]
    return {
        "datasets": {name: [one["score"], one["metrics"]["MRR"]] for name, one in told["datasets"].items()},
        "averages": {name: one["value"] for name, one in told["averages"].items()},
    }


def cell_of(out: Path, plan: Plan, way: str, noise: int, seed: int, version: str) -> dict[str, Any]:
    """Train one cell and return its scores."""
    from synflow.train.training import train

    name = f"{way}-{noise}-{seed}"
    run, sets = WAYS[way]
    base = out / "base" / "model"
    more = [one.format(version=version) if "{version}" in one else one for one in sets]
    recipe = recipe_of(out, name, out / f"{run}-{noise}", str(base), seed, plan.fine, more)
    train(recipe, resume=begun(recipe.out))
    losses = [json.loads(line) for line in (recipe.out / "log.jsonl").read_text().splitlines()]
    found = scored(out, plan, name, opened(recipe, recipe.out / "model", name))
    drawn: dict[str, int] = {}
    for one in losses:
        if "task" in one:
            drawn[one["task"]] = drawn.get(one["task"], 0) + 1
    shutil.rmtree(recipe.out / "checkpoints", ignore_errors=True)
    shutil.rmtree(recipe.out / "model", ignore_errors=True)
    return {**found, "steps": drawn}


def by_queries(out: Path, way: str, seeds: Mapping[int, Sequence[int]], times: int = 1000) -> dict[str, Any]:
    """Return by how much a way scores more than raw captions, with the spread over queries instead of seeds.

    Args:
        out: folder of the study.
        way: that is compared.
        seeds: percent of false captions -> seeds over which each query's scores are averaged first.
        times: resamplings of the queries.
    """
    from synflow.evaluate.comparison import compared
    from synflow.evaluate.reference import uvrb

    def of(one: str) -> dict[str, Any]:
        told = {
            share: [read_datasets(out / "scores" / f"{one}-{share}-{seed}") for seed in seeds[share]] for share in seeds
        }

        def mean(name: str) -> Any:
            key = f"MiniUVRB/{name}"
            return np.mean([np.mean([per_query(one[key]) for one in each], axis=0) for each in told.values()], axis=0)

        return {name: mean(name) for name in uvrb()}

    found = compared(of(way), of("raw"), {name: known.ability for name, known in uvrb().items()}, times, 0)
    return {name: [one.difference, one.low, one.high] for name, one in found.items() if name in AVERAGES}
