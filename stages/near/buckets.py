"""Which clips of a corpus may be copies of one another: pairs of clips that have pictures with nearly equal hashes.

Locality-sensitive hashing over the hashes of all clips at once (Gionis, Indyk and Motwani 1999: tables keyed by random
bits), on sorted arrays. Memory is 8 bytes a hash, and 9 of them a picture; time grows a little faster than their
number. What many clips have in common (a studio's opening, an empty slide) makes large buckets: there every
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

PART = 1 << 20
"""Hashes that are sorted at a time, about."""

FEW = 64
"""Clips up to which every pair is a candidate: to compare their courses then costs less than to sort their hashes."""

HELD = 8_000_000
"""Meetings after which those that are there more than once are thrown out."""

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """Hashes of pictures, and the clips they are of.

    Attributes:
        words: hashes of the pictures as they are, and of what each of some edits makes of them (mirrored, cropped),
            uint64 ``[1 + edits, n]``; the latter meet the former only.
        owner: number of the clip of each picture, int32 ``[n]``.
    """

    words: Words
    owner: npt.NDArray[np.int32]

    @classmethod
    def nothing(cls) -> Entries:
        """Return those of no clips."""
        return cls(np.zeros((1, 0), np.uint64), np.zeros(0, np.int32))


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

    Of up to `FEW` clips they are all that there are, where ``near`` is not asked for.

    Args:
        entries: of all clips, those of a clip together and in order of time, lower numbers first.
        most: entries that one is compared with in each table; bounds the work where buckets are large.
        near: see `NEAR`; 0: as fits their number.
        tables: see `TABLES`.
        width: bits that make a bucket; 0: as fits their number.
    """
    there = np.unique(entries.owner).astype(np.int64)
    if len(there) <= FEW and not near:
        return np.stack([there[side] for side in np.triu_indices(len(there), 1)], axis=1)
    words = entries.words.reshape(-1)
    found = [np.zeros(0, np.uint64)]
    held = 0
    doublings = math.log2(max(2, len(words)))
    width = width or int(np.clip(doublings - 1, 8, 24))
    near = near or int(np.clip(round(22 - 0.6 * doublings), NEAREST, NEAR))
    for table in range(tables):
        for codes in _of_table(entries, rng_of("dedup", table).sample(range(63), 63), width, most, near):
            found.append(codes)
            held += len(codes)
            if held > HELD:
                found, held = [_each_once(found)], 0
    pairs = _each_once(found)
    return np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)


def _each_once(found: Sequence[Words]) -> Words:
    """Return what is there in order and each once."""
    ranked = np.sort(np.concatenate(found))
    return np.asarray(ranked[np.concatenate([ranked[:1] == ranked[:1], ranked[1:] != ranked[:-1]])], np.uint64)


def _of_table(entries: Entries, bits: Sequence[int], width: int, most: int, near: int) -> Iterator[Words]:
    """Yield the pairs of clips that meet in one order of bits, as ``lower << 32 | higher``."""
    words = entries.words.reshape(-1)
    moves = _moves(bits)
    # Buckets lie in parts, by their first bits: memory holds what is moved and sorted of one part only.
    apart = int(np.clip(math.ceil(math.log2(max(1, len(words)) / PART)), 0, 6))
    part_of = np.zeros(len(words), np.uint8)
    for begin in range(0, len(words), PART):
        some = words[begin : begin + PART]
        for bit in bits[:apart]:
            part_of[begin : begin + PART] <<= 1
            part_of[begin : begin + PART] |= (some >> np.uint64(bit)).astype(np.uint8) & np.uint8(1)
    for part in range(1 << apart):
        places = np.flatnonzero(part_of == part)
        ranked = _permuted(words[places], moves)
        order = _ordered(ranked, places, entries, moves, most)
        yield from _meetings(ranked[order], places[order], entries.owner, width, most, near)


