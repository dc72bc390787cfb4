"""The prober of an epoch: says how near the pairs of each task are, and mines the hard negatives.

At first it is a public embedder, where the recipe names one, then the model as the last epoch left it (Guo et al.,
arXiv 2510.27571).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synflow.asks import Embedder as Asked
from synflow.asks import Item, Vector, said_digest
from synflow.errors import UsageError
from synflow.ids import digest, seed_of
from synflow.mining import Settings, mine
from synflow.models.contract import open_embedder
from synflow.records import TASKS
from synflow.train.curriculum import DIGITS, Score
from synflow.train.embedder import Embedder
from synflow.train.gradients import chunks_of
from synflow.train.hard import wanted
from synflow.train.pool import Pool
from synflow.train.recipe import Itself, Recipe
from synflow.train.samples import Items, Media, Sequencer, Spoilt, Tokens

TOGETHER = 64
"""Items that are read before they go through the model."""


@dataclass
class Trained:
    """The model that is trained, as an embedder of the pipeline.

    Attributes:
        model: what it is called: its weights are a part of the name.
    """

    embedder: Embedder
    sequencer: Sequencer
    chunk_tokens: int
    model: str = "trained"
    learned = True
    joint = True

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        """Return a vector for each item; it abstains from what cannot be decoded."""
        found: list[Vector] = []
        self.embedder.train(False)
        for start in range(0, len(items), TOGETHER):
            found += self._together(items[start : start + TOGETHER])
        return found

    def _together(self, items: Sequence[Item]) -> list[Vector]:
        held: dict[str, Media] = {}
        rows: list[Tokens] = []
        places: list[int] = []
        for place, item in enumerate(items):
            try:
                rows.append(self.sequencer.sequence(item, held))
                places.append(place)
            except Spoilt:
                continue
        bound = [tuple(digest(picture.jpeg) for picture in item.pictures) for item in items]
        found = [Vector(None, one) for one in bound]
        with torch.no_grad():
            seen = self.embedder.see(held)
            for chunk in chunks_of([len(row) for row in rows], self.chunk_tokens, 0.1):
                values = self.embedder.embed([rows[row] for row in chunk], seen).cpu().numpy()
                for row, one in zip(chunk, values, strict=True):
                    item = items[places[row]]
                    found[places[row]] = Vector(one.astype(np.float32), bound[places[row]], said_digest(item.text))
        return found


def prober_of(recipe: Recipe, epoch: int, own: Trained) -> tuple[Asked, dict[str, Any]]:
    """Return the prober of an epoch, and what it is known by.

    Raises:
        UsageError: the embedder that the recipe names cannot be opened.
    """
    if epoch > 0 or isinstance(recipe.prober, Itself):
        return own, {"use": "trained"}
    spec = recipe.prober.model_dump(mode="json")
    return open_embedder(spec), recipe.prober.identity()


def scores_of(prober: Asked, items: Items, pool: Pool, pairs: int, seed: int, epoch: int) -> dict[str, Score]:
    """Return what the prober says of each task.

    Args:
        prober: is shown up to ``pairs`` pairs of each task.
        items: reads them.
        pool: what can be trained.
        pairs: of a task.
        seed: of the recipe: which pairs.
        epoch: others in each.
    """
    found = {}
    for task, places in pool.trained.items():
        rng = np.random.Generator(np.random.PCG64(seed_of("prober", seed, epoch, task)))
        chosen = np.sort(rng.permutation(places)[:pairs])
        sides: list[tuple[Item, Item]] = []
        for place in chosen.tolist():
            try:
                pair = items.pair(place)
                sides.append((items.query(pair), items.target(pair)))
            except Spoilt:
                continue
        found[task] = _score(prober, sides)
    return found


def _score(prober: Asked, sides: Sequence[tuple[Item, Item]]) -> Score:
    """Return mean cosines of pairs, and of each query with the target of another pair."""
    values = [[vector.values for vector in prober.embed([pair[side] for pair in sides])] for side in (0, 1)]
    placed = [(q, t) for q, t in zip(*values, strict=True) if q is not None and t is not None]
    if not placed:
        return Score(0.0, 0.0, 0)
    queries, targets = (np.stack(side).astype(np.float64) for side in zip(*placed, strict=True))
    paired = float((queries * targets).sum(1).mean())
    shuffled = float((queries * np.roll(targets, 1, axis=0)).sum(1).mean()) if len(placed) > 1 else 0.0
    return Score(round(paired, DIGITS), round(shuffled, DIGITS), len(placed))


def mined(
    prober: Asked, known_by: dict[str, Any], pool: Pool, recipe: Recipe, tell: Callable[[str, int, int], None]
) -> str:
    """Mine the hard negatives of the run anew; return the version of their tables, empty where no task wants any.

    Raises:
        UsageError: the run is behind a URL. Refused: another driver works on it.
    """
    numbers = {task: wanted(recipe.negatives, task) for task in pool.trained}
    if not any(numbers.values()):
        return ""
    root = pool.dataset.files.root
    if "://" in root:
        raise UsageError(
            f"negatives.remine: {root} is behind a URL, and tables of negatives stand beside the shards",
            "copy the run, or set negatives.remine to false and negatives.tasks to 0",
        )
    # A task that is not named would get the paper's number, also one that is not trained.
    settings = Settings(negatives={task: numbers.get(task, 0) for task in TASKS}, segments=0)
    return mine(Path(root), prober, known_by, settings, tell).version
