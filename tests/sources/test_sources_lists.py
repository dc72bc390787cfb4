"""Lists become records in order; what is wrong with one line is the fault of that line only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synflow.errors import UsageError
from synflow.ids import canonical
from synflow.manifest import InputSpec
from synflow.records import InputRecord
from synflow.sources import read_inputs
from synflow.sources.record import LONGEST_TEXT, Entry, Ground, record_of, redacted


@dataclass(frozen=True)
class Lists:
    """What of a manifest the sources look at."""

    inputs: tuple[InputSpec, ...]
    folder: Path


Read = Callable[..., list[InputRecord]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def go(*clips: str, **more: Any) -> list[InputRecord]:
        specs = tuple(InputSpec(clips=one, **more) for one in clips)
        records = list(read_inputs(Lists(specs, tmp_path)))
        for record in records:
            canonical(record.model_dump(mode="json")).decode("utf-8")
            assert InputRecord.model_validate(record.model_dump()) == record
            assert "\n" not in record.fault
        return records

    return go


def lines(tmp_path: Path, *held: object, name: str = "a.jsonl") -> str:
    data = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in held)
    (tmp_path / name).write_bytes(data)
    return name


class TestJsonLines:
    def test_every_field_finds_its_place(self, tmp_path: Path, read: Read) -> None:
        record = {
            "id": "one",
            "path": "v/a.mp4",
            "caption": ["a cat", "a grey cat"],
            "licence": "MIT",
            "source": "somebody",
            "dataset": "d",
            "start": 1,
            "end": 2.5,
            "tags": ["x"],
            "shots": None,
        }
        (found,) = read(lines(tmp_path, record))
        assert found == InputRecord(
            record_id="one",
            uri="v/a.mp4",
            location=found.location,
            captions=("a cat", "a grey cat"),
            licence="MIT",
            attribution="somebody",
            dataset="d",
            start=1.0,
            end=2.5,
            extra={"tags": ["x"], "shots": None},
            list_name="a.jsonl",
            line=1,
        )
        assert found.location.path == str(tmp_path / "v/a.mp4")
        assert found.location.url == ""

    def test_defaults_of_the_list(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "films").mkdir()
        name = lines(tmp_path, {"path": "a.mp4"}, {"path": "/x/b.mp4", "licence": None, "license": "CC0"})
        first, second = read(name, root="films", licence="CC-BY-4.0", dataset="d", attribution="me")
        assert (first.licence, first.dataset, first.attribution) == ("CC-BY-4.0", "d", "me")
        assert first.location.path == str(tmp_path / "films" / "a.mp4")
        assert first.record_id == first.uri == "a.mp4"
        assert (second.licence, second.location.path, second.extra) == ("CC0", "/x/b.mp4", {})

    @pytest.mark.parametrize(
        ("record", "name"),
        [
            ({"path": "v/a.mp4"}, "v/a.mp4"),
            ({"path": "v/a.mp4", "start": 1}, "v/a.mp4#1-"),
            ({"path": "v/a.mp4", "end": 2.5}, "v/a.mp4#0-2.5"),
            ({"path": "v/a.mp4", "start": 1, "end": 2}, "v/a.mp4#1-2"),
            ({"path": "v/a.mp4", "id": 7}, "7"),
            ({"path": "v/a.mp4", "id": ""}, "v/a.mp4"),
            ({"url": "https://u:p@h/a.mp4"}, "https://h/a.mp4"),
        ],
    )
    def test_a_record_without_an_id_gets_one(
        self, tmp_path: Path, read: Read, record: dict[str, Any], name: str
    ) -> None:
        assert read(lines(tmp_path, record))[0].record_id == name

    def test_a_long_path_gives_a_short_id(self, tmp_path: Path, read: Read) -> None:
        first, second = read(lines(tmp_path, {"path": "a" * 400 + "1"}, {"path": "a" * 400 + "2"}))
        assert len(first.record_id) < 300
        assert first.record_id != second.record_id

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            (b"{", "not JSON"),
            (b"[]", "not an object but a list"),
            (b"3", "not an object but a number"),
            (b"null", "not an object but null"),
            (b'{"path": "a.mp4"', "not JSON"),
            (b'{"path": "a.mp4", "x": NaN}', "not JSON: NaN is no number"),
            (b'{"path": "a.mp4", "start": NaN}', "not JSON: NaN is no number"),
            (b'{"path": "a.mp4", "x": 1e999}', "a number is not finite"),
            (b'{"path": "a.mp4", "x": ' + b"9" * 5000 + b"}", "a number is too long"),
            (b'{"path": "a.mp4", "x": ' + b"[" * 100_000 + b"}", "nested too deeply"),
            (b'{"path": "a\xff.mp4"}', "not UTF-8 (byte 12)"),
            (b'{"path": "a.mp4", "caption": "\\ud800"}', "half a character"),
            (b'{"path": "\\ud800.mp4"}', "half a character"),
            (b'{"path": "a\\u0000.mp4"}', "path holds a control character"),
            (b'{"path": "a\\n.mp4"}', "path holds a control character"),
            (b'{"id": "x"}', "neither path nor url"),
            (b'{"path": ""}', "neither path nor url"),
            (b'{"path": 3}', "path must be a text, got a number"),
            (b'{"url": ["x"]}', "url must be a text, got a list"),
            (b'{"url": "ftp://x/y"}', "url must begin with http:// or https://"),
            (b'{"url": "http://"}', "url must begin with"),
            (b'{"url": "http://[::1"}', "url is no web address"),
            (b'{"path": "a.mp4", "id": 1.5}', "id must be a text, got a number"),
            (b'{"path": "a.mp4", "id": true}', "id must be a text, got true or false"),
            (b'{"path": "a.mp4", "id": "a\\nb"}', "id must be one line"),
            (b'{"path": "a.mp4", "caption": 3}', "caption must be a text or a list of texts, got a number"),
            (b'{"path": "a.mp4", "caption": ["x", null]}', "caption must be a text or a list of texts, got null"),
            (b'{"path": "a.mp4", "caption": {"en": "x"}}', "caption must be a text or a list of texts, got an object"),
            (b'{"path": "a.mp4", "licence": 3}', "licence must be a text"),
            (b'{"path": "a.mp4", "source": []}', "source must be a text"),
            (b'{"path": "a.mp4", "start": "1"}', "start must be a number of seconds, got a text"),
            (b'{"path": "a.mp4", "end": true}', "end must be a number of seconds, got true or false"),
            (b'{"path": "a.mp4", "start": -1}', "start must be seconds from 0 to 1000000000, got -1"),
            (
                b'{"path": "a.mp4", "start": 1' + b"0" * 400 + b"}",
                "start must be seconds from 0 to 1000000000",
            ),
            (b'{"path": "a.mp4", "start": 2, "end": 2}', "start (2) is not before end (2)"),
            (b'{"path": "a.mp4", "end": 0}', "start (0) is not before end (0)"),
            (b'{"path": "a.mp4", "start": 3, "end": 2}', "start (3) is not before end (2)"),
            (b"\0\0\0", "not JSON"),
        ],
    )
    def test_a_bad_line_is_a_fault_of_its_own(self, tmp_path: Path, read: Read, line: bytes, fault: str) -> None:
        good = {"id": "good", "path": "good.mp4"}
        before, bad, after = read(lines(tmp_path, good, line, {**good, "id": "after", "caption": "x"}))
        assert fault in bad.fault
        assert (bad.line, bad.list_name) == (2, "a.jsonl")
        assert bad.record_id
        assert not before.fault + after.fault + after.duplicate_of
        assert (before.record_id, after.record_id, after.line) == ("good", "after", 3)

    def test_a_fault_keeps_the_id_and_the_path_that_it_has(self, tmp_path: Path, read: Read) -> None:
        bad, worse = read(lines(tmp_path, {"id": "x", "path": "a.mp4", "caption": 3}, b"{"))
        assert (bad.record_id, bad.uri) == ("x", "a.mp4")
        assert (worse.record_id, worse.uri) == ("a.jsonl:2", "")

    def test_byte_order_mark_windows_lines_and_blank_lines(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "a.jsonl").write_bytes(
            b'\xef\xbb\xbf{"path": "a.mp4"}\r\n\r\n   \n{"path": "b.mp4"}\r\n\n\n{"path": "c.mp4"}'
        )
        assert [(one.uri, one.line, one.fault) for one in read("a.jsonl")] == [
            ("a.mp4", 1, ""),
            ("b.mp4", 4, ""),
            ("c.mp4", 7, ""),
        ]

    def test_a_very_long_line(self, tmp_path: Path, read: Read) -> None:
        whole = json.dumps({"path": "a.mp4", "x": "y" * (1 << 20)}).encode()
        endless = b'{"path": "' + b"z" * (2 * LONGEST_TEXT) + b'"}'
        first, second, third = read(lines(tmp_path, whole, endless, {"path": "b.mp4"}))
        assert not first.fault
        assert second.fault == "the line is longer than 16 MiB"
        assert (third.uri, third.line) == ("b.mp4", 3)

    def test_an_empty_list_has_no_records(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "a.jsonl").write_bytes(b"")
        assert read("a.jsonl") == []

    def test_a_caption_that_is_empty_stays_a_caption(self, tmp_path: Path, read: Read) -> None:
        held = [{"path": f"{n}.mp4", "caption": caption} for n, caption in enumerate(["", None, []])]
        assert [one.captions for one in read(lines(tmp_path, *held))] == [("",), (), ()]

    def test_a_hundred_thousand_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "big.jsonl"
        row = (
            '{{"id": "v{0}", "path": "videos/{0}.mp4", "caption": "a man walks {0}", "licence": "CC0", "tags": [1]}}\n'
        )
        path.write_text("".join(row.format(n) for n in range(100_000)))
        before = time.process_time()
        count = sum(1 for _ in read_inputs(Lists((InputSpec(clips=str(path)),), tmp_path)))
        assert count == 100_000
        assert time.process_time() - before < 10


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            ("https://user:pass@h.org:8080/a.mp4?x=1", "https://h.org:8080/a.mp4?x=1"),
            ("https://h/a.mp4?X-Amz-Signature=abc&v=2", "https://h/a.mp4?X-Amz-Signature=REDACTED&v=2"),
            ("https://h/a.mp4?token=abc#t=3", "https://h/a.mp4?token=REDACTED#t=3"),
            ("http://h/a%20b.mp4?q=a+b", "http://h/a%20b.mp4?q=a+b"),
        ],
    )
    def test_credentials_are_not_shown(self, tmp_path: Path, read: Read, given: str, shown: str) -> None:
        by_url, by_path = read(lines(tmp_path, {"id": "a", "url": given}, {"id": "b", "path": given, "caption": "x"}))
        assert by_url.uri == by_path.uri == redacted(given) == shown
        assert by_url.location.url == by_path.location.url == given

    def test_a_path_goes_before_an_address(self, tmp_path: Path, read: Read) -> None:
        (found,) = read(lines(tmp_path, {"path": "a.mp4", "url": "https://u:p@h/a.mp4"}))
        assert found.uri == "a.mp4"
        assert found.location.url == ""
        assert found.extra == {"url": "https://h/a.mp4"}


class TestRepeats:
    def test_the_same_id_or_the_same_content_is_marked(self, tmp_path: Path, read: Read) -> None:
        name = lines(
            tmp_path,
            {"id": "a", "path": "a.mp4"},
            {"id": "a", "path": "b.mp4"},
            {"id": "b", "path": "a.mp4"},
            {"id": "c", "path": "b.mp4"},
            {"id": "d", "path": "a.mp4", "caption": "x"},
            {"id": "e", "path": "a.mp4", "start": 1},
            {"path": "a.mp4", "start": 1},
            {"path": "z.mp4"},
            {"path": "z.mp4", "caption": "other"},
        )
        marks = [one.duplicate_of for one in read(name)]
        # The second is dropped, so that what it shows may still come in with the fourth.
        assert marks == ["", "a.jsonl:1", "a.jsonl:1", "", "", "", "a.jsonl:6", "", "a.jsonl:8"]

    def test_across_lists(self, tmp_path: Path, read: Read) -> None:
        lines(tmp_path, {"path": "a.mp4"}, name="a.jsonl")
        lines(tmp_path, b"", {"path": "a.mp4"}, {"path": "b.mp4"}, name="b.jsonl")
        found = read("a.jsonl", "b.jsonl")
        assert [(one.list_name, one.line, one.duplicate_of) for one in found] == [
            ("a.jsonl", 1, ""),
            ("b.jsonl", 2, "a.jsonl:1"),
            ("b.jsonl", 3, ""),
        ]

    def test_the_same_relative_path_under_another_root_is_another_video(self, tmp_path: Path, read: Read) -> None:
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir()
            lines(tmp_path, {"path": "a.mp4"}, name=f"{folder}/list.jsonl")
        first, second, third = read("one/list.jsonl", "two/list.jsonl", "two/list.jsonl")
        assert (first.record_id, first.list_name, first.duplicate_of) == ("a.mp4", "list.jsonl", "")
        assert (second.record_id, second.list_name, second.duplicate_of) == ("list.jsonl(2)/a.mp4", "list.jsonl(2)", "")
        assert third.duplicate_of == "list.jsonl(2):1"

    def test_a_bad_line_does_not_stand_in_the_way(self, tmp_path: Path, read: Read) -> None:
        bad, good = read(lines(tmp_path, {"id": "a", "path": "a.mp4", "end": -1}, {"id": "a", "path": "a.mp4"}))
        assert bad.fault
        assert not good.duplicate_of


class TestCsv:
    def test_columns_by_name(self, tmp_path: Path, read: Read) -> None:
        text = 'id,path,caption,start,end,note\r\n1,a.mp4,"a cat, asleep",0,2.5,x\r\n\r\n2,b.mp4,,,,\r\n'
        (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
        first, second = read("a.csv")
        assert (first.record_id, first.captions, first.start, first.end) == ("1", ("a cat, asleep",), 0.0, 2.5)
        assert first.extra == {"note": "x"}
        assert (second.captions, second.start, second.extra, second.line) == ((), None, {}, 4)

    def test_more_than_one_caption(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "a.csv").write_text("path,caption,caption\na.mp4,one,two\nb.mp4,,three\n")
        assert [one.captions for one in read("a.csv")] == [("one", "two"), ("three",)]

    def test_a_cell_over_several_lines_keeps_the_count(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "a.csv").write_text('path,caption\na.mp4,"one\ntwo"\nb.mp4,x\n')
        assert [(one.line, one.captions) for one in read("a.csv")] == [(2, ("one\ntwo",)), (4, ("x",))]

    @pytest.mark.parametrize(
        ("row", "fault"),
        [
            (b"a.mp4", "1 cells where the first row names 3"),
            (b"a.mp4,x,1,2", "4 cells where the first row names 3"),
            (b"a.mp4,x,soon", "start must be a number of seconds, got a text"),
            (b"a.mp4,x,nan", "start"),
            (b"a.mp4,x,inf", "start"),
            (b"a.mp4,x,-1", "start must be seconds from 0 to"),
            (b"a.mp4,caf\xe9,1", "half a character"),
            (b'"a"b.mp4,x,1', "not CSV"),
            (b",x,1", "neither path nor url"),
            (b"a.mp4," + b"x" * 200_000 + b",1", "not CSV: field larger"),
        ],
    )
    def test_a_bad_row_is_a_fault_of_its_own(self, tmp_path: Path, read: Read, row: bytes, fault: str) -> None:
        (tmp_path / "a.csv").write_bytes(b"path,caption,start\ngood.mp4,x,1\n" + row + b"\nlast.mp4,x,1\n")
        first, bad, last = read("a.csv")
        assert fault in bad.fault
        assert bad.line == 3
        assert (first.uri, last.uri, last.line, last.fault) == ("good.mp4", "last.mp4", 4, "")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "no column is called path or url"),
            ("file,caption\na.mp4,x\n", "no column is called path or url"),
            ("path;caption\na.mp4;x\n", "no column is called path or url"),
            ("path,note,note\na,b,c\n", "the column 'note' stands twice"),
        ],
    )
    def test_a_header_that_cannot_be_used(self, tmp_path: Path, read: Read, text: str, said: str) -> None:
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(UsageError, match=said) as caught:
            read("a.csv")
        assert "a.csv:1" in caught.value.cause


class TestParquet:
    def test_columns_by_name_and_batches(self, tmp_path: Path, read: Read) -> None:
        count = 5000
        table = pa.table(
            {
                "path": [f"{n}.mp4" for n in range(count)],
                "caption": [["a", "b"]] * count,
                "end": pa.array([1.5] * count, pa.float32()),
                "when": pa.array([0] * count, pa.timestamp("s")),
                "jpg": pa.array([b"\xff"] * count, pa.binary()),
                "score": [float("nan")] * count,
                "meta": [{"k": 1}] * count,
            }
        )
        pq.write_table(table, tmp_path / "a.parquet")
        found = read("a.parquet")
        assert [one.line for one in found] == list(range(1, count + 1))
        assert (found[-1].uri, found[-1].captions, found[-1].end) == (f"{count - 1}.mp4", ("a", "b"), 1.5)
        assert found[0].extra == {"when": "1970-01-01T00:00:00", "score": None, "meta": {"k": 1}}

    def test_wrong_types_are_faults(self, tmp_path: Path, read: Read) -> None:
        table = pa.table(
            {"path": ["a.mp4", None, "c.mp4"], "start": [float("nan"), 1.0, None], "caption": [1, 2, None]}
        )
        pq.write_table(table, tmp_path / "a.parquet")
        first, second, third = read("a.parquet")
        assert first.fault.endswith("got NaN")
        assert second.fault == "neither path nor url"
        assert not third.fault

    def test_what_is_no_parquet(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"\0" * 100)
        with pytest.raises(UsageError, match="not a parquet file"):
            read("a.parquet")
        pq.write_table(pa.table({"file": ["a"]}), tmp_path / "b.parquet")
        with pytest.raises(UsageError, match="no column is called path or url"):
            read("b.parquet")
        with pytest.raises(UsageError, match="no such list"):
            read("c.parquet")


class TestUnreadable:
    @pytest.mark.parametrize(
        ("name", "data", "said"),
        [
            ("a.jsonl", None, "there is no such list"),
            ("a.csv", None, "there is no such list"),
            ("a.txt", b"x", "is of no known kind"),
            ("nothing", None, "does not exist"),
            ("a.jsonl", '{"path": "a.mp4"}'.encode("utf-16"), "UTF-16"),
            ("a.jsonl", b"\x1f\x8b\x08\x00", "compressed"),
            ("a.csv", b"PAR1", "a parquet file"),
            ("a.jsonl", b"\0" * 100, "not text"),
        ],
    )
    def test_a_list_as_a_whole(self, tmp_path: Path, read: Read, name: str, data: bytes | None, said: str) -> None:
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=said) as caught:
            read(name)
        assert caught.value.exit_code == 2
        assert caught.value.remedy
        assert name in caught.value.cause

    def test_a_root_that_is_no_folder(self, tmp_path: Path, read: Read) -> None:
        with pytest.raises(UsageError, match="the root of a list does not exist"):
            read(lines(tmp_path, {"path": "a.mp4"}), root="nowhere")

    @pytest.mark.parametrize("clips", ["a\0b.jsonl", "x" * 300 + ".jsonl", "a\ud800.jsonl"])
    def test_what_is_no_path(self, tmp_path: Path, clips: str) -> None:
        spec = InputSpec.model_construct(clips=clips, root=None, licence="x", dataset="", attribution="")
        with pytest.raises(UsageError):
            list(read_inputs(Lists((spec,), tmp_path)))


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
fields = st.dictionaries(
    st.sampled_from(
        ["id", "path", "url", "caption", "licence", "license", "source", "dataset", "start", "end", "other"]
    )
    | st.text(max_size=4),
    plain | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=3), plain, max_size=2),
    max_size=6,
)


@given(fields)
@settings(max_examples=400, deadline=None)
def test_no_entry_raises_and_every_record_can_be_stored(held: dict[str, Any]) -> None:
    record = record_of(Entry(3, held), Ground("l.jsonl", "/root"))
    assert record.record_id
    assert record.line == 3
    canonical(record.model_dump(mode="json")).decode("utf-8")
    assert record.fault or record.location.path or record.location.url


@given(st.binary(max_size=60), st.sampled_from([".jsonl", ".csv"]))
@settings(max_examples=200, deadline=None)
def test_no_file_raises_anything_but_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    head = b"path,caption,start\n" if suffix == ".csv" else b""
    (folder / f"a{suffix}").write_bytes(head + data)
    try:
        records = list(read_inputs(Lists((InputSpec(clips=f"a{suffix}"),), folder)))
    except UsageError as error:
        assert error.remedy
    else:
        for record in records:
            canonical(record.model_dump(mode="json")).decode("utf-8")
