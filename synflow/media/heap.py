"""Memory of a process that handles pictures all the time: what is freed stays with it, and how much it was at most."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

KEPT, LARGE = 64 << 20, 16 << 20
"""Bytes of freed memory that stay with the process, and size from which a buffer is given back at once. Left to
itself, glibc returns the pictures of each source to the system and gets them back page by page for the next: measured
770 page faults a clip of 8 s in the decoding child and 800 in its worker, of about 5 microseconds each in a virtual
machine."""


def keep_memory() -> None:
    """Let freed memory stay with this process for what comes next; does nothing without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        mallopt(_M_TRIM_THRESHOLD, KEPT)


def peak_memory() -> int:
    """Return the most bytes that this process held at a time, since it runs this program."""
    # Where the kernel tells it: what getrusage tells begins with what the parent held when it started this process.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_bytes().splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) << 10
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
