"""Round trip: among its near neighbours, does a caption find its own clip?

Vectors stand in the rows of a run as whole numbers of eight bits, so that sums of their products are exact in float32,
whatever the order of summing: ranks are the same on every machine and for any number of threads.

Up to `CELL` clips each caption is compared with all of them. In a larger run clips are put into cells of like ones,
around clips that a seed draws, and compared within their cell: near neighbours are the hard ones, and the work grows
with the number of clips times `CELL` only.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synflow.ids import rng_of

CELL = 4096
"""Most clips that a caption is compared with, on average."""

LONGEST = 4000.0
"""Length of a vector of whole numbers at most: products of two sum to less than 2 ** 24, the last exact float32."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Packed:
    """A unit vector as whole numbers; ``scale`` is what one of them is worth."""

    numbers: npt.NDArray[np.int8]
    scale: float


def pack(vector: npt.NDArray[np.float32]) -> str:
    """Return a unit vector as text, about 1.4 bytes a dimension."""
    most = float(np.abs(vector).max())
    step = max(most / 127.0, 1.0 / LONGEST, 1e-12)
    numbers = np.round(vector.astype(np.float64) / step).astype(np.int8)
    return f"{step:.9e} {base64.b64encode(numbers.tobytes()).decode('ascii')}"


def unpack(text: str) -> Packed:
    """Return the vector that `pack` wrote."""
    scale, _, numbers = text.partition(" ")
    return Packed(np.frombuffer(base64.b64decode(numbers), np.int8), float(scale))


def ranks(texts: Sequence[str], clips: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Return the rank of each caption's own clip among its neighbours (1 is best), and how many those are.

    Args:
        texts: packed vectors of captions.
        clips: packed vectors of their clips, in the same order and space.
        seed: draws the clips around which cells are made.
    """
    ranked, sizes = [0] * len(texts), [0] * len(texts)
    told = [unpack(text) for text in texts]
    shown = [unpack(clip) for clip in clips]
    for cell in _cells(shown, seed):
        queries = np.stack([told[place].numbers for place in cell]).astype(np.float32)
        targets = np.stack([shown[place].numbers for place in cell]).astype(np.float32)
        scales = np.array([shown[place].scale for place in cell])
        for start in range(0, len(cell), 512):
            part = slice(start, start + 512)
            fits = (queries[part] @ targets.T).astype(np.float64) * scales
            own = fits[np.arange(len(fits)), np.arange(start, start + len(fits))]
            better = (fits > own[:, None]).sum(axis=1)
            for place, count in zip(cell[part], better, strict=True):
                ranked[place], sizes[place] = int(count) + 1, len(cell)
    return ranked, sizes


def _cells(shown: Sequence[Packed], seed: int) -> Iterator[list[int]]:
    """Yield the places of clips that are compared with each other; every place once."""
    count = -(-len(shown) // CELL)
    if count <= 1:
        if shown:
            yield list(range(len(shown)))
        return
    centers = sorted(rng_of(seed, "round-trip", len(shown)).sample(range(len(shown)), count))
    middle = np.stack([shown[place].numbers for place in centers]).astype(np.float32)
    scales = np.array([shown[place].scale for place in centers])
    cells: list[list[int]] = [[] for _ in centers]
    for start in range(0, len(shown), 4096):
        block = np.stack([one.numbers for one in shown[start : start + 4096]]).astype(np.float32)
        nearest = np.argmax((block @ middle.T).astype(np.float64) * scales, axis=1)
        for offset, cell in enumerate(nearest):
            cells[int(cell)].append(start + offset)
    for cell in cells:
        # A crowded cell is dealt out, so that no comparison grows beyond its bound.
        parts = max(1, round(len(cell) / CELL))
        yield from (cell[part::parts] for part in range(parts) if cell[part::parts])
