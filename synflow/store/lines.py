"""Objects of JSON lines: written with a digest, checked against it when read."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from synflow.durable import Attempt, seal
from synflow.errors import Damage
from synflow.ids import canonical, digest
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef


def seal_lines(layout: RunLayout, attempt: Attempt, kind: str, values: Iterable[Any]) -> ObjectRef:
    """Write ``values`` as canonical JSON lines into a sealed object."""
    return seal_encoded(layout, attempt, kind, map(canonical, values))


def seal_encoded(layout: RunLayout, attempt: Attempt, kind: str, lines: Iterable[bytes]) -> ObjectRef:
    """Write encoded ``lines`` (without line ends) into a sealed object."""
    draft = attempt.draft(f"{kind}.jsonl")
    rows = 0
    for line in lines:
        draft.write(line + b"\n")
        rows += 1
    name = seal(draft, layout.objects, ".jsonl")
    return ObjectRef(name=name, bytes=draft.size, sha256=draft.digest, rows=rows)


def read_checked(layout: RunLayout, ref: ObjectRef) -> bytes:
    """Return the bytes of an object.

    Raises:
        Damage: it is missing or is not what its name says.
    """
    try:
        data = layout.object(ref.name).read_bytes()
    except FileNotFoundError:
        data = None
    if data is None or digest(data) != ref.sha256:
        state = "is missing" if data is None else "is damaged"
        raise Damage(f"{layout.object(ref.name)} {state}", f"`synflow resume {layout.root}` makes it again")
    return data


def read_lines(layout: RunLayout, ref: ObjectRef | None) -> Iterator[Any]:
    """Yield the values of an object of JSON lines; nothing where there is none.

    Raises:
        Damage: it is missing or is not what its name says.
    """
    if ref is None or ref.rows == 0:
        return
    for line in read_checked(layout, ref).splitlines():
        yield json.loads(line)


class StoredLines:
    """The values of many objects of JSON lines as one sequence that is read where it lies.

    Every object is checked once, against its digest; memory is 8 bytes a line. Going through all of them in order
    reads each object once; a single one is read by its place.

    Raises:
        Damage: an object is missing or is not what its name says.
    """

    def __init__(self, layout: RunLayout, refs: Sequence[ObjectRef | None]) -> None:
        self._layout = layout
        self._refs = [ref for ref in refs if ref is not None and ref.rows]
        self._ends: list[int] = []
        self._spots = array("Q")
        total = 0
        for ref in self._refs:
            offset = 0
            for line in read_checked(layout, ref).splitlines(keepends=True):
                self._spots.append(offset)
                offset += len(line)
                total += 1
            self._ends.append(total)

    def __len__(self) -> int:
        return len(self._spots)

    def __iter__(self) -> Iterator[Any]:
        for ref in self._refs:
            yield from read_lines(self._layout, ref)

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < len(self._spots):
            raise IndexError(place)
        with self._layout.object(self._refs[bisect_right(self._ends, place)].name).open("rb") as data:
            data.seek(self._spots[place])
            return json.loads(data.readline())
