"""What the pages say is so: links lead somewhere, manifests load, commands and snippets run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from docpages import PAGES, ROOT, Block, blocks, typed

BLOCKS = [block for page in PAGES for block in blocks(page)]


def only(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file) if file else page
        assert place.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}, target


def test_every_page_is_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lost = [page.name for page in PAGES if page.parent.name == "docs" and f"docs/{page.name}" not in text]
    assert not lost


@pytest.mark.parametrize("block", only("yaml"), ids=str)
def test_the_manifests_of_the_pages_load(block: Block, tmp_path: Path) -> None:
    from synflow.manifest import load_manifest

    if not block.text.startswith("version: 1"):
        pytest.skip("part of a manifest")
    own = re.findall(r"^  - (dim|longest-clip):.*\n", block.text, re.MULTILINE)
    text = re.sub(r"^  - (dim|longest-clip):.*\n", "", block.text, flags=re.MULTILINE)
    place = tmp_path / "manifest.yaml"
    place.write_text(text, encoding="utf-8")
    manifest = load_manifest(place)
    assert len(manifest.stages) == len(yaml.safe_load(block.text)["stages"]) - len(own) + (manifest.targets is not None)


@pytest.mark.parametrize("path", sorted((ROOT / "manifests").glob("*.yaml")), ids=lambda path: path.name)
def test_the_manifests_that_ship_load(path: Path) -> None:
    from synflow.manifest import load_manifest

    assert load_manifest(path).name == path.stem


def test_the_paper_manifest_asks_for_the_paper_counts() -> None:
    targets = yaml.safe_load((ROOT / "manifests" / "uvrd.yaml").read_text(encoding="utf-8"))["targets"]
    assert sum(targets.values()) == 1_549_000 and len(targets) == 7


@pytest.mark.parametrize("block", only("console"), ids=str)
def test_the_commands_of_the_pages_run(block: Block, desk: Path) -> None:
    """Each line ``$ command`` ends with 0 or the exit code that the block announces, and never in a traceback."""
    expected = int(block.notes.get("exit", "0"))
    commands = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        done = typed(command, desk)
        assert done.returncode == expected, f"{block}: {command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
        if expected:
            assert len([line for line in done.stderr.splitlines() if line.strip()]) == 2, done.stderr


@pytest.mark.parametrize(
    "block", [block for block in only("python") if "title" not in block.notes], ids=str
)  # titled blocks are files of a tutorial
def test_the_snippets_of_the_pages_run(block: Block, desk: Path) -> None:
    done = subprocess.run([sys.executable, "-c", block.text], cwd=desk, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{block}\n{done.stderr}"
    assert done.stdout.strip(), block


def test_fences_are_of_the_kinds_that_are_checked() -> None:
    known = {"", "console", "json", "python", "sh", "toml", "yaml"}
    odd = [str(block) for block in BLOCKS if block.language not in known]
    assert not odd


def test_the_page_of_the_stages_is_that_of_the_code() -> None:
    check = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"stale: run python docs/generate.py\n{done.stderr}"


def test_the_page_of_the_stages_explains_every_parameter_and_reason() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", (ROOT / "docs/stages.md").read_text(encoding="utf-8"), re.MULTILINE)
    mute = [name for name, rest in rows if not rest.split("|")[-1].strip()]
    assert rows and not mute


def test_every_measure_of_a_run_stands_on_the_page_of_the_stages(desk: Path) -> None:
    page = (ROOT / "docs/stages.md").read_text(encoding="utf-8")
    names = set()
    for table in ("clips", "rejects"):
        for row in pq.read_table(desk / "runs/demo/index" / f"{table}.parquet", columns=["measures"]).to_pylist():
            names |= {
                re.sub(r"^(enrich\.(?:fault|first)|audit\.(?:style|axis|prompt))\..*", r"\1.*", name)
                for name, _ in row["measures"] or ()
            }
    lost = sorted(name for name in names if f"| `{name}` |" not in page)
    assert names and not lost


def test_every_table_has_as_many_cells_in_each_row_as_in_its_head() -> None:
    for page in PAGES:
        width = 0
        for line in re.sub(r"`[^`]*`", "x", page.read_text(encoding="utf-8")).splitlines():
            cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
            assert not cells or not width or cells == width, f"{page.name}: {line}"
            width = cells
