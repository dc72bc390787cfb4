"""How many threads the linear algebra of NumPy and OpenCV takes: one, where pictures are small and workers are many.

OpenBLAS starts a thread for each CPU when it is loaded, and wakes them for products of a few thousand numbers. Nothing
gets faster by it: they spin, a CPU second for 68 clips on two CPUs. The results are the same.
"""

from __future__ import annotations

import os

VARIABLE = "OPENBLAS_NUM_THREADS"
"""What OpenBLAS reads when it is loaded."""

OTHERS = ("OMP_NUM_THREADS", "GOTO_NUM_THREADS")
"""What it reads where that is not set."""

_begun_with_one = False


def begin_with_one() -> None:
    """Let no thread be started beside; call it before NumPy is loaded. What the user chose stays."""
    global _begun_with_one
    if not any(name in os.environ for name in (VARIABLE, *OTHERS)):
        os.environ[VARIABLE] = "1"
        _begun_with_one = True


def hold_to_one() -> None:
    """Use one thread from now on, in a process that is one of many."""
    _limit(1)


def use_all() -> None:
    """Use all CPUs of this process again, where `begin_with_one` held it back."""
    if _begun_with_one:
        _limit(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _limit(threads: int) -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads, user_api="blas")
