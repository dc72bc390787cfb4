"""How many negatives a pair gets, and how near they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synflow.records import TASKS, Task


class Settings(BaseModel):
    """Parameters of `synflow.mining.mine`.

    Attributes:
        negatives: mined ones of a pair, by task; 0 to 3. A task that is not named gets the paper's number.
        segments: other parts of the target's own video, where the run has such; 0 to 3, for tasks that get any.
        first, last: the window of ranks that negatives are taken from, counted from 1 among the targets that the
            margin leaves.
        delta: a negative scores less than the mean positive of its task and this.
        share: and less than this share of the pair's own positive score; 1 and more: not asked for.
        same: targets whose vectors are at least this near to the pair's own are taken for copies; learned probers only.
        exact: up to so many targets all are compared; above, an inverted index looks at the nearest cells.
        probes: cells that are looked at.
        seed: of the index.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    negatives: Mapping[Task, int] = Field(default_factory=dict)
    segments: int = Field(1, ge=0, le=3)
    first: int = Field(1, ge=1)
    last: int = Field(64, ge=1, le=4096)
    delta: float = Field(0.0, ge=-2, le=2)
    share: float = Field(0.95, gt=0, le=2)
    same: float = Field(0.98, gt=0, le=2)
    exact: int = Field(200_000, ge=0)
    probes: int = Field(16, ge=1, le=4096)
    seed: int = Field(0, ge=0)

    @field_validator("negatives")
    @classmethod
    def _numbers(cls, given: Mapping[Task, int]) -> dict[Task, int]:
        """Fill in what is not given; refuse what is out of range."""
        if any(not 0 <= number <= 3 for number in given.values()):
            raise ValueError("a pair gets 0 to 3 negatives")
        return {task: given.get(task, PAPER.get(task, 0)) for task in TASKS}

    @model_validator(mode="after")
    def _window(self) -> Settings:
        """Refuse an empty window."""
        if self.first > self.last:
            raise ValueError("the window of ranks is empty: first is greater than last")
        return self

    def number(self, task: Task) -> int:
        """Return how many negatives a pair of that task gets."""
        return self.negatives.get(task, PAPER.get(task, 0))

    def identity(self) -> dict[str, Any]:
        """Return all that changes the result, as JSON."""
        return {**self.model_dump(mode="json"), "negatives": {task: self.number(task) for task in TASKS}}


PAPER: Mapping[Task, int] = {"t2v": 1, "ti2v": 1, "tv2v": 1}
"""Hard negatives of a pair in the paper; all other tasks get none."""
