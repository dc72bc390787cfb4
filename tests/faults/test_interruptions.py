"""Kills, Ctrl-C, two drivers, a full disk and a read-only one: the run goes on from where it was, to the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_runs import finish, start, write_manifest
from test_bad_clips import PLUGIN_DECODER, many_files

RAY = {"use": "ray", "cpus": 2}
SERIAL = {"use": "serial"}


@pytest.fixture(scope="module")
def wanted(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A manifest and the dataset.json that it makes undisturbed."""
    folder = tmp_path_factory.mktemp("wanted")
    manifest = write_manifest(folder / "manifest.yaml", small_world / "videos.jsonl")
    code, output = finish(start(manifest, folder / "out"))
    assert code == 0, output
    return manifest, (folder / "out" / "dataset.json").read_text()


def with_executor(manifest: Path, executor: dict[str, object]) -> list[str]:
    return ["--set", f"executor={json.dumps(executor)}"]


def check_sound(out: Path, wanted: str) -> None:
    code, output = finish(start(out, out, command="verify"))
    assert code == 0, output
    assert (out / "dataset.json").read_text() == wanted


@pytest.mark.parametrize("executor", [SERIAL, RAY], ids=["serial", "ray"])
@pytest.mark.parametrize("whole_group", [False, True], ids=["driver", "group"])
def test_ctrl_c_is_clean_and_resumable(
    wanted: tuple[Path, str], tmp_path: Path, executor: dict[str, object], whole_group: bool
) -> None:
    manifest, dataset = wanted
    process = start(manifest, tmp_path / "out", *with_executor(manifest, executor))
    wait_for(tmp_path / "out" / "log.jsonl", "shard-done")
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    code, output = finish(process, 60)
    assert code == 130, output
    assert "Traceback" not in output and "synflow resume" in output
    code, output = finish(start(manifest, tmp_path / "out", command="resume"))
    assert code == 0, output
    check_sound(tmp_path / "out", dataset)


def wait_for(log: Path, text: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if log.exists() and text in log.read_text(errors="replace"):
            return
        time.sleep(0.02)
    raise AssertionError(f"{text} never came")


def check_killed_at_random(wanted: tuple[Path, str], tmp_path: Path, moments: int, seed: int) -> None:
    """SIGKILL the driver at random moments of a run under Ray, resuming each time until it is complete."""
    manifest, dataset = wanted
    rng = random.Random(seed)
    out, kills = tmp_path / "out-0", 0
    while kills < moments:
        process = start(manifest, out, *with_executor(manifest, RAY))
        try:
            process.wait(timeout=rng.uniform(0.5, 12.0))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        code, output = finish(process, 60)
        assert code in (0, -signal.SIGKILL), output
        if code == 0:
            check_sound(out, dataset)
            out = tmp_path / f"out-{kills}"
    code, output = finish(start(manifest, out, *with_executor(manifest, RAY)))
    assert code == 0, output
    check_sound(out, dataset)


def test_killed_twice_under_ray(wanted: tuple[Path, str], tmp_path: Path) -> None:
    check_killed_at_random(wanted, tmp_path, 2, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_50_random_moments_under_ray(wanted: tuple[Path, str], tmp_path: Path) -> None:
    check_killed_at_random(wanted, tmp_path, 50, seed=2)


def check_race(tmp_path: Path, small_world: Path, number: int) -> list[float]:
    """Start two drivers at once, again and again; return the seconds after which the loser had ended."""
    clips = many_files(tmp_path / "clips", small_world, 2, {1: "hang"})
    media = {"frames": 2, "short_side": 96, "decoder": PLUGIN_DECODER, "deadline": 5.0}
    manifest = write_manifest(tmp_path / "m.yaml", clips, stages=[{"validate": {"min_short_side": 144}}], media=media)
    took: list[float] = []
    for turn in range(number):
        drivers = [start(manifest, tmp_path / f"out-{turn}") for _ in range(2)]
        began = time.monotonic()
        while all(driver.poll() is None for driver in drivers):
            time.sleep(0.01)
        took.append(time.monotonic() - began)
        # The loser does not wait for the winner, whose clip keeps it busy for five seconds.
        running = [driver.poll() is None for driver in drivers]
        codes = sorted(finish(driver, 120)[0] for driver in drivers)
        assert codes == [0, 4] and any(running)
    return took


def test_of_two_drivers_one_proceeds(tmp_path: Path, small_world: Path) -> None:
    assert len(check_race(tmp_path, small_world, 2)) == 2


@pytest.mark.slow
def test_of_two_drivers_one_proceeds_20_times(
    tmp_path: Path, small_world: Path, request: pytest.FixtureRequest
) -> None:
    took = check_race(tmp_path, small_world, 20)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n20 races: the loser had ended after {min(took):.2f} to {max(took):.2f} s, start of Python included")
    assert len(took) == 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("executor", [SERIAL, RAY], ids=["serial", "ray"])
def test_full_disk_is_told_and_resumable(
    wanted: tuple[Path, str], small_disk: Path, executor: dict[str, object]
) -> None:
    manifest, dataset = wanted
    out = small_disk / "out"
    code, output = finish(start(manifest, out, *with_executor(manifest, executor)))
    assert code == 3, output
    assert "no space left" in output and "Traceback" not in output
    subprocess.run(["mount", "-o", "remount,size=256m", str(small_disk)], check=True)
    code, output = finish(start(manifest, out, command="resume"))
    assert code == 0, output
    check_sound(out, dataset)


def test_read_only_disk_is_a_usage_error(wanted: tuple[Path, str], small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, output = finish(start(wanted[0], small_disk / "out"))
    assert code == 2, output
    assert "cannot write" in output and "Traceback" not in output


@pytest.mark.parametrize("executor", [SERIAL, RAY], ids=["serial", "ray"])
def test_sigterm_is_a_resumable_stop(wanted: tuple[Path, str], tmp_path: Path, executor: dict[str, object]) -> None:
    process = start(wanted[0], tmp_path / "out", *with_executor(wanted[0], executor))
    wait_for(tmp_path / "out" / "log.jsonl", "shard-done")
    os.kill(process.pid, signal.SIGTERM)
    code, output = finish(process, 60)
    assert code == 130, output
    assert "Traceback" not in output and "synflow resume" in output


def test_a_run_of_another_version_is_refused(wanted: tuple[Path, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    identity = {"name": "x", "manifest": {"version": 9}, "folder": "/", "fingerprint": {}, "passes": [], "shards": 0}
    (out / "run.json").write_text(json.dumps({**identity, "records": 0}))
    code, output = finish(start(out, out, command="resume"))
    assert code == 4, output
    assert "another version" in output and "Traceback" not in output
