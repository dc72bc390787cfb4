"""A withdrawn source is in no shard, table or later resume; shards that it was not in keep their bytes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).with_name("faults")))
from fault_runs import write_manifest

from synflow import durable
from synflow import run as engine
from synflow.cli import main
from synflow.errors import Damage, UsageError
from synflow.manifest import load_manifest
from synflow.store.reader import open_dataset
from synflow.store.verify import verify
from synflow.world.render import render_world

STAGES = [{"validate": {"min_short_side": 144}}, "partners", {"expand": {"elsewhere": 0.9}}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twenty sources, a few pairs a shard."""
    folder = tmp_path_factory.mktemp("withdraw")
    render_world(folder / "world", clips=20, seed=8, defects=0.0, workers=1)
    more = {
        "stages": STAGES,
        "shards": {"max_samples": 4},
        "shard_clips": 5,
        "targets": {"t2v": 200, "ti2v": 40, "i2v": 40},
    }
    manifest = write_manifest(folder / "m.yaml", folder / "world/videos.jsonl", **more)
    assert engine.run(load_manifest(manifest), folder / "out").complete
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder / "out", tmp_path / "out")
    return tmp_path / "out"


def dataset(run: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((run / "dataset.json").read_bytes())
    return value


def pairs(run: Path) -> list[dict[str, Any]]:
    return pq.ParquetFile(run / "index/pairs.parquet").read().to_pylist()


def tars(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.glob("shards/*/*.tar"))}


def victim(run: Path) -> dict[str, Any]:
    """Return a pair whose query shows another video than its target."""
    return next(row for row in pairs(run) if row["query_source_uri"] and row["query_source_uri"] != row["source_uri"])


def uses(row: dict[str, Any], uri: str) -> bool:
    return uri in (row["source_uri"], row["query_source_uri"])


def alone(rows: list[dict[str, Any]], uri: str) -> set[str]:
    """Return the shards of which every pair shows one source."""
    return {row["shard"] for row in rows} - {row["shard"] for row in rows if not uses(row, uri)}


