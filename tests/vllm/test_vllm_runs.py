"""Whole runs of synflow by a real vLLM, served and inside the run; nothing is asked twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import spec

from synflow.models.vllm_server import Servers

pytestmark = pytest.mark.vllm
STAGES: list[Any] = [
    {"validate": {"min_short_side": 100, "max_duration": 3600}},
    {"enrich": {"captions": 5, "max_tokens": 384}},
    {"audit": {"ask": True, "source_captions": True, "contradicted": "keep", "order": "measured", "max_tokens": 256}},
    {"expand": {"judge": True}},
]
NAMES = ("calls", "prompt_tokens", "cached_tokens", "answer_tokens", "later", "again", "again_cached")


def synflow(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "synflow", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(folder: Path, clips: Path, vlm: dict[str, Any]) -> str:
    manifest = {
        "version": 1, "name": "real", "inputs": [{"clips": str(clips)}], "shard_clips": 3,
        "executor": {"use": "serial"}, "models": {"vlm": vlm}, "stages": STAGES, "media": {"frames": 4},
    }  # fmt: skip
    (folder / "m.yaml").write_text(yaml.safe_dump(manifest))
    return "m.yaml"


def usage(run: Path) -> dict[str, int]:
    """Return what a run asked, as its log tells."""
    told = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    done = [event["usage"] for event in told if event["event"] == "shard-done"]
    return {name: sum(one.get(name, 0) for one in done) for name in NAMES}


def answers(run: Path) -> int:
    return sum(line.startswith(b'{"') for path in run.glob("journal/*/*") for line in path.read_bytes().splitlines())


def ran_twice(folder: Path, manifest: str) -> dict[str, int]:
    """Run it; then again beside it, with its answers: the same bytes, and no call."""
    synflow(folder, "run", manifest, "--out", "run")
    first = usage(folder / "run")
    assert answers(folder / "run") == first["calls"]
    synflow(folder, "run", manifest, "--out", "other", "--reuse", "run")
    assert usage(folder / "other")["calls"] == 0
    same = [(folder / run / "dataset.json").read_bytes() for run in ("run", "other")]
    assert same[0] == same[1]
    assert json.loads(same[0])["clips"]["kept"] >= 1
    synflow(folder, "verify", "run")
    return first


def test_a_served_run_finds_the_pictures_of_its_clips_cached(
    servers: Servers, tiny: str, clips: Path, tmp_path: Path
) -> None:
    urls = [one.place.url for one in servers.all]
    used = ran_twice(
        tmp_path, written(tmp_path, clips, {"use": "openai_http", "base_url": urls, "model": tiny, "timeout": 300.0})
    )
    print(f"\nserved: {used}")
    assert used["calls"] >= 24
    assert used["again_cached"] >= 0.95 * used["again"] > 0
    # Of all calls after the first on each clip, those included that show another picture and so cannot find it.
    assert used["again_cached"] >= 0.7 * used["later"]
    status = json.loads(synflow(tmp_path, "status", "run", "--json"))
    assert status["asked"]["again_cached"] == used["again_cached"]


def test_a_run_with_two_engines_inside(tiny: str, clips: Path, tmp_path: Path) -> None:
    entry = {"use": "vllm_engine", **spec(tiny, replicas=2, gpus=0, concurrency=4)}
    used = ran_twice(tmp_path, written(tmp_path, clips, entry))
    print(f"\ninside: {used}")
    assert used["calls"] >= 24
    assert used["again_cached"] >= 0.95 * used["again"] > 0
