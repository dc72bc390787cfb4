"""How sandbox and child talk: a length-prefixed JSON head, then raw buffers. Nothing is ever unpickled.

::

    8 bytes   length of the head, big endian
    head      JSON; "buffers" lists the lengths of the buffers that follow
    buffers   raw bytes, one after the other
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

PREFIX = struct.Struct(">Q")

MOST = 1 << 20
"""Longest head, in bytes; anything longer is a child gone wrong."""


class Garbled(Exception):
    """What arrived is not a message."""


def head_of(prefix: bytes) -> int:
    """Return the length of the head that ``prefix`` announces.

    Raises:
        Garbled: it cannot be one.
    """
    (length,) = PREFIX.unpack(prefix)
    if not 0 < length <= MOST:
        raise Garbled(f"head of {length} bytes")
    return int(length)


def parse_head(data: bytes) -> dict[str, Any]:
    """Return the head in ``data``.

    Raises:
        Garbled: it is no JSON object, or announces impossible buffers.
    """
    try:
        head = json.loads(data)
    except ValueError as error:
        raise Garbled("head is no JSON") from error
    lengths = head.get("buffers", []) if isinstance(head, dict) else None
    if not isinstance(lengths, list) or not all(isinstance(n, int) and n >= 0 for n in lengths):
        raise Garbled("head is no message")
    return dict(head)


def message(head: dict[str, Any], lengths: Iterable[int] = ()) -> bytes:
    """Return prefix and head of a message whose buffers have ``lengths``."""
    data = json.dumps({**head, "buffers": list(lengths)}).encode("ascii")
    return PREFIX.pack(len(data)) + data


def send(stream: BinaryIO, head: dict[str, Any], buffers: Iterable[memoryview] = ()) -> None:
    """Write one message to ``stream``."""
    parts = [memoryview(b).cast("B") for b in buffers]
    stream.write(message(head, (len(p) for p in parts)))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Return the head of the next message (requests have no buffers), or None where the stream ends."""
    prefix = stream.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    return parse_head(stream.read(head_of(prefix)))
