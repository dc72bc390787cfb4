"""Folders with sidecars and webdataset tars: what is beside a video belongs to it, and nothing is unpacked."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from synflow.errors import UsageError
from synflow.ids import canonical
from synflow.manifest import InputSpec
from synflow.records import InputRecord
from synflow.sources import read_inputs
from synflow.sources.tars import expand_braces


@dataclass(frozen=True)
class Lists:
    """What of a manifest the sources look at."""

    inputs: tuple[InputSpec, ...]
    folder: Path


Read = Callable[[str], list[InputRecord]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return lambda clips: list(read_inputs(Lists((InputSpec(clips=clips, licence="MIT"),), tmp_path)))


def place(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class TestFolder:
    def test_videos_of_all_depths_in_order_of_name(self, tmp_path: Path, read: Read) -> None:
        names = [
            "b.MP4",
            "a.webm",
            "sub/c.mkv",
            "sub/deep/d.Mov",
            ".hidden.mp4",
            ".git/e.mp4",
            "notes.txt",
            "f.mp4.part",
        ]
        for name in names:
            path = tmp_path / "v" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        (tmp_path / "v" / "folder.mp4").mkdir()
        found = read("v")
        assert [one.uri for one in found] == ["a.webm", "b.MP4", "sub/c.mkv", "sub/deep/d.Mov"]
        assert [one.line for one in found] == [1, 2, 3, 4]
        assert [one.record_id for one in found] == [one.uri for one in found]
        assert {one.list_name for one in found} == {"v"}
        assert {one.licence for one in found} == {"MIT"}
        assert all(Path(one.location.path).is_file() for one in found)

    def test_sidecars(self, tmp_path: Path, read: Read) -> None:
        folder = tmp_path / "v"
        folder.mkdir()
        for name in "abcd":
            (folder / f"{name}.mp4").write_bytes(b"x")
        (folder / "a.txt").write_bytes("\ufeffa cat\r\n".encode())
        (folder / "b.json").write_text('{"id": "bee", "caption": ["x", "y"], "end": 2, "url": "https://h/b", "n": 1}')
        (folder / "b.txt").write_text("not this")
        (folder / "c.json").write_text("{")
        (folder / "d.txt").write_bytes(b"\xff\xfe")
        a, b, c, d = read("v")
        assert a.captions == ("a cat",)
        assert (b.record_id, b.captions, b.end, b.extra) == ("bee", ("x", "y"), 2.0, {"url": "https://h/b", "n": 1})
        assert c.fault.startswith(".json: not JSON")
        assert d.fault.startswith(".txt: not UTF-8")
        assert b.location.path == str(folder / "b.mp4")

    def test_names_that_are_no_text(self, tmp_path: Path, read: Read) -> None:
        folder = tmp_path / "v"
        folder.mkdir()
        Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.mp4")).write_bytes(b"x")
        (folder / "good.mp4").write_bytes(b"x")
        bad, good = read("v")
        assert bad.fault == "the name of the file is not UTF-8"
        assert not good.fault
        canonical(bad.model_dump(mode="json")).decode()

    def test_an_empty_folder_and_a_loop_of_links(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "v").mkdir()
        (tmp_path / "v" / "again").symlink_to(tmp_path / "v")
        assert read("v") == []

    def test_a_link_to_a_video_is_a_video(self, tmp_path: Path, read: Read) -> None:
        place(tmp_path, elsewhere_dot_mp4=b"x")
        (tmp_path / "v").mkdir()
        (tmp_path / "v" / "a.mp4").symlink_to(tmp_path / "elsewhere.mp4")
        assert [one.uri for one in read("v")] == ["a.mp4"]


Member = tuple[str, bytes]
ONE: list[Member] = [
    ("000.mp4", b"first video"),
    ("000.txt", b"a cat"),
    ("000.json", b'{"n": 1}'),
    ("001.json", b'{"id": "second", "caption": "a dog", "url": "https://h/x"}'),
    ("001.mkv", b"second video" * 100),
    ("002.jpg", b"no video"),
    ("sub/000.seg.webm", b"third video"),
    ("sub/000.txt", b"a bird"),
]


def pack(path: Path, members: list[Member], kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=kind) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def bytes_at(record: InputRecord) -> bytes:
    place = record.location
    assert place.offset is not None
    assert place.size is not None
    return Path(place.path).read_bytes()[place.offset : place.offset + place.size]


class TestTars:
    @pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
    def test_members_of_one_key_are_one_record(self, tmp_path: Path, read: Read, kind: int) -> None:
        pack(tmp_path / "x.tar", ONE, kind)
        first, second, none, third = read("x.tar")
        assert (first.uri, first.captions, first.extra, first.line) == ("x.tar/000.mp4", ("a cat",), {"n": 1}, 1)
        assert (second.record_id, second.captions, second.extra) == ("second", ("a dog",), {"url": "https://h/x"})
        assert none.fault == "no video among the members of 002"
        assert (third.record_id, third.captions, third.line) == ("x.tar/sub/000.seg.webm", ("a bird",), 4)
        assert [bytes_at(one) for one in (first, second, third)] == [ONE[0][1], ONE[4][1], ONE[6][1]]

    def test_long_names(self, tmp_path: Path, read: Read) -> None:
        pack(tmp_path / "x.tar", [(f"{'d' * 120}/{'n' * 150}é.mp4", b"v")])
        (found,) = read("x.tar")
        assert bytes_at(found) == b"v"

    def test_many_tars_in_order(self, tmp_path: Path, read: Read) -> None:
        for n in (8, 9, 10):
            pack(tmp_path / f"x-{n:03d}.tar", [("a.mp4", b"%d" % n)])
        found = read("x-{008..010}.tar")
        assert [(one.list_name, one.line, bytes_at(one)) for one in found] == [
            ("x-008.tar", 1, b"8"),
            ("x-009.tar", 1, b"9"),
            ("x-010.tar", 1, b"10"),
        ]
        assert [one.record_id for one in read("x-*.tar")] == [one.record_id for one in found]

    def test_a_truncated_tar_gives_what_is_whole(self, tmp_path: Path, read: Read) -> None:
        whole = pack(tmp_path / "x.tar", ONE).read_bytes()
        count = len(read("x.tar"))
        for size in range(0, len(whole), 256):
            (tmp_path / "cut.tar").write_bytes(whole[:size])
            try:
                found = read("cut.tar")
            except UsageError as error:
                assert size < 512
                assert "cut.tar: not a tar" in error.cause
                continue
            assert len(found) <= count + 1
            for record in found:
                if not record.fault:
                    assert bytes_at(record) in {data for _, data in ONE}
        (tmp_path / "cut.tar").write_bytes(whole[:1000])
        (cut,) = read("cut.tar")[-1:]
        assert "cut off" in cut.fault or "damaged" in cut.fault

    def test_damage_never_raises_anything_but_a_usage_error(self, tmp_path: Path, read: Read) -> None:
        whole = pack(tmp_path / "x.tar", [*ONE, ("é" * 80 + ".mp4", b"long")]).read_bytes()
        luck = random.Random(7)
        outcomes = {"read": 0, "refused": 0}
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(luck.randint(1, 8)):
                data[luck.randrange(len(data))] = luck.randrange(256)
            (tmp_path / "bad.tar").write_bytes(data)
            try:
                for record in read("bad.tar"):
                    canonical(record.model_dump(mode="json")).decode()
                outcomes["read"] += 1
            except UsageError:
                outcomes["refused"] += 1
        assert outcomes["read"] > 200

    def test_what_cannot_be_read_in_place(self, tmp_path: Path, read: Read) -> None:
        (tmp_path / "a.tar").write_bytes(b"this is no tar" * 100)
        for clips, said in (
            ("a.tar", "not a tar"),
            ("b.tar", "no such list"),
            ("c.tar.gz", "compressed"),
            ("d-*.tar", "no tar matches"),
            ("e-{1..9999999999}.tar", "too many"),
            ("e-{9..1}.tar", "names no tars"),
            ("e-{1}.tar", "neither a range nor a choice"),
        ):
            with pytest.raises(UsageError, match=said) as caught:
                read(clips)
            assert caught.value.remedy


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("x.tar", ["x.tar"]),
        ("x-{08..11}.tar", ["x-08.tar", "x-09.tar", "x-10.tar", "x-11.tar"]),
        ("{a,b}-{0..1}.tar", ["a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar"]),
    ],
)
def test_braces(pattern: str, names: list[str]) -> None:
    assert expand_braces(pattern) == names
