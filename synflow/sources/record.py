"""One entry of an input list, whatever its format, to an `InputRecord`; what is wrong with it becomes its fault.

Fields of an entry: ``path`` or ``url``, and optionally ``id``, ``caption`` (a text or a list of texts), ``licence``,
``source`` (who or what is to be credited: kept as the attribution), ``dataset``, ``start`` and ``end`` (seconds).
``license`` is read as ``licence``. Everything else is kept under ``extra``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from synflow.ids import make_id
from synflow.records import InputRecord, Location

LONGEST_TEXT = 16 << 20
"""Bytes that one entry (a line, a sidecar) may have."""

LATEST = 10**9
"""Seconds after which no video begins or ends."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OBEYED = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\u202d\u202e]")
"""Commands to a terminal (colours, titles), and marks that turn the order of letters around.

Their spelling in one character (U+0080 to U+009F) is left: in a caption it is text in a wrong encoding, for `rectify`.
"""
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_ANYWHERE = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SECRET = re.compile(r"token|secret|password|passwd|signature|credential|api.?key|access.?key|^(sig|auth|key)$", re.I)
_FIELDS = frozenset({"id", "path", "url", "caption", "licence", "source", "dataset", "start", "end"})


class Fault(ValueError):
    """Why one entry cannot be used, in one line."""


@dataclass(frozen=True)
class Entry:
    """What a reader found at one place of a list.

    Attributes:
        line: number of the line, row or member, from 1.
        fields: what the entry says; None where it could not be read.
        fault: why not.
        location, uri: of the video, where the reader itself knows them (a folder, a tar).
    """

    line: int
    fields: Mapping[str, Any] | None = None
    fault: str = ""
    location: Location | None = None
    uri: str = ""


@dataclass(frozen=True)
class Ground:
    """What holds for all entries of a list.

    Attributes:
        list_name: what messages call the list; unique in a run.
        root: absolute folder, or URL in an object store, where relative paths start.
        buckets: that the manifest names for this list; records may name objects of these and of no others.
        licence, dataset, attribution: for entries that state none.
    """

    list_name: str
    root: str
    licence: str = "unknown"
    dataset: str = ""
    attribution: str = ""
    buckets: frozenset[str] = frozenset()


