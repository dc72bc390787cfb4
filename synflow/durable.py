"""The only module that writes run files: stage, seal, publish if absent, forget.

A file is real once it has its final name; until then it lives in the private staging folder of one attempt.
Objects are named by their digest and receipts are linked, not renamed, so that a worker that outlives its driver
cannot change what a receipt points to: the first receipt wins and later ones find the name taken.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from synflow.errors import ServiceDown, UsageError
from synflow.ids import digest_stream

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP}


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one line of cause and one of remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise ServiceDown(
                f"no space left for {path} ({error.strerror})", "free space on that disk, then `synflow resume` the run"
            ) from error
        if error.errno in FORBIDDEN:
            raise UsageError(
                f"cannot write {path}: {error.strerror}", "choose an output folder that you may write"
            ) from error
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents; their names are made durable.

    Raises:
        UsageError: it cannot be written. ServiceDown: the disk is full.
    """
    with told(folder):
        if folder.is_dir():
            return
    make_folder(folder.parent)
    with told(folder):
        try:
            os.mkdir(folder)
        except FileExistsError:
            if not folder.is_dir():
                raise UsageError(f"{folder} is not a folder", "choose another output folder") from None
        except FileNotFoundError as error:
            # Its parent is there: a file system that takes no folders, such as /proc.
            raise UsageError(f"cannot write {folder}: {error.strerror}", "choose another output folder") from error
        sync_folder(folder.parent)


class Draft:
    """A file being written in a staging folder: hashed on the way, durable when closed.

    Attributes:
        size: bytes written so far; digest: sha256, once closed.
    """

    BUFFER = 1 << 20

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.digest = ""
        self._hash = hashlib.sha256()
        self._held: list[bytes] = []
        self._holding = 0
        with told(path):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def write(self, data: bytes) -> int:
        """Append ``data``; return the offset at which it begins."""
        offset = self.size
        self._held.append(data)
        self._holding += len(data)
        self._hash.update(data)
        self.size += len(data)
        if self._holding >= self.BUFFER:
            self.flush()
        return offset

    def flush(self) -> None:
        """Let readers of the staging file see all that was written."""
        with told(self.path):
            _write_all(self._descriptor, b"".join(self._held))
        self._held.clear()
        self._holding = 0

    def close(self) -> None:
        """Finish the file: flush, fsync, digest."""
        if self.digest:
            return
        self.flush()
        with told(self.path):
            os.fsync(self._descriptor)
        self._let_go()
        self.digest = self._hash.hexdigest()

    def abandon(self) -> None:
        """Close without a promise of durability."""
        self._held.clear()
        self._let_go()

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Attempt:
    """The private staging folder of one attempt at one unit of work; gone when left.

    The folder's name is random: nothing that a reader believes ever holds it.
    """

    def __init__(self, staging: Path) -> None:
        make_folder(staging)
        self.folder = staging / uuid.uuid4().hex
        self._drafts: list[Draft] = []
        with told(self.folder):
            os.mkdir(self.folder)

    def draft(self, name: str) -> Draft:
        """Open a new file in the staging folder."""
        draft = Draft(self.folder / name)
        self._drafts.append(draft)
        return draft

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for draft in self._drafts:
            draft.abandon()
        forget(self.folder)


def seal(draft: Draft, objects: Path, suffix: str) -> str:
    """Move a finished draft to ``objects/<digest><suffix>`` and return that name.

    An object of that name holds the same bytes, so taking its place is harmless, and mends it if it was damaged.
    """
    draft.close()
    name = draft.digest + suffix
    with told(objects / name):
        os.rename(draft.path, objects / name)
        sync_folder(objects)
    return name


def adopt(source: Path, objects: Path, name: str, promised: str, attempt: Attempt) -> bool:
    """Give an object of another run a home here as well; tell whether its bytes were the promised ones.

    It is hashed, then linked: no byte is copied but where the two folders cannot share a file. Whatever becomes of the
    other run afterwards, the object stays.

    Args:
        source: the object there; it is only read.
        objects: the folder that it goes to.
        name: its name there.
        promised: sha256 of its bytes.
        attempt: the staging folder that it passes through.
    """
    try:
        with source.open("rb") as stream:
            found, _ = digest_stream(stream)
    except OSError:
        return False
    if found != promised:
        return False
    target = attempt.folder / f"{uuid.uuid4().hex}.adopted"
    try:
        os.link(source, target)
    except OSError:
        return _copied(source, objects, name, promised, attempt)
    with told(objects / name):
        os.rename(target, objects / name)
        sync_folder(objects)
    return True


def _copied(source: Path, objects: Path, name: str, promised: str, attempt: Attempt) -> bool:
    draft = attempt.draft(f"{uuid.uuid4().hex}.copied")
    with source.open("rb") as stream:
        while block := stream.read(Draft.BUFFER):
            draft.write(block)
    draft.close()
    return draft.digest == promised and seal(draft, objects, name.removeprefix(promised)) == name


def publish(data: bytes, target: Path, attempt: Attempt) -> bool:
    """Give ``data`` the name ``target`` unless it is taken; tell whether this call gave it.

    Write, fsync, link, fsync the folder: a reader sees all of it or nothing.
    """
    draft = attempt.draft(f"{uuid.uuid4().hex}.publish")
    draft.write(data)
    draft.close()
    return publish_file(draft.path, target)


def publish_file(path: Path, target: Path) -> bool:
    """Give a finished file a second name ``target`` unless it is taken; tell whether this call gave it."""
    with told(target):
        try:
            os.link(path, target)
        except FileExistsError:
            return False
        sync_folder(target.parent)
    return True


def publish_folder(attempt: Attempt, target: Path) -> None:
    """Give all files of an attempt's staging folder, as one folder, the name ``target``; what had it is replaced.

    Every file is made durable first, so that a folder of that name is there whole or not at all.
    """
    with told(target):
        for path in sorted(attempt.folder.rglob("*")):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        sync_folder(attempt.folder)
        forget(target)
        os.rename(attempt.folder, target)
        sync_folder(target.parent)


def replace_file(data: bytes, target: Path, attempt: Attempt) -> None:
    """Give ``data`` the name ``target``, whatever had it before: a reader sees the old file or the new one."""
    draft = attempt.draft(f"{uuid.uuid4().hex}.replace")
    draft.write(data)
    draft.close()
    with told(target):
        os.rename(draft.path, target)
        sync_folder(target.parent)


def forget(path: Path) -> None:
    """Remove a file or a folder with all it holds; what is gone already is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with told(path), contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Append whole lines in one write and make them durable.

    A line that an earlier crash tore is closed first, so that it cannot swallow a new one.

    Args:
        path: the file; made if absent, its folder must exist.
        lines: without line ends; none may hold one.
    """
    if not lines:
        return
    with told(path):
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            _write_all(descriptor, (b"\n" if torn else b"") + b"".join(line + b"\n" for line in lines))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            sync_folder(path.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
