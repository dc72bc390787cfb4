"""The study: which part of the pipeline helps a tiny embedder, on which ability, and by more than the spread of seeds?

``python benchmarks/study.py --out runs/study`` trains one tiny model in six ways on a rendered world whose captions
are false in 0, 20 or 40 % of the clips, with three seeds each, and scores each on UVRB's 16 tasks in miniature. What is
done is kept, so the same command goes on; ``docs/study.json`` and ``docs/study.md`` are written after each training.
``--write`` only writes the page anew from the JSON, which needs no torch.

The ways build on one another: captions as they come, curation, enrichment, expansion to seven tasks, hard negatives,
pyramid. All begin at the same base, a tiny Qwen2.5-VL that was trained on true captions of a world of its own, and are
trained for as many steps with its vision tower frozen. Training worlds, base and benchmark have seeds of their own.

One thread each; a training takes about half a minute, runs and base together about 15.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _study_data import World, facts_of, run_base, runs_of, spoilt, true_captions
from _study_page import write_page

from synflow.evaluate.outcome import read, write
from synflow.ids import seed_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "study.json"

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
optimizer: {{lr: 5.0e-4, weight_decay: 0.01, warmup: 0.05}}
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
        steps: of each training, in three epochs.
        mini: clips of the miniature benchmark.
    """

    clips: int = 450
    base_clips: int = 900
    base_steps: int = 280
    defects: float = 0.2
    steps: int = 75
    mini: int = 96
    world_seed: int = 7002
    base_seed: int = 7001

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
    from synflow.train.session import _tower
    from synflow.train.vision import VisionCache

    held = load(recipe, str(base), torch.device("cpu"))
    tower = {"tower": _tower(held), "input": recipe.input.identity()}
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

    prober = opened(recipe_of(out, "prober", run, str(base), 0, FINE.format(steps=plan.steps // 3)), base, "base")
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
    fine = FINE.format(steps=plan.steps // 3)
    recipe = recipe_of(out, name, out / f"{run}-{noise}", str(base), seed, fine, more)
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


def cells(noises: Sequence[int], ways: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """Yield the cells, so that what is done at any time is a smaller study: seeds first, then ways, then noise."""
    for noise in noises:
        for seed in seeds:
            for way in ways:
                yield way, noise, seed


def prepare(out: Path, plan: Plan, noises: Sequence[int], results: dict[str, Any]) -> dict[int, str]:
    """Make worlds, base and runs where they are not there yet; return the tables of hard negatives by noise."""
    out.mkdir(parents=True, exist_ok=True)
    world, base_world = plan.world(out), plan.base_world(out)
    world.render()
    base_world.render()
    base = train_base(out, plan, run_base(out, base_world))
    recipe = recipe_of(out, "prober", out / "base-run", str(base), 0, FINE.format(steps=plan.steps // 3))
    if "base" not in results:
        results["chance"] = scored(out, plan, "chance", Scattered())
        results["base"] = scored(out, plan, "base", opened(recipe, base, "base"))
        write(RESULTS, results)
    told = true_captions(world)
    versions, runs = {}, {}
    for noise in noises:
        false = spoilt(told, noise / 100)
        runs = runs_of(out, world, noise, runs)
        for name, folder in runs.items():
            results["runs"][f"{name}/{noise}"] = facts_of(folder, false)
        versions[noise] = mine_hard(out, plan, runs["expansion"], base)
    write(RESULTS, results)
    return versions


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--noise", type=int, nargs="*", default=[0, 40, 20])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="trainings at a time")
    parser.add_argument("--write", action="store_true", help="only write the page from the results")
    parser.add_argument("--cells", nargs="+", metavar="WAY NOISE SEED VERSION", help=argparse.SUPPRESS)
    given = parser.parse_args()
    plan = Plan()
    if given.write:
        write_page(json.loads(RESULTS.read_text(encoding="utf-8")), DOCS)
        return 0
    import torch

    torch.set_num_threads(1)
    if given.cells:
        for way, noise, seed, version in batched(given.cells, 4):
            found = cell_of(given.out, plan, way, int(noise), int(seed), version)
            write(place_of(given.out, way, noise, seed), {"plan": vars(plan), **found})
        return 0
    results = fresh(read(RESULTS), plan)
    versions = prepare(given.out, plan, given.noise, results)
    wanted = [one for one in cells(given.noise, given.ways, given.seeds) if key_of(*one) not in results["cells"]]
    for cell in wanted:
        # What an earlier process of another plan left is done again.
        if (read(place_of(given.out, *cell)) or {}).get("plan") != vars(plan):
            place_of(given.out, *cell).unlink(missing_ok=True)
            shutil.rmtree(given.out / "trained" / "-".join(map(str, cell)), ignore_errors=True)
    for found in trained(given, wanted, versions):
        results["cells"].update({name: {k: v for k, v in cell.items() if k != "plan"} for name, cell in found.items()})
        write(RESULTS, results)
        print(json.dumps({name: cell["averages"]["abilities"] for name, cell in found.items()}), flush=True)
    write_page(results, DOCS)
    return 0


def batched(words: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(words), size):
        yield words[start : start + size]


def place_of(out: Path, *cell: str | int) -> Path:
    """Return the file that the process of a cell leaves."""
    return out / "cells" / f"{'-'.join(map(str, cell))}.json"


def key_of(way: str, noise: int, seed: int) -> str:
    return f"{way}/{noise}/{seed}"


def fresh(known: dict[str, Any] | None, plan: Plan) -> dict[str, Any]:
    """Return the results so far, or empty ones where those are of another plan."""
    if known is None or known.get("plan") != vars(plan):
        return {"plan": dict(vars(plan)), "runs": {}, "cells": {}}
    return known


def trained(
    given: argparse.Namespace, wanted: Sequence[tuple[str, int, int]], versions: Mapping[int, str]
) -> Iterator[dict[str, Any]]:
    """Yield finished cells by key. Each process trains a part of them, one after the other."""
    waiting = {key_of(*cell): place_of(given.out, *cell) for cell in wanted}
    missing = [cell for cell in wanted if not waiting[key_of(*cell)].is_file()]
    words = [[way, str(noise), str(seed), versions[noise] or "-"] for way, noise, seed in missing]
    at_work = [
        subprocess.Popen(
            [sys.executable, __file__, "--out", str(given.out), "--cells", *(word for one in part for word in one)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for part in (words[job :: given.jobs] for job in range(given.jobs)) if part
    ]  # fmt: skip
    while waiting:
        ended = all(process.poll() is not None for process in at_work)
        done = {key: found for key, path in waiting.items() if (found := read(path)) is not None}
        if done:
            yield done
        waiting = {key: path for key, path in waiting.items() if key not in done}
        if ended and waiting:
            raise SystemExit(f"{next(iter(waiting))} was not trained; see what --cells says of it")
        if waiting:
            time.sleep(2)


if __name__ == "__main__":
    sys.exit(main())
