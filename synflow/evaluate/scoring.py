"""How a query and an item are compared: cosine, late interaction, or a text that is a cloud of points.

* **Cosine** of one vector each, as UVRB does.
* **MaxSim**: each vector of the query meets the nearest one of the item, and what they score is averaged. The items are
  frames, the query's vectors its words where the embedder tells them: the scoring of Video-ColBERT (Reddy et al.,
  arXiv 2503.19009), there with a sum, which orders the items of one query alike.
* **Stochastic text** (T-MASS, Wang et al., arXiv 2403.17998): points are drawn around the text, farther where text and
  frames agree, and the one nearest to the item counts. Without trained weights the radius is a constant times
  ``exp(mean cosine of text and frames)``; with them ``exp(S W + b)``, S being the cosines with the frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from synflow.errors import UsageError
from synflow.evaluate.vectors import Batch, Shape

NEAR = 1e-6
"""Scores that differ by no more are equal: below it, the order of additions decides."""

CELLS = 1 << 24
"""Numbers of a matrix that late interaction holds at a time: 64 MiB."""

Single = npt.NDArray[np.float32]


class Scorer(Protocol):
    """Compares queries with items."""

    queries: Shape
    items: Shape

    def scores(self, queries: Batch, items: Batch) -> Single:
        """Return all scores, float32 ``[queries, items]``; -inf where one of both has no vector."""
        ...

    def pairs(self, queries: Batch, items: Batch) -> Single:
        """Return the scores of queries with items at the same places, float32 ``[n]``."""
        ...


class Cosine:
    """The dot product of unit vectors."""

    queries: Shape = "one"
    items: Shape = "one"

    def scores(self, queries: Batch, items: Batch) -> Single:
        """Return all scores."""
        return _ranked(queries.first() @ items.first().T if len(queries) and len(items) else None, queries, items)

    def pairs(self, queries: Batch, items: Batch) -> Single:
        """Return the scores of pairs."""
        found: Single = np.einsum("nd,nd->n", queries.first(), items.first()).astype(np.float32)
        return np.where(np.isfinite(found), found, np.float32(-np.inf))


class MaxSim:
    """The mean, over the vectors of a query, of the nearest of an item's."""

    queries: Shape = "parts"
    items: Shape = "parts"

    def scores(self, queries: Batch, items: Batch) -> Single:
        """Return all scores."""
        found = np.full((len(queries), len(items)), -np.inf, np.float32)
        asked, held = np.flatnonzero(queries.there), np.flatnonzero(items.there)
        if not len(asked) or not len(held):
            return found
        begins, counts = items.starts[:-1][held], np.diff(queries.starts)
        step = max(1, CELLS // max(1, len(items.rows) * int(counts.max())))
        for start in range(0, len(asked), step):
            part = asked[start : start + step]
            rows = np.concatenate([queries.of(place) for place in part.tolist()])
            near = np.maximum.reduceat(rows @ items.rows.T, begins, axis=1)
            first = np.concatenate([[0], np.cumsum(counts[part])[:-1]]).astype(np.int64)
            found[np.ix_(part, held)] = np.add.reduceat(near, first, axis=0) / counts[part][:, None]
        return found

    def pairs(self, queries: Batch, items: Batch) -> Single:
        """Return the scores of pairs."""
        found = np.full(len(queries), -np.inf, np.float32)
        for place in np.flatnonzero(queries.there & items.there).tolist():
            found[place] = (queries.of(place) @ items.of(place).T).max(axis=1).mean()
        return found


class StochasticText:
    """The best of several points drawn around the text; the same draws for all texts, by a seed.

    Args:
        samples: points.
        seed: draws them.
        radius: of the cloud, in shares of the length of a text's vector, where there are no weights.
        weights: file (.npz) with ``weight`` ``[frames, dim]`` and ``bias`` ``[dim]`` of a trained radius.
    """

    queries: Shape = "one"
    items: Shape = "both"

    def __init__(self, samples: int = 20, seed: int = 0, radius: float = 0.1, weights: Path | None = None) -> None:
        self.samples, self.seed, self.radius = samples, seed, radius
        self.weight: Single | None = None
        self.bias: Single | None = None
        if weights is not None:
            try:
                with np.load(weights, allow_pickle=False) as held:
                    self.weight, self.bias = held["weight"].astype(np.float32), held["bias"].astype(np.float32)
            except (OSError, KeyError, ValueError) as error:
                raise UsageError(
                    f"scorer.weights: {weights} cannot be read", "an .npz with `weight` [frames, dim] and `bias` [dim]"
                ) from error

    def scores(self, queries: Batch, items: Batch) -> Single:
        """Return all scores."""
        found = np.full((len(queries), len(items)), -np.inf, np.float32)
        asked, held = np.flatnonzero(queries.there), np.flatnonzero(items.there)
        if len(asked) and len(held):
            found[np.ix_(asked, held)] = self._scores(queries.first()[asked], items, held)
        return found

    def pairs(self, queries: Batch, items: Batch) -> Single:
        """Return the scores of pairs."""
        found = np.full(len(queries), -np.inf, np.float32)
        for place in np.flatnonzero(queries.there & items.there).tolist():
            found[place] = self._scores(queries.of(place)[:1], items, np.array([place]))[0, 0]
        return found

    def _scores(self, texts: Single, items: Batch, held: npt.NDArray[np.int64]) -> Single:
        shown, noise = items.first()[held], self._noise(texts.shape[1])
        if self.weight is not None:
            return np.stack([self._trained(text, items, held, shown, noise) for text in texts])
        flat = texts @ shown.T
        frames = np.stack([items.of(place)[1:].mean(axis=0) for place in held.tolist()])
        # Drawn around the text t with radius r: cos(t + r e, v), all of it from a few products.
        far = self.radius * np.exp(texts @ frames.T)
        best = np.full(flat.shape, -np.inf, np.float32)
        for point in noise:
            long = np.sqrt(1 + 2 * far * (texts @ point)[:, None] + far**2 * float(point @ point))
            best = np.maximum(best, (flat + far * (shown @ point)[None]) / long)
        return best.astype(np.float32)

    def _trained(self, text: Single, items: Batch, held: npt.NDArray[np.int64], shown: Single, noise: Single) -> Single:
        assert self.weight is not None and self.bias is not None
        frames = [items.of(place)[1:] for place in held.tolist()]
        if any(len(one) != len(self.weight) for one in frames) or self.weight.shape[1] != len(text):
            raise UsageError(
                f"scorer.weights: made for {len(self.weight)} frames of {self.weight.shape[1]} numbers, "
                f"not for {len(frames[0])} of {len(text)}",
                "set `frames` to that number, and use the embedder that they were trained with",
            )
        far = np.exp(np.stack([one @ text for one in frames]) @ self.weight + self.bias)
        best = np.full(len(shown), -np.inf, np.float32)
        for point in noise * np.sqrt(len(text)):
            drawn = text + far * point
            best = np.maximum(best, (drawn * shown).sum(axis=1) / np.linalg.norm(drawn, axis=1))
        return best

    def _noise(self, width: int) -> Single:
        """Return the draws, ``[samples, dim]``, of length 1 in the mean."""
        rng = np.random.Generator(np.random.PCG64(self.seed))
        found: Single = rng.standard_normal((self.samples, width)).astype(np.float32) / np.float32(np.sqrt(width))
        return found


def _ranked(found: Single | None, queries: Batch, items: Batch) -> Single:
    if found is None:
        return np.full((len(queries), len(items)), -np.inf, np.float32)
    if queries.there.all() and items.there.all():
        return found
    return np.where(np.isfinite(found), found, np.float32(-np.inf))
