"""A clip is decoded once in a pass, whatever number of stages looks at it, and not at all in later passes."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).with_name("faults")))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.manifest import load_manifest
from synflow.media.sandbox import Sandbox
from synflow.world.render import render_world


def test_each_source_is_scanned_once_and_stored_frames_serve_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render_world(tmp_path / "world", clips=5, seed=3, workers=1)
    calls: Counter[tuple[str, str]] = Counter()
    order: list[tuple[str, str]] = []
    for name in ("scan", "stills", "clip"):
        real = getattr(Sandbox, name)

        def counted(self: Sandbox, location: Any, *rest: Any, _real: Any = real, _name: str = name) -> Any:
            calls[_name, location.path] += 1
            order.append((_name, location.path))
            return _real(self, location, *rest)

        monkeypatch.setattr(Sandbox, name, counted)
    manifest = write_manifest(tmp_path / "manifest.yaml", tmp_path / "world" / "videos.jsonl")
    events: list[dict[str, Any]] = []
    state = engine.run(load_manifest(manifest), tmp_path / "out", events.append)
    assert state.complete and state.pairs["t2v"] >= 5
    scans = [number for (name, _), number in calls.items() if name == "scan"]
    assert scans == [1] * 5
    assert not [name for name, _ in calls if name == "clip"]
    # Stills come from what the scan of the same source kept: no other source is scanned in between.
    last = ""
    for name, path in order:
        assert name == "scan" or path == last
        last = path
