"""Symmetric InfoNCE over the batch of all processes, with hard negatives and masks of what is no negative.

For query q_i and target y_i, and keys K of the whole batch, ::

    L = 1/2 (mean_i -log softmax(q_i . K_i / T)[y_i]  +  mean_i -log softmax(y_i . Q_i / T)[q_i])

K_i are all targets and all hard negatives, Q_i all queries: hard negatives count from query to target only. Left out
of both are keys that are the same as the positive, or belong to the same query, and keys that score more than the
positive and a margin (Guo et al., arXiv 2510.27571, and the code released with its embedder). Texts made false of a
target stand against the query, and a target played backward stands against the target, for their own pair alone:
another text about the same clip may well be true of it backward. Both are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from synflow.train.ranks import Ranks
from synflow.train.recipe import LossSpec


@dataclass
class Vectors:
    """What one process embedded of a batch: unit vectors, and numbers that tell which are the same.

    Attributes:
        queries, targets: ``[n, dim]``; negatives: ``[m, dim]``; texts: ``[n, k, dim]``, false of the pair's target.
        asked, shown, negative: of queries ``[n]``, targets ``[n]`` and negatives ``[m]``: what they hold, int64.
        sound: which pairs count, bool ``[n]``; fit: which negatives are there ``[m]``; told: which texts ``[n, k]``.
        turned: targets played backward ``[n, j, dim]``; back: which of them are there ``[n, j]``.
    """

    queries: Tensor
    targets: Tensor
    negatives: Tensor
    texts: Tensor
    asked: Tensor
    shown: Tensor
    negative: Tensor
    sound: Tensor
    fit: Tensor
    told: Tensor
    turned: Tensor
    back: Tensor


@dataclass
class Loss:
    """The loss of a step, and what else is told of it.

    Attributes:
        value: this process's part; the loss is the sum over all processes.
        positive: mean cosine of the pairs. hardest: of each query and the nearest key that counts, mean; NaN without.
    """

    value: Tensor
    positive: float
    hardest: float


def contrastive(own: Vectors, spec: LossSpec, ranks: Ranks) -> Loss:
    """Return the loss of a batch, averaged over the lengths of the vector that are asked for."""
    n = len(own.queries)
    here = torch.arange(n, device=own.queries.device) + ranks.rank * n
    everyone = [ranks.gather(one) for one in (own.asked, own.shown, own.negative, own.sound, own.fit)]
    pairs = ranks.total(own.sound.sum()).clamp(min=1)
    queries, targets, negatives = (ranks.gather(one) for one in (own.queries, own.targets, own.negatives))
    values, facts = [], torch.zeros(3)
    for length in (*sorted(spec.matryoshka), queries.shape[1]):
        cut = [
            one if length >= one.shape[-1] else normalize(one[..., :length], dim=-1)
            for one in (own.queries, own.targets, own.texts, own.turned, queries, targets, negatives)
        ]
        rows, facts = _rows(own, cut, everyone, here, spec)
        values.append((rows * own.sound).sum() / pairs)
    positive, hardest, kept = ranks.total(facts).tolist()
    return Loss(torch.stack(values).mean(), positive / float(pairs), hardest / kept if kept else math.nan)


def _rows(
    own: Vectors, cut: Sequence[Tensor], everyone: Sequence[Tensor], here: Tensor, spec: LossSpec
) -> tuple[Tensor, Tensor]:
    """Return the loss of each own pair ``[n]``, and sums: of positive and hardest cosines, of pairs with the latter."""
    own_queries, own_targets, texts, turned, queries, targets, negatives = cut
    asked, shown, negative, sound, fit = everyone
    positive = (own_queries * own_targets).sum(-1)
    diagonal = torch.zeros(len(here), len(asked), dtype=torch.bool, device=here.device)
    diagonal[torch.arange(len(here)), here] = True
    # A pair with the same target or the same query is one more positive, and none of these is a negative.
    alike = (shown[here, None] == shown) | (asked[here, None] == asked)
    open_ = (~alike & sound) | diagonal
    forward = torch.cat(
        [own_queries @ torch.cat([targets, negatives]).T, (turned * own_queries[:, None]).sum(-1)], dim=1
    )
    counts = torch.cat([open_, (negative != shown[here, None]) & fit, own.back], dim=1)
    backward = torch.cat([own_targets @ queries.T, (texts * own_targets[:, None]).sum(-1)], dim=1)
    counts_back = torch.cat([open_, own.told], dim=1)
    one, hardest = _entropy(forward, positive, counts, here, spec)
    other, _ = _entropy(backward, positive, counts_back, here, spec)
    kept = own.sound & hardest.isfinite()
    facts = torch.stack([(positive * own.sound).sum().detach(), hardest[kept].sum(), kept.sum().to(hardest.dtype)])
    return (one + other) / 2, facts


def _entropy(scores: Tensor, positive: Tensor, counts: Tensor, here: Tensor, spec: LossSpec) -> tuple[Tensor, Tensor]:
    """Return -log softmax of each row's own key among those that count, and the highest score of the others."""
    rows = torch.arange(len(here), device=here.device)
    if spec.margin is not None:
        counts = counts & (scores.detach() <= positive.detach()[:, None] + spec.margin)
    counts[rows, here] = True
    left = scores.masked_fill(~counts, -torch.inf) / spec.temperature
    others = scores.detach().masked_fill(~counts, -torch.inf)
    others[rows, here] = -torch.inf
    hardest = others.max(dim=1).values
    return left.logsumexp(dim=1) - left[rows, here], hardest
