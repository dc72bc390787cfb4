"""The loss against loops over plain numbers, on hundreds of random cases; gradients too."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch: make test-train")

from synflow.train.loss import Vectors, contrastive
from synflow.train.ranks import Ranks
from synflow.train.recipe import LossSpec


def drawn(seed: int) -> tuple[Vectors, LossSpec]:
    """Return a random batch: repeated targets and queries, spoilt pairs, missing negatives and texts."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    n, dim = rng.randint(1, 7), rng.choice([4, 8])
    m, k, j = rng.randint(0, 2) * n, rng.randint(0, 2), rng.randint(0, 1)

    def unit(*shape: int) -> Any:
        # Close to one another, so that the margin matters.
        spread = torch.randn(*shape, dim, dtype=torch.float64) * rng.choice([0.3, 1.0, 3.0]) + torch.ones(dim)
        return torch.nn.functional.normalize(spread, dim=-1).requires_grad_()

    def numbers(count: int) -> Any:
        return torch.tensor([rng.randint(0, rng.choice([2, 40])) for _ in range(count)], dtype=torch.int64)

    def some(*shape: int) -> Any:
        return torch.rand(*shape) < rng.choice([0.7, 1.0])

    sound = some(n)
    sound[rng.randrange(n)] = True
    own = Vectors(
        unit(n), unit(n), unit(m), unit(n, k), numbers(n), numbers(n), numbers(m), sound, some(m), some(n, k),
        unit(n, j), some(n, j),
    )  # fmt: skip
    spec = LossSpec(
        temperature=rng.choice([0.03, 0.07, 1.0]), margin=rng.choice([None, 0.0, 0.1]),
        matryoshka=rng.choice([(), (2,), (2, 3)]),
    )  # fmt: skip
    return own, spec


def plain(own: Vectors, spec: LossSpec) -> Any:
    """The loss as it is written down: one pair, one key at a time."""

    def dot(one: Any, other: Any, length: int) -> Any:
        if length < len(one):
            one, other = (part[:length] / part[:length].norm() for part in (one, other))
        return one @ other

    n, total = len(own.queries), 0.0
    lengths = [*spec.matryoshka, own.queries.shape[1]]
    for length in lengths:
        for i in range(n):
            if not own.sound[i]:
                continue
            positive = dot(own.queries[i], own.targets[i], length)
            others = [
                j for j in range(n)
                if j != i and own.sound[j] and own.shown[j] != own.shown[i] and own.asked[j] != own.asked[i]
            ]  # fmt: skip
            there = [dot(own.queries[i], own.targets[j], length) for j in others]
            there += [
                dot(own.queries[i], own.negatives[j], length) for j in range(len(own.negatives))
                if own.fit[j] and own.negative[j] != own.shown[i]
            ]  # fmt: skip
            there += [
                dot(own.queries[i], own.turned[i, j], length) for j in range(own.turned.shape[1]) if own.back[i, j]
            ]
            back = [dot(own.targets[i], own.queries[j], length) for j in others]
            back += [dot(own.targets[i], own.texts[i, j], length) for j in range(own.texts.shape[1]) if own.told[i, j]]
            for keys in (there, back):
                left = [key for key in keys if spec.margin is None or key.item() <= positive.item() + spec.margin]
                weights = [torch.exp((key - positive) / spec.temperature) for key in left]
                total = total + 0.5 * torch.log(1 + sum(weights, torch.zeros((), dtype=torch.float64)))
    return total / (int(own.sound.sum()) * len(lengths))


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_loss_and_gradients_are_those_of_the_plain_loops(first: int) -> None:
    for seed in range(first, first + 50):
        own, spec = drawn(seed)
        parts = [own.queries, own.targets, own.negatives, own.texts, own.turned]
        expected = plain(own, spec)
        found = contrastive(own, spec, Ranks()).value
        expected = torch.as_tensor(expected)
        assert found.item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-12), seed
        if not expected.requires_grad:
            continue
        gradients = [torch.autograd.grad(one, parts, allow_unused=True) for one in (found, expected)]
        for part, one, other in zip(parts, *gradients, strict=True):
            zero = torch.zeros_like(part)
            one, other = zero if one is None else one, zero if other is None else other
            assert torch.allclose(one, other, rtol=1e-7, atol=1e-10), seed


def test_what_is_told_of_a_batch() -> None:
    own, _ = drawn(3)
    eye = torch.eye(4, dtype=torch.float64)
    own = Vectors(
        eye[:3], torch.nn.functional.normalize(eye[:3] + eye[[1, 2, 0]] * 0.5, dim=-1), eye[:0], eye[:3, None][:, :0],
        torch.arange(3), torch.arange(3), torch.arange(0), torch.ones(3, dtype=torch.bool),
        torch.ones(0, dtype=torch.bool), torch.ones(3, 0, dtype=torch.bool), eye[:3, None][:, :0],
        torch.ones(3, 0, dtype=torch.bool),
    )  # fmt: skip
    found = contrastive(own, LossSpec(), Ranks())
    assert found.positive == pytest.approx(1 / math.sqrt(1.25))
    assert found.hardest == pytest.approx(0.5 / math.sqrt(1.25))


def test_chunks_hold_what_they_may_and_little_filling() -> None:
    from synflow.train.gradients import chunks_of

    for seed in range(200):
        rng = random.Random(seed)
        lengths = [rng.choice([30, rng.randint(20, 900)]) for _ in range(rng.randint(1, 60))]
        tokens, padding = rng.choice([600, 4000]), rng.choice([0.0, 0.08])
        chunks = chunks_of(lengths, tokens, padding)
        assert sorted(place for chunk in chunks for place in chunk) == list(range(len(lengths)))
        for chunk in chunks:
            full = len(chunk) * max(lengths[place] for place in chunk)
            assert len(chunk) == 1 or full <= tokens
            assert full - sum(lengths[place] for place in chunk) <= padding * full
