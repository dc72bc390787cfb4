"""The released layout in all its spellings, what is missing or broken in it, and what is done again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_uvrb import fake_uvrb, jpeg, lists, plain

from synflow.cli import main
from synflow.evaluate.media import Decoder, FrameFiles, picture_files, uniform
from synflow.evaluate.reference import uvrb

Typed = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_uvrb(tmp_path_factory.mktemp("uvrb"))


@pytest.fixture
def own(tree: Path, tmp_path: Path) -> Path:
    """A copy of the tree that a test may break."""
    return Path(shutil.copytree(tree, tmp_path / "tree"))


def benchmark(results: dict[str, Any]) -> dict[str, Any]:
    (one,) = results["benchmarks"]
    return dict(one)


def test_all_sixteen_are_read_in_whatever_spelling_and_the_oracle_solves_them(
    tree: Path, recipe: Callable[..., Path], evaluated: Typed
) -> None:
    path = recipe(uvrb={"root": str(tree)})
    found = benchmark(evaluated(path))
    assert list(found["datasets"]) == list(uvrb()) and found["skipped"] == {}
    assert {name: one["score"] for name, one in found["datasets"].items()} == dict.fromkeys(uvrb(), 1.0)
    assert all(one == {"value": 1.0, "missing": []} for one in found["averages"].values())
    kinds = {name: one["kind"] for name, one in found["datasets"].items()}
    assert kinds["MS-TI"] == "ti2v" and kinds["MS-TV"] == "tv2v" and kinds["LoVR-C2V"] == "v2v"
    assert kinds["MSRVTT-I2V"] == "i2v" and kinds["VDC-D"] == "t2v"
    assert found["datasets"]["MS-TI"]["candidates"] == found["datasets"]["MS-TV"]["candidates"] == 6
    assert found["datasets"]["CMRB"]["metrics"]["nDCG@10"] == 1.0
    assert "the paper has 1,000" in " ".join(found["datasets"]["MSRVTT"]["notes"])
    timing = json.loads((path.parent / "out-oracle" / "timing.json").read_text())["datasets"]
    assert set(timing["UVRB/MSRVTT"]) == {"read", "embed_queries", "embed_corpus", "rank"}


def test_the_instructions_reach_the_queries_and_only_them(tree: Path) -> None:
    from synflow.evaluate.layout import find_dataset, read_dataset

    known = uvrb()["CRB-S"]
    place = find_dataset(tree, known)
    assert place is not None and place.name == "crb_s"
    with Decoder() as decoder:
        read = read_dataset(place, decoder, known.name, known.ability, known.metric, known.instruction)
    assert {entry.instruction for entry in read.queries} == {known.instruction}
    assert {entry.instruction for entry in read.corpus} == {""}


def test_what_is_missing_or_broken_is_named_and_skipped_and_averages_are_marked(
    own: Path, recipe: Callable[..., Path], evaluated: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(own / "MSRVTT")
    broken = own / "CMRB" / "jsonl" / "queries.jsonl"
    broken.write_text(broken.read_text().replace('"thing 2"', "thing 2"))
    path = recipe(uvrb={"root": str(own)})
    found = benchmark(evaluated(path))
    assert set(found["skipped"]) == {"MSRVTT", "CMRB"}
    assert "is not there" in found["skipped"]["MSRVTT"]
    assert found["skipped"]["CMRB"] == f"{broken}:2: not JSON"
    assert found["averages"]["CG"] == {"value": 1.0, "missing": ["MSRVTT"]}
    assert found["averages"]["T"]["missing"] == ["CMRB"]
    assert set(found["averages"]["abilities"]["missing"]) == {"MSRVTT", "CMRB"}
    assert found["averages"]["VIS"]["missing"] == []
    assert main(["evaluate", str(path), "--strict"]) == 3
    said = capsys.readouterr().err
    assert "skipped CMRB" in said and "it also needs" in said
    html = (path.parent / "out-oracle" / "report.html").read_text()
    assert "queries.jsonl:2: not JSON" in html and "compares with nothing" in html


BREAKS: dict[str, Callable[[Path], object]] = {
    "there is no such list": lambda place: (place / "instances.jsonl").unlink(),
    r"queries.jsonl:7: the id 'q1' stands there twice": lambda place: append(
        place, "queries", {"id": "q1", "text": "x"}
    ),
    r"queries.jsonl:7: has no id": lambda place: append(place, "queries", {"text": "x"}),
    r"queries.jsonl:7: has no text, image or video": lambda place: append(place, "queries", {"id": "q9"}),
    r"corpus.jsonl:7: not an object": lambda place: append(place, "corpus", ["c9"]),
    r"corpus.jsonl:7: video is neither": lambda place: append(place, "corpus", {"id": "c9", "video": 3}),
    r"instances.jsonl:7: there is no query 'q77'": lambda place: append(place, "instances", {"qid": "q77", "pos": []}),
    r"the candidate 'c99' is not in the corpus": lambda place: append(
        place, "instances", {"qid": "q1", "pos": ["c1"], "candidates": ["c99"]}
    ),
    "holds nothing": lambda place: (place / "corpus.jsonl").write_text(""),
    "not UTF-8": lambda place: (place / "corpus.jsonl").write_bytes(b"\xff\xfe"),
    "other than ids": lambda place: append(place, "instances", {"qid": "q1", "pos": [{"id": "c1"}]}),
}


def append(place: Path, name: str, row: Any) -> None:
    with (place / f"{name}.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


@pytest.mark.parametrize("cause", BREAKS)
def test_every_break_is_told_with_file_and_line(
    cause: str, tmp_path: Path, recipe: Callable[..., Path], evaluated: Typed
) -> None:
    plain(tmp_path / "bad")
    plain(tmp_path / "good")
    BREAKS[cause](tmp_path / "bad" / "jsonl")
    path = recipe(datasets=[{"folder": "bad"}, {"folder": "good", "ability": "VIS", "metric": "MRR"}])
    found = benchmark(evaluated(path))
    assert re.search(cause, found["skipped"]["bad"])
    assert found["datasets"]["good"]["score"] == 1.0 and found["datasets"]["good"]["metric"] == "MRR"
    assert found["averages"]["CG"] == {"value": None, "missing": ["bad"]}


def test_pictures_that_are_not_there_are_misses_that_are_named(
    tmp_path: Path, recipe: Callable[..., Path], evaluated: Typed
) -> None:
    plain(tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "videos_frames" / "v2")
    for file in (tmp_path / "data" / "videos_frames" / "v3").iterdir():
        file.write_bytes(b"")
    append(tmp_path / "data" / "jsonl", "queries", {"id": "q7", "text": "nothing"})
    append(tmp_path / "data" / "jsonl", "queries", {"id": "q8", "text": "thing 1"})
    append(tmp_path / "data" / "jsonl", "instances", {"qid": "q7", "pos": ["c1"]})
    append(tmp_path / "data" / "jsonl", "instances", {"qid": "q1", "pos": ["c99"]})
    found = benchmark(evaluated(recipe(datasets=[{"folder": "data"}])))["datasets"]["data"]
    # Found: 1, 4, 5, 6; never found: 2 (no frames), 3 (empty files), 7 (no vector); 8 has nothing relevant.
    assert found["queries"] == 8 and found["scored"] == 7
    assert found["score"] == pytest.approx(4 / 7, abs=1e-6)
    assert found["abstained"] == {"queries": 1, "corpus": 2}
    told = " ".join(found["notes"])
    assert "1 relevant items are not in the corpus" in told and "cannot be read and are never found: c2" in told
    assert "1 queries have nothing relevant" in told


def test_nothing_is_embedded_twice_and_what_changed_is_done_again(
    own: Path, recipe: Callable[..., Path], evaluated: Typed
) -> None:
    from synflow.evaluate.embedders import opened
    from synflow.evaluate.evaluation import evaluate
    from synflow.evaluate.recipe import load_recipe

    path = recipe(uvrb={"root": str(own)})

    def again() -> tuple[int, int, bytes]:
        told = load_recipe(path)
        embedder, identity = opened(told.embedder, "recipe", path.parent)
        with Decoder() as decoder:
            made = evaluate(told, path.parent, embedder, identity, decoder)
        return embedder.asked, made.fresh, (path.parent / "out-oracle" / "results.json").read_bytes()

    asked, fresh, first = again()
    assert fresh == 16 and asked > 0
    assert again() == (0, 0, first)
    # A dataset's own file is gone: it is ranked again, from vectors that are known.
    (path.parent / "out-oracle" / "datasets" / next(iter(files(path, "MSRVTT")))).unlink()
    assert again() == (0, 1, first)
    # One frame changes: that corpus is embedded again, and nothing else.
    (own / "CRB-G" / "videos_frames" / "v1" / "frame_0.jpg").write_bytes(jpeg(1, noise=99))
    asked, fresh, _ = again()
    assert (asked, fresh) == (6, 1)
    # A damaged file of vectors is not believed.
    for one in (path.parent / "out-oracle" / "vectors").rglob("*.vectors"):
        data = bytearray(one.read_bytes())
        data[-1] ^= 1
        one.write_bytes(data)
    shutil.rmtree(path.parent / "out-oracle" / "datasets")
    assert again()[1] == 16


def files(path: Path, name: str) -> list[str]:
    return [one.name for one in (path.parent / "out-oracle" / "datasets").iterdir() if f"-{name}-" in one.name]


def test_frames_are_in_the_order_of_their_numbers_and_uniform(tmp_path: Path) -> None:
    for number in (10, 2, 1, 11, 3):
        (tmp_path / f"f{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "note.txt").write_text("x")
    assert [one.name for one in picture_files(tmp_path)] == ["f1.jpg", "f2.jpg", "f3.jpg", "f10.jpg", "f11.jpg"]
    assert uniform(16, 8) == [1, 3, 5, 7, 9, 11, 13, 15] and uniform(3, 8) == [0, 1, 2]
    shown = FrameFiles(tmp_path, (), 0.5).pictures(2)
    assert [one.time for one in shown] == [0.5, 1.5]
    assert FrameFiles(tmp_path).digest(2) != FrameFiles(tmp_path).digest(3)


def test_a_folder_that_holds_something_else_is_not_written_into(
    tmp_path: Path, recipe: Callable[..., Path], plugin: None, capsys: pytest.CaptureFixture[str]
) -> None:
    plain(tmp_path / "data")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    assert main(["evaluate", str(recipe(datasets=[{"folder": "data"}])), "--out", str(tmp_path / "other")]) == 4
    assert sorted(one.name for one in (tmp_path / "other").iterdir()) == ["letter.txt"]
    lists(tmp_path / "empty" / "jsonl", queries=[])
    assert main(["evaluate", str(recipe(datasets=[{"folder": "empty"}]))]) == 2
    assert "nothing could be evaluated" in capsys.readouterr().err
