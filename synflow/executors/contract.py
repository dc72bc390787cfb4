"""What an executor is: it maps units of work over workers and knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Unit = dict[str, Any]
"""A unit of work as JSON; ``kind`` is ``samples`` or ``pack``."""


@dataclass(frozen=True)
class Result:
    """How one unit ended.

    Attributes:
        status: ``done``; ``failed`` where an exception came out of it; ``died`` where its worker process ended.
        value: what the worker returned when done.
        error: the exception when failed; traceback: its text.
        cause: one line for ``failed`` and ``died``.
    """

    unit: Unit
    status: Literal["done", "failed", "died"]
    value: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None
    cause: str = ""
    traceback: str = ""


class Executor(Protocol):
    """Runs units; nothing is retried here.

    One unit is in flight per worker, so that a worker that dies takes no other unit along.
    """

    @property
    def slots(self) -> int:
        """How many units may be in flight."""
        ...

    def submit(self, unit: Unit) -> None:
        """Begin a unit; at most ``slots`` are in flight."""
        ...

    def wait(self, timeout: float) -> Result | None:
        """Return a unit that ended, or None when none did within ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """End all workers; units in flight are abandoned."""
        ...
