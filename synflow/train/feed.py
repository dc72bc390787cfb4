"""What the processes are fed: the pairs of a step, read, decoded and laid out by workers, in order.

A step's pairs are known beforehand, so that a feed may begin at any step, and the same step is always the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader

from synflow.train.batches import Batches
from synflow.train.hard import Hard
from synflow.train.samples import Items, Media, Sequencer, Spoilt, Tokens, backward

AHEAD = 2
"""Steps that each worker is ahead."""


@dataclass
class Share:
    """One process's part of a batch.

    Attributes:
        pairs: ids of its pairs; sound: which of them can be used.
        rows: sequences of all of it. queries, targets, negatives, texts, turned: places in ``rows``, -1 where there is
            none: ``[n]``, ``[n]``, ``[n, k]``, ``[n, j]`` and ``[n, 0 or 1]``; turned are the targets played backward.
        media: what the sequences show, each once.
        spoilt: ids of samples that cannot be used, and why.
    """

    step: int
    task: str
    pairs: list[str]
    rows: list[Tokens] = field(default_factory=list)
    media: dict[str, Media] = field(default_factory=dict)
    queries: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    targets: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    negatives: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    texts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    turned: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    spoilt: list[tuple[str, str]] = field(default_factory=list)

    @property
    def sound(self) -> npt.NDArray[np.bool_]:
        """Return which pairs can be used."""
        found: npt.NDArray[np.bool_] = (self.queries >= 0) & (self.targets >= 0)
        return found

    def contents(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the numbers that tell equals apart; negative ones, all different, where there is nothing."""
        flat = [self.rows[p].content if p >= 0 else -1 - i for i, p in enumerate(places.reshape(-1).tolist())]
        return np.array(flat, np.int64).reshape(places.shape)


class Steps:
    """Makes the share of any step: a map-style dataset."""

    def __init__(
        self, batches: Batches, items: Items, sequencer: Sequencer, hard: Hard, rank: int = 0, ranks: int = 1
    ) -> None:
        self.batches, self.items, self.sequencer, self.hard = batches, items, sequencer, hard
        self.rank, self.ranks = rank, ranks

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, place: int) -> Share:
        """Return the share of a step, by its place in the epoch."""
        batch = self.batches[place]
        places = batch.share(self.rank, self.ranks)
        many, told = self.hard.number(batch.task), self.hard.texts
        share = Share(batch.step, batch.task, [])
        share.queries, share.targets = np.full(len(places), -1), np.full(len(places), -1)
        share.negatives, share.texts = np.full((len(places), many), -1), np.full((len(places), told), -1)
        share.turned = np.full((len(places), self.hard.turned), -1)
        for row, at in enumerate(places):
            name = self.items.dataset.id_of(at)
            share.pairs.append(name)
            try:
                pair = self.items.pair(at)
                query, target = self._row(share, self.items.query(pair)), self.items.target(pair)
                share.targets[row] = self._row(share, target)
                share.queries[row] = query
            except Spoilt as error:
                share.spoilt.append((name, str(error)))
                continue
            for column, text in enumerate(self.hard.false_texts(pair)):
                share.texts[row, column] = self._row(share, self.items.query(pair, text))
            if self.hard.is_turned(pair):
                share.turned[row, 0] = self._row(share, backward(target))
            for column, other in enumerate(self.hard.of(at)[:many]):
                try:
                    share.negatives[row, column] = self._row(share, self.items.target(self.items.pair(other)))
                except Spoilt as error:
                    share.spoilt.append((self.items.dataset.id_of(other), str(error)))
        return share

    def _row(self, share: Share, item: Any) -> int:
        share.rows.append(self.sequencer.sequence(item, share.media))
        return len(share.rows) - 1


class _From:
    """The rest of an epoch, in order."""

    def __init__(self, first: int, many: int) -> None:
        self.first, self.many = first, many

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.many))

    def __len__(self) -> int:
        return self.many - self.first


def feed(steps: Steps, first: int, workers: int) -> Iterator[Share]:
    """Yield the shares of an epoch from the step ``first`` on; ``workers`` processes make them ahead of time."""
    loader: Any = DataLoader(
        steps, batch_size=None, sampler=_From(first, len(steps)), num_workers=workers,
        collate_fn=_as_it_is, prefetch_factor=AHEAD if workers else None, worker_init_fn=_alone if workers else None,
    )  # fmt: skip
    return iter(loader)


def _as_it_is(share: Share) -> Share:
    return share


def _alone(_worker: int) -> None:
    cv2.setNumThreads(1)


def lengths_of(rows: Sequence[Tokens]) -> list[int]:
    """Return the tokens of sequences."""
    return [len(row) for row in rows]


def visual_of(media: Mapping[str, Media]) -> int:
    """Return the patches that go through the vision tower."""
    return sum(len(one.patches) for one in media.values() if one.patches is not None)
