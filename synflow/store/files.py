"""Files of a finished run wherever it lies: a folder, or a URL that fsspec understands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from synflow.bucket import Bucket
from synflow.errors import Damage, ServiceDown


class Files(Protocol):
    """Reads files by their paths inside a run."""

    root: str

    def name(self, path: str) -> str:
        """Return how people name the file."""
        ...

    def whole(self, path: str) -> bytes | None:
        """Return all of a file; None where there is none."""
        ...

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``.

        Raises:
            Damage: there is no such file, it ends before, or it would lie outside the run.
        """
        ...


class LocalFiles:
    """A folder; files stay open, and readers that were sent to another process open their own."""

    LIMIT = 128

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._open: dict[str, int] = {}
        self._owner = os.getpid()

    def name(self, path: str) -> str:
        """Return the path of the file."""
        return str(Path(self.root) / path)

    def whole(self, path: str) -> bytes | None:
        """Return all of a file; None where there is none."""
        try:
            return Path(self.name(path)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; Damage where they are not there."""
        descriptor = self._open.get(path) if self._owner == os.getpid() else None
        if descriptor is None:
            descriptor = self._opened(path)
        data = os.pread(descriptor, size, offset)
        while 0 < len(data) < size and (more := os.pread(descriptor, size - len(data), offset + len(data))):
            data += more
        return _sound(self, path, data, size)

    def _opened(self, path: str) -> int:
        if self._owner != os.getpid():
            self._open, self._owner = {}, os.getpid()
        if not _inside(path):
            raise Damage(f"the index names {path!r}, outside the run", f"`synflow verify {self.root}` tells the damage")
        if len(self._open) >= self.LIMIT:
            os.close(self._open.pop(next(iter(self._open))))
        try:
            self._open[path] = os.open(self.name(path), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise _missing(self, path) from error
        return self._open[path]

    def __reduce__(self) -> tuple[type[LocalFiles], tuple[Path]]:
        """Open files stay behind."""
        return (type(self), (Path(self.root),))

    def __del__(self) -> None:
        if self._owner == os.getpid():
            for descriptor in self._open.values():
                os.close(descriptor)
            self._open = {}


class RemoteFiles:
    """A URL; each read is one request for a range of bytes."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.bucket, self._options = Bucket(url, options), dict(options)
        self.root = self.bucket.url

    def name(self, path: str) -> str:
        """Return the URL of the file."""
        return f"{self.root}/{path}"

    def whole(self, path: str) -> bytes | None:
        """Return all of a file; None where there is none."""
        try:
            return self.bucket.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ServiceDown(
                f"{self.name(path)} cannot be read: {error}", "check the address and your rights"
            ) from error

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; Damage where they are not there."""
        if not _inside(path):
            raise Damage(f"the index names {path!r}, outside the run", f"`synflow verify {self.root}` tells the damage")
        try:
            data = self.bucket.read(path, offset, offset + size)
        except FileNotFoundError as error:
            raise _missing(self, path) from error
        except OSError as error:
            raise ServiceDown(f"{self.name(path)} cannot be read: {error}", "try again later") from error
        return _sound(self, path, data, size)

    def __reduce__(self) -> tuple[type[RemoteFiles], tuple[str, dict[str, Any]]]:
        """Connections stay behind."""
        return (type(self), (self.root, self._options))


def open_files(root: Any, options: Mapping[str, Any]) -> Files:
    """Return the files of the run at ``root``, a folder or a URL.

    Raises:
        UsageError: no file system is known for the URL.
    """
    text = os.fspath(root)
    if "://" in text and not text.startswith("file://"):
        return RemoteFiles(text, options)
    return LocalFiles(Path(text.removeprefix("file://")))


def _inside(path: str) -> bool:
    parts = path.split("/")
    return bool(path) and ".." not in parts and "" not in parts


def _missing(files: Files, path: str) -> Damage:
    return Damage(f"{files.name(path)} is missing", f"`synflow verify {files.root}` tells the damage")


def _sound(files: Files, path: str, data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise Damage(
            f"{files.name(path)} is shorter than its index says", f"`synflow verify {files.root}` tells the damage"
        )
    return data
