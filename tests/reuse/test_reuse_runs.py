"""A run with ``--reuse`` gives the bytes of one without, and does only what the change touches."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.asks import Answer, Ask, Refusal
from synflow.errors import UsageError
from synflow.executors import worker
from synflow.manifest import load_manifest
from synflow.models.signals.vlm import SignalsVlm
from synflow.store.layout import RunLayout
from synflow.store.log import read_events
from synflow.store.verify import verify
from synflow.world.render import render_world

pytestmark = pytest.mark.xdist_group("reuse")

STAGES: list[Any] = [
    {"validate": {"min_short_side": 96}},
    {"shots": {"min_clip": 1.0}},
    "rectify",
    "quality",
    "dynamics",
    "dedup",
    "consistency",
    {"enrich": {"captions": 2}},
    "expand",
]


class Counting(SignalsVlm):
    """Counts the requests that come to the model."""

    asked = 0

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        Counting.asked += len(asks)
        return super().answer(asks)


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(worker, "open_vlm", lambda spec: Counting())
    Counting.asked = 0
    yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with cut videos, defects, a copy, a broken file and lines that cannot be used."""
    folder = tmp_path_factory.mktemp("world")
    render_world(folder, clips=10, seed=11, defects=0.4, workers=1)
    lines = [json.loads(line) for line in (folder / "videos.jsonl").read_text().splitlines()]
    shutil.copy(folder / lines[2]["path"], folder / "copy.mp4")
    lines.append({**lines[2], "id": "copy", "path": "copy.mp4"})
    lines.append({**lines[4], "id": "excerpt", "start": 0.0, "end": 4.0})
    (folder / "torn.mp4").write_bytes((folder / lines[1]["path"]).read_bytes()[:700])
    lines.append({"id": "torn", "path": "torn.mp4", "caption": "A torn file."})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "videos.jsonl").write_text(text + '{"path": "no-such.mp4"}\nnot json\n' + json.dumps(lines[0]) + "\n")
    return folder


class Runs:
    """Makes runs over a copy of the world, each once."""

    def __init__(self, folder: Path, world: Path) -> None:
        self.folder, self.number = folder, 0
        self.clips = folder / "clips"
        shutil.copytree(world, self.clips, copy_function=shutil.copy2)

    def __call__(self, reuse: Path | None = None, **changes: Any) -> Path:
        self.number += 1
        sets = changes.pop("sets", ())
        changes = {"shard_clips": 5, "stages": STAGES, **changes}
        path = write_manifest(self.folder / "manifest.yaml", self.clips / "videos.jsonl", **changes)
        out = self.folder / f"run-{self.number}"
        Counting.asked = 0
        assert engine.run(load_manifest(path, sets), out, reuse=reuse).complete
        return out

    def edit(self, change: Callable[[list[str]], list[str]]) -> None:
        path = self.clips / "videos.jsonl"
        path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


@pytest.fixture
def runs(world: Path, tmp_path: Path) -> Runs:
    return Runs(tmp_path, world)


def work_of(out: Path) -> dict[str, int]:
    """Return what a run cost: shards taken over, records decoded, answers asked for and taken over."""
    found = {"taken": 0, "decoded": 0, "calls": 0, "reused": 0}
    for event in read_events(RunLayout(out).log):
        if event["event"] == "shard-done":
            for name in found:
                found[name] += event["usage"].get(name, 0)
    return found


def same(one: Path, other: Path) -> bool:
    return (one / "dataset.json").read_bytes() == (other / "dataset.json").read_bytes()


def sound(out: Path) -> bool:
    report = verify(out)
    return not (report.damage or report.accounts or report.litter)


def without(name: str) -> list[Any]:
    return [stage for stage in STAGES if name not in (stage if isinstance(stage, dict) else {stage: {}})]


CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "stricter dynamics": {"sets": ["dynamics.min_residual=0.15", "dynamics.min_changed=0.1", "dynamics.min_busy=0.5"]},
    "looser dynamics": {"sets": ["dynamics.min_residual=0.0", "dynamics.min_changed=0.0", "dynamics.min_busy=0.0"]},
    "stricter quality": {"sets": ["quality.min_sharpness=0.57", "quality.max_black=0.0"]},
    "looser quality": {"sets": ["quality.min_sharpness=0.0", "quality.max_black=1.0", "quality.max_frozen=1.0"]},
    "stricter validate": {"sets": ["validate.min_duration=5.5"]},
    "looser validate": {"sets": ["validate.min_short_side=16", "validate.min_duration=0.5"]},
    "rectify": {"sets": ["rectify.shared_by=0", "rectify.languages=[]"]},
    "quantile": {"sets": ["consistency.drop_quantile=0.5"]},
    "copies": {"sets": ["dedup.same_span=0.2"]},
    "shots": {"sets": ["shots.max_clip=3.0"]},
    "targets": {"targets": {"t2v": 5, "v2v": 2, "i2v": 0}},
    "expand": {"sets": ["expand.t2v_per_clip=1"]},
    "enrich": {"sets": ["enrich.captions=3"]},
    "seed": {"seed": 43},
    "larger shards of work": {"shard_clips": 8},
    "smaller shards of work": {"shard_clips": 2},
    "other shards of pairs": {"shards": {"max_samples": 7}},
    "pictures": {"media": {"frames": 2, "short_side": 96}},
    "no dynamics": {"stages": without("dynamics")},
    "no quality": {"stages": without("quality")},
    "no dedup": {"stages": without("dedup")},
    "no corpus": {"stages": STAGES[:5] + STAGES[7:]},
    "only curation": {"stages": STAGES[:7]},
    "audit as well": {"stages": [*STAGES[:8], "audit", STAGES[8]]},
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_manifest_gives_the_same_bytes(name: str, runs: Runs) -> None:
    old = runs()
    plain = runs(**CHANGES[name])
    asked = Counting.asked
    new = runs(old, **CHANGES[name])
    print(name, work_of(plain), work_of(new), asked, Counting.asked)
    assert same(plain, new)
    assert sound(new) and sound(old)
    # Back again, from a run that was itself made so.
    assert same(old, runs(new))
