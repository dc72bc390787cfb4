"""SIGKILL at the filesystem operations of a run: after a resume, nothing is lost, double, torn or left over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fault_runs import write_manifest

from synflow.manifest import load_manifest
from synflow.run import run

PROGRAM = Path(__file__).with_name("crash_points.py")


def crash(kind: str, source: Path, folder: Path, every: int, offset: int = 0) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(source), str(folder), str(every), str(offset)],
        capture_output=True, text=True, check=False, timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    first, *trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["ended"] == 0 and first["faults"] == []
    return first["operations"], trials


def small_manifest(tmp_path: Path, world: Path) -> Path:
    lines = (world / "videos.jsonl").read_text().splitlines()[:2]
    (world / "two.jsonl").write_text("\n".join(lines) + "\n")
    return write_manifest(tmp_path / "manifest.yaml", world / "two.jsonl", targets={"t2v": 1, "v2v": 1})


def check(trials: list[dict[str, Any]]) -> None:
    assert [trial["point"] for trial in trials if trial["killed"] != 9] == []
    wrong = [trial for trial in trials if trial["resumed"] != 0 or not trial["same"] or trial["faults"]]
    assert wrong == []


@pytest.mark.timeout(900)
def test_killed_at_every_sixteenth_operation(tmp_path: Path, small_world: Path) -> None:
    operations, trials = crash("synflow", small_manifest(tmp_path, small_world), tmp_path, every=16)
    assert len(trials) >= operations // 16
    check(trials)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_every_operation(tmp_path: Path, small_world: Path) -> None:
    operations, trials = crash("synflow", small_manifest(tmp_path, small_world), tmp_path, every=1)
    assert len(trials) == operations
    check(trials)


def earlier_run(tmp_path: Path, world: Path) -> tuple[Path, Path]:
    """Make a run, and a manifest that differs in a threshold and in what is made of the clips."""
    manifest = small_manifest(tmp_path, world)
    assert run(load_manifest(manifest), tmp_path / "old").complete
    sets = ["dynamics.min_residual=0.05", "expand.t2v_per_clip=2"]
    assert run(load_manifest(manifest, sets), tmp_path / "plain").complete
    changed = yaml.safe_load(manifest.read_text())
    for place, stage in enumerate(changed["stages"]):
        if stage == "dynamics":
            changed["stages"][place] = {"dynamics": {"min_residual": 0.05}}
        elif "expand" in stage:
            stage["expand"]["t2v_per_clip"] = 2
    manifest.write_text(yaml.safe_dump(changed, sort_keys=False))
    return manifest, tmp_path / "old"


def check_reuse(tmp_path: Path, world: Path, every: int) -> None:
    manifest, old = earlier_run(tmp_path, world)
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    operations, trials = crash("reuse", Path(f"{manifest}:{old}"), tmp_path, every=every)
    assert len(trials) >= operations // every
    check(trials)
    assert (tmp_path / "reference/dataset.json").read_bytes() == (tmp_path / "plain/dataset.json").read_bytes()
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_killed_while_it_takes_over_an_earlier_run(tmp_path: Path, small_world: Path) -> None:
    check_reuse(tmp_path, small_world, every=100)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_every_second_operation_of_a_take_over(tmp_path: Path, small_world: Path) -> None:
    check_reuse(tmp_path, small_world, every=2)


def test_a_naive_writer_fails_the_same_harness(tmp_path: Path) -> None:
    operations, trials = crash("naive", tmp_path, tmp_path, every=1)
    wrong = [trial for trial in trials if trial["killed"] == 9 and not trial["same"]]
    assert len(wrong) >= operations / 2
