"""Files that parameters name: found from the manifest, known by their bytes, and refused when they change."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from synflow.datafile import DataFile, NamedFile, portable
from synflow.errors import UsageError
from synflow.ids import digest

DATA = b"one\ntwo\n"


class Config(BaseModel):
    lists: tuple[DataFile, ...] = ()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lists" / "bench.jsonl"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


def test_a_path_in_a_manifest_names_a_file() -> None:
    config = Config.model_validate({"lists": ["lists/bench.jsonl", {"path": "other.jsonl", "sha256": "ab"}]})
    assert [(one.path, one.name, one.sha256) for one in config.lists] == [
        ("lists/bench.jsonl", "bench.jsonl", ""), ("other.jsonl", "other.jsonl", "ab"),
    ]  # fmt: skip
    assert Config.model_validate(config.model_dump()) == config


@pytest.mark.parametrize("value", [7, ["x"], {"sha256": "ab"}, {"path": "x", "colour": "red"}])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"lists": [value]})


def test_opened_from_the_folder_of_the_manifest_it_knows_its_bytes(file: Path, tmp_path: Path) -> None:
    found = NamedFile(path="lists/bench.jsonl").opened(tmp_path)
    assert found == NamedFile(path=str(file), sha256=digest(DATA), lines=2)
    assert found.read() == DATA
    # Opened again, from wherever, it is the same.
    assert found.opened(tmp_path / "elsewhere") == found


def test_a_file_that_changed_is_refused(file: Path, tmp_path: Path) -> None:
    found = NamedFile(path=str(file)).opened(tmp_path)
    file.write_bytes(DATA + b"three\n")
    for again in (found.read, lambda: found.opened(tmp_path)):
        with pytest.raises(UsageError, match="is not the file that the run is bound to"):
            again()
    file.write_bytes(DATA)
    assert found.read() == DATA


@pytest.mark.parametrize("path", ["missing.jsonl", ".", "a\0b"])
def test_what_cannot_be_read_is_refused_by_name(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the file cannot be read"):
        NamedFile(path=path).opened(tmp_path)


def test_parameters_are_known_by_the_bytes_of_their_files_not_by_their_folder(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved" / "bench.jsonl"
    moved.parent.mkdir()
    moved.write_bytes(DATA)
    both = [
        portable({"most": 3, "forbidden": [NamedFile(path=str(one)).opened(tmp_path).model_dump()]})
        for one in (file, moved)
    ]
    assert both[0] == both[1] == {"most": 3, "forbidden": [{"name": "bench.jsonl", "sha256": digest(DATA)}]}


def test_other_parameters_are_left_as_they_are() -> None:
    config = {"path": "x", "levels": [{"path": "y", "sha256": "z"}, 1.5], "none": None}
    assert portable(config) == config
