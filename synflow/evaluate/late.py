"""The vectors of words and frames of a two-tower model, for late interaction (Reddy et al., arXiv 2503.19009).

The words' vectors are the last states of the text tower, each put through the projection that the model uses for the
whole text; begin and padding are left out. Frames keep the vectors that are otherwise averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.asks import Embedder, Item, Vector
from synflow.models.embedder_families import TwoTowers, harmless
from synflow.models.transformers_embedder import TransformersEmbedder

Single = npt.NDArray[np.float32]


def by_word(embedder: Embedder, scorer: str) -> Embedder:
    """Return an embedder that also tells the vectors of words, where the scorer wants them and the model has them."""
    if scorer != "maxsim" or not isinstance(embedder, TransformersEmbedder) or hasattr(embedder, "parts"):
        return embedder
    return ByWord(embedder)


class ByWord:
    """A loaded embedder with ``parts``: words and frames of a CLIP model; of others the whole text, and frames."""

    learned = True

    def __init__(self, embedder: TransformersEmbedder) -> None:
        self._embedder = embedder

    @property
    def model(self) -> str:
        """Id of the model."""
        return self._embedder.model

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        """Return one unit vector for each item."""
        return self._embedder.embed(items)

    def parts(self, items: Sequence[Item]) -> list[Single]:
        """Return the vectors of each item's words and frames, float32 ``[n, dim]``; none where it abstains."""
        frames = [Item(None, (one,)) for item in items for one in item.pictures]
        texts = [Item(item.text) for item in items if item.text]
        shown = iter(self._embedder.embed(frames))
        told = iter(self._words(texts))
        found = []
        for item in items:
            own = [next(told)] if item.text else []
            own += [next(shown).values for _ in item.pictures]
            there = [one if one.ndim == 2 else one[None] for one in own if one is not None and len(one)]
            found.append(np.concatenate(there) if there else np.zeros((0, 0), np.float32))
        return found

    def _words(self, texts: Sequence[Item]) -> list[Single | None]:
        whole = [vector.values for vector in self._embedder.embed(texts)]
        family = self._embedder.family
        projection = getattr(getattr(family, "weights", None), "model", None)
        projection = getattr(projection, "text_projection", None)
        if not isinstance(family, TwoTowers) or projection is None:
            return whole
        return [self._of_text(family, item.text or "") if item.text else None for item in texts]

    def _of_text(self, family: TwoTowers, text: str) -> Single:
        weights = family.weights
        tokens = weights.tokenizer([harmless(text)], truncation=True, max_length=family.longest, return_tensors="np")
        wanted = {name: tokens[name] for name in ("input_ids", "attention_mask") if name in tokens}

        def states(**given: Any) -> Any:
            return weights.model.text_projection(weights.model.text_model(**given).last_hidden_state)

        values = weights.forward(states, None, **wanted)[0]
        values = values[1:] if len(values) > 1 else values
        lengths = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        found: Single = (values / lengths).astype(np.float32)
        return found
