"""A folder in which the commands of the pages can be typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from docpages import ROOT, typed


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after the demo, on a smaller world and without the three downloaded clips."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    world = typed("synflow world runs/demo-world --clips 14 --defects 0.2 --seed 42", folder)
    assert world.returncode == 0, world.stderr
    place = folder / "manifests" / "demo.yaml"
    manifest = yaml.safe_load(place.read_text(encoding="utf-8"))
    manifest["inputs"] = [one for one in manifest["inputs"] if "demo-world" in one["clips"]]
    manifest["executor"] = {"use": "serial"}
    place.write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    run = typed("synflow run manifests/demo.yaml --out runs/demo", folder)
    assert run.returncode == 0, run.stderr
    return folder
