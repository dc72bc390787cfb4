"""The bytes of one source: a whole file or a byte range of a tar, opened without ever blocking."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass

from synflow.errors import ClipFailure
from synflow.positioned import Positioned

CHUNK = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a source lies: a file, or ``size`` bytes from ``offset`` of a file."""

    path: str
    offset: int | None = None
    size: int | None = None


class Source(Positioned):
    """A seekable, read-only view of one place; what a decoder reads from.

    The decoder library is only ever given this object, never a path: so it has nothing to resolve references
    against, and a member of a tar is read like a file.

    Args:
        place: where the bytes lie.

    Raises:
        ClipFailure: ``unreadable``: there is no such regular file, or the range ends outside of it.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        # O_NONBLOCK: opening a FIFO or a device must not wait for its other side.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
        try:
            self._fd = os.open(place.path, flags)
        except (OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) else "no valid path"
            raise ClipFailure("unreadable", f"cannot be opened: {(told or 'unknown error').lower()}") from error
        found = os.fstat(self._fd)
        self._start = place.offset or 0
        self.size = found.st_size - self._start if place.size is None else place.size
        self.identity = (place, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        fault = ""
        if not stat.S_ISREG(found.st_mode):
            fault = "not a regular file"
        elif self._start < 0 or self.size < 0 or self._start + self.size > found.st_size:
            fault = "the byte range ends outside of its file"
        elif self.size == 0:
            fault = "the file is empty"
        if fault:
            self.close()
            raise ClipFailure("unreadable", fault)

    def close(self) -> None:
        """Close the file."""
        if not self.closed and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; fewer only at the end of the source."""
        left = max(0, self.size - self._at)
        want = left if size is None or size < 0 else min(size, left)
        got = os.pread(self._fd, want, self._start + self._at) if want else b""
        self._at += len(got)
        return got

    def digest(self) -> str:
        """Return the sha256 of the source; the position stays, for a container may be open on it."""
        running, at = hashlib.sha256(), 0
        while block := os.pread(self._fd, min(CHUNK, self.size - at), self._start + at):
            running.update(block)
            at += len(block)
        return running.hexdigest()
