"""Does it learn? A tiny model on runs over rendered worlds, against chance, against a ceiling, and against itself.

``python benchmarks/learn.py --base-run OTHER --run RUN --out DIR`` goes in two steps, as one does with a real model:

1. *Base*: a model of random weights learns from OTHER, a world of its own, with its vision tower: what stands for the
   weights that one begins with.
2. *Ways*: from the base, with the tower frozen and its outputs cached, the trainer goes on in several ways, each with
   several seeds: t2v alone, with mined negatives, with false texts; all tasks by plain mixing, by the pyramid, in order
   from the base of the pyramid to its top and in reverse.

What is told of each, mean and spread over the seeds, is about videos that were held out: R@1 of each task among 200
targets (all, where there are fewer), averaged over all choices of the 199 others; and how often a query is nearer to
its target than the same query made false of it (events in another order, another colour or direction). With
``--world`` also what a perfect searcher would reach: some captions are true of several videos. Runs are made by::

    synflow world WORLD --clips 1000 --seed 12
    synflow run manifest.yaml          # stages: validate, shots, enrich, expand; executor: {use: serial}

A training that was finished before is not done again, one that was cut off goes on. One thread; CPU-seconds are told.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from _world_claims import Shown, among, best_among, claims_of, reversed_order, shown_by, true_of

from synflow.asks import Item
from synflow.store.index import pair_columns
from synflow.store.reader import StoredPair, open_dataset
from synflow.train import metrics, session, training
from synflow.train.embedder import load
from synflow.train.holdout import ranks_of
from synflow.train.pool import Pool, open_pool
from synflow.train.prober import Trained
from synflow.train.recipe import Recipe, parse_recipe
from synflow.train.samples import Items, Media, Sequencer

RECIPE = """
version: 1
name: learn
data: {{run: {run}, holdout: {holdout}}}
output: {out}
model: {{base: {base}, dtype: float32, checkpointing: false, device: cpu}}
input: {{frames: 8, frame_tokens: 6, image_tokens: 6, max_tokens: {longest}}}
tune: {{use: full}}
optimizer: {{lr: {lr}, weight_decay: 0.05, warmup: 0.05}}
batch: {{size: {batch}, tasks: {{}}, chunk_tokens: 8192, gradient_caching: false}}
negatives: {{remine: false, tasks: {{t2v: 0, ti2v: 0, tv2v: 0}}}}
curriculum: {{use: plain}}
epochs: {epochs}
steps: {steps}
seed: {seed}
tensorboard: false
log_every: 25
"""

WAYS = {
    "t2v alone": ("data.tasks=[t2v]",),
    "t2v, mined negatives": ("data.tasks=[t2v]", "negatives={remine: true, tasks: {t2v: 1, ti2v: 0, tv2v: 0}}"),
    "t2v, false texts": ("data.tasks=[t2v]", "negatives.texts=true"),
    "all, plain mixing": (),
    "all, pyramid": ("curriculum={use: pyramid, pairs: 64}",),
    "all, pyramid, relative": ("curriculum={use: pyramid, pairs: 64, relative: true}",),
    "all, base to top": ("curriculum={use: order}",),
    "all, top to base": ("curriculum={use: order, tasks: [tv2v, ti2v, t2v, v2v, i2v, t2i, t2t]}",),
}
AMONG = 200
OWN = ("raw", "partial")
"""Styles of queries that may be a caption of the world, or of one event in it, word for word."""
FALSE = ("order", "attribute")
"""Ways to make a query false: events in the other order; what the run itself made false by another colour or way."""

Rows = npt.NDArray[np.float64]


class Remembering(Sequencer):
    """Cuts the pictures of an item into patches once, where outputs of the tower are not kept."""

    held: ClassVar[dict[str, Media]] = {}

    def _media(self, key: str, shown: Any, family: Any) -> Media:
        if key not in self.held:
            self.held[key] = super()._media(key, shown, family)
        return self.held[key]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--base-run", type=Path, required=True)
    parser.add_argument("--world", type=Path, help="the world that RUN was made from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--base-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--holdout", type=int, default=160)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    # Seconds of this process, whatever else the machine does; and what was held out is tried once, at the end.
    metrics.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
    training.trial = lambda *_: {}
    base = base_of(given)
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in given.seeds:
        for way in ("before", *given.ways):
            one = way_of(given, base, way, seed)
            found.setdefault(way, []).append(one)
            print(json.dumps({"way": way, "seed": seed, **one}), flush=True)
    show(found)
    return 0


def base_of(given: argparse.Namespace) -> Path:
    """Return the folder of the base, taught where it was not yet."""
    random = given.out / "random"
    if not (random / "config.json").is_file():
        from synflow.train.tiny import make

        make(random, 0, _texts(given.base_run), spread=None)
    recipe = _recipe(
        given, given.base_run, given.out / "base", random, 0, 0, "tune={use: full, vision: true}", "batch.size=48",
        f"steps={given.base_steps}", "epochs=1",
    )  # fmt: skip
    session.Sequencer = Remembering  # type: ignore[misc]
    _trained(recipe)
    session.Sequencer = Sequencer  # type: ignore[misc]
    Remembering.held.clear()
    return recipe.out / "model"


def way_of(given: argparse.Namespace, base: Path, way: str, seed: int) -> dict[str, Any]:
    """Return what is told of one training: measures of the held-out pairs, and its CPU-seconds."""
    out = given.out / f"{'-'.join(way.replace(',', '').split())}-{seed}"
    kept = out / "told.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    cache = f"data.cache={(given.out / 'seen').absolute()}"
    recipe = _recipe(given, given.run, out, base, seed, given.holdout, cache, *WAYS.get(way, ()))
    seconds = 0.0
    if way != "before":
        _trained(recipe)
        seconds = sum(json.loads(line)["seconds"] for line in (out / "log.jsonl").read_text().splitlines())
    model = base if way == "before" else out / "model"
    told = measured(recipe, model, Truth.of(given.world))
    told["cpu_seconds"] = seconds
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(told))
    return told


def _recipe(given: argparse.Namespace, run: Path, out: Path, base: Path, seed: int, holdout: int, *sets: str) -> Recipe:
    text = RECIPE.format(
        run=run.absolute(), out=out.absolute(), base=base.absolute(), holdout=holdout, lr=given.lr, batch=given.batch,
        epochs=given.epochs, steps=given.steps // given.epochs, seed=seed, longest=256 if run == given.base_run else 96,
    )  # fmt: skip
    return parse_recipe(text, "learn", given.out, sets)


def _trained(recipe: Recipe) -> None:
    begun = (recipe.out / "checkpoints").is_dir() and not (recipe.out / "result.json").exists()
    training.train(recipe, resume=begun)


def _texts(run: Path) -> list[str]:
    """Return what the vocabulary is learned from: all texts of a run, and the words around them."""
    dataset = open_dataset(str(run))
    table = pair_columns(
        dataset.files.whole("index/pairs.parquet") or b"", ("query_text", "target_text", "query_clip_id")
    )
    told = [text for name in ("query_text", "target_text") for text in table[name] if text]
    asked = {dataset[int(dataset.places([task], 0, 0, 1)[0])].instruction or "" for task in dataset.tasks}
    return [*told, *(["system user assistant You are a helpful assistant.", *sorted(asked)] * 200)]


@dataclass
class Truth:
    """What the clips of a world show, by the id of the record."""

    lines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, world: Path | None) -> Truth:
        """Return the truth beside a world."""
        told = (world / "truth.jsonl").read_text().splitlines() if world else []
        return cls({one["id"]: one for one in map(json.loads, told)})

    def shown(self, pair: StoredPair) -> Shown:
        """Return what the target of a pair shows."""
        film = pair.record["target"]["video"]
        return shown_by(self.lines[pair.record["record_id"]], film.get("start", 0.0), film["end"])

    def ceiling(self, pairs: Sequence[StoredPair], names: Sequence[str]) -> tuple[list[int], float]:
        """Return the pairs whose query is a caption of the world, and R@1 of a perfect searcher on these."""
        targets = {name: self.shown(pair) for name, pair in zip(names, pairs, strict=True)}
        rows, best = [], []
        for row, (name, pair) in enumerate(zip(names, pairs, strict=True)):
            claims = claims_of(pair.query.text or "") if pair.record["query"]["text"]["style"] in OWN else None
            if claims is None or not true_of(claims, targets[name]):
                continue
            alike = sum(true_of(claims, shown) for other, shown in targets.items() if other != name)
            rows.append(row)
            best.append(best_among(len(targets) - 1, alike, AMONG))
        return rows, statistics.mean(best) if best else float("nan")


def measured(recipe: Recipe, model: Path, truth: Truth) -> dict[str, Any]:
    """Return what a model makes of the held-out pairs of all tasks."""
    pool = open_pool(recipe)
    embedder = load(recipe, str(model), torch.device("cpu"))
    # What is held out is the same for all ways of a seed: cut into patches once.
    own = Trained(embedder, Remembering(str(model), "", recipe.input), recipe.batch.chunk_tokens)
    items = Items(pool.dataset)
    return {"tasks": {task: _task(own, items, pool, task, truth) for task in pool.held}}


def _task(own: Trained, items: Items, pool: Pool, task: str, truth: Truth) -> dict[str, float]:
    pairs = [items.pair(place) for place in pool.held[task].tolist()]
    names = [f"{pair.target.text}/{pair.target.digest}" for pair in pairs]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    asked = _rows(own, [items.query(pair) for pair in pairs])
    shown = _rows(own, [items.target(pairs[place]) for place in first.values()])
    wanted = [list(first).index(name) for name in names]
    ranks = ranks_of(asked @ shown.T, wanted)
    found = {
        "queries": float(len(pairs)), "candidates": float(len(first)), "recall@1": among(ranks, len(first), AMONG),
        "recall@10": float((ranks < 10).mean()),
    }  # fmt: skip
    if task == "t2v" and truth.lines:
        rows, best = truth.ceiling(pairs, names)
        found |= {"own captions": float(len(rows)), "best": best, "told": among(ranks[rows], len(first), AMONG)}
    for kind, told in _falsified(pairs, truth).items() if task == "t2v" else ():
        false = _rows(own, [items.query(pairs[row], text) for row, text in told])
        rows = [row for row, _ in told]
        targets = shown[[wanted[row] for row in rows]]
        found[kind] = float(((asked[rows] * targets).sum(1) > (false * targets).sum(1)).mean())
        found[f"{kind} asked"] = float(len(told))
    return found


def _falsified(pairs: Sequence[StoredPair], truth: Truth) -> dict[str, list[tuple[int, str]]]:
    """Return queries made false of their targets, by kind: rows and texts."""
    found: dict[str, list[tuple[int, str]]] = {kind: [] for kind in FALSE}
    for row, pair in enumerate(pairs):
        for one in pair.record.get("negatives", ()):
            if one.get("kind") == "attribute":
                found["attribute"].append((row, one["negative_text"]))
        other = reversed_order(pair.query.text or "")
        claims = claims_of(other) if other and truth.lines else None
        if other and claims and not true_of(claims, truth.shown(pair)):
            found["order"].append((row, other))
    return {kind: told for kind, told in found.items() if told}


def _rows(own: Trained, items: Sequence[Item]) -> Rows:
    vectors = own.embed(items)
    assert all(one.values is not None for one in vectors)
    return np.stack([one.values.astype(np.float64) for one in vectors if one.values is not None])


def show(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print both tables; what is set against another way is the difference within a seed, whose videos are the same."""
    tasks = list(found["before"][0]["tasks"])
    sizes = [found["before"][0]["tasks"][task]["candidates"] for task in tasks]
    heads = [f"{task} ({min(AMONG, size):.0f})" for task, size in zip(tasks, sizes, strict=True)]
    chances = [f"{100 / min(AMONG, size):.1f}" for size in sizes]
    print("R@1 of held-out pairs by task (candidates), in percent\n")
    print(f"| way | {' | '.join(heads)} | mean | against plain | CPU-s |\n|---{'|---' * (len(tasks) + 3)}|")
    print(f"| chance | {' | '.join(chances)} | | | |")
    for way, told in found.items():
        if len(told[0]["tasks"]) == len(tasks):
            cells = [_cell([100 * one["tasks"][task]["recall@1"] for one in told]) for task in tasks]
            other = _against(told, found.get("all, plain mixing", ()), _mean)
            print(f"| {way} | {' | '.join(cells)} | {_cell(list(map(_mean, told)))} | {other} | {_seconds(told)} |")
    t2v = found["before"][0]["tasks"].get("t2v", {})
    names = [name for name in ("recall@1", "recall@10", "told", "best", *FALSE) if name in t2v]
    print(
        "\nt2v in percent: R@1 among 200; R@10 among all; R@1 of queries that are the world's own captions (told), and "
        "that of a perfect searcher (best); queries nearer to their target than made false of it (order, attribute)\n"
    )
    print(f"| way | {' | '.join(names)} | R@1 against alone | CPU-s |\n|---|---|---{'|---' * len(names)}|")
    for way, told in found.items():
        cells = [_cell([100 * one["tasks"]["t2v"][name] for one in told]) for name in names]
        other = _against(told, found.get("t2v alone", ()), lambda one: 100 * one["tasks"]["t2v"]["recall@1"])
        print(f"| {way} | {' | '.join(cells)} | {other} | {_seconds(told)} |")


def _mean(one: Mapping[str, Any]) -> float:
    return 100 * statistics.mean(task["recall@1"] for task in one["tasks"].values())


def _against(
    told: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]
) -> str:
    """Return the differences to another way, seed by seed."""
    return _cell([value(one) - value(other) for one, other in zip(told, others, strict=False)], signed=True)


def _cell(values: Sequence[float], signed: bool = False) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):{'+' if signed else ''}.1f}"
    return mean + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def _seconds(told: Sequence[Mapping[str, Any]]) -> str:
    return f"{statistics.mean(one['cpu_seconds'] for one in told):.0f}"


if __name__ == "__main__":
    sys.exit(main())
