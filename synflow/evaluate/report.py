"""The HTML report of an evaluation: one file that loads nothing, the same bytes for the same results."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synflow.errors import ClipFailure
from synflow.evaluate import outcome
from synflow.evaluate.abilities import ABILITIES, AVERAGES, WORDS, averages
from synflow.evaluate.collection import Collection, Entry
from synflow.evaluate.correlation import matrix, spearman
from synflow.evaluate.evaluation import Evaluation
from synflow.evaluate.metrics import METRICS
from synflow.evaluate.outcome import Benchmark
from synflow.evaluate.recipe import Recipe
from synflow.evaluate.reference import (
    Published,
    abilities_of_uvrb,
    ability_table,
    figure_models,
    published,
    source,
    uvrb,
)
from synflow.ids import rng_of
from synflow.inspect.charts import radar
from synflow.inspect.pages import percent, safe_text, static
from synflow.inspect.report import Album
from synflow.inspect.sheets import Sheet, missing, sheet
from synflow.inspect.strip import decode

ON_RADAR = ("CLIP4Clip", "GME-7B", "GVE-7B")
"""Published rows that are drawn beside the model: the simplest, the strongest of the others, the paper's best."""

GROUPS = {
    "16 models of the paper's figures": None,
    "6 CLIP-based": "clip",
    "8 multimodal language models": "mllm",
}


@dataclass(frozen=True)
class Failure:
    """A query whose relevant items were not found where they should be.

    Attributes:
        rank: of the best relevant one; 0 where none was ranked.
        wanted, got: the best relevant item, and what stood first.
    """

    dataset: str
    query: Entry
    rank: int
    query_sheet: Sheet | None
    wanted: Entry | None
    wanted_sheet: Sheet | None
    got: Entry | None
    got_sheet: Sheet | None
    score: float | None


@dataclass(frozen=True)
class Row:
    """A line of the table: a published model, or the one that was evaluated."""

    name: str
    group: str
    scores: Mapping[str, float | None]
    marks: Mapping[str, str] = field(default_factory=dict)
    own: bool = False


def write_report(made: Evaluation, recipe: Recipe, target: Path) -> Path:
    """Write the report of an evaluation; return its path."""
    path = target / outcome.REPORT
    outcome.write_text(path, html_report(made, recipe))
    return path


