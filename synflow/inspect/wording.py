"""How often and how long the texts of pairs are: words, styles, emphases, abilities and tasks against their targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from synflow.inspect.index import DOMAINS, RunIndex
from synflow.inspect.spread import Histogram
from synflow.records import TASKS

MOST_WORDS = 240
"""Texts with more words are counted as if they had so many."""

BIN = 10


@dataclass(frozen=True)
class Texts:
    """Words of the texts of one style.

    Attributes:
        counts: number of words -> number of different pairs' texts.
    """

    style: str
    number: int
    median: int
    longest: int
    histogram: Histogram


@dataclass(frozen=True)
class Quota:
    """A task with what it has, and what was asked for where targets were given."""

    task: str
    made: int
    target: int | None


def word_counts(index: RunIndex) -> list[Texts]:
    """Return how long the texts of pairs are, by the style of the pair, most frequent style first."""
    found: dict[str, Counter[int]] = {}
    for batch in index.batches("pairs", ["style", "query_text"]):
        texts = batch.column("query_text")
        words = pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.fill_null(texts, ""))))
        lengths = pc.if_else(pc.equal(pc.fill_null(texts, ""), ""), 0, words).to_pylist()
        for style, length in zip(batch.column("style").to_pylist(), lengths, strict=True):
            if length:
                found.setdefault(style or "none", Counter())[length] += 1
    told = [_texts(style, counts) for style, counts in found.items()]
    return sorted(told, key=lambda one: (-one.number, one.style))


def _texts(style: str, counts: Counter[int]) -> Texts:
    lengths = np.array(sorted(counts))
    numbers = np.array([counts[length] for length in sorted(counts)])
    below = np.cumsum(numbers)
    median = int(lengths[np.searchsorted(below, below[-1] / 2)])
    top = min(int(lengths[-1]), MOST_WORDS)
    edges = np.arange(0, max(top, BIN) + BIN + 1, max(1, round(top / 24) or 1))
    drawn = np.histogram(np.minimum(lengths, MOST_WORDS), edges, weights=numbers)[0]
    shape = Histogram(tuple(map(float, edges)), tuple(map(int, drawn)), (0,) * len(drawn))
    return Texts(style, int(below[-1]), median, int(lengths[-1]), shape)


def quotas(facts: Mapping[str, Any], run: Mapping[str, Any]) -> list[Quota]:
    """Return the tasks with what was made and what the manifest asked for."""
    manifest = run.get("manifest")
    targets = (manifest.get("targets") if isinstance(manifest, dict) else None) or {}
    return [Quota(task, int(facts["tasks"].get(task, 0)), targets.get(task)) for task in TASKS]


def crossed(index: RunIndex, down: str, across: str) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """Return a table of counts of two columns of the pairs: its heads, and its rows with their names."""
    counts = index.counts("pairs", down, across)
    ways = {"task": TASKS, "domain": tuple(DOMAINS)}
    rows, heads = (
        sorted({key[place] or "none" for key in counts}, key=lambda one: _rank(one, ways.get(name, ())))
        for place, name in ((0, down), (1, across))
    )
    sums: Counter[tuple[str, str]] = Counter()
    for (row, head), number in counts.items():
        sums[row or "none", head or "none"] += number
    return heads, [(row, [sums[row, head] for head in heads]) for row in rows]


def _rank(name: str, order: tuple[str, ...]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)
