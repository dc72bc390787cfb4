"""A run meets every kind of fault of a model server: rarely, often and always."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_faults import FAULTS, Fault, serving

from synflow import run as driver
from synflow.asks import Answer, Ask
from synflow.errors import ServiceDown, UsageError
from synflow.manifest import parse_manifest
from synflow.models.contract import open_vlm
from synflow.world.render import render_world

TEXT = """
version: 1
name: faults
inputs: [{{clips: {clips}}}]
shard_clips: 4
executor: {{use: serial}}
models:
  vlm:
    use: openai_http
    base_url: {url}
    model: tiny
    timeout: {wait}
    attempts: {most}
    probe_every: 0.02
    probes: 4
stages:
  - validate: {{min_short_side: 100}}
  - enrich
  - expand
media: {{frames: 2, short_side: 64}}
"""
LATE = ("hang", "1 byte at a time")
"""Faults that are only seen by waiting; with all others nobody waits, and a slow machine must not look like a fault."""
QUICK = ("reset", "429 with Retry-After", "HTML")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    render_world(folder, 8, 5, 0.0)
    return folder / "videos.jsonl"


def ran(clips: Path, out: Path, url: str, most: int = 12, name: str = "") -> dict[str, Any]:
    wait = 0.4 if name in LATE else 20.0
    manifest = parse_manifest(TEXT.format(clips=clips, url=url, most=most, wait=wait), "m", clips.parent)
    driver.run(manifest, out)
    return dict(json.loads((out / "dataset.json").read_bytes()))


@pytest.fixture(scope="module")
def untroubled(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with serving() as server:
        value = ran(clips, tmp_path_factory.mktemp("calm") / "run", server.url)
    assert value["pairs"]
    return value


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pauses between attempts pass at once; the waits on the wire are real."""
    monkeypatch.setattr("synflow.models.resilience.Retrying._pause", lambda self, failure, attempt: 0.001)


def survives(name: str, share: float, clips: Path, out: Path, untroubled: dict[str, Any]) -> None:
    with serving(FAULTS[name], share) as server:
        value = ran(clips, out, server.url, name=name)
        calls, faults, asked = server.calls, server.faults, len(server.seen)
    assert value == untroubled
    assert faults
    assert calls <= asked + 1.01 * faults + 2


def stops_and_goes_on(name: str, clips: Path, out: Path, untroubled: dict[str, Any]) -> None:
    with serving(FAULTS[name], 1.0) as server:
        with pytest.raises((ServiceDown, UsageError)) as caught:
            ran(clips, out, server.url, most=3, name=name)
        assert caught.value.remedy
        expected = 2 if name in ("401", "403", "404") else 3
        assert caught.value.exit_code == expected
        assert server.calls <= 80
        server.share = 0.0
        assert ran(clips, out, server.url, name=name) == untroubled


@pytest.mark.parametrize("name", QUICK)
def test_faults_in_a_third_of_the_calls_change_nothing(
    name: str, clips: Path, tmp_path: Path, untroubled: dict[str, Any]
) -> None:
    survives(name, 0.3, clips, tmp_path / "run", untroubled)


@pytest.mark.parametrize("name", ["503", "400"])
def test_a_server_that_only_fails_ends_the_run_resumably(
    name: str, clips: Path, tmp_path: Path, untroubled: dict[str, Any]
) -> None:
    stops_and_goes_on(name, clips, tmp_path / "run", untroubled)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("name", FAULTS)
def test_matrix(name: str, share: float, clips: Path, tmp_path: Path, untroubled: dict[str, Any]) -> None:
    assert len(FAULTS) == 26
    if share < 1:
        survives(name, share, clips, tmp_path / "run", untroubled)
    else:
        stops_and_goes_on(name, clips, tmp_path / "run", untroubled)


@pytest.mark.slow
def test_soak_loses_nothing() -> None:
    """10,000 requests, one in twenty of the calls fails in one of the quick ways."""
    kinds: list[Fault] = [fault for name, fault in FAULTS.items() if name not in ("hang", "1 byte at a time", "10 MB")]
    schema = {"type": "object", "properties": {"says": {"type": "string"}}, "required": ["says"]}
    asks = [Ask("soak", "d", f"ask {i}", schema, affinity=f"clip-{i // 4}") for i in range(10_000)]
    turn = iter(range(10**9))
    with serving(lambda handler, good: kinds[next(turn) % len(kinds)](handler, good), 0.05) as server:
        vlm = open_vlm({"use": "openai_http", "base_url": server.url, "model": "tiny", "timeout": 5.0})
        replies = vlm.answer(asks)
        calls, faults = server.calls, server.faults
    answered = sum(isinstance(one, Answer) for one in replies)
    repeats = calls - 10_000 - faults
    print(f"\nsoak: {answered} of 10000 answered, {calls} calls, {faults} faults, {repeats} repeats beyond the faults")
    assert answered == 10_000
    assert [one.request for one in replies] == [ask.digest("tiny") for ask in asks]
    assert 300 < faults < 800
    # Each fault costs one call more, and no sound answer is asked for again.
    assert 0 <= repeats <= 0.01 * faults, f"{calls} calls, {faults} faults"
