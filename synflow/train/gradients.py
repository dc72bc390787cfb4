"""One step's loss and gradients: a batch goes through the model in chunks, of which memory holds one at a time.

With gradient caching (Gao et al., arXiv 2101.06983) all sequences are embedded without gradients, the loss of the
whole batch tells the gradient of each vector, and each chunk is embedded once more to carry its own back. The result
is that of the batch at once: dropout is drawn from seed, step, process and chunk, so both passes drop the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synflow.ids import seed_of
from synflow.train.embedder import Embedder
from synflow.train.feed import Share, lengths_of
from synflow.train.loss import Loss, Vectors, contrastive
from synflow.train.ranks import Ranks
from synflow.train.recipe import BatchSpec, LossSpec


@dataclass(frozen=True)
class Work:
    """A step that was done: its loss, the tokens that were read, and those that went through with the filling."""

    loss: Loss
    tokens: int
    padded: int
    seen: dict[str, Tensor]


def chunks_of(lengths: Sequence[int], tokens: int, padding: float) -> list[list[int]]:
    """Return sequences, by their places, in chunks of alike length, the longest first.

    Args:
        lengths: of the sequences.
        tokens: of a chunk at most, filling counted; a longer sequence has a chunk of its own.
        padding: share of a chunk that may be filling.
    """
    chunks: list[list[int]] = []
    longest = read = 0
    for place in sorted(range(len(lengths)), key=lambda one: (-lengths[one], one)):
        rows = len(chunks[-1]) + 1 if chunks else 0
        full = rows * longest
        if not rows or full > tokens or full - read - lengths[place] > padding * full:
            chunks.append([])
            longest, read = lengths[place], 0
        chunks[-1].append(place)
        read += lengths[place]
    return chunks


def backward(embedder: Embedder, share: Share, loss: LossSpec, batch: BatchSpec, ranks: Ranks, seed: int) -> Work:
    """Compute the loss of a step and add the gradients of this process's part to the weights.

    Args:
        embedder: in training mode.
        share: of this process.
        loss: of the recipe.
        batch: of the recipe.
        ranks: the other processes; gradients are not summed over them here.
        seed: of the recipe.
    """
    lengths = lengths_of(share.rows)
    chunks = chunks_of(lengths, batch.chunk_tokens, batch.padding)
    seeds = [seed_of("dropout", seed, share.step, ranks.rank, place) >> 1 for place in range(len(chunks))]
    caching = batch.gradient_caching and (len(chunks) > 1 or ranks.size > 1)
    with torch.set_grad_enabled(not caching):
        seen = embedder.see(share.media)
        rows = _embedded(embedder, share, chunks, seeds, seen)
    leaf = rows.detach().requires_grad_() if caching else rows
    found = contrastive(vectors_of(share, leaf), loss, ranks)
    found.value.backward()
    if caching and leaf.grad is not None:
        for chunk, chunk_seed in zip(chunks, seeds, strict=True):
            torch.manual_seed(chunk_seed)
            own = [share.rows[place] for place in chunk]
            if embedder.sees_with_gradients:
                seen = embedder.see({row.media: share.media[row.media] for row in own if row.media})
            vectors = embedder.embed(own, seen)
            (vectors * leaf.grad[chunk]).sum().backward()
    padded = sum(len(chunk) * max(lengths[place] for place in chunk) for chunk in chunks)
    return Work(found, sum(lengths), padded, seen)


def _embedded(
    embedder: Embedder, share: Share, chunks: Sequence[Sequence[int]], seeds: Sequence[int], seen: dict[str, Tensor]
) -> Tensor:
    """Return the vectors of all sequences in their order, ``[rows, dim]``."""
    parts = []
    for chunk, seed in zip(chunks, seeds, strict=True):
        torch.manual_seed(seed)
        parts.append(embedder.embed([share.rows[place] for place in chunk], seen))
    if not parts:
        return torch.zeros(0, embedder.dimensions, device=embedder.device)
    order = torch.tensor(np.argsort([place for chunk in chunks for place in chunk]), device=embedder.device)
    return torch.cat(parts)[order]


def vectors_of(share: Share, rows: Tensor) -> Vectors:
    """Return a share's vectors by what they are; where there is none stands zero, which counts for nothing."""
    device = rows.device
    # It takes gradients even where nothing else does: all processes must go through the same messages.
    table = torch.cat([rows, torch.zeros(1, rows.shape[1], device=device, requires_grad=torch.is_grad_enabled())])

    def taken(places: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Tensor:
        return table[torch.from_numpy(places).to(device)]

    def told(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        return torch.from_numpy(values).to(device)

    negatives = share.negatives.reshape(-1)
    sound = share.sound
    return Vectors(
        taken(share.queries), taken(share.targets), taken(negatives), taken(share.texts),
        told(share.contents(share.queries)), told(share.contents(share.targets)), told(share.contents(negatives)),
        told(sound), told(negatives >= 0), told(share.texts >= 0), taken(share.turned), told(share.turned >= 0),
    )  # fmt: skip
