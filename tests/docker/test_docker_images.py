"""The images, without a container engine: linted, read instruction by instruction, and executed as a script.

The script test gives every stage of a Dockerfile an empty tree under a temporary folder, copies in what COPY names
(and the ignore file lets through), runs each RUN there, and at last the CMD.
"""

from __future__ import annotations

import fnmatch
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
IMAGES = ("Dockerfile.cpu", "Dockerfile.gpu")
TOPS = ("src", "opt/synflow", "app", "data", "models")
"""Folders at the root of the image; the script moves them under its own root."""


def instructions(name: str) -> list[tuple[str, str]]:
    """Return (instruction, value) pairs without the comments."""
    parser = DockerfileParser(fileobj=io.BytesIO((DOCKER / name).read_bytes()))
    return [(step["instruction"], step["value"]) for step in parser.structure if step["instruction"] != "COMMENT"]


def values(name: str, instruction: str) -> list[str]:
    return [value for found, value in instructions(name) if found == instruction]


def sent_to_the_builder(name: str, path: str) -> bool:
    """Tell whether the ignore file lets ``path`` into the build context: the last line that matches decides."""
    sent = True
    for line in (DOCKER / f"{name}.dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").strip()
        if not pattern or pattern.startswith("#"):
            continue
        covers = any(
            fnmatch.fnmatch(str(part), pattern) for part in (Path(path), *Path(path).parents) if str(part) != "."
        )
        if covers or (pattern.startswith("**/") and pattern[3:] in Path(path).parts):
            sent = line.startswith("!")
    return sent


def copied(name: str) -> list[tuple[list[str], str]]:
    """Return (sources, destination) of every COPY from the build context."""
    plain = [value.split() for value in values(name, "COPY") if not value.startswith("--from")]
    return [(words[:-1], words[-1]) for words in plain]


@pytest.mark.parametrize("name", IMAGES)
def test_the_linter_finds_nothing(name: str) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("hadolint has no wheel for this machine")
    run = subprocess.run([linter, str(DOCKER / name)], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "")


@pytest.mark.parametrize("name", IMAGES)
def test_the_base_is_pinned(name: str) -> None:
    for base in values(name, "FROM"):
        image = base.split()[0]
        assert re.fullmatch(r"[a-z0-9/-]+:v?\d+\.\d+[\w.-]*", image), image


@pytest.mark.parametrize("name", IMAGES)
def test_it_does_not_run_as_root(name: str) -> None:
    last = max(i for i, (found, _) in enumerate(instructions(name)) if found == "FROM")
    users = [value for found, value in instructions(name)[last:] if found == "USER"]
    assert users and all(re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user) for user in users)


@pytest.mark.parametrize("name", IMAGES)
def test_what_it_copies_exists_and_is_sent_to_the_builder(name: str) -> None:
    for sources, _ in copied(name):
        for source in sources:
            assert (ROOT / source).exists(), source
            assert sent_to_the_builder(name, source), source
    assert not sent_to_the_builder(name, ".git/config")
    assert not sent_to_the_builder(name, "runs/demo/run.json")
    assert not sent_to_the_builder(name, "synflow/__pycache__/cli.pyc")


@pytest.mark.parametrize("name", IMAGES)
def test_it_installs_the_tested_versions_and_publishes_nothing(name: str) -> None:
    installs = [value for value in values(name, "RUN") if "install" in value and "--no-deps" not in value]
    assert installs and all("--constraint constraints.txt" in value for value in installs)
    assert not values(name, "EXPOSE") and not values(name, "ADD")


def test_the_demo_of_the_image_is_the_demo_of_the_makefile() -> None:
    script, makefile = (DOCKER / "demo.sh").read_text(), (ROOT / "Makefile").read_text()
    wheel = r"scikit-video==[\d.]+"
    assert re.findall(wheel, makefile)[0] in " ".join(values("Dockerfile.cpu", "RUN"))
    for words in ("--defects 0.2 --seed 42", "run manifests/demo.yaml --out runs/demo", ":-60}"):
        assert words in script
    assert "--clips 60 --defects 0.2 --seed 42" in makefile
    subprocess.run(["sh", "-n", str(DOCKER / "demo.sh")], check=True, timeout=10)


class Script:
    """Executes the instructions of a Dockerfile below ``base`` instead of in an image."""

    def __init__(self, name: str, base: Path) -> None:
        self.name, self.base = name, base
        self.root, self.folder, self.stages = base / "root", base / "root", {}
        self.env: dict[str, str] = {}
        self.command: list[str] = []

    def moved(self, text: str) -> str:
        """Return ``text`` with the image's folders replaced by those of the script."""
        return re.sub(rf"(?<![\w./-])/({'|'.join(TOPS)})(?![\w-])", rf"{self.root}/\1", text)

    def begin(self, value: str) -> None:
        """Start a stage: what the last one made is out of reach, but for COPY --from."""
        if self.root.exists():
            self.root.rename(self.stages[self.stage])
        self.stage = value.split(" AS ")[1] if " AS " in value else "last"
        self.stages[self.stage] = self.base / f"stage-{self.stage}"
        self.root.mkdir()
        (self.base / "home").mkdir(exist_ok=True)
        self.folder = self.root
        python = Path(sys.base_prefix) / "bin"
        pip = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
        self.env = {**pip, "PATH": f"{python}:/usr/bin:/bin", "HOME": str(self.base / "home"), "LC_ALL": "C.UTF-8"}

    def run(self, command: list[str], timeout: float = 900) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def copy(self, value: str) -> None:
        words = value.split()
        source_root = ROOT
        if words[0].startswith("--from="):
            source_root, words = self.stages[words[0].removeprefix("--from=")], words[1:]
        target = Path(self.moved(words[-1]))
        target = target if target.is_absolute() else self.folder / target
        for word in words[:-1]:
            source = source_root / word.lstrip("/")
            if source.is_dir():
                unwanted = shutil.ignore_patterns("__pycache__") if source_root == ROOT else None
                shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True, ignore=unwanted)
            else:
                place = target / source.name if words[-1].endswith("/") else target
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place)

    def execute(self) -> None:
        for instruction, value in instructions(self.name):
            if instruction == "FROM":
                self.begin(value)
            elif instruction == "ENV":
                for key, text in re.findall(r"(\w+)=(\S+)", value):
                    text = str(self.base / "home") if key == "HOME" else text
                    self.env[key] = re.sub(r"\$(\w+)", lambda m: self.env[m[1]], self.moved(text))
            elif instruction == "WORKDIR":
                self.folder = Path(self.moved(value))
                self.folder.mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY":
                self.copy(value)
            elif instruction == "RUN":
                self.run(["sh", "-euc", self.moved(value)])
            elif instruction == "CMD":
                self.command = json.loads(value)


def contents(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_cpu_image_builds_and_runs_the_demo_as_a_script(tmp_path: Path) -> None:
    script = Script("Dockerfile.cpu", tmp_path)
    script.execute()
    assert not (script.root / "src").exists(), "the last stage sees only what it copies"
    app = script.root / "app"
    before = contents(script.root)

    script.env["CLIPS"] = "12"
    told = script.run(script.command)

    dataset = json.loads((app / "runs/demo/dataset.json").read_text(encoding="utf-8"))
    assert sum(dataset["pairs"].values()) > 0
    assert "synflow inspect" in told, "the demo says what to type next"
    after = contents(script.root)
    touched = [name for name in {*before, *after} if before.get(name) != after.get(name)]
    outside = sorted(name for name in touched if not name.startswith("app/runs/"))
    assert not outside, f"a run writes below runs/ only, not {outside[:10]}"
