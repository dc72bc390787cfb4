"""What ranking takes: queries against a corpus that is read a file at a time, exact ranks and the best ten of each.

``python benchmarks/evaluate.py --queries 15000 --corpus 15000 --dimensions 3584`` writes made-up unit vectors as an
evaluation keeps them, ranks all, and prints seconds and the peak of memory; with ``--precision bf16`` rounded as a
recipe can ask for. ``--check`` compares 200 of the queries with a plain matrix product.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synflow.asks import Item, Vector
from synflow.evaluate.collection import Entry
from synflow.evaluate.media import Loader
from synflow.evaluate.metrics import Found, means, ranks_of, table_of
from synflow.evaluate.ranking import rank
from synflow.evaluate.scoring import NEAR, Cosine
from synflow.evaluate.vectors import VectorCache, Vectors


class MadeUp:
    """Gives item ``i`` a direction of its own, and each query one near to that of the item of its number."""

    model = "made-up"

    def __init__(self, dimensions: int, noise: float) -> None:
        self.dimensions, self.noise = dimensions, noise

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        """Return one vector for each item; texts are ``item 7`` and ``query 7``."""
        return [Vector(self._placed(*(item.text or "").split())) for item in items]

    def _placed(self, kind: str, number: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        values = np.random.default_rng(int(number)).standard_normal(self.dimensions, np.float32)
        if kind == "query":
            noise = np.random.default_rng([int(number), 1]).standard_normal(self.dimensions, np.float32)
            values = values + np.float32(self.noise) * noise
        return (values / np.linalg.norm(values)).astype(np.float32)


def stored(folder: Path, kind: str, count: int, embedder: MadeUp, rounded: bool) -> Vectors:
    entries = [Entry(str(i), f"{kind} {i}") for i in range(count)]
    keys, _ = Loader().keys(entries)
    cache = VectorCache(folder, {"dimensions": embedder.dimensions, "noise": embedder.noise})
    return cache.embed(embedder, entries, keys, Loader(), "one", lambda done, total: None, rounded)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("queries", 15_000), ("corpus", 15_000), ("dimensions", 3584)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--noise", type=float, default=14.0)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        embedder = MadeUp(options.dimensions, options.noise)
        rounded = options.precision == "bf16"
        queries = stored(Path(folder) / "q", "query", options.queries, embedder, rounded)
        corpus = stored(Path(folder) / "c", "item", options.corpus, embedder, rounded)
        relevant = [(i % options.corpus,) for i in range(options.queries)]
        before, began, cpu = peak(), time.perf_counter(), time.process_time()
        found = rank(Cosine(), queries, corpus, relevant, [None] * options.queries)
        told = {
            "queries": options.queries, "corpus": options.corpus, "dimensions": options.dimensions,
            "precision": options.precision, "seconds": round(time.perf_counter() - began, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1), "peak_mib": round(peak()),
            "peak_before_mib": round(before), "metrics": means(table_of([Found(one, 1) for one in found.ranks])),
        }  # fmt: skip
        wrong = checked(queries, corpus, relevant, found.ranks) if options.check else 0
        print(json.dumps(told, indent=2))
    if wrong:
        print(f"{wrong} ranks differ from a plain product", file=sys.stderr)
    return 1 if wrong else 0


def checked(
    queries: Vectors, corpus: Vectors, relevant: list[tuple[int]], ranks: list[tuple[int, ...]], few: int = 200
) -> int:
    """Return how many of some ranks differ from those of a plain product; scores near a tie may go either way."""
    places = np.linspace(0, len(queries) - 1, min(few, len(queries))).astype(np.int64)
    asked = queries.rows(places).first().astype(np.float64)
    scores = np.concatenate([asked @ block.first().T for _, block in corpus.blocks()], axis=1)
    allowed = [
        {ranks_of(scores[row], relevant[place], NEAR + slack) for slack in (-5e-7, 0.0, 5e-7)}
        for row, place in enumerate(places.tolist())
    ]
    return sum(ranks[place] not in one for place, one in zip(places.tolist(), allowed, strict=True))


if __name__ == "__main__":
    sys.exit(main())
