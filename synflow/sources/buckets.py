"""What lies in an object store: tars that a pattern names, and a folder of videos with their sidecars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from synflow.bucket import Bucket, told_by
from synflow.errors import UsageError
from synflow.records import Location
from synflow.sources.folder import VIDEO_SUFFIXES, sidecar_fields
from synflow.sources.objects import BucketFile
from synflow.sources.record import LONGEST_TEXT, Entry, Fault, redacted

HEADERS = 64 << 10
"""Bytes of one request for a tar, of which only headers and texts are looked at."""


def tars_in(urls: Sequence[str]) -> Iterator[BucketFile]:
    """Yield the tars that URLs name, ``*`` and ``?`` in the last part standing for any letters.

    Raises:
        UsageError: one matches nothing, or the store cannot be read.
    """
    for url in urls:
        folder, _, name = url.rpartition("/")
        if not set("*?") & set(name):
            yield BucketFile(url, HEADERS)
            continue
        matches = [one for one in _listed(Bucket(folder)) if "/" not in one and fnmatchcase(one, name)]
        if not matches:
            raise UsageError(f"{redacted(url)}: no tar matches", "name tars that are in the store")
        yield from (BucketFile(f"{folder}/{one}", HEADERS) for one in matches)


def read_bucket(url: str) -> Iterator[Entry]:
    """Yield the videos below a URL in the order of their names, with their sidecars; hidden ones are skipped.

    Raises:
        UsageError: there is nothing, or the store cannot be read.
    """
    bucket = Bucket(url)
    names = _listed(bucket)
    known = set(names)
    for line, name in enumerate((name for name in names if _is_video(name)), start=1):
        location = Location(url=f"{bucket.url}/{name}")
        stem = name.removesuffix(PurePosixPath(name).suffix)
        try:
            text, data = (_sidecar(bucket, f"{stem}{end}", known) for end in (".txt", ".json"))
            yield Entry(line, sidecar_fields(text, data), "", location, name)
        except Fault as fault:
            yield Entry(line, {}, str(fault), location, name)


def _listed(bucket: Bucket) -> list[str]:
    try:
        names = bucket.names()
    except OSError as error:
        raise UsageError(
            f"{redacted(bucket.url)}: cannot be listed: {told_by(error)}", "check the address and your credentials"
        ) from error
    if not names:
        raise UsageError(f"{redacted(bucket.url)}: nothing lies there", "name a list, tars, or a folder of videos")
    return names


def _is_video(name: str) -> bool:
    place = PurePosixPath(name)
    return place.suffix.lower() in VIDEO_SUFFIXES and not any(part.startswith(".") for part in place.parts)


def _sidecar(bucket: Bucket, name: str, known: set[str]) -> bytes | None:
    if name not in known:
        return None
    suffix = PurePosixPath(name).suffix
    try:
        if bucket.size(name) > LONGEST_TEXT:
            raise Fault(f"{suffix}: longer than {LONGEST_TEXT >> 20} MiB")
        return bucket.read(name)
    except OSError as error:
        raise Fault(f"{suffix}: cannot be read: {told_by(error)}") from error
