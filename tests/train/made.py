"""A small finished dataset with pictures that can be decoded, and recipes for it."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from synflow.asks import Item
from synflow.models.contract import open_embedder
from synflow.store.reader import open_dataset
from synflow.train.recipe import Recipe, parse_recipe
from synflow.train.samples import Items

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from kit.datasets import Album, write_dataset

COUNTS: dict[Any, int] = {"t2v": 24, "t2i": 9, "i2v": 8, "t2t": 16, "ti2v": 7, "v2v": 6, "tv2v": 5}

TINY = """
version: 1
name: tried
data: {{run: {run}}}
output: {out}
model: {{base: tiny, dtype: float32, checkpointing: false, device: cpu}}
input: {{frames: 4, frame_tokens: 4, image_tokens: 4, max_tokens: 256}}
tune: {{use: lora, dropout: 0.1}}
optimizer: {{lr: 1.0e-3}}
batch: {{size: 6, tasks: {{t2i: 4}}, chunk_tokens: 512, gradient_caching: false}}
negatives: {{remine: false}}
curriculum: {{use: pyramid, pairs: 4}}
epochs: 2
steps: 3
tensorboard: false
"""


class Pictures(Album):
    """JPEGs of a coloured square on a ramp, drawn from the number."""

    def __init__(self) -> None:
        super().__init__(0)

    def picture(self, number: int) -> bytes:
        return _jpeg(number)


@lru_cache(maxsize=4096)
def _jpeg(number: int) -> bytes:
    rng = np.random.default_rng(number)
    picture = np.empty((36, 64, 3), np.uint8)
    picture[:] = rng.integers(0, 255, 3)
    left, top = int(rng.integers(0, 40)), int(rng.integers(0, 16))
    picture[top : top + 20, left : left + 20] = rng.integers(0, 255, 3)
    done, data = cv2.imencode(".jpg", picture)
    assert done
    return bytes(data)


def write_pictures(folder: Path, counts: dict[Any, int] | None = None, **more: Any) -> Path:
    return write_dataset(folder, counts or COUNTS, album=Pictures(), samples=20, frames=4, **more)


def tiny(run: Path, out: Path, *sets: str) -> Recipe:
    return parse_recipe(TINY.format(run=run, out=out), "tried.yaml", out.parent, sets)


def sides(run: Path) -> list[Item]:
    """Return queries and targets of ten pairs of a run, of all tasks."""
    reader = Items(open_dataset(run))
    pairs = [reader.pair(place) for place in range(0, 60, 6)]
    return [side for pair in pairs for side in (reader.query(pair), reader.target(pair))]


def vectors(model: Path | str, items: list[Item], max_pixels: int) -> Any:
    """Return what the embedder of the pipeline makes of items with a model, ``[items, dim]``."""
    spec = {"use": "transformers", "model": str(model), "device": "cpu", "max_pixels": max_pixels}
    return np.stack([one.values for one in open_embedder(spec).embed(items)])
