"""Run, resume, status, verify and plan as a user types them, on a small rendered world."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from synflow.cli import main
from synflow.commands.run import end_code, show_end
from synflow.commands.status import driver_of, state_view
from synflow.progress import Tally
from synflow.store.survey import Failure, PassState, RunState
from synflow.world.render import render_world

MANIFEST = """
version: 1
name: little
inputs: [{clips: world/videos.jsonl}]
output: run
shard_clips: 2
executor: {use: serial}
media: {short_side: 96, frames: 2}
stages: [validate: {min_short_side: 100}, rectify: {}, quality: {}, expand: {tasks: [t2v, i2v, v2v]}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world, a manifest and its finished run in ``run``."""
    place = tmp_path_factory.mktemp("little")
    render_world(place / "world", clips=6, seed=3, workers=1)
    (place / "little.yaml").write_text(MANIFEST)
    assert main(["run", str(place / "little.yaml")]) == 0
    return place


def test_a_run_says_what_was_made_and_what_is_next(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(folder / "little.yaml"), "--out", str(tmp_path / "other")]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    for part in (
        "little is complete: ",
        " pairs, ",
        "Made\n  t2v ",
        f"synflow inspect {tmp_path}/other",
        "synflow verify",
    ):
        assert part in err, part
    same = [(root / "dataset.json").read_bytes() for root in (folder / "run", tmp_path / "other")]
    assert same[0] == same[1]


def test_what_is_complete_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["resume", str(folder / "run")],
        ["run", str(folder / "little.yaml")],
        ["resume", str(folder / "run"), "--failed"],
    ):
        assert main(command) == 0
        assert "little is complete already: nothing to do" in capsys.readouterr().err


def test_status_of_a_complete_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(folder / "run"), "--json", "--watch"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state["complete"] and state["driver"] is None and state["passes"][0]["done"] == 3
    assert main(["status", str(folder / "run")]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "complete" in err and "3/3 shards" in err


def test_another_run_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(folder / "little.yaml"), "--set", "seed=8"]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "seed: 42 there, 8 here" in lines[0]


def test_a_wrong_manifest_is_told_in_two_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(folder / "little.yaml"), "--set", "shard_clip=3"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "shard_clip" in lines[0] and "shard_clips" in " ".join(lines)


@pytest.mark.parametrize("given", ["", "empty", "by the manifest"])
def test_a_list_that_is_not_there_leaves_nothing(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "little.yaml").write_text(MANIFEST)
    out = tmp_path / ("run" if given == "by the manifest" else "out")
    if given == "empty":
        out.mkdir()
    chosen = [] if given == "by the manifest" else ["--out", str(out)]
    assert main(["run", str(tmp_path / "little.yaml"), *chosen]) == 2
    cause, remedy = capsys.readouterr().err.splitlines()
    assert cause.startswith("error: ") and cause.endswith("there is no such list of clips")
    assert remedy.startswith("remedy: ")
    assert out.exists() == (given == "empty")
    assert not out.exists() or not list(out.iterdir())


def test_damage_is_found_and_mended(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "run"
    shutil.copytree(folder / "run", root)
    assert main(["verify", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sound"] is True
    shard = root / "shards/t2v/t2v-000000.tar"
    data = bytearray(shard.read_bytes())
    data[1000] ^= 255
    shard.write_bytes(data)
    assert main(["verify", str(root)]) == 5
    err = capsys.readouterr().err
    assert "is damaged" in err and "shards/t2v/t2v-000000.tar" in err and "`synflow resume" in err
    assert main(["resume", str(root)]) == 0
    assert main(["verify", str(root)]) == 0
    assert "is sound" in capsys.readouterr().err


def test_the_plan_counts_and_estimates(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(folder / "little.yaml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["records"], found["shards"], found["faulty"]) == (6, 3, 0)
    assert set(found["pairs"]) == {"t2v", "i2v", "v2v"} and found["disk"] > 0 and found["gpu_hours"] == 0
    served = ["--set", "models.vlm={use: openai_http, base_url: 'http://127.0.0.1:9/v1', model: m}"]
    assert main(["plan", str(folder / "little.yaml"), *served]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "nothing has run" in err and "6 records" in err and "expand" in err


def test_an_interrupted_run_says_how_to_go_on_and_ends_the_same(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "cut"
    command = [sys.executable, "-m", "synflow", "run", str(folder / "little.yaml"), "--out", str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        until = time.monotonic() + 60
        while not list(root.glob("receipts/curate/*.json")) and time.monotonic() < until:
            time.sleep(0.005)
        seen = driver_of(root)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        said = child.stderr.read().splitlines()
        assert child.wait(60) == 130
    assert seen in (child.pid, None)
    assert said[-2].startswith("error: interrupted") and f"synflow resume {root}" in said[-1]
    assert not any("Traceback" in line for line in said)
    assert main(["status", str(root), "--json"]) == 3
    assert main(["resume", str(root)]) == 0
    assert (root / "dataset.json").read_bytes() == (folder / "run/dataset.json").read_bytes()


def failed_state(root: Path) -> RunState:
    bad = tuple(
        Failure("curate", f"00000{n}", "disk \x1b[31mgone", "mount it again", "Traceback ...") for n in range(6)
    )
    passes = (PassState("curate", 10, 4, bad, {"inputs": 32}, 8.0), PassState("expand", 10, 0, (), {}, 0.0))
    return RunState(
        root,
        "half",
        complete=False,
        passes=passes,
        pairs={},
        drops={"quality/black": 3},
        clips_per_second=4.0,
        seconds_left=60.0,
    )


def test_the_state_tells_what_a_model_read_and_what_its_server_held() -> None:
    asked = {
        "calls": 34,
        "hits": 2,
        "prompt_tokens": 41_000,
        "cached_tokens": 20_500,
        "answer_tokens": 800,
        "later": 29,
    }
    for again, held in (({"again": 20, "again_cached": 15}, True), ({"again": 0, "again_cached": 0}, False)):
        stream = io.StringIO()
        state = dataclasses.replace(failed_state(Path("run")), asked={**asked, **again})
        Console(file=stream, width=400, markup=False, highlight=False).print(state_view(state))
        text = " ".join(stream.getvalue().split())
        assert "34 model calls; 2 answers known already; 41,000 tokens read, 50% of them cached, 800 written" in text
        assert ("; 75% of 20 calls on pictures shown before found them cached" in text) is held


@pytest.mark.parametrize("width", [80, 140])
def test_an_incomplete_end_tells_causes_once_and_how_to_go_on(width: int, tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False, highlight=False)
    state = failed_state(tmp_path)
    console.print(state_view(state))
    show_end(console, state, Tally())
    text = " ".join(stream.getvalue().split())
    assert end_code(state) == 3 and "\x1b" not in text
    for part in (
        "half is not complete",
        "4/10 shards 6 failed · 4.0 clips/s a worker",
        "nearly black",
        "6 shards: curate 000000",
        "and 2 more",
        r"cause: disk \x1b[31mgone",
        "remedy: mount it again",
        f"synflow resume {tmp_path} go on",
    ):
        assert part in text, part
    assert text.count("mount it again") == 1


def test_who_drives_a_run_is_read_from_the_kernel(tmp_path: Path) -> None:
    assert driver_of(tmp_path) is None
    (tmp_path / "lock").touch()
    assert driver_of(tmp_path) is None
    held = (tmp_path / "lock").stat()
    place = f"{os.major(held.st_dev):02x}:{os.minor(held.st_dev):02x}:{held.st_ino}"
    locks = tmp_path / "locks"
    locks.write_text(f"1: POSIX  ADVISORY  WRITE 11 {place} 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 {place} 0 EOF\n")
    assert driver_of(tmp_path, locks) == 4711
    assert driver_of(tmp_path, tmp_path / "absent") is None
