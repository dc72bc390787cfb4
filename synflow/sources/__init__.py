"""Lists of videos, in whatever form they come, to `InputRecord`: streaming, in order, no entry ever lost.

A broken entry becomes a record with a fault, and a repeated one says of which earlier one: both are counted and kept
as drops of the run. Only a list that cannot be read at all is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Protocol

from synflow.bucket import Bucket
from synflow.errors import UsageError
from synflow.records import InputRecord
from synflow.sources.buckets import read_bucket, tars_in
from synflow.sources.folder import check_folder, read_folder
from synflow.sources.lists import read_csv, read_jsonl, unreadable
from synflow.sources.objects import BucketFile, in_bucket
from synflow.sources.parquet import read_parquet
from synflow.sources.record import Entry, Ground, bucket_of, derived_id, record_of
from synflow.sources.tars import is_tars, read_tar, tars_of, whole_tars

__all__ = ["Inputs", "ListSpec", "read_inputs"]

_READERS: dict[str, Callable[[Path | BucketFile], Iterator[Entry]]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}


class ListSpec(Protocol):
    """One list of a manifest (`synflow.manifest.InputSpec`)."""

    @property
    def clips(self) -> str: ...  # noqa: D102
    @property
    def root(self) -> str | None: ...  # noqa: D102
    @property
    def licence(self) -> str: ...  # noqa: D102
    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def attribution(self) -> str: ...  # noqa: D102


class Inputs(Protocol):
    """What of a manifest is needed here."""

    @property
    def inputs(self) -> Sequence[ListSpec]: ...  # noqa: D102
    @property
    def folder(self) -> Path: ...  # noqa: D102


def read_inputs(manifest: Inputs) -> Iterator[InputRecord]:
    """Yield the records of all lists, in the order of the manifest and of each list.

    Memory: about 250 bytes a record, to know it again; nothing else is kept.

    Raises:
        UsageError: a list cannot be read, or a ``root`` is no folder. What is only wrong in one entry is its fault.
    """
    names: set[str] = set()
    tables = [_opened(spec, manifest.folder.absolute(), names) for spec in manifest.inputs]
    seen = _Seen()
    for ground, entries in chain.from_iterable(tables):
        for entry in entries:
            yield seen.marked(record_of(entry, ground))


def _opened(spec: ListSpec, folder: Path, names: set[str]) -> list[tuple[Ground, Iterator[Entry]]]:
    try:
        return _open(spec, folder, names)
    except OSError as error:
        raise unreadable(Path(spec.clips), error) from error


def _open(spec: ListSpec, folder: Path, names: set[str]) -> list[tuple[Ground, Iterator[Entry]]]:
    """Return the readers that one entry of ``inputs`` stands for; each name is used once."""
    for name in (str(folder), spec.clips, spec.root or ""):
        if not name.isprintable():
            raise UsageError(f"inputs: the path {name!r} holds what is no text", "rename the folder or the list")
    root = _root(spec, folder)
    if in_bucket(spec.clips):
        return _open_bucket(spec, root, names)
    if is_tars(spec.clips):
        return [(_ground(spec, path, root, names), read_tar(path)) for path in tars_of(folder, spec.clips)]
    path = Path(folder, spec.clips)
    if path.is_dir():
        return [(_ground(spec, path, root, names), read_folder(path))]
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        state = "is of no known kind" if path.exists() else "does not exist"
        raise UsageError(f"{path}: the list {state}", "give a .jsonl, .csv or .parquet list, a folder, or .tar files")
    return [(_ground(spec, path, root, names), reader(path))]


def _root(spec: ListSpec, folder: Path) -> str:
    """Return where relative paths start: a folder or a URL; empty where the list does not say."""
    if not spec.root:
        return ""
    if in_bucket(spec.root):
        return Bucket(spec.root).url
    root = Path(folder, spec.root)
    check_folder(root, "the root of a list")
    return str(root)


def _open_bucket(spec: ListSpec, root: str, names: set[str]) -> list[tuple[Ground, Iterator[Entry]]]:
    """Return the readers of what lies in an object store."""
    if is_tars(spec.clips):
        tars = tars_in(whole_tars(spec.clips))
        return [(_ground(spec, tar, root, names), read_tar(tar)) for tar in tars]
    reader = _READERS.get(PurePosixPath(spec.clips).suffix.lower())
    if reader is None:
        place = BucketFile(spec.clips.rstrip("/"))
        return [(_ground(spec, place, root, names), read_bucket(spec.clips))]
    place = BucketFile(spec.clips)
    return [(_ground(spec, place, root, names), reader(place))]


def _ground(spec: ListSpec, path: Path | BucketFile, root: str, names: set[str]) -> Ground:
    name, again = path.name, 2
    while name in names:
        name, again = f"{path.name}({again})", again + 1
    names.add(name)
    return Ground(
        list_name=name,
        root=root or (str(path.parent) if isinstance(path, Path) else path.url.rpartition("/")[0]),
        licence=spec.licence,
        dataset=spec.dataset,
        attribution=spec.attribution,
        buckets=frozenset(bucket_of(one) for one in (spec.clips, spec.root or "") if in_bucket(one)),
    )


class _Seen:
    """Knows the records that came before: by id, and by what they show."""

    def __init__(self) -> None:
        self._lists: list[str] = []
        self._known: dict[bytes, int] = {}

    def marked(self, record: InputRecord) -> InputRecord:
        """Return ``record``, with the first one of its kind where it is not the first.

        A record that is dropped, for a fault or as a repetition, is not remembered: what repeats it may be used.
        """
        if record.fault:
            return record
        if not self._lists or self._lists[-1] != record.list_name:
            self._lists.append(record.list_name)
        here = ((len(self._lists) - 1) << 40) + record.line
        place = record.location
        spot = (place.path, place.url, place.offset, record.start, record.end)
        marks = [_mark("id", record.record_id), _mark("content", *spot, *record.captions)]
        if record.record_id == derived_id(record.uri, record.start, record.end):
            # Nobody gave it that id: the same relative path under another root is another video.
            same = _mark("spot", *spot)
            if marks[0] in self._known and self._known[marks[0]] != self._known.get(same):
                name = f"{record.list_name}/{record.record_id}"
                record = record.model_copy(update={"record_id": name})
                marks[0] = _mark("id", name)
            marks.append(same)
        earlier = [self._known[mark] for mark in marks if mark in self._known]
        if earlier:
            number, line = divmod(min(earlier), 1 << 40)
            return record.model_copy(update={"duplicate_of": f"{self._lists[number]}:{line}"})
        self._known.update(dict.fromkeys(marks, here))
        return record


def _mark(*parts: object) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=12).digest()
