"""Reader of a folder of videos, each perhaps with a ``.txt`` (its caption) and a ``.json`` (its fields) beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synflow.errors import UsageError
from synflow.records import Location
from synflow.sources.lists import unreadable
from synflow.sources.record import LONGEST_TEXT, Entry, Fault, parse_object

_SUFFIXES = ".3gp .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv"
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


def read_folder(folder: Path) -> Iterator[Entry]:
    """Yield the videos below ``folder`` in the order of their names, folder by folder; hidden ones are skipped.

    Raises:
        UsageError: a folder cannot be read.
    """
    for line, path in enumerate(_videos(folder), start=1):
        uri = path.relative_to(folder).as_posix()
        try:
            uri.encode("utf-8")
        except UnicodeEncodeError:
            shown = uri.encode("utf-8", "backslashreplace").decode("utf-8")
            yield Entry(line, {}, "the name of the file is not UTF-8", uri=shown)
            continue
        location = Location(path=str(path))
        try:
            text, data = _sidecar(path.with_suffix(".txt")), _sidecar(path.with_suffix(".json"))
            yield Entry(line, sidecar_fields(text, data), "", location, uri)
        except Fault as fault:
            yield Entry(line, {}, str(fault), location, uri)


def sidecar_fields(text: bytes | None, data: bytes | None) -> dict[str, Any]:
    """Return the fields that a ``.txt`` and a ``.json`` give; the caption of the ``.json`` goes before.

    Raises:
        Fault: one of them cannot be used.
    """
    fields: dict[str, Any] = {}
    if data is not None:
        try:
            fields = parse_object(data.removeprefix(b"\xef\xbb\xbf"))
        except Fault as fault:
            raise Fault(f".json: {fault}") from fault
    if text is not None and fields.get("caption") is None:
        try:
            fields["caption"] = text.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise Fault(f".txt: not UTF-8 (byte {error.start + 1})") from error
    return fields


def _videos(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise unreadable(folder, error) from error
    for entry in found:
        # A link to a folder may lead back up: only links to files are followed.
        if entry.is_dir(follow_symlinks=False):
            yield from _videos(Path(entry.path))
        elif Path(entry.name).suffix.lower() in VIDEO_SUFFIXES and not entry.is_dir():
            yield Path(entry.path)


def _sidecar(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(LONGEST_TEXT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Fault(f"{path.suffix}: cannot be read: {error.strerror}") from error
    if len(data) > LONGEST_TEXT:
        raise Fault(f"{path.suffix}: longer than {LONGEST_TEXT >> 20} MiB")
    return data


def check_folder(folder: Path, what: str) -> None:
    """Raise a `UsageError` unless ``folder`` is a folder."""
    if not folder.is_dir():
        state = "is no folder" if folder.exists() else "does not exist"
        raise UsageError(f"{folder}: {what} {state}", "paths of a manifest start at its own folder")
