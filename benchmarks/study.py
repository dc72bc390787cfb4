"""The study: which part of the pipeline helps a tiny embedder, on which ability, and by more than the spread of seeds?

``python benchmarks/study.py --out runs/study`` trains one tiny model in six ways on a rendered world whose captions
are false in 0, 20 or 40 % of the clips, with three seeds each, and scores each on UVRB's 16 tasks in miniature. What is
done is kept, so the same command goes on; ``docs/study.json`` and ``docs/study.md`` are written after each training.
``--write`` only writes the page anew from the JSON, which needs no torch.

The ways build on one another: captions as they come, curation, enrichment, expansion to seven tasks, hard negatives,
pyramid. All begin at the same base, a tiny Qwen2.5-VL that was trained on true captions of a world of its own, and are
trained for as many steps with its vision tower frozen. Training worlds, base and benchmark have seeds of their own.

One thread each; a training with its scores took 46 CPU-seconds, of which two can go on at a time (`--jobs`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from _study_data import facts_of, run_base, runs_of, spoilt, true_captions
from _study_models import WAYS, Plan, Scattered, by_queries, cell_of, mine_hard, opened, recipe_of, scored, train_base
from _study_page import write_page
from _study_statistics import complete, table_of

from synflow.evaluate.outcome import read, write

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "study.json"


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
    recipe = recipe_of(out, "prober", out / "base-run", str(base), 0, plan.fine)
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
    given.out = given.out.absolute()
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
    wanted = [one for one in cells(given.noise, given.ways, given.seeds) if key_of(*one) not in results["cells"]]
    versions = prepare(given.out, plan, given.noise, results) if wanted else {}
    for cell in wanted:
        # What an earlier process of another plan left is done again.
        if (read(place_of(given.out, *cell)) or {}).get("plan") != vars(plan):
            place_of(given.out, *cell).unlink(missing_ok=True)
            shutil.rmtree(given.out / "trained" / "-".join(map(str, cell)), ignore_errors=True)
    for found in trained(given, wanted, versions):
        results["cells"].update({name: {k: v for k, v in cell.items() if k != "plan"} for name, cell in found.items()})
        write(RESULTS, results)
        print(json.dumps({name: cell["averages"]["abilities"] for name, cell in found.items()}), flush=True)
    results["queries"] = compared_by_queries(given.out, results) or results.get("queries", {})
    write(RESULTS, results)
    write_page(results, DOCS)
    return 0


def compared_by_queries(out: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return how each way differs from raw captions over the choice of queries, where all its cells are there."""
    shares = complete(table_of(results), list(WAYS))
    done = [(way, int(share), int(seed)) for way, share, seed in (key.split("/") for key in results["cells"])]
    seeds = {
        share: sorted(
            set.intersection(*({seed for way, at, seed in done if (way, at) == (one, share)} for one in WAYS))
        )
        for share in shares
    }
    # What single queries found lies only where the trainings were made.
    cells_of = [place_of(out, way, share, seed).stem for way in WAYS for share in shares for seed in seeds[share]]
    there = all((out / "scores" / name).is_dir() for name in cells_of) and all(seeds.values())
    return {way: by_queries(out, way, seeds) for way in WAYS if way != "raw"} if cells_of and there else {}


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
