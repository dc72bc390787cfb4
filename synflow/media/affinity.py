"""A process that waits for another runs on the same CPU as that: they take turns, and share what is in its caches.

Left to itself, Linux wakes each of them on a CPU that idled meanwhile: its caches are cold, and where it is a virtual
one its host has often put it aside.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Self

_PLACED = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "sched_getcpu")


class Together:
    """While it is entered, this thread and the process ``pid`` are held to the CPU that this thread is on.

    Afterwards the thread may run where it might before, so whatever it does between two turns can be moved to a CPU
    that is free, and the next turn takes place there. Nothing happens where the system does not allow it.

    Args:
        pid: of the process that this thread will wait for, and that waits for it at all other times.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._allowed: Collection[int] = ()

    def __enter__(self) -> Self:
        if _PLACED:
            self._allowed = os.sched_getaffinity(0)
            here = ctypes.CDLL(None).sched_getcpu()
            if here in self._allowed:
                _hold(0, {here})
                _hold(self._pid, {here})
        return self

    def part(self) -> None:
        """Let the other process run wherever this thread might: its turn is long, and its CPU may be wanted."""
        _hold(self._pid, self._allowed)

    def __exit__(self, *_: object) -> None:
        _hold(0, self._allowed)


def _hold(pid: int, cpus: Collection[int]) -> None:
    """Let a process, or this thread where ``pid`` is 0, run on ``cpus`` alone, where that is possible."""
    if cpus:
        with suppress(OSError):
            os.sched_setaffinity(pid, cpus)
