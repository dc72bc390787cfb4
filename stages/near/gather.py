"""The hashes of the pictures of all clips, taken in one pass through their fingerprints."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stages.near.buckets import Entries, distinct
from synflow.media.hashes import Edit, hashes, hashes_of_edits, telling
from synflow.media.signature import Signature, unpack_all

CHUNK = 512
"""Fingerprints whose pictures are hashed at a time."""

EDITS = (
    Edit(),
    Edit(mirrored=True),
    Edit(0.87),
    Edit(0.87, mirrored=True),
    *(Edit(0.94, x, y) for x in (0.0, 1.0) for y in (0.0, 1.0)),
)
"""What copies are looked up as: as they are, mirrored, cut all around or at a corner. The first meets all others."""

MIDDLE = Edit(0.7)
"""What is left of a picture where marks and subtitles are not; middles meet one another only."""


class Gather:
    """Hashes the pictures of clips, many at a time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, str | Signature]] = []
        self._words: list[npt.NDArray[np.uint64]] = []
        self._owner: list[npt.NDArray[np.int32]] = []
        self._middle: list[npt.NDArray[np.uint64]] = []

    def add(self, place: int, found: str | Signature) -> None:
        """Add the pictures of clip number ``place``, whose fingerprint may be packed."""
        self._waiting.append((place, found))
        if len(self._waiting) == CHUNK:
            self._hash()

    def middles(self, count: int) -> npt.NDArray[np.uint64]:
        """Return the hash of the middle picture of each of the ``count`` clips that were added first."""
        self._hash()
        return np.concatenate([np.zeros(0, np.uint64), *self._middle])[:count]

    def entries(self) -> tuple[Entries, Entries]:
        """Return the hashes of all pictures that were added, and those of their middles; nothing is left here."""
        self._hash()
        if not self._words:
            return Entries.nothing(), Entries.nothing()
        words, owner = np.concatenate(self._words, axis=1), np.concatenate(self._owner)
        self._words.clear()
        return Entries(words[:-1], owner), Entries(words[-1:], owner)

    def _hash(self) -> None:
        if not self._waiting:
            return
        unpacked = iter(unpack_all([found for _, found in self._waiting if isinstance(found, str)]))
        clips = [next(unpacked) if isinstance(found, str) else found for _, found in self._waiting]
        thumbs = np.concatenate([clip.thumbs for clip in clips])
        plain = hashes(thumbs)
        tells, words = telling(plain).tolist(), plain.tolist()
        chosen: list[int] = []
        owner: list[int] = []
        middle: list[int] = []
        start = 0
        for (place, _), clip in zip(self._waiting, clips, strict=True):
            end = start + len(clip.thumbs)
            middle.append((start + end) // 2)
            kept = [start + one for one in distinct(words[start:end]) if tells[start + one]]
            chosen += kept
            owner += [place] * len(kept)
            start = end
        self._words.append(hashes_of_edits(thumbs[chosen], (*EDITS, MIDDLE)))
        self._owner.append(np.array(owner, np.int32))
        self._middle.append(plain[middle])
        self._waiting.clear()