def _refuse_constant(name: str) -> float:
    raise Fault(f"not JSON: {name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_ENCODER_OF_ODD = json.JSONEncoder()


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in ``data``.

    Raises:
        Fault: it is not UTF-8, not JSON, or no object.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Fault(f"not UTF-8 (byte {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise Fault(f"not JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise Fault("not JSON: nested too deeply") from error
    except ValueError as error:
        raise error if isinstance(error, Fault) else Fault("not JSON: a number is too long") from error
    if not isinstance(value, dict):
        raise Fault(f"not an object but {_kind(value)}")
    return value


def record_of(entry: Entry, ground: Ground) -> InputRecord:
    """Return the record of an entry; never raises on what the entry holds."""
    own = f"{ground.list_name}:{entry.line}"
    if entry.fields is None or entry.fault:
        said = entry.fields or {}
        return _faulty(said, entry, ground, own, entry.fault or "cannot be read")
    try:
        return _record(entry.fields, entry, ground)
    except Fault as fault:
        return _faulty(entry.fields, entry, ground, own, str(fault))


def _record(fields: Mapping[str, Any], entry: Entry, ground: Ground) -> InputRecord:
    start, end = _second(fields, "start"), _second(fields, "end")
    _check_plain(fields)
    if end is not None and (start or 0.0) >= end:
        raise Fault(f"start ({start or 0.0:g}) is not before end ({end:g})")
    location, uri = (entry.location, entry.uri) if entry.location is not None else _place(fields, ground)
    extra = {name: value for name, value in fields.items() if name not in _FIELDS}
    spelled = "licence" if fields.get("licence") is not None else "license"
    if spelled == "license" and isinstance(fields.get("license"), str):
        del extra["license"]
    if entry.location is not None or (fields.get("path") and fields.get("url")):
        # The bytes are at hand; where they once came from is worth keeping.
        extra |= {name: _redacted_value(fields[name]) for name in ("path", "url") if _is_more(name, fields, uri)}
    name = _id(fields) or derived_id(uri, start, end)
    return InputRecord(
        record_id=name,
        uri=uri,
        location=location,
        captions=_captions(fields.get("caption")),
        licence=_text(fields, spelled) or ground.licence,
        attribution=_text(fields, "source") or ground.attribution,
        dataset=_text(fields, "dataset") or ground.dataset,
        start=start,
        end=end,
        extra=extra,
        list_name=ground.list_name,
        line=entry.line,
    )


def derived_id(uri: str, start: float | None, end: float | None) -> str:
    """Return the id of a record that has none: its path, and its span where it has one."""
    span = "" if start is None and end is None else f"#{start or 0.0:g}-{'' if end is None else format(end, 'g')}"
    name = f"{uri}{span}"
    return name if len(name) <= 300 else f"{name[:200]}~{make_id('record', name)}"


def _faulty(fields: Mapping[str, Any], entry: Entry, ground: Ground, own: str, fault: str) -> InputRecord:
    """Return a record that says what is wrong, with as much of the entry as can be told."""
    try:
        _check_plain({"id": fields.get("id")})
        name = _id(fields) or own
    except Fault:
        name = own
    try:
        _check_plain({name: fields.get(name) for name in ("path", "url")})
        uri = entry.uri or (_place(fields, ground)[1] if fields else "")
    except Fault:
        uri = ""
    line = " ".join(fault.split())
    return InputRecord(
        record_id=name,
        uri=uri,
        licence=ground.licence,
        attribution=ground.attribution,
        dataset=ground.dataset,
        list_name=ground.list_name,
        line=entry.line,
        fault=line if len(line) <= 200 else line[:197] + "...",
    )


def _check_plain(fields: Mapping[str, Any]) -> None:
    """Refuse what JSON tables and UTF-8 cannot carry: half characters, numbers without end."""
    try:
        _ENCODER.encode(fields).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Fault("a text holds half a character (a lone surrogate)") from error
    except RecursionError as error:
        raise Fault("nested too deeply") from error
    except ValueError as error:
        raise Fault("a number is not finite, or too long") from error


def _id(fields: Mapping[str, Any]) -> str:
    value = fields.get("id")
    if value is None or value == "":
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Fault(f"id must be a text, got {_kind(value)}")
    if len(value) > 300 or _CONTROL.search(value):
        raise Fault("id must be one line of at most 300 characters")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Fault(f"{name} must be a text, got {_kind(value)}")
    return value.strip()


def _second(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"{name} must be a number of seconds, got {_kind(value)}")
    if not 0 <= value <= LATEST:  # false for NaN, and right for numbers that no float can hold
        raise Fault(f"{name} must be seconds from 0 to {LATEST}, got {_ENCODER_OF_ODD.encode(value)[:20]}")
    return float(value)


def _captions(value: Any) -> tuple[str, ...]:
    texts = [] if value is None else value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str):
            raise Fault(f"caption must be a text or a list of texts, got {_kind(text)}")
    return tuple(plain(text) for text in texts)


def plain(text: str) -> str:
    """Return a caption without what only a terminal obeys: no model is to learn it, no log to replay it."""
    return _UNSEEN.sub(" ", _OBEYED.sub("", text))


def _place(fields: Mapping[str, Any], ground: Ground) -> tuple[Location, str]:
    path, url = fields.get("path"), fields.get("url")
    for name, value in (("path", path), ("url", url)):
        if value is not None and not isinstance(value, str):
            raise Fault(f"{name} must be a text, got {_kind(value)}")
        if value and _CONTROL.search(value):
            raise Fault(f"{name} holds a control character")
    if path and not _ANYWHERE.match(path):
        if _ANYWHERE.match(ground.root):
            return Location(url=f"{ground.root}/{path.lstrip('/')}"), path
        return Location(path=path if path.startswith("/") else f"{ground.root}/{path}"), path
    address = path or url
    if not address:
        raise Fault("neither path nor url")
    try:
        host = urlsplit(address).hostname
    except ValueError as error:
        raise Fault("url is no web address") from error
    if _ANYWHERE.match(address) and bucket_of(address) in ground.buckets:
        return Location(url=address), redacted(address)
    if not _ADDRESS.match(address) or not host:
        raise Fault("url must begin with http:// or https://, or with the bucket that `clips` or `root` names")
    return Location(url=address), redacted(address)


def bucket_of(address: str) -> str:
    """Return the store that a URL lies in: scheme and first part, without user name and password."""
    scheme, _, rest = address.partition("://")
    return f"{scheme.lower()}://{rest.partition('/')[0].rpartition('@')[2]}"


def redacted(address: str) -> str:
    """Return a web address without user name, password, and values of parameters that look like secrets."""
    try:
        parts = urlsplit(address)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return address.split("?")[0]
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if any(_SECRET.search(name) for name, _ in pairs):
        query = urlencode([(name, "REDACTED" if _SECRET.search(name) else value) for name, value in pairs])
    return urlunsplit((parts.scheme, host, parts.path, query, parts.fragment))


def _redacted_value(value: Any) -> Any:
    return redacted(value) if isinstance(value, str) and _ADDRESS.match(value) else value


def _is_more(name: str, fields: Mapping[str, Any], uri: str) -> bool:
    return fields.get(name) is not None and fields[name] != uri


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return kinds.get(type(value), "an object")
