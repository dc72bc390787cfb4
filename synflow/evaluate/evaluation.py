"""The whole evaluation: read, embed, rank and score each dataset, then average, probe and compare.

Each dataset has a file of its own, written when it is done and believed only for the same model, data and settings; so
an evaluation that was interrupted goes on, and one whose data changed does only that again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synflow.asks import Embedder
from synflow.errors import UsageError
from synflow.evaluate import outcome
from synflow.evaluate.collection import Collection
from synflow.evaluate.comparison import compared
from synflow.evaluate.held_out import read_run
from synflow.evaluate.late import by_word
from synflow.evaluate.layout import find_dataset, read_dataset
from synflow.evaluate.media import Decoder, Loader
from synflow.evaluate.metrics import Found, means, table_of
from synflow.evaluate.miniature import write_miniature
from synflow.evaluate.outcome import Benchmark
from synflow.evaluate.probes import Bench, probe
from synflow.evaluate.ranking import rank
from synflow.evaluate.recipe import Recipe, name_of
from synflow.evaluate.reference import Known, abilities_of_uvrb, uvrb
from synflow.evaluate.vectors import VectorCache
from synflow.ids import digest_of

VERSION = 1
"""Raised when the same vectors would give other scores."""

MINIATURE = "MiniUVRB"
SHOWN = 3
"""Ids that a note names."""

Tell = Callable[[str, int, int], None]


@dataclass
class Evaluation:
    """What came of it."""

    results: dict[str, Any]
    benchmarks: list[Benchmark]
    collections: dict[str, Collection] = field(default_factory=dict)
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    fresh: int = 0

    @property
    def skipped(self) -> dict[str, str]:
        """Datasets that could not be evaluated, and why."""
        return {f"{one.name}/{name}": why for one in self.benchmarks for name, why in one.skipped.items()}


def evaluate(
    recipe: Recipe, folder: Path, embedder: Embedder, identity: Mapping[str, Any], decoder: Decoder,
    tell: Tell = lambda what, done, total: None, out: Path | None = None,
) -> Evaluation:  # fmt: skip
    """Evaluate an embedder as a recipe says, and write the results.

    Args:
        recipe: what on what.
        folder: where its relative paths start.
        embedder: the model.
        identity: what it is, as JSON.
        decoder: of videos; the caller ends it.
        tell: is told what is done just now, and how far it is.
        out: output folder, instead of the recipe's.

    Raises:
        UsageError: there is nothing to evaluate on. ServiceDown: the embedder is away.
    """
    check_places(recipe, folder)
    target = out or folder / recipe.output
    cache = VectorCache(folder / recipe.cache if recipe.cache else target / "vectors", {**identity, "v": VERSION})
    loader = Loader(recipe.frames)
    bench = Bench(
        by_word(embedder, recipe.scorer.use),
        cache,
        loader,
        recipe.scorer.opened(folder),
        recipe.precision == "bf16",
        tell,
    )
    settings = {
        "version": VERSION,
        "embedder": dict(identity),
        "scorer": recipe.scorer.identity(),
        "precision": recipe.precision,
        "frames": recipe.frames,
    }
    made = Evaluation({}, [])
    probes: dict[str, dict[str, Any]] = {name: {} for name in recipe.probes}
    for benchmark, collections in _all(recipe, folder, decoder, tell):
        made.benchmarks.append(benchmark)
        for collection in collections:
            name = collection.name
            benchmark.abilities.setdefault(name, collection.ability)
            benchmark.datasets[name] = _evaluated(collection, bench, settings, target, benchmark.name, made)
            for one in recipe.probes:
                if (found := probe(one, bench, collection, recipe.seed)) is not None:
                    probes[one][f"{benchmark.name}/{name}"] = found
    if not any(one.datasets for one in made.benchmarks):
        why = "; ".join(f"{name}: {cause}" for name, cause in list(made.skipped.items())[:2])
        raise UsageError(f"nothing could be evaluated: {why}", "see docs/evaluate.md for where data is looked for")
    made.results = {
        "name": recipe.name,
        "model": embedder.model,
        **settings,
        "benchmarks": [one.told() for one in made.benchmarks],
        "probes": probes,
        "comparison": _compared(recipe, folder, made.benchmarks),
    }
    outcome.write(target / outcome.RESULTS, made.results)
    outcome.write(target / outcome.TIMING, {"datasets": made.seconds})
    return made


def check_places(recipe: Recipe, folder: Path) -> None:
    """Make sure that what the recipe names is there, before anything is written.

    Raises:
        UsageError: a folder is missing.
    """
    if recipe.uvrb is not None and not (folder / recipe.uvrb.root).is_dir():
        raise UsageError(
            f"uvrb.root: {folder / recipe.uvrb.root} is not a folder", "name the folder that holds the datasets"
        )
    for place, run in enumerate(recipe.runs):
        if not (folder / run.folder).is_dir():
            raise UsageError(f"runs[{place}].folder: {folder / run.folder} is not a folder", "name that of a run")
    if recipe.compare is not None:
        outcome.read_datasets(folder / recipe.compare)


def _all(
    recipe: Recipe, folder: Path, decoder: Decoder, tell: Tell
) -> Iterator[tuple[Benchmark, Iterator[Collection]]]:
    """Yield each benchmark with its datasets, read one after the other."""
    if recipe.uvrb is not None:
        root = folder / recipe.uvrb.root
        benchmark = Benchmark("UVRB", abilities_of_uvrb())
        yield benchmark, _released(root, recipe, benchmark, decoder, recipe.uvrb.datasets)
    if recipe.miniature is not None:
        place = folder / recipe.miniature.folder
        write_miniature(place, recipe.miniature.clips, recipe.miniature.seed, tell)
        benchmark = Benchmark(MINIATURE, abilities_of_uvrb())
        yield benchmark, _released(place, recipe, benchmark, decoder, (), paper=False)
    if recipe.datasets:
        benchmark = Benchmark("own", {})
        yield benchmark, _own(recipe, folder, benchmark, decoder)
    for run in recipe.runs:
        name = name_of(run.folder, run.name)
        benchmark = Benchmark(name, {})
        yield benchmark, iter(read_run(folder / run.folder, name, decoder, run.tasks, run.pairs, tell))


def _released(
    root: Path, recipe: Recipe, benchmark: Benchmark, decoder: Decoder, chosen: tuple[str, ...], *, paper: bool = True
) -> Iterator[Collection]:
    for name, known in uvrb().items():
        if chosen and name not in chosen:
            benchmark.skipped[name] = "not asked for"
            continue
        place = find_dataset(root, known)
        if place is None:
            benchmark.skipped[name] = f"{root / name} is not there"
            continue
        try:
            yield _read(place, known, recipe, decoder, paper=paper)
        except UsageError as error:
            benchmark.skipped[name] = error.cause


def _read(place: Path, known: Known, recipe: Recipe, decoder: Decoder, *, paper: bool) -> Collection:
    instruction = recipe.instructions.get(known.name, known.instruction)
    told = known if paper else None
    return read_dataset(
        place, decoder, known.name, known.ability, known.metric, instruction, recipe.frame_seconds, told
    )


def _own(recipe: Recipe, folder: Path, benchmark: Benchmark, decoder: Decoder) -> Iterator[Collection]:
    for one in recipe.datasets:
        name = name_of(one.folder, one.name)
        benchmark.abilities[name] = one.ability
        instruction = recipe.instructions.get(name, one.instruction)
        try:
            yield read_dataset(
                folder / one.folder, decoder, name, one.ability, one.metric, instruction, recipe.frame_seconds
            )
        except UsageError as error:
            benchmark.skipped[name] = error.cause


def _evaluated(
    collection: Collection, bench: Bench, settings: Mapping[str, Any], target: Path, benchmark: str, made: Evaluation
) -> dict[str, Any]:
    """Return what is found on a dataset: as it was written before for the same model, data and settings, or anew."""
    label = f"{benchmark}/{collection.name}"
    began = time.perf_counter()
    query_keys, lost_queries = bench.loader.keys(collection.queries)
    item_keys, lost_items = bench.loader.keys(collection.corpus)
    data = digest_of(
        [query_keys, item_keys, collection.relevant, collection.lost, collection.candidates, collection.metric]
    )
    identity = digest_of({**settings, "data": data, "notes": collection.notes})
    seconds = made.seconds[label] = {"read": round(time.perf_counter() - began, 3)}
    made.collections[label] = collection
    path = outcome.file_of(target, label)
    known = outcome.read(path)
    if known is not None and known.get("identity") == identity:
        return known
    made.fresh += 1
    began = time.perf_counter()
    queries = bench.embedded(collection.queries, query_keys, bench.scorer.queries, f"{collection.name} queries")
    seconds["embed_queries"] = round(time.perf_counter() - began, 3)
    began = time.perf_counter()
    corpus = bench.embedded(collection.corpus, item_keys, bench.scorer.items, f"{collection.name} corpus")
    seconds["embed_corpus"] = round(time.perf_counter() - began, 3)
    began = time.perf_counter()
    found = rank(
        bench.scorer, queries, corpus, collection.relevant, collection.candidates,
        lambda done, total: bench.tell(f"rank {collection.name}", done, total),
    )  # fmt: skip
    seconds["rank"] = round(time.perf_counter() - began, 3)
    counts = [len(set(one)) + lost for one, lost in zip(collection.relevant, collection.lost, strict=True)]
    scores = means(table_of([Found(ranks, count) for ranks, count in zip(found.ranks, counts, strict=True)]))
    ids = [entry.id for entry in collection.corpus]
    told = {
        "identity": identity,
        "data": data,
        "name": label,
        "ability": collection.ability,
        "metric": collection.metric,
        "kind": collection.kind,
        "score": scores[collection.metric],
        "metrics": scores,
        "queries": len(collection.queries),
        "scored": sum(count > 0 for count in counts),
        "corpus": len(collection.corpus),
        "candidates": sum(one is not None for one in collection.candidates),
        "abstained": {"queries": queries.abstained, "corpus": corpus.abstained},
        "notes": [*collection.notes, *_unreadable("queries", lost_queries), *_unreadable("items", lost_items)],
        "per_query": {
            "ids": [entry.id for entry in collection.queries],
            "relevant": counts,
            "ranks": [list(ranks) for ranks in found.ranks],
            "top": [[ids[place] for place in top] for top in found.top],
            "scores": found.scores,
        },
    }
    outcome.write(path, told)
    return told


def _unreadable(what: str, ids: list[str]) -> list[str]:
    if not ids:
        return []
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return [f"pictures of {len(ids):,} {what} cannot be read and are never found: {', '.join(ids[:SHOWN])}{more}"]


def _compared(recipe: Recipe, folder: Path, benchmarks: list[Benchmark]) -> dict[str, Any] | None:
    if recipe.compare is None:
        return None
    others = outcome.read_datasets(folder / recipe.compare)
    told = outcome.read(folder / recipe.compare / outcome.RESULTS) or {}
    found: dict[str, Any] = {"with": str(told.get("name", recipe.compare)), "benchmarks": {}, "left_out": {}}
    for benchmark in benchmarks:
        mine, theirs = {}, {}
        for name, one in benchmark.datasets.items():
            other = others.get(one["name"])
            if other is None or other["data"] != one["data"]:
                why = "was not evaluated there" if other is None else "was evaluated on other data there"
                found["left_out"][one["name"]] = why
                continue
            mine[name], theirs[name] = outcome.per_query(one), outcome.per_query(other, one["metric"])
        differences = compared(mine, theirs, benchmark.abilities, recipe.bootstrap, recipe.seed)
        found["benchmarks"][benchmark.name] = {
            name: {**asdict(one), "clear": one.clear} for name, one in differences.items()
        }
    return found
