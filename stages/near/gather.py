"""The hashes of the pictures of all clips, taken in one pass through their fingerprints."""

from __future__ import annotations

from array import array

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
        # Arrays that grow where they lie: lists of small ones would leave memory in pieces.
        self._words = [array("Q") for _ in (*EDITS, MIDDLE)]
        self._owner, self._middle = array("q"), array("Q")

    def add(self, place: int, found: str | Signature) -> None:
        """Add the pictures of clip number ``place``, whose fingerprint may be packed."""
        self._waiting.append((place, found))
        if len(self._waiting) == CHUNK:
            self._hash()

    def middles(self, count: int) -> npt.NDArray[np.uint64]:
        """Return the hash of the middle picture of each of the ``count`` clips that were added first."""
        self._hash()
        return np.frombuffer(self._middle, np.uint64, count).copy() if count else np.zeros(0, np.uint64)

    def entries(self, number: npt.NDArray[np.int64]) -> tuple[Entries, Entries]:
        """Return the hashes of all pictures that were added, and those of their middles; nothing is left here.

        Args:
            number: of each clip, by the place it was added with: their order there.
        """
        self._hash()
        if not self._owner:
            return Entries.nothing(), Entries.nothing()
        owner = number[np.frombuffer(self._owner, np.int64)].astype(np.int32)
        order = np.argsort(owner, kind="stable")
        words = np.empty((len(self._words), len(owner)), np.uint64)
        for place in range(len(self._words)):
            words[place] = np.frombuffer(self._words[place], np.uint64)[order]
            self._words[place] = array("Q")
        self._owner = array("q")
        return Entries(words[:-1], owner[order]), Entries(words[-1:], owner[order])

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
        for held, found in zip(self._words, hashes_of_edits(thumbs[chosen], (*EDITS, MIDDLE)), strict=True):
            held.frombytes(found.tobytes())
        self._owner.extend(owner)
        self._middle.frombytes(plain[middle].tobytes())
        self._waiting.clear()
