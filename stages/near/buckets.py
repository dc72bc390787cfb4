"""Which clips of a corpus may be copies of one another: pairs of clips that have pictures with nearly equal hashes.

Locality-sensitive hashing over the hashes of all clips at once (Gionis, Indyk and Motwani 1999: tables keyed by random
bits), on sorted arrays. Memory is a few hundred bytes a clip, whatever the clips are; time grows a little faster than
their number. What many clips have in common (a studio's opening, an empty slide) makes large buckets: there every
entry meets only those that are nearest to it in each of several orders.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synflow.ids import rng_of

TABLES = 16
"""Orders of bits."""

NEAR, NEAREST = 16, 8
"""Bits of 63 by which the hashes of two pictures of copies may differ: among few pictures, and among very many, where
chance would make too many candidates."""

RUN = 4
"""Bits by which a picture must differ from the one before it in the same clip to be entered."""

WIDE = 16
"""Entries of a clip by which its course is compared."""

STEP = 1024
"""Pairs whose courses are compared at a time."""

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """Hashes of pictures, and the clips they are of.

    Attributes:
        plain: hash of each picture, uint64 ``[n]``.
        changed: hashes of what edits make of each picture (mirrored, cropped), uint64 ``[n]`` each; they meet the
            plain ones only.
        owner: number of its clip, int32 ``[n]``.
    """

    plain: Words
    changed: tuple[Words, ...]
    owner: npt.NDArray[np.int32]


def distinct(words: Sequence[int]) -> list[int]:
    """Return the places of the hashes of one clip that differ from the one entered before."""
    kept: list[int] = []
    for place, word in enumerate(words):
        if not kept or (word ^ words[kept[-1]]).bit_count() > RUN:
            kept.append(place)
    return kept


def candidates(
    entries: Entries, most: int, near: int = 0, tables: int = TABLES, width: int = 0
) -> npt.NDArray[np.int64]:
    """Return the pairs of clips to compare, int64 ``[n, 2]``, lower number first, in order and each once.

    Args:
        entries: of all clips, those of a clip together and in order of time, lower numbers first.
        most: entries that one is compared with in each table; bounds the work where buckets are large.
        near: see `NEAR`; 0: as fits their number.
        tables: see `TABLES`.
        width: bits that make a bucket; 0: as fits their number.
    """
    words = np.concatenate([entries.plain, *entries.changed])
    found = [np.zeros(0, np.uint64)]
    held = 0
    beside = np.concatenate([_following(one, entries.owner) for one in (entries.plain, *entries.changed)])
    doublings = math.log2(max(2, len(words)))
    width = width or int(np.clip(doublings - 1, 8, 24))
    near = near or int(np.clip(round(22 - 0.6 * doublings), NEAREST, NEAR))
    for table in range(tables):
        bits = rng_of("dedup", table).sample(range(63), 63)
        for codes in _meetings(_permuted(words, bits), _permuted(beside, bits), entries.owner, width, most, near):
            found.append(codes)
            held += len(codes)
            if held > 8_000_000:
                found, held = [np.unique(np.concatenate(found))], 0
    pairs = np.unique(np.concatenate(found))
    return np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)


def _following(words: Words, owner: npt.NDArray[np.int32]) -> Words:
    """Return, for each entry, the next one of its clip; for the last one the first."""
    if len(words) == 0:
        return words
    edge = np.flatnonzero(np.diff(owner)) + 1
    firsts, lasts = np.concatenate([[0], edge]), np.concatenate([edge - 1, [len(owner) - 1]])
    out = np.roll(words, -1)
    out[lasts] = words[firsts]
    return out


def _permuted(words: Words, bits: Sequence[int]) -> Words:
    """Return the words with their bits in another order: ``bits[0]`` becomes the highest."""
    goal = np.zeros(64, np.uint64)
    for rank, bit in enumerate(bits):
        goal[bit] = np.uint64(1) << np.uint64(62 - rank)
    table = np.zeros((8, 256), np.uint64)
    for byte in range(8):
        for bit in range(8):
            table[byte, np.arange(256) >> bit & 1 == 1] |= goal[8 * byte + bit]
    view = words.view(np.uint8).reshape(-1, 8)
    out = np.zeros(len(words), np.uint64)
    for byte in range(8):
        out |= table[byte].take(view[:, byte])
    return out


def _meetings(
    words: Words, beside: Words, owner: npt.NDArray[np.int32], width: int, most: int, near: int
) -> Iterator[Words]:
    """Yield pairs of owners, as ``lower << 32 | higher``, whose words agree in the first ``width`` of 63 bits."""
    count = max(1, len(owner))
    order = _ordered(words, beside, most)
    ranked = words[order]
    owners = owner[order % count]
    plain = order < count
    keys = (ranked >> np.uint64(63 - width)).astype(np.uint32)
    alive = np.flatnonzero(keys[1:] == keys[:-1])
    for step in range(1, most + 1):
        alive = alive[alive + step < len(keys)]
        alive = alive[keys[alive] == keys[alive + step]]
        if len(alive) == 0:
            return
        there = alive + step
        good = (plain[alive] | plain[there]) & (owners[alive] != owners[there])
        here, there = alive[good], there[good]
        close = np.bitwise_count(ranked[here] ^ ranked[there]) <= near
        one, other = owners[here[close]].astype(np.uint64), owners[there[close]].astype(np.uint64)
        yield np.unique(np.minimum(one, other) << np.uint64(32) | np.maximum(one, other))


def _ordered(words: Words, beside: Words, most: int) -> Places:
    """Return the order of the words; where more than ``most`` are equal, of what comes beside them.

    The sort is stable: what is equal in both keeps the order of the clips.
    """
    order = np.argsort(words, kind="stable")
    ranked = words[order]
    edges = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [len(ranked)]])
    for run in np.flatnonzero(np.diff(edges) > most):
        same = order[edges[run] : edges[run + 1]]
        order[edges[run] : edges[run + 1]] = same[np.argsort(beside[same], kind="stable")]
    return order


def courses_apart(entries: Entries, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return by how many bits the pictures of two clips differ from the nearest ones of the other, on average.

    It is the lower value of both directions, for one clip may be an excerpt of the other, and of all changes.

    Args:
        entries: of all clips, see `candidates`.
        pairs: clips that have entries, ``[n, 2]``.

    Returns:
        float32 ``[n]``.
    """
    out = np.empty(len(pairs), np.float32)
    spots = np.linspace(0, 1, WIDE)
    for begin in range(0, len(pairs), STEP):
        part = pairs[begin : begin + STEP].astype(np.int32)
        first = np.searchsorted(entries.owner, part, side="left")
        last = np.searchsorted(entries.owner, part, side="right") - 1
        # At most so many entries of a clip, spread over it; of fewer some count twice.
        places = np.round(first[:, :, None] + (last - first)[:, :, None] * spots).astype(np.int64)
        least = np.full(len(part), 63, np.float32)
        for here, there in ((0, 1), (1, 0)):
            plain = entries.plain[places[:, here]]
            for words in (entries.plain, *entries.changed):
                bits = np.bitwise_count(plain[:, :, None] ^ words[places[:, there]][:, None, :])
                for axis in (1, 2):
                    np.minimum(least, bits.min(axis=axis).mean(axis=1, dtype=np.float32), out=least)
        out[begin : begin + STEP] = least
    return out
