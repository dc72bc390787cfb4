"""What a stranger may do to the command line: odd orders of stages, odd folders, Ctrl-C in the middle of a clip."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synflow.cli import main
from synflow.errors import Interrupted
from synflow.media.sandbox import Sandbox
from synflow.records import Location
from synflow.sources.record import plain


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stranger")
    assert main(["world", str(root / "w"), "--clips", "3"]) == 0
    return root


def written(root: Path, stages: list[Any]) -> str:
    path = root / "m.yaml"
    value = {
        "version": 1, "name": "odd", "inputs": [{"clips": "w/videos.jsonl"}], "executor": {"use": "serial"},
        "stages": stages,
    }  # fmt: skip
    path.write_text(json.dumps(value))
    return str(path)


def test_a_stage_that_reads_the_video_may_follow_one_of_the_whole_run(world: Path) -> None:
    stages = ["consistency", "rectify", "dedup", {"validate": {"min_short_side": 100}}, "quality", "expand"]
    out = world / "late"
    assert main(["run", written(world, stages), "--out", str(out)]) == 0
    assert main(["verify", str(out)]) == 0
    kept = pq.read_table(out / "index" / "clips.parquet").to_pylist()
    assert all("validate.duration" in dict(clip["measures"]) for clip in kept if clip["kept"])


@pytest.mark.parametrize("before", ["dedup", "enrich", "expand"])
def test_shots_may_not_split_what_others_dealt_with(
    before: str, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", written(world, [before, "shots"])]) == 2
    cause, remedy = capsys.readouterr().err.splitlines()
    assert "stages[1].shots: splits clips" in cause
    assert remedy == f"remedy: put it before `{before}`"


@pytest.mark.parametrize("name", ["README.md", "staging/mine", "shards/x/y.tar"])
def test_files_of_others_are_not_overwritten(
    name: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    assert main(["run", written(world, ["validate"]), "--out", str(tmp_path)]) == 4
    assert path.read_text() == "mine"
    assert not (tmp_path / "lock").exists()
    assert f"holds {Path(name).parts[0]}, which a run would overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["/proc/nowhere", "a" * 300])
def test_a_folder_that_cannot_be(out: str, world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", written(world, ["validate"]), "--out", str(world / out)]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_status_of_a_damaged_identity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("{")
    assert main(["status", str(tmp_path)]) == 5
    assert "is not a run's identity" in capsys.readouterr().err


def test_the_card_says_what_reasons_of_the_engine_mean(world: Path) -> None:
    lines = (world / "w" / "videos.jsonl").read_text()
    (world / "w" / "torn.jsonl").write_text(f"{lines.splitlines()[0]}\nno json\n")
    path = Path(written(world, ["validate"]))
    path.write_text(path.read_text().replace("videos.jsonl", "torn.jsonl"))
    assert main(["run", str(path), "--out", str(world / "torn")]) == 0
    assert "| bad-record | 1 | the line of the input list" in (world / "torn" / "README.md").read_text()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("\x1b[31mA red\x1b[0m ball \x1b]0;title\x07rolls", "A red ball rolls"),
        ("see \x1b]8;;http://x\x1b\\this\x1b]8;;\x1b\\ ball", "see this ball"),
        ("a\x00b\x07", "a b "),
        ("two\nlines\tof 😀 \u200d text", "two\nlines\tof 😀 \u200d text"),
        ("\u202ereversed", "reversed"),
        ("the dog\u00e2\u0080\u009ds bone", "the dog\u00e2\u0080\u009ds bone"),
    ],
)
def test_captions_hold_nothing_that_a_terminal_obeys(said: str, kept: str) -> None:
    assert plain(said) == kept


def test_a_stopped_sandbox_gives_no_verdict_on_the_clip(world: Path) -> None:
    clip = next((world / "w" / "videos").iterdir())
    sandbox = Sandbox(deadline=30.0)
    sandbox.facts(Location(path=str(clip)))
    found: list[BaseException] = []

    def ask() -> None:
        try:
            while True:
                sandbox.scan(Location(path=str(clip)), 360)
        except Interrupted as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.05)
    began = time.monotonic()
    sandbox.stop()
    thread.join(10.0)
    assert not thread.is_alive()
    assert len(found) == 1
    assert time.monotonic() - began < 5.0
