"""The processes that train together, and what they tell one another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

PATIENCE = timedelta(hours=24)
"""So long the others wait: one of them embeds a whole corpus for the hard negatives."""


class _Gather(torch.autograd.Function):  # type: ignore[misc]
    """Gathers rows of all processes; the gradient of a row comes from the losses of all."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        ctx.first, ctx.many = dist.get_rank() * len(rows), len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        summed = gradient.contiguous().clone()
        dist.all_reduce(summed)
        return summed[ctx.first : ctx.first + ctx.many]


@dataclass(frozen=True)
class Ranks:
    """One process and how many there are. ``rank`` 0 writes files and speaks to people."""

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls, device: str) -> Ranks:
        """Join the processes that ``torchrun`` started; a single process joins nobody."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the rows of all processes, those of the first one first; gradients flow back to all of them.

        Args:
            rows: as many in each process, ``[rows, ...]``.
        """
        if self.size == 1 or not len(rows):
            return rows
        if rows.requires_grad:
            found: torch.Tensor = _Gather.apply(rows)
            return found
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes; no gradient flows through it."""
        value = value.detach().clone()
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sum the gradients of all processes, in one message; what a process did not use counts as zero."""
        if self.size == 1:
            return
        for one in parameters:
            if one.grad is None:
                one.grad = torch.zeros_like(one)
        held = [one.grad for one in parameters if one.grad is not None]
        flat = torch.cat([one.reshape(-1) for one in held])
        dist.all_reduce(flat)
        for one, part in zip(held, flat.split([one.numel() for one in held]), strict=True):
            one.copy_(part.view_as(one))

    def agree(self, value: Any) -> Any:
        """Return what the first process says, in all of them; it waits for the first."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def all_of(self, value: Any) -> list[Any]:
        """Return what each process says."""
        if self.size == 1:
            return [value]
        box: list[Any] = [None] * self.size
        dist.all_gather_object(box, value)
        return box
