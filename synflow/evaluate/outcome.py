"""What is kept of an evaluation: one file for each dataset, and one for all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.durable import make_folder, told
from synflow.errors import UsageError
from synflow.evaluate.abilities import Average, averages
from synflow.evaluate.metrics import METRICS, Found, table_of
from synflow.ids import digest

RESULTS, TIMING, REPORT, DATASETS = "results.json", "timing.json", "report.html", "datasets"


@dataclass
class Benchmark:
    """Datasets whose scores are averaged together.

    Attributes:
        name: UVRB, MiniUVRB, a dataset of one's own or a run.
        abilities: dataset -> ability, for all that belong to it.
        datasets: what was found on each, as its file holds it.
        skipped: datasets that are missing or broken, and why.
    """

    name: str
    abilities: dict[str, str]
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def averages(self) -> dict[str, Average]:
        """All averages, marked where a dataset that they need is not there."""
        return averages({name: one["score"] for name, one in self.datasets.items()}, self.abilities)

    def told(self) -> dict[str, Any]:
        """Return it as JSON, without what is kept of single queries."""
        return {
            "name": self.name,
            "datasets": {name: _summary(one) for name, one in self.datasets.items()},
            "skipped": self.skipped,
            "averages": {
                name: {"value": None if one.value is None else round(one.value, 6), "missing": list(one.missing)}
                for name, one in self.averages.items()
            },
        }


def _summary(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in ("per_query", "identity")}


def file_of(folder: Path, dataset: str) -> Path:
    """Return the file of a dataset."""
    plain = re.sub(r"[^\w.-]", "-", dataset, flags=re.ASCII)
    own = plain if plain == dataset else f"{plain}-{digest(dataset.encode())[:8]}"
    return folder / DATASETS / f"{own}.json"


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.part")
    with told(path):
        draft.write_text(text, encoding="utf-8", errors="replace")
        draft.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """Return what a file holds; None where there is none, or it is no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_datasets(folder: Path) -> dict[str, dict[str, Any]]:
    """Return all datasets of an evaluation by name.

    Raises:
        UsageError: the folder holds none.
    """
    found = {one["name"]: one for path in sorted((folder / DATASETS).glob("*.json")) if (one := read(path)) is not None}
    if not found:
        raise UsageError(f"{folder} holds no evaluation", "`compare` takes the output folder of another one")
    return found


def per_query(dataset: Mapping[str, Any], metric: str | None = None) -> npt.NDArray[np.float64]:
    """Return a metric of each query, float64 ``[n]``; NaN where nothing is relevant."""
    own = dataset["per_query"]
    found = [Found(tuple(ranks), count) for ranks, count in zip(own["ranks"], own["relevant"], strict=True)]
    chosen = metric or dataset["metric"]
    assert chosen in METRICS
    return table_of(found)[chosen]
