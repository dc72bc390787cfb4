"""What is known of UVRB: its datasets, and the scores that were published. Both are files of ``data/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from synflow.evaluate.abilities import ABILITIES, AVERAGES, averages

NEAR = 0.001
"""Printed scores have three digits; an average of them may be off by as much."""


@dataclass(frozen=True)
class Known:
    """A dataset of UVRB.

    Attributes:
        queries, corpus: how many the paper counts; ``corpus`` is None where each query has candidates of its own.
        asks: what a query holds: text, image, video.
        instruction: for the query side of an embedder that takes one.
        also: other names that its folder may have.
    """

    name: str
    ability: str
    metric: str
    queries: int
    corpus: int | None
    asks: tuple[str, ...]
    instruction: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """A row of the published table; ``datasets`` is empty where only averages were printed."""

    model: str
    parameters: str
    group: str
    datasets: Mapping[str, float]
    averages: Mapping[str, float]
    misprints: Mapping[str, str] = field(default_factory=dict)


def _read(name: str) -> Any:
    return json.loads(files("synflow.evaluate").joinpath("data", name).read_text(encoding="utf-8"))


@cache
def uvrb() -> dict[str, Known]:
    """Return the 16 datasets by name, in the paper's order."""
    return {
        one["name"]: Known(**{**one, "asks": tuple(one["asks"]), "also": tuple(one["also"])})
        for one in _read("uvrb.json")["datasets"]
    }


def abilities_of_uvrb() -> dict[str, str]:
    """Return dataset -> ability."""
    return {name: known.ability for name, known in uvrb().items()}


@cache
def published() -> tuple[Published, ...]:
    """Return the published rows, in the paper's order."""
    told = _read("published.json")
    wrong: dict[str, dict[str, str]] = {}
    for one in told["misprints"]:
        wrong.setdefault(one["model"], {}).update(dict.fromkeys(one["averages"], one["why"]))
    return tuple(
        Published(
            row["model"],
            row["parameters"],
            row["group"],
            _named(told["datasets"], row["datasets"]),
            _named(told["averages"], row["averages"]),
            wrong.get(row["model"], {}),
        )
        for row in told["rows"]
    )


def source() -> str:
    """Return where the published scores are from."""
    return str(_read("published.json")["source"])


def _named(names: list[str], values: list[float | None] | None) -> dict[str, float]:
    return {name: value for name, value in zip(names, values or [None] * len(names), strict=True) if value is not None}


def disagreements() -> list[tuple[str, str, float, float]]:
    """Return where a printed average does not follow from the printed datasets: model, average, printed, computed."""
    found = []
    for row in published():
        if len(row.datasets) < len(uvrb()):
            continue
        computed = averages(row.datasets, abilities_of_uvrb())
        for name in AVERAGES:
            value = computed[name].value
            if value is not None and name in row.averages and abs(value - row.averages[name]) > NEAR + 1e-9:
                found.append((row.model, name, row.averages[name], round(value, 4)))
    return found


def figure_models() -> list[Published]:
    """Return the 16 models of the paper's figures: 6 CLIP-based, 8 MLLM, and the two ablations GVE-i."""
    return [row for row in published() if row.group in ("clip", "mllm") or row.model.startswith("GVE-i-")]


def ability_table(rows: list[Published]) -> dict[str, list[float]]:
    """Return the nine abilities of some rows as printed, and ``ALL``: the mean of TXT, CMP and VIS."""
    table = {name: [row.averages[name] for row in rows] for name in ABILITIES}
    table["ALL"] = [sum(row.averages[name] for name in ("TXT", "CMP", "VIS")) / 3 for row in rows]
    return table
