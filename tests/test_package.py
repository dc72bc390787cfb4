"""The wheel: what it carries, and that it works in an empty environment outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MANIFEST = """\
version: 1
name: wheel
seed: 42
inputs:
  - clips: {clips}
    licence: CC0-1.0
shard_clips: 3
executor: {{use: serial}}
models: {{vlm: {{use: signals}}, embed: {{use: signals}}}}
stages:
  - validate: {{min_short_side: 96}}
  - shots: {{}}
  - rectify: {{}}
  - quality: {{}}
  - dynamics: {{}}
  - dedup: {{}}
  - consistency: {{}}
  - enrich: {{}}
  - audit: {{}}
  - expand: {{}}
"""


def call(command: list[str | Path], cwd: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``cwd`` without any variable that points at the checkout."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "COV_"))}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT], ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def outside(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the scripts folder of an environment that holds the wheel; dependencies are borrowed, not copied.

    A line in a .pth file adds the folder of the dependencies without reading the .pth files in it, so that the
    editable install of the checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("outside") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    call([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def test_the_wheel_carries_code_and_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"synflow", "stages"}
    assert "synflow/py.typed" in names
    for folder in ("prompts", "manifests"):
        ours = {p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*") if p.suffix in (".md", ".yaml")}
        assert ours and {f"synflow/data/{name}" for name in ours} <= names
    assert {p.relative_to(ROOT).as_posix() for p in (ROOT / "stages").glob("*.py")} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".mp4", ".tar"))]


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(n).decode() for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        (points,) = (archive.read(n).decode() for n in archive.namelist() if n.endswith("entry_points.txt"))
    lines = metadata.splitlines()
    core = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert "License-Expression: Apache-2.0" in lines and "Requires-Python: >=3.11" in lines
    assert not [line for line in core if any(name in line for name in ("torch", "transformers", "vllm"))]
    assert {f"Provides-Extra: {name}" for name in ("models", "train", "vllm", "demo", "dev")} <= set(lines)
    assert "synflow = synflow.cli:main" in points
    declared = {line.split(" = ")[0] for line in points.split("[synflow.stages]")[1].splitlines() if " = " in line}
    assert declared == {p.stem for p in (ROOT / "stages").glob("*.py")} - {"__init__"}


def test_it_is_the_wheel_that_runs_and_not_the_checkout(outside: Path) -> None:
    code = "import stages, synflow; print(synflow.__file__); print(stages.__file__)"
    for line in call([outside / "python", "-c", code], outside).stdout.split():
        assert Path(line).is_relative_to(outside.parent), line


def test_the_stages_are_found_outside_the_checkout(outside: Path) -> None:
    told = call([outside / "synflow", "stages"], outside)
    for path in (ROOT / "stages").glob("[a-z]*.py"):
        assert path.stem in told.stdout + told.stderr


def test_the_prompts_are_the_same_bytes_outside_the_checkout(outside: Path) -> None:
    names = sorted(p.name for p in (ROOT / "prompts").iterdir() if p.is_dir())
    code = f"from synflow.prompts import load; print(*[load(name).digest for name in {names}])"
    assert names
    inside = call([sys.executable, "-c", code], ROOT).stdout
    assert call([outside / "python", "-c", code], outside).stdout == inside


def test_the_wheel_makes_the_same_dataset_as_the_checkout(outside: Path, tmp_path: Path) -> None:
    call([outside / "synflow", "world", tmp_path / "world", "--clips", "6", "--defects", "0", "--seed", "7"], tmp_path)
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST.format(clips=tmp_path / "world" / "videos.jsonl"), encoding="utf-8")
    call([outside / "synflow", "run", manifest, "--out", tmp_path / "a" / "run"], tmp_path)
    call([sys.executable, "-m", "synflow", "run", manifest, "--out", tmp_path / "b"], ROOT)
    made = (tmp_path / "a" / "run" / "dataset.json").read_bytes()
    assert made and made == (tmp_path / "b" / "dataset.json").read_bytes()
    assert (tmp_path / "a" / "run" / "index" / "pairs.parquet").stat().st_size > 0
