"""Finished runs to look at, each made once for all tests: one by hand, one through the whole pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from handmade import WHOLE_ROAD, write_run

from synflow.cli import main


@pytest.fixture(scope="session")
def handmade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("handmade"))


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small world with defects, a hostile caption and a hostile file name; videos are stored as mp4."""
    folder = tmp_path_factory.mktemp("lived")
    assert main(["world", str(folder / "world"), "--clips", "6", "--defects", "0.4", "--seed", "11"]) == 0
    lines = [json.loads(line) for line in (folder / "world/videos.jsonl").read_text(encoding="utf-8").splitlines()]
    first = folder / "world" / lines[0]["path"]
    strange = first.with_name("<img src=x onerror=alert(1)>'\".mp4")
    first.rename(strange)
    lines[0]["path"] = str(strange.relative_to(folder / "world"))
    lines[0]["id"] = "<script>alert(2)</script>"
    (folder / "world/videos.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    manifest = {
        "version": 1,
        "name": "lived",
        "seed": 3,
        "inputs": [{"clips": "world/videos.jsonl", "licence": "CC-BY-4.0"}],
        "output": "run",
        "executor": {"use": "serial"},
        "models": {"vlm": {"use": "signals"}, "embed": {"use": "signals"}},
        "stages": [{name: {"min_short_side": 144} if name == "validate" else {}} for name in WHOLE_ROAD],
        "targets": {"t2v": 6, "t2i": 4, "i2v": 4, "t2t": 4, "ti2v": 4, "v2v": 2, "tv2v": 2},
        "media": {"video": "clip"},
    }
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    assert main(["run", str(folder / "manifest.yaml")]) == 0
    return folder / "run"
