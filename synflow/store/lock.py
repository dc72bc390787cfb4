"""One driver per run directory: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from pathlib import Path
from types import TracebackType

from synflow.durable import told
from synflow.errors import Refused


class Lock:
    """Holds the lock file of a run directory.

    Raises:
        Refused: another driver holds it; the cause names the holder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with told(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 4096, 0).decode("utf-8", errors="replace").strip()
            os.close(self._descriptor)
            raise Refused(
                f"{path.parent} is in use by another driver ({holder or 'just starting'})",
                "wait for it, or end it, or choose another --out",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "host": platform.node()}).encode(), 0)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
