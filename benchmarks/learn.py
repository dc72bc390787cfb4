"""Does it learn? A tiny model of random weights on a run over a rendered world, against chance and against itself.

``python benchmarks/learn.py --run RUN --out DIR`` trains the same model in several ways and prints held-out recall of
each (mean and spread over ``--seeds``): all tasks by plain mixing, by the pyramid, by a fixed order and by its reverse,
and t2v alone with and without hard negatives. RUN is made by::

    synflow world WORLD --clips 1500 --seed 11
    synflow run manifest.yaml          # stages: validate, shots, expand; executor: {use: serial}

Held out are ``--holdout`` videos; each query asks for its target among all held-out targets of its task. A training
that was finished before is not done again, one that was cut off goes on. One thread; minutes each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import torch

from synflow.train.recipe import Recipe, parse_recipe
from synflow.train.training import train

RECIPE = """
version: 1
name: learn
data: {{run: {run}, holdout: {holdout}}}
output: {out}
model: {{base: tiny, dtype: float32, checkpointing: false, device: cpu}}
input: {{frames: 8, frame_tokens: 6, image_tokens: 6, max_tokens: 256}}
tune: {{use: full, vision: true}}
optimizer: {{lr: {lr}, weight_decay: 0.01, warmup: 0.05}}
batch: {{size: {batch}, tasks: {{}}, chunk_tokens: 8192, gradient_caching: false}}
negatives: {{remine: false, tasks: {{t2v: 0, ti2v: 0, tv2v: 0}}}}
curriculum: {{use: plain}}
epochs: {epochs}
steps: {steps}
seed: {seed}
tensorboard: false
log_every: 50
"""

WAYS = {
    "t2v alone": ("data.tasks=[t2v]",),
    "t2v, mined negatives": ("data.tasks=[t2v]", "negatives={remine: true}"),
    "t2v, false texts": ("data.tasks=[t2v]", "negatives={remine: false, texts: true, tasks: {t2v: 0}}"),
    "all, plain mixing": (),
    "all, pyramid": ("curriculum={use: pyramid, pairs: 128}",),
    "all, pyramid, relative": ("curriculum={use: pyramid, pairs: 128, relative: true}",),
    "all, base to top": ("curriculum={use: order}",),
    "all, top to base": ("curriculum={use: order, tasks: [tv2v, ti2v, t2v, v2v, i2v, t2i, t2t]}",),
}


def recipe_of(given: argparse.Namespace, way: str, seed: int) -> Recipe:
    out = given.out / f"{'-'.join(way.replace(',', '').split())}-{seed}"
    text = RECIPE.format(
        run=given.run.absolute(), out=out.absolute(), holdout=given.holdout, lr=given.lr, batch=given.batch,
        epochs=given.epochs, steps=given.steps // given.epochs, seed=seed,
    )  # fmt: skip
    return parse_recipe(text, "learn", given.out, WAYS[way])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--holdout", type=int, default=150)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for seed in given.seeds:
        for way in given.ways:
            recipe = recipe_of(given, way, seed)
            begun = (recipe.out / "checkpoints").is_dir() and not (recipe.out / "result.json").exists()
            left = train(recipe, resume=begun)["held_out"]
            for task, told in left.items():
                found.setdefault(way, {}).setdefault(task, []).append(told)
            print(json.dumps({"way": way, "seed": seed, "held_out": left}), flush=True)
    show(found)
    return 0


def show(found: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    print("| way | task | R@1 | R@10 | candidates | chance R@1 | seeds |\n|---|---|---|---|---|---|---|")
    for way, tasks in found.items():
        for task, told in tasks.items():
            cells = []
            for cut in ("recall@1", "recall@10"):
                values = [one[cut] for one in told]
                spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.3f}{spread}")
            many, chance = told[0]["candidates"], told[0]["chance"]
            print(f"| {way} | {task} | {cells[0]} | {cells[1]} | {many:.0f} | {chance:.4f} | {len(told)} |")


if __name__ == "__main__":
    sys.exit(main())