def html_report(made: Evaluation, recipe: Recipe) -> str:
    """Return the report as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    album = Album()
    shown = Environment(
        loader=PackageLoader("synflow.evaluate"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    shown.filters.update(safe_text=safe_text, percent=percent, count=lambda value: f"{value:,}", score=score_text)
    script = static("look.js")
    failures = [one for name, held in _datasets(made) for one in _failures(name, held, made, recipe)]
    return shown.get_template("evaluation.html").render(
        recipe=recipe,
        results=made.results,
        benchmarks=made.benchmarks,
        tables={one.name: _table(one, recipe.name) for one in made.benchmarks},
        radars={one.name: Markup(_radar(one, recipe.name)) for one in made.benchmarks if _drawn(one)},
        columns=(*uvrb(), *AVERAGES),
        on_radar=ON_RADAR,
        abilities=ABILITIES,
        metrics=METRICS,
        words=WORDS,
        correlations=[_correlations(name, group) for name, group in GROUPS.items()],
        proxy=_proxy(made.benchmarks),
        failures=failures,
        picture=album.url,
        album=album,
        source=source(),
        misprints=[(row.model, name, why) for row in published() for name, why in row.misprints.items()],
        style=static("look.css"),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )


def score_text(value: float | None) -> str:
    """Return a score with three digits; a dash for none."""
    return "\u2013" if value is None else f"{value:.3f}"


def _datasets(made: Evaluation) -> list[tuple[str, Mapping[str, Any]]]:
    return [(one["name"], one) for benchmark in made.benchmarks for one in benchmark.datasets.values()]


def _drawn(benchmark: Benchmark) -> bool:
    return sum(benchmark.averages[name].value is not None for name in ABILITIES) >= 3


def _own_scores(benchmark: Benchmark) -> dict[str, float | None]:
    made = {name: average.value for name, average in benchmark.averages.items()}
    return {**{name: one["score"] for name, one in benchmark.datasets.items()}, **made}


def _table(benchmark: Benchmark, name: str) -> list[Row]:
    """Return the model, and for UVRB the published rows, the best ability average first."""
    marks = {
        column: f"needs {', '.join(average.missing)}"
        for column, average in benchmark.averages.items()
        if average.missing and average.value is not None
    }
    own = Row(name, "evaluated here", _own_scores(benchmark), marks, own=True)
    if benchmark.name != "UVRB":
        return [own]
    rows = [_published(row) for row in published()]
    ordered = sorted(rows, key=lambda row: (-(row.scores.get("abilities") or 0.0), row.name))
    return [own, *ordered]


def _published(row: Published) -> Row:
    """Return a published row; an average that is not printed, or misprinted, is computed from the datasets."""
    scores: dict[str, float | None] = {**row.datasets, **row.averages}
    marks = {}
    if len(row.datasets) == len(uvrb()):
        for name, average in averages(row.datasets, abilities_of_uvrb()).items():
            if name in row.misprints:
                marks[name] = f"printed {row.averages[name]:.3f}: {row.misprints[name]}"
            if name in row.misprints or name not in row.averages:
                scores[name] = average.value
    return Row(row.model, row.group, scores, marks)


def _radar(benchmark: Benchmark, name: str) -> str:
    series: dict[str, Sequence[float | None]] = {}
    if benchmark.name == "UVRB":
        rows = {row.model: row for row in published()}
        series = {model: [rows[model].averages.get(axis) for axis in ABILITIES] for model in ON_RADAR}
    series[name] = [benchmark.averages[axis].value for axis in ABILITIES]
    return radar(ABILITIES, series, f"nine abilities on {benchmark.name}")


def _correlations(title: str, group: str | None) -> dict[str, Any]:
    rows = figure_models() if group is None else [row for row in published() if row.group == group]
    return {"title": title, "n": len(rows), "cells": matrix(ability_table(rows)), "names": (*ABILITIES, "ALL")}


def _proxy(benchmarks: Sequence[Benchmark]) -> dict[str, Any]:
    """Return how well partial relevance, and the other abilities, stand for the mean of the three kinds of query."""
    rows = figure_models()
    table = ability_table(rows)
    found: dict[str, Any] = {
        "n": len(rows),
        "ranked": sorted(
            ((name, spearman(table[name], table["ALL"])) for name in ABILITIES), key=lambda one: -(one[1] or 0.0)
        ),
        "own": None,
    }
    for benchmark in benchmarks:
        parts = [benchmark.averages[name] for name in ("TXT", "CMP", "VIS", "PR")]
        if benchmark.name == "UVRB" and all(part.whole for part in parts):
            text, composed, visual, partial = (part.value or 0.0 for part in parts)
            mean = (text + composed + visual) / 3
            found["own"] = {
                "PR": partial, "ALL": mean,
                "above_pr": sum(value > partial for value in table["PR"]),
                "above_all": sum(value > mean for value in table["ALL"]),
            }  # fmt: skip
    return found


def _failures(name: str, held: Mapping[str, Any], made: Evaluation, recipe: Recipe) -> list[Failure]:
    """Return some of the queries of a dataset whose first item is wrong, drawn by a seed."""
    collection = made.collections[name]
    own = held["per_query"]
    wrong = [
        place
        for place, (ranks, count) in enumerate(zip(own["ranks"], own["relevant"], strict=True))
        if count and (not ranks or ranks[0] > 1)
    ]
    rng_of("failures", recipe.seed, name).shuffle(wrong)
    items = {entry.id: entry for entry in collection.corpus}
    return [_failure(name, place, collection, own, items, recipe) for place in wrong[: recipe.failures]]


def _failure(
    name: str, place: int, collection: Collection, own: Mapping[str, Any], items: Mapping[str, Entry], recipe: Recipe
) -> Failure:
    query, relevant = collection.queries[place], collection.relevant[place]
    wanted = collection.corpus[relevant[0]] if relevant else None
    top = [items[one] for one in own["top"][place]]
    mine = {collection.corpus[one].id for one in relevant}
    got = next((one for one in top if one.id not in mine), top[0] if top else None)
    ranks = own["ranks"][place]
    return Failure(
        name, query, ranks[0] if ranks else 0, _sheet(query, recipe.frames), wanted, _sheet(wanted, recipe.frames), got,
        _sheet(got, recipe.frames), own["scores"][place][top.index(got)] if got is not None else None,
    )  # fmt: skip


def _sheet(entry: Entry | None, frames: int) -> Sheet | None:
    if entry is None or entry.media is None:
        return None
    try:
        pictures = entry.media.pictures(min(frames, 8))
    except ClipFailure as failure:
        return missing(f"cannot be read: {failure.reason}")
    decoded = [rgb for one in pictures if (rgb := decode(one.jpeg)) is not None]
    return sheet(decoded, height=80) if decoded else missing("cannot be decoded")
