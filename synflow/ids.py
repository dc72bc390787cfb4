"""Canonical JSON, digests, the key grammar and seeds: everything is named by its content."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Iterable
from typing import Any, BinaryIO

KEY = re.compile(r"[0-9a-z][0-9a-z_-]{0,63}")
"""Grammar of sample keys in a shard: no dot (it would merge samples), no slash."""

ID_LENGTH = 24
"""Hexadecimal characters of an id: 96 bits, so 10^9 ids collide with p < 10^-11."""


def canonical(value: Any) -> bytes:
    """Return the one JSON spelling of ``value``: sorted keys, no spaces, UTF-8.

    Raises:
        ValueError: ``value`` holds a NaN or an infinity, which JSON cannot spell.
        TypeError: ``value`` holds something that is not JSON.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="surrogatepass")


def digest(data: bytes) -> str:
    """Return the sha256 of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """Return the sha256 of the canonical JSON of ``value``."""
    return digest(canonical(value))


def digest_stream(stream: BinaryIO, chunk: int = 1 << 20) -> tuple[str, int]:
    """Return the sha256 of what is left in ``stream``, and its length in bytes."""
    running, size = hashlib.sha256(), 0
    while block := stream.read(chunk):
        running.update(block)
        size += len(block)
    return running.hexdigest(), size


def make_id(*parts: Any) -> str:
    """Return a short id of ``parts``: the first 24 hexadecimal characters of their digest."""
    return digest_of(list(parts))[:ID_LENGTH]


def digest_of_frames(digests: Iterable[str]) -> str:
    """Return the digest of a set of frames in order, which texts made from them are bound to."""
    return digest("\n".join(digests).encode("ascii"))


def is_key(text: str) -> bool:
    """Tell whether ``text`` may be a sample key in a shard."""
    return KEY.fullmatch(text) is not None


def seed_of(*parts: Any) -> int:
    """Return a 64-bit seed drawn from ``parts`` alone."""
    return int(digest_of(list(parts))[:16], 16)


def rng_of(*parts: Any) -> random.Random:
    """Return a random generator seeded from ``parts`` alone."""
    return random.Random(seed_of(*parts))


def unit_of(*parts: Any) -> float:
    """Return a number in [0, 1) drawn from ``parts`` alone; the order of a selection by hash."""
    return math.ldexp(seed_of(*parts) >> 11, -53)