def _following(places: Places, entries: Entries) -> Words:
    """Return, for some hashes, that of the next picture of the clip; for the last one the first."""
    count = len(entries.owner)
    edit, here = places // count, places % count
    owner = entries.owner[here]
    there = here + 1
    last = (there == count) | (entries.owner[np.minimum(there, count - 1)] != owner)
    there[last] = np.searchsorted(entries.owner, owner[last], side="left")
    return np.asarray(entries.words[edit, there], np.uint64)


def _moves(bits: Sequence[int]) -> Words:
    """Return, for each 16 bits of a word and each of their values, where they go, uint64 ``[4, 65536]``."""
    goal = np.zeros(64, np.uint64)
    for rank, bit in enumerate(bits):
        goal[bit] = np.uint64(1) << np.uint64(62 - rank)
    out = np.zeros((4, 1 << 16), np.uint64)
    for part, bit in np.ndindex(4, 16):
        out[part, 1 << bit : 2 << bit] = out[part, : 1 << bit] | goal[16 * part + bit]
    return out


def _permuted(words: Words, moves: Words) -> Words:
    """Return the words with their bits in another order."""
    out = np.zeros(len(words), np.uint64)
    parts = np.ascontiguousarray(words).astype("<u8", copy=False).view("<u2").reshape(-1, 4)
    for begin in range(0, len(words), PART):
        for part in range(4):
            out[begin : begin + PART] |= moves[part].take(parts[begin : begin + PART, part])
    return out


def _meetings(
    ranked: Words, places: Places, owner: npt.NDArray[np.int32], width: int, most: int, near: int
) -> Iterator[Words]:
    """Yield pairs of owners, as ``lower << 32 | higher``, whose words agree in the first ``width`` of 63 bits."""
    count = len(owner)
    bucket = np.uint64(1) << np.uint64(63 - width)
    plain = np.flatnonzero(places < count)
    for way in (1, -1):
        alive, mine = plain, ranked[plain]
        for step in range(way, way * (most + 1), way):
            # They are sorted: who differs from one in the first bits does so from all that follow.
            within = np.searchsorted(alive, [max(0, -step), len(ranked) - max(0, step)])
            alive, mine = alive[slice(*within)], mine[slice(*within)]
            other = mine ^ ranked[alive + step]
            same = other < bucket
            alive, mine, other = alive[same], mine[same], other[same]
            if len(alive) == 0:
                break
            here = alive[np.bitwise_count(other) <= near]
            if way < 0:
                # Two plain ones have met on the way up.
                here = here[places[here + step] >= count]
            if len(here):
                first, second = owner[places[here]], owner[places[here + step] % count]
                low, high = np.minimum(first, second).astype(np.uint64), np.maximum(first, second).astype(np.uint64)
                yield (low << np.uint64(32) | high)[first != second]


def _ordered(words: Words, places: Places, entries: Entries, moves: Words, most: int) -> Places:
    """Return the order of the words by their first 40 bits or more; of those that are equal in these, by their places.

    Where more than ``most`` are equal, it is the order of what comes beside them.
    """
    # The place in the last bits: numbers are sorted several times as fast as their places are.
    low = (np.uint64(1) << np.uint64(max(1, len(words)).bit_length())) - np.uint64(1)
    keys = np.sort((words << np.uint64(1) & ~low) | np.arange(len(words), dtype=np.uint64))
    order = (keys & low).astype(np.int64)
    begins = np.flatnonzero(np.concatenate([[True], (keys[1:] ^ keys[:-1]) > low, [True]]))
    sizes = np.diff(begins)
    crowded = np.flatnonzero(sizes > most)
    if len(crowded):
        where = np.concatenate([np.arange(begins[run], begins[run + 1]) for run in crowded])
        same = order[where]
        beside = _permuted(_following(places[same], entries), moves)
        order[where] = same[np.lexsort((same, beside, np.repeat(crowded, sizes[crowded])))]
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
            plain = entries.words[0][places[:, here]]
            for words in entries.words:
                bits = np.bitwise_count(plain[:, :, None] ^ words[places[:, there]][:, None, :])
                for axis in (1, 2):
                    np.minimum(least, bits.min(axis=axis).mean(axis=1, dtype=np.float32), out=least)
        out[begin : begin + STEP] = least
    return out
