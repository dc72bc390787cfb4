"""Hard negatives of an epoch: the tables beside the run, as places of the dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from synflow.errors import UsageError
from synflow.mining.settings import PAPER
from synflow.store.layout import RunLayout
from synflow.store.negatives import KINDS, read_negatives, versions
from synflow.store.reader import StoredPair
from synflow.train.pool import Pool
from synflow.train.recipe import NegativesSpec

TARGETS = ("mined", "segment")
"""Kinds of negatives that are targets of other pairs; the others were made with the pair: texts in the place of its
query, or its own target backward."""
TEXTS = 2
"""Texts made false of a target that a pair may bring."""


@dataclass
class Hard:
    """Hard negatives that are trained with.

    Attributes:
        spec: of the recipe.
        version: of the tables; empty where there are none.
        places: place of a pair -> places of pairs whose targets are its negatives, the nearest first.
        held_out: negatives that were left out because their videos are held out.
    """

    spec: NegativesSpec = field(default_factory=NegativesSpec)
    version: str = ""
    places: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    held_out: int = 0

    def number(self, task: str) -> int:
        """Return how many negatives a pair of that task has at most."""
        return wanted(self.spec, task) if self.places else 0

    def of(self, place: int) -> tuple[int, ...]:
        """Return the negatives of a pair."""
        return self.places.get(place, ())

    @property
    def texts(self) -> int:
        """Return how many texts a pair may bring that are false of its target."""
        return TEXTS if self.spec.texts else 0

    def false_texts(self, pair: StoredPair) -> list[str]:
        """Return the texts that a pair brings."""
        told = pair.record.get("negatives", ()) if self.spec.texts else ()
        texts = [str(one.get("negative_text", "")) for one in told if one.get("kind") in KINDS]
        return [text for text in texts if text][:TEXTS]

    @property
    def turned(self) -> int:
        """Return how many targets a pair may bring that are its own, played backward."""
        return int(self.spec.reversed)

    def is_turned(self, pair: StoredPair) -> bool:
        """Tell whether the target of a pair played backward is a negative of it."""
        told = pair.record.get("negatives", ()) if self.spec.reversed else ()
        return any(one.get("kind") == "reversed-video" for one in told)


def wanted(spec: NegativesSpec, task: str) -> int:
    """Return how many negatives a pair of that task gets: what the recipe says, else what the paper does."""
    return int({**PAPER, **spec.tasks}.get(task, 0))  # type: ignore[call-overload]


def open_hard(pool: Pool, spec: NegativesSpec, version: str) -> Hard:
    """Return the negatives in the tables of that version, those of held-out videos left out.

    Raises:
        UsageError: there are several sets of tables and none is named.
        Refused: they are of another state of the run. Damage: a table is not as promised.
    """
    root = pool.dataset.files.root
    if not any(wanted(spec, task) for task in pool.trained):
        return Hard(spec)
    if "://" in root:
        raise UsageError(
            f"negatives: {root} is behind a URL, where tables of negatives are not read",
            "copy the run, or set negatives.tasks to 0 for t2v, ti2v and tv2v",
        )
    if not version and not versions(RunLayout(Path(root))):
        return Hard(spec)
    held = set(np.concatenate([*pool.held.values(), np.zeros(0, np.int64)]).tolist())
    outside = videos_of(pool, held)
    found: dict[int, tuple[int, ...]] = {}
    dropped = 0
    for task, by_pair in read_negatives(Path(root), version).items():
        if task not in pool.trained or not wanted(spec, task):
            continue
        for name, rows in by_pair.items():
            others = [pool.dataset.place_of(row["negative_pair_id"]) for row in rows if row["kind"] in TARGETS]
            inside = tuple(other for other in others if pool.sources[other] not in outside)
            dropped += len(others) - len(inside)
            if inside:
                found[pool.dataset.place_of(name)] = inside
    return Hard(spec, version, found, dropped)


def videos_of(pool: Pool, places: set[int]) -> set[str]:
    """Return the videos that some pairs are from."""
    return {pool.sources[place] for place in places}
