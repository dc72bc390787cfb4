"""An object store that fsspec knows (``s3://``, ``gs://``, ``hf://`` and more), with failures of one kind.

Who may read and write is not asked here: a file system finds credentials, end point and region where its own tools do
(environment, profile, ``~/.config/fsspec``). Clients raise what they like, botocore's errors are no `OSError`; here
everything comes out as one: `FileNotFoundError`, `PermissionError`, or another where the store itself fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synflow.errors import UsageError


class Bucket:
    """One object of a store, or a folder of objects, by its URL.

    Paths of its methods lie inside it; the empty one is the object itself.

    Args:
        url: of the object or the folder.
        options: of fsspec's file system.

    Raises:
        UsageError: no such file system is known, or its package is not installed.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        from fsspec.core import url_to_fs

        self.url, self._options = url.rstrip("/"), dict(options or {})
        try:
            self._system, self._base = url_to_fs(self.url, **self._options)
        except (ValueError, ImportError) as error:
            told = " ".join(str(error).split())
            raise UsageError(
                f"{url}: {told}", "give a URL that fsspec understands, and install what it needs"
            ) from error

    def __reduce__(self) -> tuple[type[Bucket], tuple[str, dict[str, Any]]]:
        """Connections stay behind."""
        return (type(self), (self.url, self._options))

    def size(self, path: str = "") -> int:
        """Return the bytes of an object, as it is now."""
        with plain_errors():
            # What an earlier look has left in memory may be of another day.
            self._system.invalidate_cache(self._at(path))
            info = self._system.info(self._at(path))
        if info.get("type") == "directory" or info.get("size") is None:
            raise FileNotFoundError(2, "there is no such object", path)
        return int(info["size"])

    def read(self, path: str = "", start: int | None = None, end: int | None = None) -> bytes:
        """Return an object, or its bytes ``start`` to ``end``: fewer where it ends before."""
        with plain_errors():
            return bytes(self._system.cat_file(self._at(path), start=start, end=end))

    def names(self) -> list[str]:
        """Return the objects below the folder, by their paths in it, folder by folder."""
        with plain_errors():
            self._system.invalidate_cache(self._base)
            found = self._system.find(self._base)
        base = self._base.rstrip("/") + "/"
        inside = [one.removeprefix(base) for one in found if one.startswith(base)]
        return sorted(inside, key=lambda name: name.split("/"))

    def put(self, local: Path, path: str) -> None:
        """Copy a file of this machine to an object."""
        with plain_errors():
            self._system.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(local), self._at(path))

    def write(self, path: str, data: bytes) -> None:
        """Write a small object."""
        with plain_errors():
            self._system.makedirs(self._base, exist_ok=True)
            self._system.pipe_file(self._at(path), data)

    def remove(self, path: str) -> None:
        """Remove an object."""
        with plain_errors():
            self._system.rm_file(self._at(path))

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}" if path else str(self._base)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let whatever a store's client raises come out as an `OSError`."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # the one place that knows no better: each client has a family of its own
        raise OSError(told_by(error)) from error


def told_by(error: Exception) -> str:
    """Return what a client says, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
