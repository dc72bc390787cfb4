"""Lists, tars and videos in an object store: read by ranges, and only where the manifest says so."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest

from synflow.errors import ClipFailure, ServiceDown, UsageError
from synflow.manifest import InputSpec
from synflow.records import InputRecord, Location
from synflow.sources import objects, read_inputs
from synflow.sources.objects import fetch_object


@dataclass(frozen=True)
class Lists:
    """What of a manifest the sources look at."""

    inputs: tuple[InputSpec, ...]
    folder: Path


Put = Callable[[str, bytes], str]
Read = Callable[..., list[InputRecord]]


@pytest.fixture
def put() -> Iterator[Put]:
    store = fsspec.filesystem("memory")

    def write(name: str, data: bytes) -> str:
        store.pipe_file(f"/bucket/{name}", data)
        return f"memory://bucket/{name}"

    yield write
    store.rm("/bucket", recursive=True)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return lambda clips, root=None: list(read_inputs(Lists((InputSpec(clips=clips, root=root),), tmp_path)))


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def tar_of(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name.replace("_dot_", "."))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


class TestLists:
    def test_paths_of_a_list_in_a_bucket_start_beside_it(self, put: Put, read: Read) -> None:
        clips = put("set/videos.jsonl", lines({"path": "a/b.mp4", "caption": "a dog"}, {"path": "/c.mp4"}))
        first, second = read(clips)
        assert first.location == Location(url="memory://bucket/set/a/b.mp4")
        assert (first.uri, first.captions, first.record_id) == ("a/b.mp4", ("a dog",), "a/b.mp4")
        assert second.location.url == "memory://bucket/set/c.mp4"

    def test_a_list_here_may_have_its_root_in_a_bucket(self, tmp_path: Path, put: Put, read: Read) -> None:
        put("v/b.mp4", b"x")
        (tmp_path / "videos.csv").write_bytes(b"path,caption\nb.mp4,a cat\n")
        (record,) = read("videos.csv", "memory://bucket/v/")
        assert record.location.url == "memory://bucket/v/b.mp4"

    def test_the_same_list_gives_the_same_records_here_and_there(self, tmp_path: Path, put: Put, read: Read) -> None:
        text = lines({"path": "b.mp4", "caption": "a"}, {"nothing": 1}, {"path": "b.mp4", "caption": "a"})
        (tmp_path / "videos.jsonl").write_bytes(text)
        here, there = read("videos.jsonl"), read(put("videos.jsonl", text))
        bare = [[one.model_copy(update={"location": Location()}) for one in side] for side in (here, there)]
        assert bare[0] == bare[1]
        assert there[1].fault == "neither path nor url"
        assert there[2].duplicate_of == "videos.jsonl:1"

    def test_a_parquet_list_is_read_by_ranges(self, tmp_path: Path, put: Put, read: Read) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"path": ["a.mp4"], "caption": ["a hen"]}), tmp_path / "x.parquet")
        (record,) = read(put("x.parquet", (tmp_path / "x.parquet").read_bytes()))
        assert (record.location.url, record.captions) == ("memory://bucket/a.mp4", ("a hen",))

    def test_only_buckets_that_the_manifest_names_are_read(self, put: Put, read: Read) -> None:
        rows = lines(
            {"url": "memory://bucket/far/x.mp4"},
            {"url": "memory://private/x.mp4"},
            {"path": "file:///etc/passwd"},
            {"url": "s3://bucket/x.mp4"},
        )
        first, *others = read(put("videos.jsonl", rows))
        assert first.location.url == "memory://bucket/far/x.mp4"
        assert [one.fault.partition(",")[0] for one in others] == ["url must begin with http:// or https://"] * 3

    def test_a_list_on_this_machine_names_no_bucket(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "videos.jsonl").write_bytes(lines({"url": "memory://bucket/x.mp4"}))
        (record,) = read("videos.jsonl")
        assert record.fault.startswith("url must begin with http:// or https://")

    @pytest.mark.parametrize(
        ("clips", "cause"),
        [
            ("memory://bucket/none.jsonl", "there is no such list"),
            ("memory://bucket/none/", "nothing lies there"),
            ("memory://bucket/none-*.tar", "no tar matches"),
            ("nosuch://bucket/x.jsonl", "Protocol not known"),
            ("memory://bucket/x.tar.gz", "a compressed tar cannot be read in place"),
        ],
    )
    def test_what_cannot_be_read_is_told(self, put: Put, read: Read, clips: str, cause: str) -> None:
        put("other/x.mp4", b"x")
        with pytest.raises(UsageError, match=cause):
            read(clips)

    def test_a_package_that_is_missing_is_named(self, read: Read) -> None:
        if "s3" in fsspec.available_protocols() and _installed("s3fs"):
            pytest.skip("s3fs is installed")
        with pytest.raises(UsageError, match="s3fs") as failure:
            read("s3://bucket/videos.jsonl")
        assert failure.value.remedy


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


class TestTarsAndFolders:
    def test_videos_of_tars_are_ranges_of_objects(self, put: Put, read: Read) -> None:
        for number in (0, 1):
            put(f"x-{number:03d}.tar", tar_of(a_dot_mp4=b"video" * 300, a_dot_txt=b"a dog", b_dot_mp4=b"other"))
        found = read("memory://bucket/x-{000..001}.tar")
        assert [one.uri for one in found] == [
            "x-000.tar/a.mp4",
            "x-000.tar/b.mp4",
            "x-001.tar/a.mp4",
            "x-001.tar/b.mp4",
        ]
        assert found[0].captions == ("a dog",)
        location = found[1].location
        assert location.url == "memory://bucket/x-000.tar"
        assert location.size == 5
        assert [one.uri for one in read("memory://bucket/x-*.tar")] == [one.uri for one in found]

    def test_a_tar_that_is_cut_off_loses_only_its_end(self, put: Put, read: Read) -> None:
        whole = tar_of(a_dot_mp4=b"video", b_dot_mp4=b"other")
        first, second, *_ = read(put("x.tar", whole[:1400]))
        assert first.fault == ""
        assert second.fault

    def test_a_folder_of_videos_with_their_texts(self, put: Put, read: Read) -> None:
        for name in ("v/b/x.mp4", "v/a.webm", "v/.hidden.mp4", "v/notes.md", "v/c.MKV"):
            put(name, b"x")
        put("v/a.txt", b"a fox\n")
        put("v/c.json", b'{"caption": "a hen", "licence": "MIT"}')
        found = read("memory://bucket/v/")
        assert [one.uri for one in found] == ["a.webm", "b/x.mp4", "c.MKV"]
        assert [one.captions for one in found] == [("a fox",), (), ("a hen",)]
        assert found[1].location.url == "memory://bucket/v/b/x.mp4"
        assert found[2].licence == "MIT"


class TestFetching:
    def test_whole_objects_and_ranges_come_in_blocks(
        self, tmp_path: Path, put: Put, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(objects, "BLOCK", 7)
        data = bytes(range(200))
        url = put("x.bin", data)
        target = tmp_path / "x"
        assert fetch_object(Location(url=url), target, max_bytes=200, timeout=9) == 200
        assert target.read_bytes() == data
        assert fetch_object(Location(url=url, offset=13, size=50), target, max_bytes=200, timeout=9) == 50
        assert target.read_bytes() == data[13:63]

    @pytest.mark.parametrize(
        ("location", "cause"),
        [
            ({"url": "memory://bucket/none"}, "no such object"),
            ({"url": "memory://bucket/x"}, "larger than 5 bytes"),
            ({"url": "memory://bucket/empty"}, "empty"),
            ({"url": "memory://bucket/x", "offset": 8, "size": 4}, "shorter than it was"),
        ],
    )
    def test_what_is_wrong_with_an_object_is_the_fault_of_its_clip(
        self, tmp_path: Path, put: Put, location: dict[str, Any], cause: str
    ) -> None:
        put("x", b"0123456789")
        put("empty", b"")
        with pytest.raises(ClipFailure, match=cause) as failure:
            fetch_object(Location(**location), tmp_path / "t", max_bytes=5, timeout=9)
        assert failure.value.reason == "unreachable"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("raised", [RuntimeError("no credentials"), OSError(5, "reset by peer"), TimeoutError()])
    def test_a_store_that_fails_stops_the_run_and_drops_nothing(
        self, tmp_path: Path, put: Put, monkeypatch: pytest.MonkeyPatch, raised: Exception
    ) -> None:
        def fails(*_: Any, **__: Any) -> bytes:
            raise raised

        url = put("x", b"0123456789")
        monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", fails)
        with pytest.raises(ServiceDown, match="memory://bucket cannot be read"):
            fetch_object(Location(url=url), tmp_path / "t", max_bytes=50, timeout=9)
        assert list(tmp_path.iterdir()) == []

    def test_an_object_that_may_not_be_read_harms_no_other(
        self, tmp_path: Path, put: Put, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forbids(*_: Any, **__: Any) -> bytes:
            raise PermissionError(13, "AccessDenied")

        url = put("x", b"0123456789")
        monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", forbids)
        with pytest.raises(ClipFailure, match="forbids"):
            fetch_object(Location(url=url), tmp_path / "t", max_bytes=50, timeout=9)
