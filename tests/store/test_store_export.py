"""An export holds every pair with the bytes of its shard, and `datasets` opens it as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.cli import main
from synflow.ids import digest
from synflow.manifest import load_manifest
from synflow.store import export as exporting
from synflow.store.reader import open_dataset
from synflow.world.render import render_world

HOSTILE = "<script>alert(1)</script> \u202edcba \U0001f984 " + "word " * 10_000
STRANGE = "<img src=x onerror=alert(1)>\U0001f984.mp4"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    render_world(folder / "world", clips=4, seed=5, defects=0.0, workers=1)
    path = folder / "world/videos.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[0]["caption"] = [HOSTILE + "\x00", lines[0]["caption"] if isinstance(lines[0]["caption"], str) else "a dog"]
    (folder / "world" / lines[1]["path"]).rename(folder / "world" / STRANGE)
    lines[1].update(path=STRANGE, licence="CC-BY-NC-4.0")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    stages = [{"validate": {"min_short_side": 144}}, "expand"]
    manifest = write_manifest(folder / "m.yaml", path, stages=stages)
    assert engine.run(load_manifest(manifest), folder / "out").complete
    return folder / "out"


def loaded(folder: Path, home: Path) -> dict[str, Any]:
    """Return what `datasets` finds in a folder: for each configuration its rows, media as digests of their bytes."""
    code = """
import hashlib, json, sys, datasets
from datasets import Image, List
def told(value):
    if isinstance(value, dict) and set(value) == {"bytes", "path"}:
        return hashlib.sha256(value["bytes"]).hexdigest()
    if isinstance(value, list):
        return [told(one) for one in value]
    return value
found = {}
for name in datasets.get_dataset_config_names(sys.argv[1]):
    rows = datasets.load_dataset(sys.argv[1], name, split="train")
    if "query_image" in rows.features:
        seen = rows[0]
        for side in ("query", "target"):
            assert seen[side + "_image"] is None or seen[side + "_image"].size[0] > 8
        for column, kind in list(rows.features.items()):
            if isinstance(kind, Image):
                rows = rows.cast_column(column, Image(decode=False))
            elif isinstance(kind, List) and isinstance(kind.feature, Image):
                rows = rows.cast_column(column, List(Image(decode=False)))
    found[name] = [{key: told(value) for key, value in row.items()} for row in rows]
print(json.dumps(found))
"""
    env = {**os.environ, "HF_HOME": str(home), "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(folder)], env=env, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_datasets_opens_what_is_exported_for_the_hub(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "hub"), "--to", "hf"]) == 0
    found, dataset = loaded(tmp_path / "hub", tmp_path / "home"), open_dataset(run)
    assert {name: len(rows) for name, rows in found.items()} == dataset.tasks
    for rows in found.values():
        for row in rows:
            pair = dataset.pair(row["id"])
            for name, side in (("query", pair.query), ("target", pair.target)):
                assert row[f"{name}_text"] == side.text
                assert row[f"{name}_image"] == (digest(side.image) if side.image else None)
                assert (row[f"{name}_frames"] or []) == [digest(jpeg) for jpeg in side.frames]
            assert json.loads(row["record"]) == pair.record and row["licence"] == pair.record["licence"]
    head = (tmp_path / "hub/README.md").read_text(encoding="utf-8")
    assert head.startswith("---\nlicense: cc-by-nc-4.0\n") and "<script" not in head and "<img" not in head
    assert main(["export", str(run), str(tmp_path / "tables"), "--to", "hf", "--what", "index"]) == 0
    tables = loaded(tmp_path / "tables", tmp_path / "home")
    clips = pq.ParquetFile(run / "index/clips.parquet").read().to_pylist()
    assert [{one["name"]: one["value"] for one in row["measures"]} for row in tables["clips"]] == [
        dict(row["measures"]) for row in clips
    ]


def test_parquet_of_the_index_is_the_index_and_of_pairs_is_split_by_size(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["export", str(run), str(tmp_path / "index"), "--to", "parquet", "--what", "index"]) == 0
    for name in ("pairs", "clips", "rejects"):
        assert (tmp_path / f"index/{name}.parquet").read_bytes() == (run / f"index/{name}.parquet").read_bytes()
    monkeypatch.setattr(exporting, "FILE_BYTES", 60_000)
    monkeypatch.setattr(exporting, "GROUP_BYTES", 20_000)
    assert main(["export", str(run), str(tmp_path / "t2v"), "--to", "parquet", "--task", "t2v"]) == 0
    files = sorted((tmp_path / "t2v/data/t2v").iterdir())
    rows = [row for file in files for row in pq.ParquetFile(file).read(["id", "query_text"]).to_pylist()]
    wanted = [row for row in pq.ParquetFile(run / "index/pairs.parquet").read().to_pylist() if row["task"] == "t2v"]
    assert [row["id"] for row in rows] == [row["id"] for row in wanted] and len(files) > 1
    assert max(len(row["query_text"]) for row in rows) > 40_000, "a caption of 10,000 words is whole"


def test_an_export_is_whole_or_not_there(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(exporting, "_hub_card", fails)
        exporting.export(run, tmp_path / "out", "hf", "pairs")
    assert list(tmp_path.iterdir()) == []
    for wrong in (["--to", "zip"], ["--to", "hf", "--what", "all"], ["--to", "hf", "--task", "t9v"]):
        assert main(["export", str(run), str(tmp_path / "out"), *wrong]) == 2
    (tmp_path / "out").mkdir()
    assert main(["export", str(run), str(tmp_path / "out"), "--to", "hf"]) == 2
