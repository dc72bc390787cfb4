"""Vectors of a prober, kept beside the run: whatever was embedded once is not embedded again, whoever asks.

A file holds a few thousand vectors and is named by its digest; it is there whole or not at all. Vectors are kept at
half precision: unit vectors lose less than 0.001 of a dot product by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synflow.asks import Embedder, Item, Picture
from synflow.durable import Attempt, forget, make_folder, seal
from synflow.errors import ServiceDown
from synflow.ids import digest, digest_of
from synflow.mining.corpus import Corpus
from synflow.mining.films import Films
from synflow.models.contract import values_of
from synflow.store.index import read_parquet, write_parquet
from synflow.store.layout import RunLayout
from synflow.store.negatives import VECTORS, folder_of
from synflow.store.reader import Dataset, StoredSide
from synflow.store.report import names_in

BLOCK = 4096
"""Vectors of a file: what an interruption costs at most."""

BATCH = 64
"""Items that the prober is given at once."""

KEPT = pa.schema([("key", pa.binary(16)), ("vector", pa.binary())])

Half = npt.NDArray[np.float16]


class VectorStore:
    """The vectors of one prober for one run.

    Attributes:
        report: vectors ``known`` before, ``embedded`` now, and ``abstained``: items that the prober cannot place.
    """

    def __init__(self, layout: RunLayout, prober: Mapping[str, Any]) -> None:
        self.layout = layout
        self.folder = folder_of(layout) / VECTORS / digest_of(dict(prober))[:16]
        self.report = {"known": 0, "embedded": 0, "abstained": 0, "dimensions": 0}

    def embed(
        self, embedder: Embedder, dataset: Dataset, corpus: Corpus, tell: Callable[[str, int, int], None]
    ) -> Half:
        """Return the vectors of all items of a corpus, float16 ``[items, dim]``; NaN where the prober abstains.

        Raises:
            ServiceDown: the prober is away, or mixes up what it is given.
        """
        make_folder(self.folder)
        place_of = {key: place for place, key in enumerate(corpus.keys)}
        vectors: Half | None = None
        known = np.zeros(len(corpus.keys), bool)
        for key, raw in self._kept():
            place = place_of.get(key)
            if place is not None and not known[place]:
                vectors = _put(vectors, known, place, raw)
        self.report["known"] = int(known.sum())
        missing = np.flatnonzero(~known)
        # In the order of the shards: each is read through once.
        order = sorted(missing.tolist(), key=lambda item: (corpus.where[item][0], item))
        fresh: list[dict[str, Any]] = []
        with Films(self.layout) as films:
            for start in range(0, len(order), BATCH):
                tell("embed", start, len(order))
                batch = order[start : start + BATCH]
                items = [self._item(dataset, corpus.where[item], films) for item in batch]
                for item, vector in zip(batch, values_of(embedder, items), strict=True):
                    raw = b"" if vector is None else vector.astype(np.float16).tobytes()
                    fresh.append({"key": corpus.keys[item], "vector": raw})
                    vectors = _put(vectors, known, item, raw)
                if len(fresh) >= BLOCK or start + BATCH >= len(order):
                    self._keep(fresh)
                    fresh = []
        self.report["embedded"] = len(order)
        if vectors is None:
            vectors = np.full((len(corpus.keys), 1), np.nan, np.float16)
        self.report["abstained"] = int(np.isnan(vectors[:, 0]).sum())
        self.report["dimensions"] = vectors.shape[1]
        return vectors

    def _item(self, dataset: Dataset, where: tuple[int, str], films: Films) -> Item | None:
        """Return what is embedded; None where its film cannot be decoded."""
        place, name = where
        pair = dataset[place]
        side: StoredSide = pair.query if name == "query" else pair.target
        instruction = pair.instruction if name == "query" else ""
        if side.clip is not None:
            pictures = films.pictures(side.clip, side.times)
            if not pictures:
                return None
        else:
            times = side.times or (float(pair.record[name].get("image", {}).get("time", 0.0)),)
            jpegs = side.frames or ((side.image,) if side.image is not None else ())
            pictures = tuple(Picture(jpeg, digest(jpeg), time) for jpeg, time in zip(jpegs, times, strict=False))
        return Item(side.text, pictures, instruction)

    def _kept(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys and vectors of all files; one that is damaged is forgotten."""
        for path in names_in(self.folder):
            data = path.read_bytes()
            if digest(data) != path.stem:
                forget(path)
                continue
            table = read_parquet(pa.BufferReader(data))
            yield from zip(table.column("key").to_pylist(), table.column("vector").to_pylist(), strict=True)

    def _keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        with Attempt(self.layout.staging) as attempt:
            draft = attempt.draft("vectors.parquet")
            write_parquet(draft, KEPT, rows)
            seal(draft, self.folder, ".parquet")


def _put(vectors: Half | None, known: npt.NDArray[np.bool_], place: int, raw: bytes) -> Half | None:
    """Note a vector; the array is made with the first one, whose length tells that of all."""
    known[place] = True
    if not raw:
        return vectors
    values = np.frombuffer(raw, np.float16)
    if vectors is None:
        vectors = np.full((len(known), len(values)), np.nan, np.float16)
    if len(values) != vectors.shape[1]:
        raise ServiceDown(
            f"the prober gave vectors of {vectors.shape[1]} and of {len(values)} numbers", "check which model answers"
        )
    vectors[place] = values
    return vectors


def paths_of(layout: RunLayout) -> list[Path]:
    """Return the files of vectors of a run."""
    return sorted((folder_of(layout) / VECTORS).glob("*/*.parquet"))
