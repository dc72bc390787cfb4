"""The commit protocol's verbs: what is sealed is whole, the first publisher wins, a full disk is told in two lines."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from synflow import durable
from synflow.durable import Attempt, adopt, append_lines, forget, make_folder, publish, seal
from synflow.errors import ServiceDown, UsageError
from synflow.ids import digest


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(tmp_path / "staging")


def test_sealed_object_is_named_by_its_digest(tmp_path: Path, attempt: Attempt) -> None:
    make_folder(tmp_path / "objects")
    draft = attempt.draft("a")
    assert draft.write(b"one") == 0
    assert draft.write(b"two") == 3
    name = seal(draft, tmp_path / "objects", ".txt")
    assert name == digest(b"onetwo") + ".txt"
    assert (tmp_path / "objects" / name).read_bytes() == b"onetwo"


@pytest.mark.parametrize("linked", [True, False])
def test_an_object_of_another_run_is_adopted_if_it_is_the_promised_one(
    tmp_path: Path, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    objects, theirs = tmp_path / "objects", tmp_path / "theirs.txt"
    make_folder(objects)
    theirs.write_bytes(b"found")
    name = digest(b"found") + ".txt"

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    if not linked:
        monkeypatch.setattr(durable.os, "link", refuse)
    for _ in range(2):
        assert adopt(theirs, objects, name, digest(b"found"), attempt)
        assert (objects / name).samefile(theirs) == linked
    assert not adopt(theirs, objects, name, digest(b"other"), attempt)
    assert not adopt(tmp_path / "absent", objects, name, digest(b"found"), attempt)
    theirs.unlink()
    assert (objects / name).read_bytes() == b"found"


def test_sealing_again_mends_a_damaged_object(tmp_path: Path, attempt: Attempt) -> None:
    make_folder(tmp_path / "objects")
    for _ in range(2):
        draft = attempt.draft(f"a{_}")
        draft.write(b"right")
        name = seal(draft, tmp_path / "objects", "")
        assert (tmp_path / "objects" / name).read_bytes() == b"right"
        (tmp_path / "objects" / name).write_bytes(b"wrong")


def test_first_publisher_wins(tmp_path: Path, attempt: Attempt) -> None:
    target = tmp_path / "receipt.json"
    assert publish(b"first", target, attempt) is True
    assert publish(b"second", target, attempt) is False
    assert target.read_bytes() == b"first"


def test_leaving_an_attempt_takes_its_folder_along(tmp_path: Path) -> None:
    with Attempt(tmp_path / "staging") as attempt:
        attempt.draft("a").write(b"x" * 10)
        folder = attempt.folder
        assert folder.is_dir()
    assert not folder.exists()


def test_append_closes_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    append_lines(path, [b"one", b"two"])
    with path.open("ab") as file:
        file.write(b'{"torn":')
    append_lines(path, [b"three"])
    assert path.read_bytes().splitlines() == [b"one", b"two", b'{"torn":', b"three"]


def test_large_draft_is_written_in_pieces_and_whole(tmp_path: Path, attempt: Attempt) -> None:
    make_folder(tmp_path / "objects")
    draft = attempt.draft("large")
    block = os.urandom(300_000)
    for _ in range(12):
        draft.write(block)
    name = seal(draft, tmp_path / "objects", "")
    assert digest((tmp_path / "objects" / name).read_bytes()) == name


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, ServiceDown), (errno.EDQUOT, ServiceDown), (errno.EROFS, UsageError)]
)
def test_disk_faults_are_told_in_two_lines(
    tmp_path: Path, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, number: int, kind: type
) -> None:
    class Faulty:
        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

        def write(self, *_: object) -> int:
            raise OSError(number, os.strerror(number))

    draft = attempt.draft("a")
    draft.write(b"x")
    monkeypatch.setattr(durable, "os", Faulty())
    with pytest.raises(kind) as caught:
        draft.close()
    assert str(tmp_path) in caught.value.cause
    assert caught.value.remedy
    assert "\n" not in caught.value.cause + caught.value.remedy


def test_folder_in_place_of_a_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not a folder"):
        make_folder(tmp_path / "file")


def test_forget_is_content_with_nothing(tmp_path: Path) -> None:
    forget(tmp_path / "never")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    forget(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
