"""What a stage declares to read is all that it reads: else a run could believe what no longer holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.executors.remembering import Remembering
from synflow.manifest import load_manifest
from synflow.records import Caption, Sample
from synflow.registry import stage_class, stage_names
from synflow.world.render import render_world

READERS = ("/stages/", "/synflow/media/")
NOT_READERS = ("/synflow/media/session.py",)
"""Decodes the pictures of a clip, which every stage may see."""

DECLARED = [name for name in stage_names() if hasattr(stage_class(name), "reads")]


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    """Note which fields of a sample each stage reads, in the files of stages and what they call."""
    found: dict[str, set[str]] = {}
    active: list[str] = []
    plain = object.__getattribute__

    def note(name: str) -> None:
        file = sys._getframe(2).f_code.co_filename
        if any(part in file for part in READERS) and not file.endswith(NOT_READERS):
            found.setdefault(active[-1], set()).add(name)

    def of_sample(self: Sample, name: str) -> Any:
        if active and name in Sample.model_fields and name != "captions":
            note(name)
        return plain(self, name)

    def of_caption(self: Caption, name: str) -> Any:
        if active and name in Caption.model_fields:
            note(f"captions.{name}")
        return plain(self, name)

    def within(method: Any) -> Any:
        def called(self: Remembering, *args: Any) -> Any:
            active.append(self._name)
            try:
                return method(self, *args)
            finally:
                active.pop()

        return called

    monkeypatch.setattr(Sample, "__getattribute__", of_sample)
    monkeypatch.setattr(Caption, "__getattribute__", of_caption)
    monkeypatch.setattr(Remembering, "__call__", within(Remembering.__call__))
    monkeypatch.setattr(Remembering, "rows", within(Remembering.rows))
    yield found


def test_a_stage_reads_what_it_declares(tmp_path: Path, reading: dict[str, set[str]]) -> None:
    render_world(tmp_path / "world", clips=3, seed=3, defects=0.2, workers=1)
    stages = [{"validate": {"min_short_side": 96}}, "rectify", *(name for name in DECLARED if name != "validate")]
    stages.sort(key=lambda one: stage_order(one if isinstance(one, str) else next(iter(one))))
    path = write_manifest(tmp_path / "manifest.yaml", tmp_path / "world/videos.jsonl", stages=stages)
    assert engine.run(load_manifest(path), tmp_path / "out").complete
    assert set(DECLARED) <= set(reading)
    for name in DECLARED:
        declared = stage_class(name).reads
        told = {field for field in reading[name] if field.partition(".")[0] not in declared}
        assert told <= declared, name


def stage_order(name: str) -> int:
    """Return where a stage may stand: those that split come first, those of the whole run last."""
    cls = stage_class(name)
    return 0 if name == "validate" else 1 if getattr(cls, "divides", False) else 3 if hasattr(cls, "settle") else 2
