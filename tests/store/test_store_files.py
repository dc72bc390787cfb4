"""The small files of a run: tars and receipts are functions of their content, and what is damaged is not believed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow.durable import Attempt, seal
from synflow.errors import Damage
from synflow.store.layout import RunLayout
from synflow.store.lines import read_lines, seal_lines
from synflow.store.pack import chunked
from synflow.store.receipts import Counts, ObjectRef, Receipt, publish_receipt, read_receipt, sound_receipt
from synflow.store.tar import TarWriter, padded


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout(tmp_path)
    layout.prepare(("curate",))
    return layout


def written(layout: RunLayout, members: list[tuple[str, bytes]]) -> tuple[bytes, list[int]]:
    with Attempt(layout.staging) as attempt:
        draft = attempt.draft("x.tar")
        tar = TarWriter(draft)
        offsets = [tar.add(name, data) for name, data in members]
        tar.finish()
        return layout.object(seal(draft, layout.objects, ".tar")).read_bytes(), offsets


MEMBERS = [("a.json", b"{}"), ("a.query.txt", b""), ("a.target.0.jpg", bytes(range(256)) * 5), ("b.json", b"x" * 512)]


def test_tar_is_read_by_tarfile_and_by_offset(layout: RunLayout) -> None:
    data, offsets = written(layout, MEMBERS)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = [(one.name, tar.extractfile(one).read()) for one in tar.getmembers()]  # type: ignore[union-attr]
        assert all((one.mtime, one.uid, one.gid, one.uname) == (0, 0, 0, "") for one in tar.getmembers())
    assert found == MEMBERS
    assert [data[offset : offset + len(content)] for offset, (_, content) in zip(offsets, MEMBERS, strict=True)] == [
        content for _, content in MEMBERS
    ]
    assert offsets[2] - offsets[0] == padded(2) + padded(0)


def test_tar_bytes_are_a_function_of_the_members(layout: RunLayout, tmp_path: Path) -> None:
    assert written(layout, MEMBERS)[0] == written(layout, MEMBERS)[0]


@pytest.mark.parametrize("name", ["ü.txt", "x" * 101])
def test_tar_refuses_names_that_need_extensions(layout: RunLayout, name: str) -> None:
    with pytest.raises(ValueError, match="not a member name"):
        written(layout, [(name, b"")])


@given(st.lists(st.tuples(st.integers(1, 50)), max_size=40), st.integers(1, 9), st.integers(1, 120))
def test_chunks_hold_all_pairs_in_order_within_both_bounds(
    briefs: list[tuple[int]], max_samples: int, max_bytes: int
) -> None:
    chunks = list(chunked(briefs, max_samples, max_bytes))
    assert [brief for chunk in chunks for brief in chunk] == briefs
    for chunk in chunks:
        assert 1 <= len(chunk) <= max_samples
        assert len(chunk) == 1 or sum(brief[0] for brief in chunk) <= max_bytes


def test_lines_read_back_and_damage_is_told(layout: RunLayout) -> None:
    values = [{"b": 1, "a": "ü\u2028\r"}, [1, 2.5, None]]
    with Attempt(layout.staging) as attempt:
        ref = seal_lines(layout, attempt, "rows", values)
    assert list(read_lines(layout, ref)) == values
    path = layout.object(ref.name)
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(Damage, match="is damaged"):
        list(read_lines(layout, ref))
    path.unlink()
    with pytest.raises(Damage, match="is missing"):
        list(read_lines(layout, ref))


def receipt(layout: RunLayout, **changes: object) -> Receipt:
    with Attempt(layout.staging) as attempt:
        ref = seal_lines(layout, attempt, "samples", [{"x": 1}])
        value = {
            "pass_name": "curate",
            "shard": "000000",
            "inputs": "abc",
            "counts": Counts(inputs=2, kept=1, dropped=1),
        }
        return publish_receipt(
            layout, Receipt.model_validate({**value, "objects": {"samples": ref}, **changes}), attempt
        )


def test_first_receipt_stands(layout: RunLayout) -> None:
    first = receipt(layout)
    second = receipt(layout, drops={"a/b": 1})
    assert second == first == read_receipt(layout.receipt("curate", "000000"))


def test_receipt_whose_accounts_do_not_add_up_is_never_published(layout: RunLayout) -> None:
    with pytest.raises(ValueError, match="do not add up"):
        receipt(layout, counts=Counts(inputs=3, kept=1, dropped=1))
    assert read_receipt(layout.receipt("curate", "000000")) is None


@pytest.mark.parametrize("harm", ["object gone", "object cut", "other inputs", "receipt torn"])
def test_unsound_receipt_is_forgotten(layout: RunLayout, harm: str) -> None:
    path = layout.receipt("curate", "000000")
    home = layout.object(receipt(layout).objects["samples"].name)
    assert sound_receipt(layout, "curate", "000000", "abc") is not None
    if harm == "object gone":
        home.unlink()
    elif harm == "object cut":
        home.write_bytes(home.read_bytes()[:-1])
    elif harm == "receipt torn":
        path.write_bytes(path.read_bytes()[:-20])
    assert sound_receipt(layout, "curate", "000000", "other" if harm == "other inputs" else "abc") is None
    assert not path.exists()


@given(st.builds(Counts, **dict.fromkeys(Counts.model_fields, st.integers(0, 9))))
def test_receipts_read_back_as_they_were(counts: Counts) -> None:
    one = Receipt(
        pass_name="p", shard="s", inputs="i", counts=counts, drops={"a/b": 1},
        objects={"x": ObjectRef(name="n", bytes=1, sha256="d")},
    )  # fmt: skip
    assert Receipt.model_validate_json(one.encode()) == one
