"""Copies that a learned embedder sees and pixels do not: another grading, a filter, a picture in a frame.

An embedder takes two takes of one scene for nearly the same. So the rule is the one for pixels: the vectors of the
pictures, in order of time, must be nearly the same **and change in the same way**; a clip in whose vectors little
changes is left alone. Vectors are projected to 96 dimensions (random projection keeps angles: Johnson and
Lindenstrauss 1984) of 8 bits.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from stages.near.buckets import Entries
from synflow.contract import Context, Item
from synflow.ids import seed_of
from synflow.media.matching import SAME_CHANGE, in_order
from synflow.media.signature import energy
from synflow.records import Sample

DIMENSIONS = 96
MOVES = 0.02
"""Mean squared change of unit vectors over time under which two clips cannot be told apart by their course."""

SAME_LENGTH = 0.8
"""Share of the pictures of the longer clip that the shorter must have: excerpts are left to pixels."""

Course = npt.NDArray[np.float32]


def embedded(sample: Sample, ctx: Context) -> Course | None:
    """Return the vectors of the pictures of a clip, ``[k, dim]``; None where there is no learned embedder."""
    if ctx.embed.model.startswith("signals"):
        return None
    pictures = ctx.media.stills(sample).pictures
    vectors = ctx.embed.embed([Item(pictures=(picture,)) for picture in pictures])
    if len(vectors) < 3 or any(vector.values is None for vector in vectors):
        return None
    return np.stack([vector.values for vector in vectors if vector.values is not None])


@lru_cache(maxsize=4)
def _projection(dim: int) -> npt.NDArray[np.float32]:
    rng = np.random.Generator(np.random.PCG64(seed_of("dedup", "projection", dim)))
    return np.asarray(rng.standard_normal((dim, DIMENSIONS)) / np.sqrt(DIMENSIONS), np.float32)


def packed_course(vectors: Course | None) -> str:
    """Return vectors as text, 96 bytes each before base64; empty for None."""
    if vectors is None:
        return ""
    rows = vectors @ _projection(vectors.shape[1])
    rows /= np.maximum(1e-6, np.linalg.norm(rows, axis=1, keepdims=True))
    whole = np.clip(np.round(rows * 254), -127, 127).astype(np.int8)
    return base64.b64encode(whole.tobytes()).decode("ascii")


def unpacked_course(text: str) -> Course:
    """Return unit vectors, float32 ``[k, 96]``."""
    rows = np.frombuffer(base64.b64decode(text), np.int8).reshape(-1, DIMENSIONS).astype(np.float32)
    return np.asarray(rows / np.maximum(1e-6, np.linalg.norm(rows, axis=1, keepdims=True)), np.float32)


def course_entries(courses: Iterable[tuple[int, str]]) -> Entries:
    """Return hashes of clips (number and course): on which side of the mean of all clips they lie, 63 times."""
    owner: list[int] = []
    means: list[Course] = []
    for place, text in courses:
        owner.append(place)
        means.append(unpacked_course(text).mean(axis=0))
    if not means:
        return Entries.nothing()
    rows = np.stack(means)
    bits = np.zeros((len(rows), 64), np.uint8)
    bits[:, :63] = (rows - rows.mean(axis=0))[:, :63] > 0
    words = np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little")).view(np.uint64)[:, 0]
    return Entries(words[None], np.array(owner, np.int32))


def alike_courses(one: Course, other: Course, at_least: float) -> bool:
    """Tell whether two courses ``[k, 96]`` show the same and change in the same way, both told with confidence."""
    short, long = sorted((one, other), key=len)
    if len(short) < max(3, SAME_LENGTH * len(long)) or min(energy(short), energy(long)) < MOVES:
        return False
    likeness = short @ long.T
    path = in_order(likeness[None])[0]
    found = long[path]
    if float(likeness[np.arange(len(short)), path].mean()) < at_least:
        return False
    here, there = short - short.mean(axis=0), found - found.mean(axis=0)
    common = float((here * there).sum())
    return common >= max(SAME_CHANGE, 0.8) * float(np.sqrt((here**2).sum() * (there**2).sum()))
