"""The targets nearest to queries by dot product: all compared up to a size, by an inverted index above.

The index is FAISS's (IVF over half-precision vectors, cells by k-means). HNSW was left out: its cells are built by
threads in no fixed order, so that two runs differ, and it holds more memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.mining.settings import Settings

DIGITS = 5
"""Scores are rounded: below this, another processor gives other ones."""

SPARE = 32
"""Neighbours beyond the window, in place of copies and own sources among them."""

BLOCK = 1 << 25
"""Scores that are held at a time: 128 MiB."""

LOOKUP = 65_536
"""Queries that the index is asked at once."""

POINTS = 48
"""Vectors of a cell that k-means sees."""

Half = npt.NDArray[np.float16]
Single = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


class Search:
    """Finds targets near queries.

    Args:
        vectors: of all items, float16 ``[items, dim]``.
        targets: the items that may be found; none of them is NaN.
        settings: of the mining.
    """

    def __init__(self, vectors: Half, targets: Places, settings: Settings) -> None:
        self.vectors, self.targets, self.settings = vectors, targets, settings
        self.reach = settings.last + SPARE
        self._index: Any = None

    @property
    def exact(self) -> bool:
        """Whether all targets are compared."""
        return len(self.targets) <= self.settings.exact

    def near(
        self, queries: Places, bars: npt.NDArray[np.float64], tell: Callable[[int, int], None]
    ) -> Iterator[tuple[list[int], list[float]]]:
        """Yield for each query the items that are nearest to it below its bar, the nearest first, and their scores.

        Of equal scores (to `DIGITS`) the item of the smaller key comes first. Where all are compared, those that score
        as much as the bar do not count for the reach: they can be no negatives, and there may be thousands of them.

        Args:
            queries: items.
            bars: scores, one for each query; NaN: nothing is looked for.
            tell: is told how many are done, of how many.
        """
        size = min(self.reach, len(self.targets))
        step = max(1, min(4096, BLOCK // max(1, len(self.targets)))) if self.exact else LOOKUP
        for start in range(0, len(queries), step):
            tell(start, len(queries))
            chunk = slice(start, start + step)
            asked = self.vectors[queries[chunk]].astype(np.float32)
            bar = np.where(np.isnan(asked[:, 0]) | np.isnan(bars[chunk]), -np.inf, bars[chunk])
            asked[~np.isfinite(bar)] = 0.0
            if not size:
                yield from (([], []) for _ in bar)
                continue
            scores, places = self._compared(asked, bar, size) if self.exact else self._looked_up(asked, size)
            yield from self._sorted(scores.astype(np.float64).round(DIGITS), places, bar)
        tell(len(queries), len(queries))

    def _sorted(
        self, scores: npt.NDArray[np.float64], places: Places, bar: npt.NDArray[np.float64]
    ) -> Iterator[tuple[list[int], list[float]]]:
        # Targets stand in the order of their keys, so places are as good as keys.
        order = np.lexsort((places, -scores), axis=-1)
        scores, places = np.take_along_axis(scores, order, axis=1), np.take_along_axis(places, order, axis=1)
        below = (scores < bar[:, None]) & (places >= 0) & np.isfinite(scores)
        for row, keep in enumerate(below):
            found = places[row][keep]
            yield self.targets[found].tolist(), scores[row][keep].tolist()

    def _compared(self, asked: Single, bar: npt.NDArray[np.float64], size: int) -> tuple[Single, Places]:
        if self._index is None:
            self._index = np.ascontiguousarray(self.vectors[self.targets].astype(np.float32).T)
        scores = asked @ self._index
        scores[scores >= bar[:, None]] = -np.inf
        places = np.argpartition(scores, -size, axis=1)[:, -size:]
        return np.take_along_axis(scores, places, axis=1), places

    def _looked_up(self, asked: Single, size: int) -> tuple[Single, Places]:
        if self._index is None:
            self._index = self._built()
        # Those above the bar are in the way here: twice as many are looked at.
        scores, places = self._index.search(asked, min(2 * size, 2048))
        return scores, np.asarray(places, np.int64)

    def _built(self) -> Any:
        import faiss

        count, width = len(self.targets), self.vectors.shape[1]
        cells = int(min(max(1, 4 * count**0.5), max(1, count // POINTS)))
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(width), width, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
        )
        index.cp.seed, index.cp.niter, index.cp.max_points_per_centroid = self.settings.seed + 1, 8, POINTS
        index.cp.spherical = True
        rng = np.random.Generator(np.random.PCG64(self.settings.seed))
        sample = np.sort(rng.choice(count, min(count, cells * POINTS), replace=False))
        index.train(self.vectors[self.targets[sample]].astype(np.float32))
        for start in range(0, count, LOOKUP):
            index.add(self.vectors[self.targets[start : start + LOOKUP]].astype(np.float32))
        index.nprobe = min(cells, self.settings.probes)
        return index
