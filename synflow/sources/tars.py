"""Reader of webdataset tars: members of one key are one entry, and a video is a byte range of its tar.

Nothing is unpacked. Of a damaged or truncated tar what is whole is used, and the rest is one fault.
"""

from __future__ import annotations

import itertools
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from synflow.errors import UsageError
from synflow.records import Location
from synflow.sources.folder import VIDEO_SUFFIXES, sidecar_fields
from synflow.sources.lists import unreadable
from synflow.sources.objects import BucketFile
from synflow.sources.record import LONGEST_TEXT, Entry, Fault

MOST_TARS = 1_000_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,12})\.\.([0-9]{1,12})")
_BLOCK = 512
_DAMAGE = (tarfile.TarError, ValueError, OverflowError, EOFError, MemoryError, RecursionError)


def is_tars(clips: str) -> bool:
    """Tell whether ``clips`` names one tar or many."""
    return clips.endswith(".tar") or clips.endswith((".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz"))


def expand_braces(pattern: str) -> list[str]:
    """Return the names that a pattern such as ``x-{000..099}.tar`` or ``{a,b}.tar`` stands for, in order.

    Raises:
        UsageError: a range is malformed, runs backwards or is too long.
    """
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    choices: list[str] = match[1].split(",")
    bounds = _RANGE.fullmatch(match[1])
    if bounds:
        first, last = int(bounds[1]), int(bounds[2])
        if last < first or last - first >= MOST_TARS:
            raise UsageError(f"{pattern}: the range {match[0]} names no tars, or too many", "write {000..099}")
        width = len(bounds[1])
        choices = [f"{number:0{width}d}" for number in range(first, last + 1)]
    elif len(choices) < 2:
        raise UsageError(f"{pattern}: {match[0]} is neither a range nor a choice", "write {000..099} or {a,b}")
    head, tail = pattern[: match.start()], expand_braces(pattern[match.end() :])
    if len(choices) * len(tail) > MOST_TARS:
        raise UsageError(f"{pattern}: names more than {MOST_TARS} tars", "name fewer")
    return [f"{head}{choice}{rest}" for choice, rest in itertools.product(choices, tail)]


def whole_tars(pattern: str) -> list[str]:
    """Return the names that a pattern of tars stands for, as `expand_braces`; compressed ones are refused."""
    if not pattern.endswith(".tar"):
        raise UsageError(f"{pattern}: a compressed tar cannot be read in place", "decompress it to .tar")
    return expand_braces(pattern)


def tars_of(folder: Path, pattern: str) -> list[Path]:
    """Return the tars that ``pattern`` (braces, ``*``) names below ``folder``.

    Raises:
        UsageError: the pattern is malformed, or matches nothing.
    """
    found: list[Path] = []
    for name in whole_tars(pattern):
        if "*" in name or "?" in name:
            path = Path(folder, name)
            matches = sorted(path.parent.glob(path.name))
            if not matches:
                raise UsageError(f"{path}: no tar matches", "paths of a manifest start at its own folder")
            found += matches
        else:
            found.append(Path(folder, name))
    return found


@dataclass
class _Group:
    """The members of one key, as far as they have come."""

    key: str = ""
    video: tarfile.TarInfo | None = None
    texts: dict[str, bytes] = field(default_factory=dict)
    fault: str = ""


def read_tar(path: Path | BucketFile) -> Iterator[Entry]:
    """Yield the entries of one tar; ``line`` counts them from 1.

    Raises:
        UsageError: it cannot be opened, or is no tar.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            for line, group in enumerate(_groups(path, stream, size), start=1):
                yield _entry(path, line, group)
    except OSError as error:
        raise unreadable(path, error) from error


def _groups(path: Path | BucketFile, stream: BinaryIO, size: int) -> Iterator[_Group]:
    group = _Group()
    damage = ""
    try:
        archive = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - the stream is closed by its owner
    except _DAMAGE as error:
        raise UsageError(f"{path}: not a tar: {error}", "give an uncompressed tar") from error
    while True:
        try:
            member = archive.next()
        except _DAMAGE as error:
            damage = f"the tar is damaged or cut off after {archive.offset} bytes ({' '.join(str(error).split())})"
            break
        if member is None:
            damage = _missing_end(stream, archive.offset)
            break
        archive.members.clear()  # type: ignore[attr-defined]  # else it keeps every member of a large tar
        key, suffix = _split(member.name)
        if not member.isreg() or not key:
            continue
        if key != group.key:
            if group.key:
                yield group
            group = _Group(key)
        _add(group, member, suffix, stream, size)
    if group.key:
        yield group
    if damage:
        yield _Group("", fault=damage)


def _missing_end(stream: BinaryIO, offset: int) -> str:
    """Return what is wrong where the members end; a whole tar ends in blocks of zeros."""
    stream.seek(offset)
    block = stream.read(_BLOCK)
    if len(block) == _BLOCK and not any(block):
        return ""
    what = "has a damaged header" if len(block) == _BLOCK else "is cut off"
    return f"the tar {what} at byte {offset}; what may follow is lost"


def _split(name: str) -> tuple[str, str]:
    """Return key and suffix of a member, as webdataset splits them: at the first dot of the file name."""
    place = PurePosixPath(name)
    stem, dot, suffix = place.name.partition(".")
    if not stem or not dot or stem.startswith("__") or place.parts[0] == "__MACOSX":
        return "", ""
    parent = "" if str(place.parent) == "." else f"{place.parent}/"
    return f"{parent}{stem}", f".{suffix.lower()}"


def _add(group: _Group, member: tarfile.TarInfo, suffix: str, stream: BinaryIO, size: int) -> None:
    if suffix in (".txt", ".json"):
        if member.size > LONGEST_TEXT:
            group.fault = group.fault or f"{suffix}: longer than {LONGEST_TEXT >> 20} MiB"
            return
        stream.seek(member.offset_data)
        group.texts[suffix] = stream.read(member.size)
        if len(group.texts[suffix]) != member.size:
            group.fault = group.fault or f"{suffix}: cut off with the tar"
    elif PurePosixPath(f"x{suffix}").suffix in VIDEO_SUFFIXES and group.video is None:
        group.video = member
        if member.issparse():
            group.fault = group.fault or "the video is stored sparsely in the tar"
        elif member.offset_data + member.size > size:
            group.fault = group.fault or "the video is cut off with the tar"


def _entry(path: Path | BucketFile, line: int, group: _Group) -> Entry:
    if group.video is None:
        return Entry(line, {}, group.fault or f"no video among the members of {group.key}", uri=path.name)
    try:
        uri = f"{path.name}/{group.video.name}"
        uri.encode("utf-8")
    except UnicodeEncodeError:
        return Entry(line, {}, "the name of the member is not UTF-8", uri=path.name)
    place = {"path": str(path)} if isinstance(path, Path) else {"url": path.url}
    location = Location(**place, offset=group.video.offset_data, size=group.video.size)
    try:
        fields = sidecar_fields(group.texts.get(".txt"), group.texts.get(".json"))
    except Fault as fault:
        return Entry(line, {}, group.fault or str(fault), location, uri)
    return Entry(line, fields, group.fault, location, uri)
