"""Values of many objects as one sequence: in order, by place, and never from an object that is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synflow.durable import Attempt
from synflow.errors import Damage
from synflow.store.layout import RunLayout
from synflow.store.lines import StoredLines, seal_lines
from synflow.store.receipts import ObjectRef

SHARDS: list[list[Any]] = [
    [{"n": 0, "text": "\u2028 line \x85 ends\r\n"}],
    [],
    [{"n": 1}, [2, "ü"], None],
    [{"n": 4, "text": "x" * 20_000}, {"n": 5}],
]
VALUES = [value for shard in SHARDS for value in shard]


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout(tmp_path)
    layout.prepare(("curate",))
    return layout


@pytest.fixture
def refs(layout: RunLayout) -> list[ObjectRef | None]:
    with Attempt(layout.staging) as attempt:
        found: list[ObjectRef | None] = [seal_lines(layout, attempt, "rows", shard) for shard in SHARDS]
    return [*found[:2], None, *found[2:]]


def test_all_values_are_there_in_order_and_by_place(layout: RunLayout, refs: list[ObjectRef | None]) -> None:
    lines = StoredLines(layout, refs)
    assert len(lines) == len(VALUES)
    assert list(lines) == VALUES
    assert list(lines) == VALUES
    assert [lines[place] for place in reversed(range(len(lines)))] == VALUES[::-1]


@pytest.mark.parametrize("place", [-1, len(VALUES), 1 << 40])
def test_a_place_beyond_the_ends_is_none(layout: RunLayout, refs: list[ObjectRef | None], place: int) -> None:
    with pytest.raises(IndexError):
        StoredLines(layout, refs)[place]


@pytest.mark.parametrize("refs", [[], [None, None]])
def test_nothing_is_stored(layout: RunLayout, refs: list[None]) -> None:
    lines = StoredLines(layout, refs)
    assert (len(lines), list(lines)) == (0, [])
    with pytest.raises(IndexError):
        lines[0]


def harmed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1", b"7", 1))


@pytest.mark.parametrize(("harm", "said"), [(harmed, "is damaged"), (Path.unlink, "is missing")])
def test_a_damaged_object_is_told_before_anything_is_read(
    layout: RunLayout, refs: list[ObjectRef | None], harm: Callable[[Path], None], said: str
) -> None:
    ref = refs[3]
    assert ref is not None
    harm(layout.object(ref.name))
    with pytest.raises(Damage, match=said):
        StoredLines(layout, refs)


def test_an_object_that_is_damaged_later_ends_the_way_through_it(
    layout: RunLayout, refs: list[ObjectRef | None]
) -> None:
    lines, ref = StoredLines(layout, refs), refs[3]
    assert ref is not None
    harmed(layout.object(ref.name))
    going = iter(lines)
    assert next(going) == VALUES[0]
    with pytest.raises(Damage, match="is damaged"):
        next(going)
