"""A whole run: the same bytes whoever works in whatever order, every record in one place, damage found and mended."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset as wds

sys.path.insert(0, str(Path(__file__).with_name("faults")))
from fault_runs import finish, start, write_manifest

from synflow import run as engine
from synflow.errors import Refused, UsageError
from synflow.executors.contract import Result, Unit
from synflow.executors.factory import open_executor
from synflow.executors.serial import SerialExecutor
from synflow.manifest import load_manifest
from synflow.store.survey import survey
from synflow.store.verify import verify
from synflow.world.render import render_world

SHARED = ("id", "record_id", "task", "domain", "clip_id", "query_clip_id", "source_id", "source_uri", "licence")
"""What the ``.json`` member of a pair and its row of the index both say."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    render_world(folder, clips=8, seed=11, defects=0.25, workers=1)
    lines = (folder / "videos.jsonl").read_text()
    (folder / "videos.jsonl").write_text(lines + '{"path": "no-such.mp4"}\nnot json\n' + lines.splitlines()[0] + "\n")
    return folder


@pytest.fixture(scope="module")
def manifest(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("manifest") / "manifest.yaml", world / "videos.jsonl", shard_clips=3)


@pytest.fixture(scope="module")
def done(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done") / "out"
    assert engine.run(load_manifest(manifest), out).complete
    return out


class BackwardsExecutor(SerialExecutor):
    """Holds all units back and works on the last one first."""

    slots = 1000

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.held: list[Unit] = []

    def submit(self, unit: Unit) -> None:
        self.held.append(unit)

    def wait(self, timeout: float) -> Result | None:
        super().submit(self.held.pop())
        while (result := super().wait(timeout)) is None:
            pass
        return result


def backwards(choice: Mapping[str, Any], spec: Mapping[str, Any]) -> BackwardsExecutor:
    return BackwardsExecutor(dict(spec))


def test_another_order_of_completion_gives_the_same_bytes(manifest: Path, done: Path, tmp_path: Path) -> None:
    engine.run(load_manifest(manifest), tmp_path / "out", open_with=backwards)
    assert (tmp_path / "out" / "dataset.json").read_bytes() == (done / "dataset.json").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_ray_gives_the_same_bytes(manifest: Path, done: Path, tmp_path: Path, workers: int) -> None:
    code, output = finish(start(manifest, tmp_path / "out", "--set", f"executor={{use: ray, cpus: {workers}}}"))
    assert code == 0, output
    assert (tmp_path / "out" / "dataset.json").read_bytes() == (done / "dataset.json").read_bytes()


def test_moved_inputs_and_other_shard_sizes_give_the_same_dataset(
    world: Path, done: Path, tmp_path: Path, manifest: Path
) -> None:
    shutil.copytree(world, tmp_path / "elsewhere")
    moved = write_manifest(tmp_path / "manifest.yaml", tmp_path / "elsewhere" / "videos.jsonl", shard_clips=3)
    engine.run(load_manifest(moved), tmp_path / "out")
    assert (tmp_path / "out" / "dataset.json").read_bytes() == (done / "dataset.json").read_bytes()
    other = write_manifest(tmp_path / "other.yaml", world / "videos.jsonl", shard_clips=100)
    engine.run(load_manifest(other), tmp_path / "other")
    digests = [
        [shard["sha256"] for shard in json.loads((out / "dataset.json").read_text())["shards"]]
        for out in (done, tmp_path / "other")
    ]
    assert digests[0] == digests[1] != []


def test_every_record_ends_in_one_place(done: Path, world: Path) -> None:
    lines = (world / "videos.jsonl").read_text().splitlines()
    planned = [r for line in (done / "plan.jsonl").read_text().splitlines() for r in json.loads(line)["inputs"]]
    assert len(planned) == len(lines)
    rejects = pq.read_table(done / "index" / "rejects.parquet").to_pylist()
    clips = pq.read_table(done / "index" / "clips.parquet").to_pylist()
    kept = {row["record_id"] for row in clips if row["kept"]}
    places = [row["record_id"] for row in rejects if not row["clip_id"]]
    reasons = {row["reason"] for row in rejects}
    assert {"bad-record", "unreadable", "duplicate-record"} <= reasons
    assert len(places) == len(set(places)) + 0
    assert {record["record_id"] for record in planned} == kept | {row["record_id"] for row in rejects}
    value = json.loads((done / "dataset.json").read_text())
    assert value["records"]["inputs"] == len(lines)
    assert value["records"]["kept"] == len(kept)
    bad = next(row for row in rejects if row["reason"] == "bad-record")
    assert f"line {len(lines) - 1}" in bad["detail"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_both_sides_of_every_pair_are_there_decode_and_differ(done: Path) -> None:
    for shard in json.loads((done / "dataset.json").read_text())["shards"]:
        for pair in wds.WebDataset(str(done / shard["path"]), shardshuffle=False, empty_check=False):
            sides: dict[str, dict[str, bytes]] = {"query": {}, "target": {}}
            for name, data in pair.items():
                side = name.partition(".")[0]
                if side in sides:
                    sides[side][name] = data
                    assert data and (not name.endswith(".jpg") or cv2.imdecode(np.frombuffer(data, np.uint8), 1).any())
            assert sides["query"] and sides["target"]
            pictures = [{d for n, d in side.items() if n.endswith(".jpg")} for side in sides.values()]
            if shard["task"] in ("ti2v", "tv2v"):
                assert not pictures[0] & pictures[1]
            assert list(sides["query"].values()) != list(sides["target"].values())


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_plain_webdataset_reads_every_pair_that_the_index_names(done: Path) -> None:
    rows = pq.read_table(done / "index" / "pairs.parquet").to_pylist()
    assert {row["task"] for row in rows} >= {"t2v", "t2i", "i2v", "t2t", "v2v"}
    by_key = {row["key"]: row for row in rows}
    found = 0
    for shard in json.loads((done / "dataset.json").read_text())["shards"]:
        for pair in wds.WebDataset(str(done / shard["path"]), shardshuffle=False, empty_check=False):
            row = by_key[pair["__key__"]]
            found += 1
            told = json.loads(pair["json"])
            assert {name: told[name] for name in SHARED} == {name: row[name] for name in SHARED}
            assert row["shard"] == shard["path"]
            assert pair.get("query.txt", b"").decode() == row["query_text"]
            frames = [name for name in pair if name.startswith("target.") and name.endswith(".jpg")]
            assert bool(frames) == (row["task"] not in ("t2t",))
            data = (done / shard["path"]).read_bytes()[row["offset"] : row["offset"] + row["bytes"]]
            assert data[: len(row["key"])].decode() == row["key"]
    assert found == len(rows) == len(by_key)


def test_resume_of_a_complete_run_does_nothing(done: Path) -> None:
    before = (done / "log.jsonl").read_text().count("shard-done")
    assert engine.resume(done).complete
    assert (done / "log.jsonl").read_text().count("shard-done") == before


def test_a_second_run_into_the_folder_of_another_is_refused(done: Path, manifest: Path) -> None:
    with pytest.raises(Refused, match="seed: 42 there, 7 here"):
        engine.run(load_manifest(manifest, ["seed=7"]), done)
    assert verify(done).sound


def test_workers_and_endpoints_may_differ_freely(done: Path, manifest: Path) -> None:
    assert engine.run(load_manifest(manifest, ["executor={use: ray, cpus: 7}"]), done).complete


def test_where_there_is_no_run(tmp_path: Path) -> None:
    for call in (engine.resume, survey, verify):
        with pytest.raises(UsageError, match="holds no run"):
            call(tmp_path)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
@pytest.mark.parametrize("kind", ["shards/t2v/*.tar", "objects/*.jsonl", "index/pairs.parquet"])
def test_damage_is_found_and_mended(done: Path, tmp_path: Path, harm: str, kind: str) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out, copy_function=shutil.copy2)
    wanted = (out / "dataset.json").read_bytes()
    victim = max(sorted(out.glob(kind)), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    elif harm == "cut":
        victim.write_bytes(data[: len(data) // 2])
    else:
        victim.unlink()
    code, output = finish(start(out, out, command="verify"))
    assert code == 5, output
    code, output = finish(start(out, out, command="resume"))
    assert code == 0, output
    assert (out / "dataset.json").read_bytes() == wanted
    code, output = finish(start(out, out, command="verify"))
    assert code == 0, output


def test_executor_is_opened_only_when_there_is_work(done: Path) -> None:
    opened = []

    def watch(choice: Mapping[str, Any], spec: Mapping[str, Any]) -> Any:
        opened.append(choice)
        return open_executor(choice, spec)

    engine.resume(done, open_with=watch)
    assert opened == []
