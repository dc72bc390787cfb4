"""Which pairs each step trains: batches of one task, a pure function of the draws, the seed and the step.

Each task is a stream of its own that goes round and round: a round is a seeded order of all its pairs, cut into whole
batches; what is left over at its end has its turn in other rounds. The place of a batch in the stream is the number
of times its task was drawn before, so a training goes on at any step without a state of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synflow.ids import seed_of
from synflow.train.pool import Places, Pool


@dataclass(frozen=True)
class Batch:
    """The pairs of one step.

    Attributes:
        step: from 0, over all epochs.
        task: of all its pairs.
        places: of the pairs in the dataset, those of all ranks.
    """

    step: int
    task: str
    places: tuple[int, ...]

    def share(self, rank: int, ranks: int) -> tuple[int, ...]:
        """Return the pairs of one process."""
        return self.places[rank::ranks]


class Batches:
    """The batches of an epoch.

    Args:
        pool: what can be trained.
        tasks: of each step of the epoch.
        before: how often each task was drawn in the epochs before.
        first: number of the epoch's first step.
        seed: of the recipe.
    """

    def __init__(self, pool: Pool, tasks: Sequence[str], before: Counter[str], first: int, seed: int) -> None:
        self.pool, self.tasks, self.first, self.seed = pool, tuple(tasks), first, seed
        self._turns: list[int] = []
        running = Counter(before)
        for task in self.tasks:
            self._turns.append(running[task])
            running[task] += 1
        self.after = running
        """How often each task was drawn when the epoch is over."""
        self._rounds: dict[tuple[str, int], Places] = {}

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, place: int) -> Batch:
        """Return the batch of a step, by its place in the epoch."""
        if not 0 <= place < len(self.tasks):
            raise IndexError(place)
        task, turn = self.tasks[place], self._turns[place]
        size, many = self.pool.sizes[task], self.pool.batches[task]
        order = self._round(task, turn // many)
        start = turn % many * size
        return Batch(self.first + place, task, tuple(order[start : start + size].tolist()))

    def __iter__(self) -> Iterator[Batch]:
        return (self[place] for place in range(len(self)))

    def _round(self, task: str, number: int) -> Places:
        """Return the order of a task's pairs in one of its rounds."""
        known = self._rounds.get((task, number))
        if known is None:
            places = self.pool.dataset.places([task], seed_of("rounds", self.seed, task), number)
            known = places[np.isin(places, self.pool.trained[task])]
            self._rounds = {key: order for key, order in self._rounds.items() if key[0] != task}
            self._rounds[task, number] = known
        return known


def steps_of_epoch(pool: Pool, wanted: int | None) -> int:
    """Return the steps of an epoch: those wanted, else one pass over all pairs."""
    return wanted or max(1, sum(pool.batches.values()))
