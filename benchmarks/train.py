"""What a training step costs: ours beside a plain transformers loop, on the same pairs, model, loss and optimizer.

``python benchmarks/train.py --run RUN`` trains a tiny model of random weights for some steps in each way, on one
thread of the CPU (or on a GPU with ``--device cuda --base MODEL``), and prints seconds a step (CPU-seconds on a CPU),
tokens a second, the share of filling and the highest memory of the process:

* *plain*: the model of transformers as it comes: processor, all queries in one padded batch, all targets in another,
  its own positions, the vision tower inside the model, loss by a matrix of scores;
* *ours*: chunks of alike length, each clip once through the tower; *caching*: with gradient caching in chunks;
* *seen*: with the vision cache, filled before;
* *sentence*: the trainer of sentence-transformers, where that is installed (`kit.sentence_loop`).

Each way runs in a process of its own, so that memory is its own. Pairs are decoded within the step in all of them.

"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

WAYS = ("plain", "ours", "caching", "seen")
OTHER = "sentence"

RECIPE = """
version: 1
name: bench
data: {{run: {run}, tasks: [{task}]}}
output: {out}
model: {{base: {base}, dtype: {dtype}, device: {device}, checkpointing: false}}
input: {{frames: 8, frame_tokens: {tokens}, image_tokens: {tokens}, max_tokens: 2048}}
tune: {{use: lora, dropout: 0}}
optimizer: {{lr: 1.0e-4, warmup: 0}}
batch: {{size: {batch}, tasks: {{}}, chunk_tokens: {chunk}, gradient_caching: {caching}}}
negatives: {{remine: false, tasks: {{t2v: 0, ti2v: 0, tv2v: 0}}}}
curriculum: {{use: plain}}
epochs: 1
steps: {steps}
tensorboard: false
log_every: 1000
"""


def recipe_of(given: argparse.Namespace, out: Path, caching: bool, *sets: str) -> Any:
    from synflow.train.recipe import parse_recipe

    text = RECIPE.format(
        run=given.run.absolute(), out=out, base=given.base, dtype=given.dtype, device=given.device, tokens=given.tokens,
        batch=given.batch, chunk=given.chunk, caching=str(caching).lower(), steps=given.steps, task=given.task,
    )  # fmt: skip
    return parse_recipe(text, "bench", out.parent, sets)


def ours(given: argparse.Namespace, out: Path, caching: bool, *sets: str) -> dict[str, float]:
    from synflow.train import metrics
    from synflow.train.training import train

    if given.device == "cpu":
        # Seconds of this process, whatever else the machine does.
        metrics.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
    train(recipe_of(given, out, caching, *sets))
    told = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()][1:]
    seconds = sum(one["seconds"] for one in told)
    return {
        "seconds": seconds / len(told),
        "tokens_per_s": sum(one["tokens"] for one in told) / seconds,
        "padding": sum(one["padding"] for one in told) / len(told),
        "loss": told[-1]["loss"],
    }


def plain(given: argparse.Namespace, out: Path) -> dict[str, float]:
    """A loop as one writes it first: the model's own forward, two padded batches, the whole batch at once."""
    import torch

    from synflow.train.batches import Batches
    from synflow.train.embedder import load
    from synflow.train.pool import open_pool
    from synflow.train.ranks import Ranks
    from synflow.train.samples import Items, Media, Sequencer, Tokens
    from synflow.train.session import base_of

    recipe = recipe_of(given, out, False)
    pool = open_pool(recipe)
    base = base_of(recipe, Ranks())
    held = load(recipe, base, torch.device(given.device))
    model, items = held.model, Items(pool.dataset)
    maker = Sequencer(base, "", recipe.input)
    optimizer = torch.optim.AdamW(held.trained.values(), lr=1e-4, weight_decay=0.1)
    from collections import Counter

    batches = Batches(pool, [given.task] * given.steps, Counter(), 0, recipe.seed)
    model.train()
    told: list[tuple[float, int, int]] = []
    clock = time.process_time if given.device == "cpu" else time.perf_counter
    loss = torch.zeros(())
    for batch in batches:
        start = clock()
        pairs = [items.pair(place) for place in batch.places]
        vectors, read, padded = [], 0, 0
        for sides in ([items.query(pair) for pair in pairs], [items.target(pair) for pair in pairs]):
            rows: list[Tokens] = []
            media: list[Media] = []
            for item in sides:
                own: dict[str, Media] = {}
                rows.append(maker.sequence(item, own))
                media += own.values()
            longest = max(map(len, rows))
            ids = torch.zeros(len(rows), longest, dtype=torch.long)
            mask, places = torch.zeros_like(ids), torch.zeros(3, len(rows), longest, dtype=torch.long)
            for at, row in enumerate(rows):
                ids[at, : len(row)], mask[at, : len(row)] = torch.from_numpy(row.ids), 1
                places[:, at, : len(row)] = torch.from_numpy(row.positions)
            more: dict[str, Any] = {}
            if media:
                values = torch.cat([torch.from_numpy(one.patches) for one in media if one.patches is not None])
                video = bool((ids == model.config.video_token_id).any())
                names = ("pixel_values_videos", "video_grid_thw") if video else ("pixel_values", "image_grid_thw")
                scaled = (values.float() / 255 - held.mean.cpu()) / held.std.cpu()
                more = {names[0]: scaled.to(given.device), names[1]: torch.tensor([one.grid for one in media])}
                more[names[1]] = more[names[1]].to(given.device)
            where = given.device
            states = model(
                input_ids=ids.to(where), attention_mask=mask.to(where), position_ids=places.to(where), **more
            ).last_hidden_state
            last = states[torch.arange(len(rows)), mask.sum(1) - 1]
            vectors.append(torch.nn.functional.normalize(last.float(), dim=-1))
            read, padded = read + int(mask.sum()), padded + mask.numel()
        scores = vectors[0] @ vectors[1].T / 0.03
        wanted = torch.arange(len(scores), device=scores.device)
        cross = torch.nn.functional.cross_entropy
        loss = (cross(scores, wanted) + cross(scores.T, wanted)) / 2
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        told.append((clock() - start, read, padded))
    seconds = sum(one for one, _, _ in told[1:])
    return {
        "seconds": seconds / len(told[1:]),
        "tokens_per_s": sum(read for _, read, _ in told[1:]) / seconds,
        "padding": 1 - sum(read for _, read, _ in told[1:]) / sum(padded for _, _, padded in told[1:]),
        "loss": float(loss),
    }


