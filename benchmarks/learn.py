"""Does it learn? A tiny model on a run over a rendered world, against chance, against a ceiling, and against itself.

``python benchmarks/learn.py --run RUN --world WORLD --out DIR`` goes in two steps, as one does with a real model:

1. *Base*: a model of random weights learns texts with pictures and videos, its vision tower with it: what stands for
   the weights that one begins with.
2. *Ways*: from the base, with the tower frozen and its outputs cached, the trainer goes on in several ways, each with
   several seeds: t2v alone, with mined negatives, with false texts, with videos played backward; all tasks by plain
   mixing, by the pyramid, in order from the base of the pyramid to its top and in reverse.

Some videos are held out of all of this, base and ways; each seed is tried on its own part of them. What is told, mean
and spread over the seeds: R@1 of each task among 200 targets (all, where there are fewer), averaged over all choices
of the 199 others; and how often a query is nearer to its target than the same query made false of it (events in
another order, another colour or direction). With ``--world`` also what a perfect searcher would reach: some captions
are true of several videos. The run is made by::

    synflow world WORLD --clips 3000 --seed 11
    synflow run manifest.yaml          # stages: validate, shots, enrich, expand

A training that was finished before is not done again, one that was cut off goes on, and ``--ways`` and ``--seeds``
choose some. Tables are printed after each seed. One thread; CPU-seconds are told.
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
from synflow.ids import unit_of
from synflow.store.index import pair_columns
from synflow.store.reader import StoredPair
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
data: {{run: {run}, holdout: {holdout}, holdout_seed: 0}}
output: {out}
model: {{base: {base}, dtype: float32, checkpointing: false, device: cpu}}
input: {{frames: 8, frame_tokens: 6, image_tokens: 6, max_tokens: 256}}
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
    "t2v, played backward": ("data.tasks=[t2v]", "negatives.texts=true", "negatives.reversed=true"),
    "all, plain mixing": (),
    "all, pyramid": ("curriculum={use: pyramid, pairs: 64}",),
    "all, pyramid, relative": ("curriculum={use: pyramid, pairs: 64, relative: true}",),
    "all, base to top": ("curriculum={use: order}",),
    "all, top to base": ("curriculum={use: order, tasks: [tv2v, ti2v, t2v, v2v, i2v, t2i, t2t]}",),
}
BASE = ("tune={use: full, vision: true}", "data.tasks=[t2v, t2i, ti2v]")
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
    parser.add_argument("--world", type=Path, help="the world that RUN was made from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--base-steps", type=int, default=400, help="of each of the base's epochs")
    parser.add_argument("--base-epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--base-batch", type=int, default=48)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--way-lr", type=float, default=5e-4)
    parser.add_argument("--holdout", type=int, default=480)
    parser.add_argument("--parts", type=int, default=3, help="of the held-out videos: each seed is tried on its own")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    # Seconds of this process, whatever else the machine does.
    metrics.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
    base = base_of(given)
    # What was held out is tried once, at the end of each way.
    training.trial = lambda *_: {}
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in given.seeds:
        for way in ("random", "base", *given.ways):
            one = way_of(given, base, way, seed)
            found.setdefault(way, []).append(one)
            print(json.dumps({"way": way, "seed": seed, **one}), flush=True)
        show(found)
    return 0


def base_of(given: argparse.Namespace) -> Path:
    """Return the folder of the base, taught where it was not yet; print how it came to find what was held out."""
    recipe = _recipe(
        given, given.out / "base", given.out / "random", 0, *BASE, f"batch.size={given.base_batch}",
        f"steps={given.base_steps}", f"epochs={given.base_epochs}", f"optimizer.lr={given.lr}",
    )  # fmt: skip
    if not (given.out / "random" / "config.json").is_file():
        from synflow.train.tiny import make

        make(given.out / "random", 0, _texts(open_pool(recipe)), spread=None)
    session.Sequencer = Remembering  # type: ignore[misc]
    training.trial = _tried
    _trained(recipe)
    session.Sequencer = Sequencer  # type: ignore[misc]
    Remembering.held.clear()
    kept = sorted((recipe.out / "checkpoints").glob("step-*"))[-1] / "state.json"
    seconds, done = [0.0], (recipe.out / "log.jsonl").read_text().splitlines()
    for line in done:
        seconds.append(seconds[-1] + json.loads(line)["seconds"])
    print("| steps of the base | R@1 of t2v among 200 | R@10 among all held out | CPU-s |\n|---|---|---|---|")
    for epoch, tried in enumerate(json.loads(kept.read_text())["trials"], start=1):
        told, step = tried["t2v"], epoch * given.base_steps
        print(f"| {step} | {100 * told['recall@1']:.1f} | {100 * told['recall@10']:.1f} | {seconds[step]:.0f} |")
    return recipe.out / "model"


def _tried(own: Trained, items: Items, pool: Pool) -> dict[str, dict[str, float]]:
    """Return what the base finds of t2v in all that is held out."""
    told = _task(own, items, "t2v", pool.held["t2v"].tolist(), Truth())
    return {"t2v": {**told, "chance": 1 / told["candidates"]}}


def way_of(given: argparse.Namespace, base: Path, way: str, seed: int) -> dict[str, Any]:
    """Return what is told of one training: measures of the held-out pairs, and its CPU-seconds."""
    out = given.out / f"{'-'.join(way.replace(',', '').split())}-{seed}"
    kept = out / "told.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    cache = f"data.cache={(given.out / 'seen').absolute()}"
    recipe = _recipe(given, out, base, seed, cache, *WAYS.get(way, ()))
    model = {"random": given.out / "random", "base": base}.get(way, out / "model")
    if way in WAYS:
        _trained(recipe)
    log = {"random": None, "base": given.out / "base" / "log.jsonl"}.get(way, out / "log.jsonl")
    lines = log.read_text().splitlines() if log else []
    told = measured(recipe, model, Truth.of(given.world), (seed - 1) % given.parts, given.parts)
    told["cpu_seconds"] = sum(json.loads(line)["seconds"] for line in lines)
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(told))
    return told


def _recipe(given: argparse.Namespace, out: Path, base: Path, seed: int, *sets: str) -> Recipe:
    text = RECIPE.format(
        run=given.run.absolute(), out=out.absolute(), base=base.absolute(), holdout=given.holdout, lr=given.way_lr,
        batch=given.batch, epochs=given.epochs, steps=given.steps // given.epochs, seed=seed,
    )  # fmt: skip
    return parse_recipe(text, "learn", given.out, sets)


def _trained(recipe: Recipe) -> None:
    begun = (recipe.out / "checkpoints").is_dir() and not (recipe.out / "result.json").exists()
    training.train(recipe, resume=begun)


def _texts(pool: Pool) -> list[str]:
    """Return what the vocabulary is learned from: the texts of pairs that are trained, and the words around them."""
    dataset = pool.dataset
    table = pair_columns(dataset.files.whole("index/pairs.parquet") or b"", ("query_text", "target_text"))
    inside = np.concatenate(list(pool.trained.values())).tolist()
    told = [table[name][place] for name in ("query_text", "target_text") for place in inside if table[name][place]]
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


def measured(recipe: Recipe, model: Path, truth: Truth, part: int, parts: int) -> dict[str, Any]:
    """Return what a model makes of the held-out pairs of all tasks, of one part of the held-out videos."""
    pool = open_pool(recipe)
    embedder = load(recipe, str(model), torch.device("cpu"))
    # What is held out is the same for all ways of a seed: cut into patches once.
    own = Trained(embedder, Remembering(str(model), "", recipe.input), recipe.batch.chunk_tokens)
    items = Items(pool.dataset)
    found = {}
    for task, places in pool.held.items():
        asked = [place for place in places.tolist() if int(unit_of("part", pool.sources[place]) * parts) == part]
        found[task] = _task(own, items, task, asked, truth)
    return {"tasks": found}


def _task(own: Trained, items: Items, task: str, places: Sequence[int], truth: Truth) -> dict[str, float]:
    pairs = [items.pair(place) for place in places]
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
    tasks = list(found["base"][0]["tasks"])
    sizes = [found["base"][0]["tasks"][task]["candidates"] for task in tasks]
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
    t2v = found["base"][0]["tasks"].get("t2v", {})
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
