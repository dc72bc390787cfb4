"""Vectors of queries and items, in files of a few hundred: embedded once, read a file at a time.

A file is named by the model and by the digests of what it was made from, so what has not changed is never embedded
again, whoever asks; an interruption costs one file at most, and a corpus may be larger than the memory.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from synflow.asks import Embedder, Item
from synflow.durable import Attempt, forget, make_folder, publish
from synflow.errors import ServiceDown
from synflow.evaluate.collection import Entry
from synflow.evaluate.media import Loader
from synflow.ids import digest, digest_of
from synflow.models.contract import values_of

BLOCK = 512
"""Items of a file."""

BATCH = 64
"""Items that the embedder is given at once."""

OPEN = 64
"""Files that are held open at a time for single items."""

FORMAT = 1

Single = npt.NDArray[np.float32]
Shape = Literal["one", "parts", "both"]
"""One vector for an item; one for each of its parts; or the one, followed by those of its parts."""


@dataclass(frozen=True)
class Batch:
    """Vectors of some items, one below the other.

    Attributes:
        rows: float32 ``[n, dim]``, unit vectors.
        starts: int64 ``[items + 1]``: those of item i are ``rows[starts[i]:starts[i + 1]]``; none where the embedder
            abstained or there was nothing to embed.
    """

    rows: Single
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def there(self) -> npt.NDArray[np.bool_]:
        """Which items have vectors."""
        return np.diff(self.starts) > 0

    def of(self, place: int) -> Single:
        """Return the vectors of one item."""
        return self.rows[self.starts[place] : self.starts[place + 1]]

    def first(self) -> Single:
        """Return the first vector of each item, ``[items, dim]``; NaN where there is none."""
        there = self.there
        if there.all():
            return self.rows[self.starts[:-1]] if len(self.rows) != len(self) else self.rows
        found = np.full((len(self), self.rows.shape[1]), np.nan, np.float32)
        found[there] = self.rows[self.starts[:-1][there]]
        return found

    @classmethod
    def joined(cls, parts: Sequence[Single], width: int) -> Batch:
        """Return a batch from the vectors of single items."""
        counts = [len(part) for part in parts]
        rows = np.concatenate([np.zeros((0, width), np.float32), *[part for part in parts if len(part)]])
        return cls(rows, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64))


@dataclass(frozen=True)
class _File:
    """A file of vectors: where its numbers begin, and how many each item has."""

    path: Path
    offset: int
    width: int
    counts: tuple[int, ...]


class Vectors:
    """The vectors of one side of a dataset, in files of `BLOCK` items.

    Args:
        files: in the order of the items.
        rounded: to bfloat16, as models are compared at half precision.
    """

    def __init__(self, files: Sequence[_File], rounded: bool = False) -> None:
        self._files = list(files)
        self._rounded = rounded
        self._begin = np.cumsum([0, *(len(file.counts) for file in files)])
        self._held: OrderedDict[int, Batch] = OrderedDict()
        self.width = max((file.width for file in files), default=0)

    def __len__(self) -> int:
        return int(self._begin[-1])

    @property
    def abstained(self) -> int:
        """How many items have no vector."""
        return sum(count == 0 for file in self._files for count in file.counts)

    def blocks(self) -> Iterator[tuple[int, Batch]]:
        """Yield the vectors of a file, and the place of its first item."""
        for number in range(len(self._files)):
            yield int(self._begin[number]), self._read(number)

    def rows(self, places: npt.NDArray[np.int64]) -> Batch:
        """Return the vectors of some items, in the order of ``places``."""
        found: list[Single] = [np.zeros((0, self.width), np.float32)] * len(places)
        numbers = np.searchsorted(self._begin, places, side="right") - 1
        for number in np.unique(numbers).tolist():
            block = self._kept(number)
            for at in np.flatnonzero(numbers == number).tolist():
                found[at] = block.of(int(places[at] - self._begin[number]))
        return Batch.joined(found, self.width)

    def _kept(self, number: int) -> Batch:
        if number not in self._held:
            self._held[number] = self._read(number)
            if len(self._held) > OPEN:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]

    def _read(self, number: int) -> Batch:
        file = self._files[number]
        total = sum(file.counts)
        rows = np.zeros((0, self.width), np.float32)
        if total:
            held = np.memmap(file.path, np.float32, "r", file.offset, (total, file.width))
            rows = bfloat16(np.asarray(held)) if self._rounded else np.asarray(held)
        return Batch(rows, np.concatenate([[0], np.cumsum(file.counts, dtype=np.int64)]).astype(np.int64))


def bfloat16(values: Single) -> Single:
    """Return numbers rounded to bfloat16 (to the nearest, ties to even), as float32."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    found: Single = rounded.astype(np.uint32).view(np.float32)
    return found


