"""What targets take: linear in them, bound by the tightest task, from rates that can be measured or given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synflow.cli import main
from synflow.errors import UsageError
from synflow.manifest import load_manifest
from synflow.needs import Needs, needs

ROOT = Path(__file__).resolve().parents[1]
UVRD = ROOT / "manifests" / "uvrd.yaml"


@pytest.fixture(scope="module")
def uvrd() -> Needs:
    return needs(load_manifest(UVRD))


def test_the_paper_dataset_is_reckoned(uvrd: Needs) -> None:
    assert sum(uvrd.targets.values()) == 1_549_000
    assert (uvrd.tightest, uvrd.short) == ("t2v", ())
    assert uvrd.videos == uvrd.by_task["t2v"] == max(uvrd.by_task.values())
    # A kept clip gives one t2v pair, and three of four another one on a part of a caption.
    assert uvrd.videos * uvrd.rates["kept"] * 1.75 == pytest.approx(879_000, rel=1e-4)
    assert uvrd.calls > uvrd.videos and uvrd.tokens["prompt"] > 1e9
    assert 1e11 < uvrd.disk < 5e12
    assert uvrd.cpu_hours > 0 and uvrd.gpu_hours > 0


def test_twice_the_targets_take_twice_as_much(uvrd: Needs) -> None:
    sets = [f"targets.{task}={2 * number}" for task, number in uvrd.targets.items()]
    twice = needs(load_manifest(UVRD, sets))
    for name in ("videos", "cpu_hours", "gpu_hours", "calls", "disk"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(uvrd, name), rel=0.01)


def test_given_rates_count(uvrd: Needs) -> None:
    manifest = load_manifest(UVRD)
    found = needs(manifest, given=["pairs.tv2v=0.01", "cpu_seconds=3.6", "gpu_prompt_tokens=1e9"])
    assert (found.tightest, found.videos) == ("tv2v", 3_500_000)
    assert found.cpu_hours == 3500.0
    assert found.gpu_hours < uvrd.gpu_hours * 4
    assert "cpu_seconds" in found.origin
    none = needs(manifest, given=["pairs.v2v=0"])
    assert none.short == ("v2v",)


@pytest.mark.parametrize("text", ["pairs.x2v=1", "cpu_seconds=much", "cpu_seconds=-1", "kept", "gpu_answer_tokens=0"])
def test_wrong_rates_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        needs(load_manifest(UVRD), given=[text])


def test_without_targets_nothing_can_be_said() -> None:
    with pytest.raises(UsageError, match="no targets"):
        needs(load_manifest(ROOT / "manifests" / "demo.yaml"))


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plan", str(UVRD), "--needs"]) == 0
    assert "source video" in capsys.readouterr().err
    assert main(["plan", str(UVRD), "--rate", "cpu_seconds=2", "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert value["name"] == "uvrd" and value["rates"]["cpu_seconds"] == 2
    assert main(["plan", str(UVRD), "--rates", str(tmp_path)]) == 2
    assert main(["plan", str(UVRD), "--rates", str(tmp_path / "none")]) == 2
