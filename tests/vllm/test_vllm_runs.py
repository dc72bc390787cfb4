"""Whole runs of synflow by a real vLLM, served and inside the run; nothing is asked twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REAL, spec

from synflow import prompts
from synflow.models.schema import fault
from synflow.models.vllm_server import Servers

pytestmark = pytest.mark.vllm
STAGES: list[Any] = [
    {"validate": {"min_short_side": 100, "max_duration": 3600}},
    {"enrich": {"captions": 5, "max_tokens": 384}},
    {"audit": {"ask": True, "source_captions": True, "contradicted": "keep", "order": "measured", "max_tokens": 256}},
    {"expand": {"judge": True}},
]
WHOLE: list[Any] = [
    STAGES[0], "shots", "rectify", "quality", "dynamics", "dedup", "consistency", "partners", *STAGES[1:],
]  # fmt: skip
"""All of a manifest that a user would write."""
UNUSABLE = frozenset({"answer-schema", "answer-truncated", "answer-refused", "answer-unbound"})
"""Reasons of answers that came and cannot be used, as docs/enrichment.md has them."""
NAMES = ("calls", "prompt_tokens", "cached_tokens", "answer_tokens", "later", "again", "again_cached")


def synflow(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "synflow", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(folder: Path, clips: Path, vlm: dict[str, Any], **more: Any) -> str:
    manifest = {
        "version": 1, "name": "real", "inputs": [{"clips": str(clips)}], "shard_clips": 3,
        "executor": {"use": "serial"}, "models": {"vlm": vlm}, "stages": STAGES, "media": {"frames": 4}, **more,
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


def outcomes(run: Path) -> Counter[str]:
    """Return how many answers of a journal satisfy the schema of a prompt, and how many were refused why."""
    schemas = [prompts.load(name).schema for name in prompts.names()]
    found: Counter[str] = Counter()
    for path in run.glob("journal/*/*"):
        for line in path.read_bytes().splitlines():
            entry = json.loads(line)
            if "answer" in entry:
                value = entry["answer"]["value"]
                found["valid" if any(not fault(value, schema) for schema in schemas) else "invalid"] += 1
            else:
                found[entry["refusal"]["reason"] if "refusal" in entry else "passed"] += 1
    return found


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


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_real_clip(servers: Servers, tiny: str, tmp_path: Path) -> None:
    """All real clips through all stages: what comes back is valid or refused for a reason, and is paid for once."""
    if not REAL.is_file():
        pytest.skip("no real clips are at hand")
    urls = [one.place.url for one in servers.all]
    vlm = {"use": "openai_http", "base_url": urls, "model": tiny, "timeout": 600.0}
    used = ran_twice(tmp_path, written(tmp_path, REAL, vlm, stages=WHOLE, shard_clips=8, media={"frames": 8}))
    found = outcomes(tmp_path / "run")
    print(f"\nall real clips: {used}; {dict(found)}")
    assert found["valid"] > 0
    assert set(found) <= {"valid", *UNUSABLE}
    assert found.total() == used["calls"]
    assert used["again_cached"] >= 0.95 * used["again"] > 0
    assert used["again_cached"] >= 0.7 * used["later"]