def test_exactly_the_shards_of_one_source_of_twenty_change(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, rows = tars(run), pairs(run)
    uri = next(row["source_uri"] for row in rows if 0 < len(alone(rows, row["source_uri"])) < 3)
    used = {row["shard"] for row in rows if uses(row, uri)}
    assert main(["withdraw", str(run), uri, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    after = tars(run)
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed == used and 0 < len(used) < len(before)
    assert told["rebuilt"] and told["removed"], "of these shards one has nothing of other sources"
    assert set(told["rebuilt"]) | set(told["removed"]) == used and told["untouched"] == len(before) - len(used)
    left = pairs(run)
    assert [row["id"] for row in left] == [row["id"] for row in rows if not uses(row, uri)]
    assert sum(told["withdrawn"]["pairs"].values()) == len(rows) - len(left) > 0
    assert not any(uri.encode() in data for data in after.values())
    reader = open_dataset(run)
    assert len([reader[place].id for place in range(len(reader))]) == len(left)
    report = verify(run)
    assert report.sound and not report.litter, report
    clips = pq.ParquetFile(run / "index/clips.parquet").read().to_pylist()
    assert {row["kept"] for row in clips if row["source_uri"] == uri} == {False}
    assert dataset(run)["drops"]["engine/withdrawn"] == 1
    assert "## Withdrawn" in (run / "README.md").read_text()
    assert uri not in (run / "croissant.json").read_text()


def test_no_later_run_or_resume_brings_it_back_and_a_second_withdrawal_adds(run: Path, folder: Path) -> None:
    first, second = (victim(run)[name] for name in ("source_id", "query_source_uri"))
    engine.withdraw(run, [first])
    once = (run / "dataset.json").read_bytes()
    assert engine.resume(run).complete and (run / "dataset.json").read_bytes() == once
    assert engine.run(load_manifest(folder / "m.yaml"), run).complete and (run / "dataset.json").read_bytes() == once
    engine.withdraw(run, [first])
    assert (run / "dataset.json").read_bytes() == once
    engine.withdraw(run, [second])
    assert dataset(run)["withdrawn"]["records"] == 2 and verify(run).sound
    assert not any(row["source_id"] == first or uses(row, second) for row in pairs(run))


def test_an_order_of_withdrawals_does_not_matter_to_the_shards(run: Path, folder: Path, tmp_path: Path) -> None:
    one, two = sorted({row["source_uri"] for row in pairs(run)})[:2]
    engine.withdraw(run, [one, two])
    shutil.copytree(folder / "out", tmp_path / "other")
    engine.withdraw(tmp_path / "other", [two])
    engine.withdraw(tmp_path / "other", [one])
    assert tars(run) == tars(tmp_path / "other")


class Killed(BaseException):
    pass


def operations(monkeypatch: pytest.MonkeyPatch, stop: int = -1) -> list[str]:
    """Return what is done to the disk, as it is done; raise before operation number ``stop``."""
    seen: list[str] = []

    def watched(name: str) -> None:
        real = getattr(durable.os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            if len(seen) == stop:
                raise Killed
            seen.append(name)
            return real(*arguments, **more)

        monkeypatch.setattr(durable.os, name, call)

    for name in ("link", "rename", "unlink", "fsync"):
        watched(name)
    return seen


def test_killed_anywhere_it_ends_the_same_once_it_is_resumed(
    run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, whole = victim(run)["query_source_uri"], (run / "dataset.json").read_bytes()
    with monkeypatch.context() as patch:
        seen = operations(patch)
        engine.withdraw(run, [uri])
        total = len(seen)
    wanted = (run / "dataset.json").read_bytes()
    assert total > 20 and wanted != whole
    for stop in range(0, total, max(1, total // 12)):
        out = tmp_path / f"killed-{stop}"
        shutil.copytree(folder / "out", out)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            operations(patch, stop)
            engine.withdraw(out, [uri])
        assert engine.resume(out).complete
        begun = (out / "withdrawn.jsonl").exists()
        assert (out / "dataset.json").read_bytes() == (wanted if begun else whole), stop
        assert verify(out).sound
        shutil.rmtree(out)


def test_a_source_without_pairs_and_a_source_that_is_not_there(run: Path) -> None:
    with pytest.raises(UsageError, match="no record"):
        engine.withdraw(run, ["videos/not-there.mp4"])
    assert not (run / "withdrawn.jsonl").exists() and verify(run).complete
    before = tars(run)
    path = run / "plan.jsonl"
    names = [one["record_id"] for line in path.read_text().splitlines() for one in json.loads(line)["inputs"]]
    idle = [name for name in names if name not in {row["record_id"] for row in pairs(run)}]
    for name in idle[:1]:
        engine.withdraw(run, [name])
        assert tars(run) == before and verify(run).sound


def test_a_lost_account_is_damage_and_nothing_goes_on(run: Path) -> None:
    engine.withdraw(run, [victim(run)["source_uri"]])
    (run / "withdrawn.jsonl").rename(run / "elsewhere.jsonl")
    assert any(finding.path == "withdrawn.jsonl" for finding in verify(run).damage)
    with pytest.raises(Damage, match=r"withdrawn\.jsonl"):
        engine.resume(run)
    (run / "elsewhere.jsonl").rename(run / "withdrawn.jsonl")
    assert verify(run).sound and engine.resume(run).complete


def test_neither_videos_nor_lists_nor_models_are_needed(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("synflow.engine.preflight", asked.append)
    world = folder / "world"
    world.rename(folder / "gone")
    try:
        engine.withdraw(run, [victim(run)["source_uri"]])
    finally:
        (folder / "gone").rename(world)
    assert verify(run).sound and asked == [{}]


def test_a_run_that_is_not_finished_ends_without_it(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(folder / "out", out)
    (out / "dataset.json").unlink()
    shutil.rmtree(out / "receipts/pack")
    uri = victim(folder / "out")["source_uri"]
    assert not engine.withdraw(out, [uri]).complete
    assert engine.resume(out).complete and verify(out).sound
    assert not any(uses(row, uri) for row in pairs(out))
