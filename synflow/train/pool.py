"""The pairs of a run that are trained, and those that are held out, by task.

Videos are held out, not pairs: no frame, text or clip of a held-out video is ever trained on. Which ones follows from
their digests and a seed alone, so that a larger holdout contains a smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.errors import Damage, UsageError
from synflow.ids import unit_of
from synflow.records import TASKS
from synflow.store.index import pair_columns
from synflow.store.reader import Dataset, open_dataset
from synflow.train.recipe import Recipe

Places = npt.NDArray[np.int64]


@dataclass
class Pool:
    """What can be trained.

    Attributes:
        dataset: of the run.
        trained, held: places of the dataset by task, ascending.
        sizes: pairs of a batch by task, of those that are trained.
        characters: of query and target text of each place: what lengths are estimated from.
        sources: the video of each place.
        videos: that are held out.
        left_out: tasks that cannot be trained, and why.
    """

    dataset: Dataset
    trained: dict[str, Places]
    held: dict[str, Places]
    sizes: dict[str, int]
    characters: npt.NDArray[np.int64]
    sources: list[str]
    videos: int
    left_out: dict[str, str]

    @property
    def pairs(self) -> dict[str, int]:
        """Pairs that are trained, by task."""
        return {task: len(places) for task, places in self.trained.items()}

    @property
    def batches(self) -> dict[str, int]:
        """Whole batches in one pass over each task."""
        return {task: len(places) // self.sizes[task] for task, places in self.trained.items()}

    def state(self) -> str:
        """Return the digest of the dataset: of its index, which names every shard and pair."""
        return str(self.dataset.facts["index"]["pairs.parquet"]["sha256"])


def open_pool(recipe: Recipe, ranks: int = 1) -> Pool:
    """Return the pairs of the run that a recipe names.

    Args:
        recipe: of the training.
        ranks: processes; a batch has as many pairs for each.

    Raises:
        UsageError: there is no such run, or none of its tasks can be trained.
        Incomplete: it is not finished. Damage: a shard is missing.
    """
    dataset = open_dataset(recipe.run)
    _whole(dataset)
    sources, characters = _told(dataset)
    outside, videos = _held_out(sources, recipe)
    trained: dict[str, Places] = {}
    held: dict[str, Places] = {}
    sizes: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for task in recipe.data.tasks or dataset.tasks:
        places = np.sort(dataset.places([task], 0, 0, 1))
        inside = places[~outside[places]]
        held[task] = places[outside[places]]
        size = min(recipe.batch.of(task), len(inside)) // ranks * ranks
        if size < 2:
            left_out[task] = f"{len(inside)} pairs to train on: a batch needs two, and one for each process"
        else:
            trained[task], sizes[task] = inside, size
    if not trained:
        why = "; ".join(f"{task}: {reason}" for task, reason in left_out.items())
        raise UsageError(
            f"data: no task of {recipe.run} can be trained ({why or 'it has no pairs'})",
            "train on a larger run, or hold out fewer videos",
        )
    return Pool(dataset, trained, held, sizes, characters, sources, videos, left_out)


def _whole(dataset: Dataset) -> None:
    """Find missing and shortened shards before the first step; what they hold is checked as it is read."""
    root = dataset.files.root
    if "://" in root:
        return
    for shard in dataset.facts.get("shards", ()):
        path = Path(root) / str(shard["path"])
        size = path.stat().st_size if path.is_file() else -1
        if size != int(shard["bytes"]):
            what = "is missing" if size < 0 else f"has {size:,} bytes instead of {int(shard['bytes']):,}"
            raise Damage(f"{path} {what}", f"`synflow verify {root}` tells the damage, `synflow resume` mends it")


def _told(dataset: Dataset) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the video of each pair and the characters of its texts."""
    table = pair_columns(dataset.files.whole("index/pairs.parquet") or b"", ("source_id", "query_text", "target_text"))
    texts = zip(table["query_text"], table["target_text"], strict=True)
    return table["source_id"], np.array([len(one or "") + len(other or "") for one, other in texts], np.int64)


def _held_out(sources: list[str], recipe: Recipe) -> tuple[npt.NDArray[np.bool_], int]:
    """Return which places are held out, and how many videos."""
    seed = recipe.seed if recipe.data.holdout_seed is None else recipe.data.holdout_seed
    names = sorted(set(sources), key=lambda name: (unit_of("holdout", seed, name), name))
    chosen = set(names[: recipe.data.holdout])
    return np.array([name in chosen for name in sources], bool), len(chosen)


def counted(pool: Pool) -> Mapping[str, Any]:
    """Return the numbers of a pool as JSON, for the dry run and the model card."""
    return {
        task: {
            "pairs": pool.pairs[task], "held_out": len(pool.held[task]), "batch": pool.sizes[task],
            "batches": pool.batches[task],
        }
        for task in TASKS if task in pool.trained
    }  # fmt: skip
