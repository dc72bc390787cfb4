"""What a command takes, with all its descendants: wall, CPU-seconds, and most memory resident at one time.

CPU comes from the kernel's account of ended children. A process whose parent ends first would be lost to it, so the
command runs under a small keeper that adopts orphans (a Linux "subreaper") and waits for each of them.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STEP = 0.1
"""Seconds between two looks at the memory."""

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"
)
"""Variables that hold a command to one thread in its numeric libraries."""

GRACE = 5.0
"""Seconds that processes left behind have to end by themselves."""

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Usage:
    """What one call took.

    Attributes:
        wall, cpu: seconds. peak: most bytes resident at one time, all processes together.
        status: exit status; None where it was stopped at the time limit.
    """

    wall: float
    cpu: float
    peak: int
    status: int | None


def watched(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    limit: float = 1800.0,
) -> Usage:
    """Run ``command`` to its end, or for ``limit`` seconds, and return what it and its descendants took.

    Args:
        command: program and arguments.
        env: variables beside those of this process.
        cwd: where it runs.
        log: file that gets its output; none where it is thrown away.
        limit: seconds after which it and all its descendants are killed.
    """
    began = time.perf_counter()
    with (log or Path(os.devnull)).open("wb") as out:
        keeper = psutil.Popen(
            [sys.executable, str(Path(__file__).resolve()), *command],
            stdout=subprocess.PIPE, stderr=out, cwd=cwd, env={**os.environ, **ONE_THREAD, **(env or {})},
        )  # fmt: skip
        seen: dict[tuple[int, float], float] = {}
        peak, killed = 0, False
        while keeper.poll() is None:
            held = 0
            for one in _descendants(keeper):
                with suppress(psutil.Error):
                    times = one.cpu_times()
                    seen[one.pid, one.create_time()] = times.user + times.system
                    held += one.memory_info().rss
            peak = max(peak, held)
            if time.perf_counter() - began > limit:
                killed = True
                for one in _descendants(keeper):
                    with suppress(psutil.Error):
                        one.kill()
            time.sleep(STEP)
        assert keeper.stdout is not None
        with keeper.stdout as answer:
            told = answer.read()
    account = json.loads(told) if told else {"cpu": 0.0, "status": None}
    # Children that a process never waits for are missing in the kernel's account, short ones in the samples.
    cpu = max(float(account["cpu"]), sum(seen.values()))
    return Usage(time.perf_counter() - began, cpu, peak, None if killed else account["status"])


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        found: list[psutil.Process] = process.children(recursive=True)
        return found
    return []


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return median and range."""
    if len(values) == 1 or min(values) == max(values):
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def machine() -> str:
    """Return processor, cores and memory of this machine in a few words."""
    name = "unknown processor"
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    memory = psutil.virtual_memory().total / 2**30
    return f"{name}, {os.cpu_count()} CPUs, {memory:.0f} GiB, Python {sys.version.split()[0]}"


def _keep(command: Sequence[str]) -> None:
    """Run ``command``, wait for it and for all that it leaves behind, then print the account."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command, stdout=sys.stderr)
    status = child.wait()
    # What is still there was left behind (daemons): given time to end, asked to, then made to.
    began = time.monotonic()
    while left := psutil.Process().children(recursive=True):
        late = time.monotonic() - began
        for one in left if late > GRACE else ():
            with suppress(psutil.Error):
                one.send_signal(signal.SIGTERM if late < 3 * GRACE else signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(STEP)
    with suppress(ChildProcessError):
        while os.waitpid(-1, 0)[0]:
            pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "status": status}))


if __name__ == "__main__":
    _keep(sys.argv[1:])
