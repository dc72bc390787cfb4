"""Hashes of thumbnails, and of what edits make of them: copies of pictures have hashes that differ in few bits.

A thumbnail's low DCT frequencies give 63 bits (signs, as in pHash). A mirrored picture flips the signs of the odd
columns, and a part of a picture is a linear map of the whole: what an edit makes of a thumbnail is hashed without
making it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from synflow.media.signature import LEVELS, SIDE, Thumbs, view

PLAIN = 5
"""Negative bits of a hash under which its picture shows nothing to know it by: black, white, a plain wall."""

Words = npt.NDArray[np.uint64]


@cache
def _waves() -> npt.NDArray[np.float32]:
    """Return what maps a flat thumbnail to its 63 low DCT coefficients but the mean, float32 ``[144, 63]``."""
    order, place = np.arange(8)[:, None], np.arange(SIDE)
    rows = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * place + 1) * order / (2 * SIDE))
    rows[0] /= np.sqrt(2)
    return np.asarray(np.kron(rows, rows)[1:].T, np.float32)


ODD = np.array([column % 2 == 1 for _ in range(8) for column in range(8)][1:])


@dataclass(frozen=True)
class Edit:
    """What may have been made of a picture: a part of it, mirrored.

    Attributes:
        part: share of its sides that is left. x, y: where that lies, 0 (left, top) to 1.
        mirrored: left and right are exchanged.
    """

    part: float = 1.0
    x: float = 0.5
    y: float = 0.5
    mirrored: bool = False


def hashes(thumbs: Thumbs, edit: Edit = Edit()) -> Words:
    """Return a 63-bit hash of what an edit makes of each thumbnail, uint64 ``[k]``."""
    return np.asarray(hashes_of_edits(thumbs, [edit])[0])


def hashes_of_edits(thumbs: Thumbs, edits: Sequence[Edit]) -> Words:
    """Return the same of many edits, uint64 ``[edits, k]``."""
    pixels = thumbs.reshape(len(thumbs), -1).astype(np.float32) - LEVELS / 2
    bits = np.zeros((len(edits), len(thumbs), 64), np.uint8)
    for row, edit in zip(bits, edits, strict=True):
        # What is nearly 0 is noise (bars, slides): it counts as positive in every copy.
        np.greater(pixels @ _waves_of(edit), -1.2, out=row[:, :63], casting="unsafe")
    return np.ascontiguousarray(np.packbits(bits, axis=2, bitorder="little")).view(np.uint64)[:, :, 0]


@cache
def _waves_of(edit: Edit) -> npt.NDArray[np.float32]:
    """Return what maps a flat thumbnail to the coefficients of what an edit makes of it, float32 ``[144, 63]``."""
    waves = _waves() if edit.part == 1 else view(edit.part, edit.part, edit.x, edit.y) @ _waves()
    return np.where(ODD, -waves, waves) if edit.mirrored else waves


def telling(words: Words) -> npt.NDArray[np.bool_]:
    """Tell which hashes are of pictures that show something."""
    return np.asarray(63 - np.bitwise_count(words) >= PLAIN)
