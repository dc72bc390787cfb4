"""Objects of a store, read like files by the readers of lists, or fetched into one.

An object that is not there, or may not be read, is the fault of its own record; anything else that goes wrong is the
store's, and the run stops where it can go on later.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

from synflow.bucket import Bucket, told_by
from synflow.errors import ClipFailure, ServiceDown
from synflow.positioned import Positioned
from synflow.records import Location
from synflow.sources.record import bucket_of, redacted

T = TypeVar("T")
REASON = "unreachable"
BLOCK = 8 << 20
"""Bytes of one request for a video or a list."""

_WEB = re.compile(r"(https?|file)://", re.IGNORECASE)


def in_bucket(name: str) -> bool:
    """Tell whether a list or a root lies in an object store."""
    return "://" in name and not _WEB.match(name)


class BucketFile:
    """One object, read like a file: what the readers of lists need of a path.

    Args:
        url: of the object.
        block: bytes of one request.
    """

    def __init__(self, url: str, block: int = BLOCK) -> None:
        self.url, self._block = url, block
        self.name = PurePosixPath(url.partition("://")[2]).name
        self.bucket = Bucket(url)

    def __str__(self) -> str:
        return redacted(self.url)

    def open(self, mode: Literal["rb"] = "rb") -> io.BufferedReader:
        """Open it for reading.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        return io.BufferedReader(_Ranges(self.bucket), self._block)


class _Ranges(Positioned):
    """An object as a stream that can be sought in; each read is a request."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        self._bucket, self.size = bucket, bucket.size()

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self.size)
        data = _range(self._bucket, self._at, end) if end > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _range(bucket: Bucket, start: int, end: int) -> bytes:
    data = bucket.read("", start, end)
    if len(data) != end - start:
        raise OSError(f"{len(data)} bytes came of {end - start}")
    return data


def fetch_object(location: Location, target: Path, *, max_bytes: int, timeout: float) -> int:
    """Write an object, or a range of it, to ``target``; return its length in bytes.

    Args:
        location: with the URL of a store.
        target: the file; it stands there only when all of it came.
        max_bytes: more is refused.
        timeout: seconds for all of it; looked at between requests.

    Raises:
        ClipFailure: ``unreachable``: it is not there, may not be read, or is too large.
        ServiceDown: the store fails, or ``target`` cannot be written.
    """
    bucket = Bucket(location.url)
    deadline = time.monotonic() + timeout
    part = target.with_name(target.name + ".part")
    try:
        first = location.offset or 0
        whole = _asked(location.url, bucket.size)
        size = whole - first if location.size is None else location.size
        if fault := _fault(first, size, whole, max_bytes):
            raise ClipFailure(REASON, fault)
        with part.open("wb") as stream:
            for start in range(first, first + size, BLOCK):
                if time.monotonic() > deadline:
                    raise ClipFailure(REASON, "timed out")
                end = min(start + BLOCK, first + size)
                stream.write(_asked(location.url, partial(_range, bucket, start, end)))
        part.replace(target)
    except OSError as error:
        raise ServiceDown(f"{target}: cannot be written: {error.strerror}", "free the disk, then resume") from error
    else:
        return size
    finally:
        part.unlink(missing_ok=True)


def _fault(first: int, size: int, whole: int, most: int) -> str:
    if size < 1:
        return "the object is empty"
    if first + size > whole:
        return "the object is shorter than it was"
    return f"larger than {most} bytes" if size > most else ""


def _asked(url: str, request: Callable[[], T]) -> T:
    """Return what a store answers; its failures are no `OSError` any more, which are those of the disk."""
    try:
        return request()
    except FileNotFoundError as error:
        raise ClipFailure(REASON, "there is no such object") from error
    except PermissionError as error:
        raise ClipFailure(REASON, "the store forbids reading it") from error
    except OSError as error:
        raise ServiceDown(
            f"{bucket_of(url)} cannot be read: {told_by(error)}", "check the store and your credentials, then resume"
        ) from error
