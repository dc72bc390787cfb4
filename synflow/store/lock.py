"""One driver per run directory: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
from pathlib import Path
from types import TracebackType

from synflow.durable import make_folder, told
from synflow.errors import Refused


class Lock:
    """Holds the lock file of a run directory; leaves nothing where an error ends it before anything was written.

    Attributes:
        made: this holder made the file. folder_made: whoever took the lock made its folder for it.

    Raises:
        Refused: another driver holds it; the cause names the holder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made = self.folder_made = False
        with told(path):
            self._descriptor: int | None = self._taken()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "host": platform.node()}).encode(), 0)

    def _taken(self) -> int:
        """Return the descriptor of the file, locked."""
        while True:
            self.made = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 4096, 0).decode("utf-8", errors="replace").strip()
                os.close(descriptor)
                raise Refused(
                    f"{self.path.parent} is in use by another driver ({holder or 'just starting'})",
                    "wait for it, or end it, or choose another --out",
                ) from None
            if _is_at(descriptor, self.path):
                return descriptor
            # Its last holder took the file away between our opening and our locking it.
            os.close(descriptor)

    def close(self) -> None:
        """Let go; a second time does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self.made and self._descriptor is not None:
            self._withdraw()
        self.close()

    def _withdraw(self) -> None:
        """Leave nothing where nothing was begun."""
        folder = self.path.parent
        with contextlib.suppress(OSError):
            if list(folder.iterdir()) == [self.path]:
                self.path.unlink()
                if self.folder_made:
                    folder.rmdir()


def early_lock(root: Path) -> Lock | None:
    """Lock a run directory before anything dear is loaded, so that a second driver is refused at once.

    Returns:
        The lock; none where `root` holds other files and no lock, for then it must be looked at first, nor where
        its parent is missing.

    Raises:
        Refused: another driver holds it. UsageError, ServiceDown: it cannot be written.
    """
    path = root / "lock"
    with told(root):
        if not path.exists():
            if root.is_dir():
                if any(root.iterdir()):
                    return None
            elif root.exists() or not root.parent.is_dir():
                return None
    return lock_of(root)


def lock_of(root: Path) -> Lock:
    """Lock a run directory, which is made where it is not there.

    Raises:
        Refused: another driver holds it. UsageError, ServiceDown: it cannot be written.
    """
    with told(root):
        fresh = not root.is_dir()
    make_folder(root)
    lock = Lock(root / "lock")
    lock.folder_made = fresh
    return lock


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether ``path`` still names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
