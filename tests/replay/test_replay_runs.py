"""A replay says what a run with those thresholds does: clip by clip, reason by reason."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.cli import main
from synflow.errors import Refused, UsageError
from synflow.manifest import load_manifest
from synflow.replay import Fate, Replay, replay
from synflow.store.layout import RunLayout
from synflow.world.render import render_world

CURATION: list[Any] = [
    {"validate": {"min_short_side": 96}},
    {"shots": {"min_clip": 1.0}},
    "rectify",
    "quality",
    "dynamics",
    "dedup",
    "consistency",
]

STRICTER = {
    "parts of cut videos": [
        "dynamics.min_residual=0.15",
        "dynamics.min_changed=0.1",
        "dynamics.min_busy=0.5",
        "dynamics.min_travel=2",
    ],
    "whole cut videos": ["validate.max_duration=6.1", "validate.min_short_side=100"],
    "two stages": ["quality.min_sharpness=0.57", "quality.max_black=0.0", "validate.min_duration=5.5"],
    "corpus rules alone": ["consistency.min_score=0.5001", "rectify.shared_by=0"],
    "the better copy": ["validate.max_duration=5.5"],
}
"""Every change but that of the corpus rules only ever drops more."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with cut videos, defects, copies, and a caption that two sources share."""
    folder = tmp_path_factory.mktemp("world")
    render_world(folder, clips=24, seed=11, defects=0.5, workers=1)
    lines = [json.loads(line) for line in (folder / "videos.jsonl").read_text().splitlines()]
    for number in (2, 4, 6):
        shutil.copy(folder / lines[number]["path"], folder / f"copy-{number}.mp4")
        lines.append({**lines[number], "id": f"copy-{number}", "path": f"copy-{number}.mp4"})
    lines.append({**lines[20], "id": "excerpt", "start": 0.0, "end": 5.0})
    lines.append({**lines[20], "id": "outside", "start": 50.0, "end": 55.0})
    lines[12]["caption"] = lines[14]["caption"]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "videos.jsonl").write_text(text + '{"path": "no-such.mp4"}\nnot json\n' + json.dumps(lines[0]) + "\n")
    (folder / "few.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:10]))
    return folder


def made(world: Path, out: Path, *sets: str, clips: str = "videos.jsonl", **changes: Any) -> Path:
    path = write_manifest(out.with_suffix(".yaml"), world / clips, **{"shard_clips": 7, "stages": CURATION, **changes})
    assert engine.run(load_manifest(path, sets), out).complete
    return out


@pytest.fixture(scope="module")
def done(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(world, tmp_path_factory.mktemp("done") / "run")


def kept_in(out: Path) -> set[tuple[str, str]]:
    rows = pq.read_table(out / "index/clips.parquet").to_pylist()
    return {(row["record_id"], row["clip_id"]) for row in rows if row["kept"]}


def drops_in(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out / "index/rejects.parquet").to_pylist()
    return rows


def name(fate: Fate) -> tuple[str, str]:
    return fate.clip.record_id, fate.clip.clip_id


def assert_same(found: Replay, real: Path) -> None:
    assert {name(fate) for fate in found.fates if fate.alive} == kept_in(real)
    rows = drops_in(real)
    after = {title: new for title, (_, new) in found.funnel().items() if new}
    assert after == Counter((row["stage"], row["reason"]) for row in rows)
    told = {(fate.clip.record_id, fate.now.stage, fate.now.reason, fate.now.detail) for fate in found.fates if fate.now}
    assert told == {(row["record_id"], row["stage"], row["reason"], row["detail"]) for row in rows}


@pytest.mark.parametrize("case", STRICTER)
def test_stricter_thresholds_are_exactly_a_run_with_them(world: Path, done: Path, tmp_path: Path, case: str) -> None:
    found = replay(done, STRICTER[case])
    assert not found.undecided and (found.lost or found.gained)
    assert_same(found, made(world, tmp_path / "run", *STRICTER[case]))


def test_the_world_has_what_makes_replaying_hard(done: Path) -> None:
    assert {row["reason"] for row in drops_in(done)} >= {
        "static-clip", "near-duplicate", "caption-shared", "caption-mismatch", "bad-record", "bad-span", "unreadable",
    }  # fmt: skip
    records = Counter(record for record, _ in kept_in(done))
    assert max(records.values()) >= 3, "no video was cut"
    assert name_of_part_lost(done), "no cut video loses a part alone"
    better = replay(done, STRICTER["the better copy"])
    assert "excerpt" in {fate.clip.record_id for fate in better.gained}


def name_of_part_lost(done: Path) -> set[str]:
    found = replay(done, STRICTER["parts of cut videos"])
    stay = {fate.clip.record_id for fate in found.fates if fate.alive}
    return {fate.clip.record_id for fate in found.lost} & stay


def test_to_the_end_of_the_pipeline_with_its_pairs(world: Path, tmp_path: Path) -> None:
    stages = [*CURATION, "enrich", "audit", "expand"]
    sets = ["validate.max_duration=7.4", *STRICTER["parts of cut videos"]]
    before = made(world, tmp_path / "before", clips="few.jsonl", stages=stages)
    found = replay(before, sets)
    assert found.lost and not found.undecided
    real = made(world, tmp_path / "after", *sets, clips="few.jsonl", stages=stages)
    assert_same(found, real)
    pairs = Counter(pq.read_table(real / "index/pairs.parquet", columns=["task"]).column("task").to_pylist())
    assert {task: every - gone for task, (every, gone) in found.pairs.items() if every - gone} == pairs


def test_what_was_never_measured_is_undecided(done: Path) -> None:
    found = replay(done, ["dynamics.min_residual=0", "dynamics.min_changed=0", "dynamics.min_busy=0"])
    static = {(row["record_id"], row["clip_id"]) for row in drops_in(done) if row["reason"] == "static-clip"}
    assert {name(fate) for fate in found.undecided} == static
    assert not found.lost and not found.gained and not found.as_json()["exact"]
    assert ("dynamics", "static-clip") in found.funnel() and found.funnel()["dynamics", "static-clip"][1] == 0


def test_where_no_stage_is_left_looser_thresholds_are_exact(world: Path, tmp_path: Path) -> None:
    stages = [{"validate": {"min_short_side": 96}}, "dynamics"]
    before = made(world, tmp_path / "before", stages=stages)
    found = replay(before, ["dynamics.min_changed=0"])
    assert found.gained and not found.undecided
    assert_same(found, made(world, tmp_path / "after", "dynamics.min_changed=0", stages=stages))


def test_the_same_values_change_nothing(done: Path) -> None:
    found = replay(done, ["dynamics.min_residual=0.009"])
    assert found.changes == {} and found.kept[0] == found.kept[1]
    assert all(old == new for old, new in found.funnel().values())


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("dynamics.min_residul=1", "did you mean `min_residual`"),
        ("dynamic.min_residual=1", "did you mean `dynamics`"),
        ("shots.min_clip=3", "shots.min_clip: it changes what is measured"),
        ("quality.black_exposure=0.2", "quality.black_exposure: it changes what is measured"),
        ("media.frames=5", "media.frames: it is no threshold"),
        ("targets.t2v=5", "targets: it is no threshold"),
        ("dynamics.min_busy=7", "between 0 and 1"),
    ],
)
def test_what_cannot_be_replayed_is_said(done: Path, text: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        replay(done, [text])


def test_measures_of_another_version_are_refused(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "run")
    path = RunLayout(tmp_path / "run").identity
    value = json.loads(path.read_text())
    value["fingerprint"]["stage version.dynamics"] = 99
    path.write_text(json.dumps(value))
    with pytest.raises(Refused, match="by its version 99"):
        replay(tmp_path / "run", ["dynamics.min_residual=0.1"])
    assert replay(tmp_path / "run", ["quality.min_sharpness=0.3"]).changes


def test_the_command_tells_people_and_programs(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = [part for text in STRICTER["parts of cut videos"] for part in ("--set", text)]
    assert main(["replay", str(done), *sets, "--json"]) == 0
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert (
        err == "" and value["exact"] and value["changes"]["dynamics.min_residual"] == {"before": 0.009, "after": 0.15}
    )
    assert value["kept"]["before"] - value["kept"]["after"] == len(value["lost"]) - len(value["gained"])
    assert all(row["record_id"] and row["reason"] for row in value["lost"])
    assert main(["replay", str(done), *sets]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "static-clip" in err and "0.009 → 0.15" in err
    for wrong in ([], ["--set", "dynamics.min_residul=1"]):
        assert main(["replay", str(done), *wrong]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 2
