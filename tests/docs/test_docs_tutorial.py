"""The code of the page on writing a stage: installed as its reader would, tested, and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from docpages import ROOT, blocks

PAGE = ROOT / "docs" / "write-a-stage.md"


def call(folder: Path, site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folder with the files of the page, and the folder into which its package was installed."""
    folder, site = tmp_path_factory.mktemp("tutorial"), tmp_path_factory.mktemp("site")
    for block in blocks(PAGE):
        if "title" in block.notes:
            (folder / block.notes["title"]).write_text(block.text, encoding="utf-8")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    call(folder, site, *pip, "--no-build-isolation", "--target", str(site), str(folder))
    return folder, site


def test_its_test_passes(tutorial: tuple[Path, Path]) -> None:
    folder, site = tutorial
    assert "1 passed" in call(folder, site, "-m", "pytest", "-p", "no:cacheprovider", "test_dim.py").stdout


def test_its_stages_are_listed(tutorial: tuple[Path, Path]) -> None:
    folder, site = tutorial
    told = call(folder, site, "-m", "synflow", "stages", "dim")
    assert "min_brightness" in told.stdout + told.stderr


def test_its_corpus_stage_keeps_the_longest_clip_of_each_source(tutorial: tuple[Path, Path]) -> None:
    code = """
from longest_clip import LongestClip
clips = ("a", "1", 2.0), ("b", "2", 3.0), ("a", "3", 4.0), ("a", "4", 4.0)
rows = [{"record": record, "clip": clip, "seconds": seconds} for record, clip, seconds in clips]
print(*(d.drop.detail if d.drop else "kept" for d in LongestClip().settle(rows, 0)))
"""
    assert call(*tutorial, "-c", code).stdout.split() == ["3", "kept", "kept", "3"]


def test_its_manifest_runs(tutorial: tuple[Path, Path]) -> None:
    import yaml

    folder, site = tutorial
    call(folder, site, "-m", "synflow", "world", "world", "--clips", "6", "--defects", "0", "--seed", "3")
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text(encoding="utf-8"))
    manifest["inputs"][0]["clips"] = "world/videos.jsonl"
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    call(folder, site, "-m", "synflow", "run", "manifest.yaml")
    dataset = json.loads((folder / "runs" / "bright" / "dataset.json").read_text(encoding="utf-8"))
    assert dataset["clips"]["kept"] > 0
    assert not [name for name in dataset["drops"] if name.split("/")[0] not in manifest_stages(manifest)]


def manifest_stages(manifest: dict[str, object]) -> set[str]:
    return {name for entry in manifest["stages"] for name in entry}
