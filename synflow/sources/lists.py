"""Readers of lists with one entry a line: JSON lines and CSV. One broken line is one fault, never the end."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from synflow.errors import UsageError
from synflow.sources.objects import BucketFile
from synflow.sources.record import LONGEST_TEXT, Entry, Fault, parse_object

_MARKS = {
    b"\xff\xfe": "UTF-16 or UTF-32",
    b"\xfe\xff": "UTF-16",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\x1f\x8b": "compressed (gzip)",
    b"(\xb5/\xfd": "compressed (zstd)",
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a parquet file",
}
_BOM = b"\xef\xbb\xbf"


@contextmanager
def open_list(path: Path | BucketFile) -> Iterator[BinaryIO]:
    """Open a list for reading bytes, its byte order mark skipped.

    Raises:
        UsageError: it cannot be opened, or what it holds is no UTF-8 text at all.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
            for mark, what in _MARKS.items():
                if head.startswith(mark):
                    raise UsageError(f"{path}: the list is {what}, not UTF-8 text", "convert it to plain UTF-8 text")
            if head.count(b"\0") * 4 > len(head):
                raise UsageError(f"{path}: the list is not text", "give a .jsonl, .csv or .parquet list")
            stream.seek(len(_BOM) if head.startswith(_BOM) else 0)
            yield stream
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path | BucketFile, error: OSError) -> UsageError:
    """Return the error for a list that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return UsageError(f"{path}: there is no such list of clips", "paths of a manifest start at its own folder")
    return UsageError(f"{path}: the list of clips cannot be read: {error.strerror or error}", "check its permissions")


def read_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and bytes of each line that is not blank; None for one that is too long to be held."""
    number = 0
    while line := stream.readline(LONGEST_TEXT):
        number += 1
        whole = True
        while len(line) == LONGEST_TEXT and not line.endswith(b"\n"):
            whole = False
            line = stream.readline(LONGEST_TEXT)
        if not whole:
            yield number, None
        elif line.strip():
            yield number, line.strip()


def read_jsonl(path: Path | BucketFile) -> Iterator[Entry]:
    """Yield the entries of a list with one JSON object a line."""
    with open_list(path) as stream:
        for number, line in read_lines(stream):
            if line is None:
                yield Entry(number, fault=f"the line is longer than {LONGEST_TEXT >> 20} MiB")
                continue
            try:
                yield Entry(number, parse_object(line))
            except Fault as fault:
                yield Entry(number, fault=str(fault))


def read_csv(path: Path | BucketFile) -> Iterator[Entry]:
    """Yield the entries of a CSV list: its first row names the fields, an empty cell states nothing.

    More than one column may be called ``caption``. ``start`` and ``end`` are read as numbers.

    Raises:
        UsageError: the list cannot be read, or its first row names neither ``path`` nor ``url``.
    """
    with open_list(path) as stream:
        # What is not UTF-8 comes through as lone surrogates, which are the fault of their own row only.
        text = (line.decode("utf-8", "surrogateescape") for line in _physical_lines(stream))
        rows = csv.reader(text, strict=True)
        header = _header(path, rows)
        line = rows.line_num
        while True:
            first, line = line + 1, line
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                line = rows.line_num
                yield Entry(first, fault=f"not CSV: {error}")
                continue
            line = rows.line_num
            if any(cell.strip() for cell in row):
                yield _csv_entry(first, header, row)


def _physical_lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(LONGEST_TEXT):
        yield line


def _header(path: Path | BucketFile, rows: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(rows)]
    except StopIteration:
        header = []
    except csv.Error as error:
        raise UsageError(f"{path}:1: the first row is not CSV: {error}", "name the columns in the first row") from error
    if not {"path", "url"} & set(header):
        raise UsageError(f"{path}:1: no column is called path or url", "name the columns in the first row, by commas")
    repeated = sorted({name for name in header if header.count(name) > 1} - {"caption", ""})
    if repeated:
        raise UsageError(f"{path}:1: the column {repeated[0]!r} stands twice", "only `caption` may")
    return header


def _csv_entry(line: int, header: list[str], row: list[str]) -> Entry:
    if len(row) != len(header):
        return Entry(line, fault=f"{len(row)} cells where the first row names {len(header)}")
    fields: dict[str, Any] = {}
    captions: list[str] = []
    for name, cell in zip(header, row, strict=True):
        if name == "caption":
            captions += [cell] if cell.strip() else []
        elif cell.strip():
            fields[name] = cell
    if captions:
        fields["caption"] = captions
    for name in ("start", "end"):
        if name in fields:
            try:
                fields[name] = float(fields[name])
            except ValueError:
                # Left as a text, which is the fault that the record will state.
                continue
    return Entry(line, fields)
