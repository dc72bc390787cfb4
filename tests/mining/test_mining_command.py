"""`synflow mine` as it is typed: what it leaves, and what it says to mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mining_runs import made_run

from synflow.cli import main
from synflow.store.lock import Lock
from synflow.store.negatives import read_negatives


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("made") / "run")


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


def test_signals_mines_what_contradicts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mine", str(root), "--embedder", "signals", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["fresh"] and value["tasks"]["t2v"]["pairs"] == 6
    assert value["tasks"]["t2v"]["abstained"] == 2
    negatives = read_negatives(root)["t2v"]
    texts = {pair: rows[0] for pair, rows in negatives.items()}
    assert len(texts) == 4 and all(row["kind"] == "mined" for row in texts.values())
    assert main(["mine", str(root), "--embedder", "run", "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["fresh"], "the run's own embedder is signals, too"
    assert main(["mine", str(root), "--embedder", "signals"]) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert main(["verify", str(root), "--json"]) in (0, 5)
    assert not [one for one in json.loads(capsys.readouterr().out)["damage"] if "negatives" in one["path"]]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--embedder", "nosuch"], 2, "there is no such embedder"),
        (["--embedder", "transformers"], 2, "models.embed.model"),
        (["--embedder", "signals", "--set", "model=x"], 2, "models.embed"),
        (["--embedder", "signals", "--option", "nosuch=1"], 2, "there is no option"),
        (["--embedder", "signals", "--option", "t2v=4"], 2, "0 to 3"),
        (["--embedder", "signals", "--option", "share=much"], 2, "share"),
        (["--embedder", "signals", "--option", "first=99"], 2, "window"),
        (["--embedder", "openai_http", "--set", "base_url=http://127.0.0.1:9/v1", "--set", "model=m",
          "--set", "attempts=1"], 3, "127.0.0.1"),
        ([], 2, "--embedder"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_two_lines(
    root: Path, arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mine", str(root), *arguments]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("remedy: ")
    assert told in lines[0], lines
    assert not (root / "negatives").exists()


def test_runs_that_cannot_be_mined(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = ["mine", str(root), "--embedder", "signals"]
    with Lock(root / "lock"):
        assert main(mine) == 4
    (root / "index/pairs.parquet").write_bytes(b"torn")
    assert main(mine) == 5
    (root / "dataset.json").unlink()
    assert main(mine) == 3
    assert main(["mine", str(tmp_path / "none"), "--embedder", "signals"]) == 2
    assert "Traceback" not in capsys.readouterr().err