class VectorCache:
    """Files of vectors of one embedder.

    Args:
        folder: of the cache.
        identity: what the embedder is, as JSON.

    Attributes:
        known, embedded: items that were there, and that were embedded now.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder / digest_of({"format": FORMAT, **identity})[:16]
        self._staging = folder / "staging"
        self.known = self.embedded = 0
        make_folder(self.folder)

    def embed(
        self, embedder: Embedder, entries: Sequence[Entry], keys: Sequence[str], loader: Loader, shape: Shape,
        tell: Callable[[int, int], None], rounded: bool = False,
    ) -> Vectors:  # fmt: skip
        """Return the vectors of entries.

        Args:
            embedder: asked for what is not known.
            entries: queries, or items of a corpus.
            keys: of the entries (`Loader.key`).
            loader: reads their pictures.
            shape: how many vectors an item gets.
            tell: is told how many are done, of how many.
            rounded: see `Vectors`.

        Raises:
            ServiceDown: the embedder is away, or mixes up what it is given.
        """
        files = []
        for start in range(0, len(entries), BLOCK):
            tell(start, len(entries))
            part, own = entries[start : start + BLOCK], list(keys[start : start + BLOCK])
            path = self.folder / f"{digest_of([shape, *own])[:40]}.vectors"
            file = _opened(path, len(part))
            if file is None:
                forget(path)
                self._make(path, embedder, part, loader, shape, partial(_further, tell, start, len(entries)))
                file = _opened(path, len(part))
                self.embedded += len(part)
            else:
                self.known += len(part)
            if file is None:
                raise ServiceDown(f"{path}: what was written cannot be read again", "check the disk")
            files.append(file)
        tell(len(entries), len(entries))
        widths = {file.width for file in files if file.width}
        if len(widths) > 1:
            raise ServiceDown(
                f"{embedder.model}: vectors of {min(widths)} and {max(widths)} numbers", "check the model"
            )
        width = next(iter(widths), 0)
        return Vectors([replace(file, width=width) for file in files], rounded)

    def _make(
        self, path: Path, embedder: Embedder, entries: Sequence[Entry], loader: Loader, shape: Shape,
        tell: Callable[[int], None],
    ) -> None:  # fmt: skip
        made: list[Single] = []
        for start in range(0, len(entries), BATCH):
            tell(start)
            made += embedded(embedder, [loader.item(entry) for entry in entries[start : start + BATCH]], shape)
        width = max((part.shape[1] for part in made), default=0)
        numbers = b"".join(np.ascontiguousarray(part, np.float32).tobytes() for part in made if len(part))
        head = {"width": width, "counts": [len(part) for part in made], "sha256": digest(numbers)}
        line = json.dumps(head, separators=(",", ":")).encode()
        # Numbers begin at a multiple of 64, so that the file can be mapped.
        line += b" " * (-(len(line) + 1) % 64) + b"\n"
        with Attempt(self._staging) as attempt:
            publish(line + numbers, path, attempt)


def _further(tell: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    tell(before + done, total)


def _opened(path: Path, count: int) -> _File | None:
    """Return a file of vectors that is whole and has as many items as it should; None for any other."""
    try:
        with path.open("rb") as stream:
            line = stream.readline()
            head = json.loads(line)
            whole = digest(stream.read()) == head["sha256"] and len(head["counts"]) == count
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _File(path, len(line), int(head["width"]), tuple(head["counts"])) if whole else None


def embedded(embedder: Embedder, items: Sequence[Item | None], shape: Shape) -> list[Single]:
    """Return the vectors of items, float32 ``[n, dim]`` each; ``[0, 0]`` where there are none.

    The parts of an item are those that the embedder itself tells (``parts(items)``), else its pictures one by one, and
    its text as a whole.

    Raises:
        ServiceDown: a vector was made from other pictures than those of its item.
    """
    whole = [] if shape == "parts" else [_single(vector) for vector in values_of(embedder, items)]
    if shape == "one":
        return whole
    told = getattr(embedder, "parts", None)
    if told is not None:
        asked = [item for item in items if item is not None]
        found = iter(told(asked) if asked else ())
        parts = [
            np.zeros((0, 0), np.float32) if item is None else np.asarray(next(found), np.float32) for item in items
        ]
    else:
        single = [(place, one) for place, item in enumerate(items) if item is not None for one in _taken_apart(item)]
        held: list[list[Single]] = [[] for _ in items]
        for (place, _), vector in zip(single, values_of(embedder, [one for _, one in single]), strict=True):
            if vector is not None:
                held[place].append(vector)
        parts = [np.stack(own) if own else np.zeros((0, 0), np.float32) for own in held]
    if shape == "parts":
        return parts
    return [
        np.concatenate([one, part]) if len(one) and len(part) else np.zeros((0, 0), np.float32)
        for one, part in zip(whole, parts, strict=True)
    ]


def _taken_apart(item: Item) -> list[Item]:
    texts = [Item(item.text, (), item.instruction)] if item.text else []
    return texts + [Item(None, (picture,), item.instruction) for picture in item.pictures]


def _single(vector: Single | None) -> Single:
    return np.zeros((0, 0), np.float32) if vector is None else vector[None]
