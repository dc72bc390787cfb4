"""Hard negatives for a finished run: the targets of other pairs that a prober finds near a query, but not too near.

After Guo et al., arXiv 2510.27571 (negatives mined from the corpus by the prober embedder, one for each positive of
t2v, ti2v and tv2v) and the rule of a later paper of that lab: a negative scores less than the mean positive and delta.
The bound by the query's own positive, the rules for copies and sources, and all defaults are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synflow.asks import Embedder
from synflow.errors import Refused
from synflow.mining.choice import Choice, Limits, choose, made_before
from synflow.mining.corpus import Corpus, read_corpus
from synflow.mining.neighbours import Search
from synflow.mining.settings import Settings
from synflow.mining.vectors import VectorStore
from synflow.records import Task
from synflow.store.layout import RunLayout
from synflow.store.lock import Lock
from synflow.store.negatives import dataset_digest, publish_negatives, read_receipt_of, version_of, versions
from synflow.store.reader import open_dataset

__all__ = ["Mined", "Settings", "mine"]

Tell = Callable[[str, int, int], None]
"""Takes what is done just now, how much of it is done and how much there is."""


@dataclass(frozen=True)
class Mined:
    """Negatives that were made, or stood there already (``fresh`` is false).

    Attributes:
        folder: where the tables are; version: its name.
        report: what was counted, see `synflow.store.negatives`.
    """

    folder: Path
    version: str
    fresh: bool
    report: Mapping[str, Any]


def mine(
    root: Path, embedder: Embedder, identity: Mapping[str, Any], settings: Settings | None = None,
    tell: Tell = lambda what, done, total: None,
) -> Mined:  # fmt: skip
    """Make the hard negatives of the run in ``root``; what was embedded before is not embedded again.

    Args:
        root: folder of a finished run.
        embedder: the prober.
        identity: what the prober is, as JSON: a part of what the negatives are known by.
        settings: how many, and how near.
        tell: is told how far it is.

    Raises:
        UsageError: there is no run. Incomplete: it is not finished. Damage: a table or shard is not as promised.
        Refused: another driver holds the run, or the run was changed meanwhile. ServiceDown: the prober is away.
    """
    settings = settings or Settings()
    layout = RunLayout(root)
    dataset = open_dataset(root)
    with Lock(layout.lock):
        state = dataset_digest(layout)
        prober = {"model": embedder.model, **identity}
        made_from = {"prober": prober, "settings": settings.identity(), "dataset": state}
        version = version_of(made_from)
        if version in versions(layout):
            known = read_receipt_of(layout, version)
            return Mined(layout.root / "negatives" / version, version, fresh=False, report=known["report"])
        corpus = read_corpus(layout, dataset, settings, tell)
        store = VectorStore(layout, prober)
        vectors = store.embed(embedder, dataset, corpus, tell)
        learned = bool(getattr(embedder, "learned", True))
        rows: dict[str, list[dict[str, Any]]] = {}
        counted: dict[str, Any] = {}
        searches: dict[str, Search] = {}
        for task in corpus.tasks:
            choice = _of_task(corpus, task, vectors, searches, settings, learned, tell)
            rows[task] = [{**row, "prober": embedder.model} for row in choice.rows]
            counted[task] = choice.report
        if dataset_digest(layout) != state:
            raise Refused(f"{root} was changed while it was mined", "mine it again when nothing else works on it")
        report = {"tasks": counted, "vectors": store.report}
        folder = publish_negatives(layout, made_from, rows, report)
    return Mined(folder, version, fresh=True, report=report)


def _of_task(
    corpus: Corpus, task: Task, vectors: np.ndarray[Any, np.dtype[np.float16]], searches: dict[str, Search],
    settings: Settings, learned: bool, tell: Tell,
) -> Choice:  # fmt: skip
    """Return the negatives of one task."""
    if not settings.number(task):
        rows = [row for pair in corpus.made[task] for row in made_before(corpus, task, pair)]
        return Choice(rows, {"pairs": len(corpus.made[task]), "negatives": {}, "made": len(rows)})
    kind = task[-1]
    if kind not in searches:
        targets = corpus.targets(kind)
        searches[kind] = Search(vectors, targets[np.isfinite(vectors[targets, 0])], settings)
    pairs = corpus.pairs_of(task)
    limits = Limits.of(corpus, pairs, vectors, settings)
    near = searches[kind].near(
        corpus.query[pairs], limits.bars, lambda done, total: tell(f"search {task}", done, total)
    )
    return choose(corpus, task, pairs, vectors, limits, near, settings, learned)