def sentence(given: argparse.Namespace, out: Path) -> dict[str, float]:
    """Return a step of sentence-transformers on the same batches."""
    from collections import Counter

    from kit.sentence_loop import trained

    from synflow.train.batches import Batches
    from synflow.train.pool import open_pool
    from synflow.train.ranks import Ranks
    from synflow.train.samples import Items
    from synflow.train.session import base_of

    recipe = recipe_of(given, out, False)
    pool = open_pool(recipe)
    base = base_of(recipe, Ranks())
    batches = Batches(pool, [given.task] * given.steps, Counter(), 0, recipe.seed)
    places = [list(batch.places) for batch in batches]
    return trained(recipe, Path(base), Items(pool.dataset), places, given.device, out)


def one(given: argparse.Namespace) -> dict[str, float]:
    import torch

    if given.device == "cpu":
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        if given.way == "plain":
            found = plain(given, out)
        elif given.way == OTHER:
            found = sentence(given, out)
        elif given.way == "seen":
            cache = f"data.cache={Path(folder) / 'seen'}"
            ours(given, Path(folder) / "before", False, cache)
            found = ours(given, out, False, cache)
        else:
            found = ours(given, out, given.way == "caching")
    held = torch.cuda.max_memory_allocated() if given.device == "cuda" else 1024 * peak()
    return {**found, "memory": held}


def peak() -> int:
    """Return the highest memory of this process, KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--task", default="t2v")
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=12)
    parser.add_argument("--chunk", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=(*WAYS, OTHER))
    parser.add_argument("--way", choices=(*WAYS, OTHER))
    given = parser.parse_args()
    if given.way:
        print(json.dumps(one(given)))
        return 0
    print("| way | s a step | tokens/s | filling | memory | last loss |\n|---|---|---|---|---|---|")
    for way in given.ways:
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {way} | {told['seconds']:.2f} | {told['tokens_per_s']:,.0f} | {told['padding']:.1%} | "
            f"{told['memory'] / 2**20:,.0f} MiB | {told['loss']:.4f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
