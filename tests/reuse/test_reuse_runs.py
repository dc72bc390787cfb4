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
import pyarrow.parquet as pq
from fault_runs import write_manifest

from synflow import run as engine
from synflow.asks import Answer, Ask, Refusal
from synflow.cli import main
from synflow.durable import append_lines
from synflow.errors import Interrupted, UsageError
from synflow.executors import worker
from synflow.executors.contract import Unit
from synflow.executors.serial import SerialExecutor
from synflow.manifest import load_manifest
from synflow.models.journal import is_settled, lines_of
from synflow.models.signals.vlm import SignalsVlm
from synflow.store.layout import RunLayout
from synflow.store.log import read_events
from synflow.store.survey import survey
from synflow.store.verify import verify
from synflow.world.render import render_world

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
    "expand": {"sets": ["expand.t2v_per_clip=2"]},
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


@pytest.fixture(scope="module")
def old(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; its videos lie elsewhere than those of the runs that reuse it."""
    folder = tmp_path_factory.mktemp("old")
    path = write_manifest(folder / "manifest.yaml", world / "videos.jsonl", shard_clips=5, stages=STAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "open_vlm", lambda spec: Counting())
        assert engine.run(load_manifest(path), folder / "run").complete
    return folder / "run"


def tree_of(out: Path) -> dict[str, bytes]:
    """Return all that a run directory holds, but for lock and times."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def journals_of(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree_of(out).items() if name.startswith("journal/")}


def test_an_unchanged_manifest_takes_all_over_and_asks_nothing(runs: Runs, old: Path) -> None:
    before = tree_of(old)
    new = runs(old)
    done = work_of(new)
    assert same(old, new) and sound(new)
    assert done["decoded"] == done["calls"] == 0
    assert done["taken"] == sum(event["event"] == "shard-done" for event in read_events(new / "log.jsonl")) > 0
    assert tree_of(old) == before
    # It stands by itself: journals are its own.
    assert journals_of(new) == journals_of(old) != {}
    state = survey(new).reused
    assert state is not None and (state.root, state.decoded, state.calls) == (str(old), 0, 0)


def test_other_thresholds_decode_only_what_gets_further(runs: Runs, old: Path) -> None:
    sets = [*CHANGES["looser dynamics"]["sets"], "quality.min_sharpness=0.3", "expand.t2v_per_clip=2"]
    plain = runs(sets=sets)
    wanted = Counting.asked
    new = runs(old, sets=sets)
    done, freed = work_of(new), {row["record_id"] for row in rejects(old) if row["stage"] == "dynamics"}
    assert same(plain, new) and sound(new)
    assert 0 < done["decoded"] <= len(freed) < work_of(plain)["decoded"]
    assert Counting.asked == done["calls"] < wanted and done["reused"] == wanted - done["calls"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_changed_inputs_redo_their_records_alone(runs: Runs, old: Path) -> None:
    lines = [json.loads(line) for line in (runs.clips / "videos.jsonl").read_text().splitlines()[:6]]
    first, second = (runs.clips / lines[place]["path"] for place in (0, 3))
    first.write_bytes(second.read_bytes())
    shutil.copy(second, runs.clips / "new.mp4")
    added = json.dumps({"id": "new", "path": "new.mp4", "caption": "A new clip."})
    runs.edit(lambda told: [added, *reversed([told[0], *told[3:]])])
    plain, new = runs(), runs(old)
    assert same(plain, new) and sound(new)
    # The new one, the changed one, and the file that has no end.
    assert work_of(new)["decoded"] <= 3 < work_of(plain)["decoded"]


def test_a_run_in_the_middle_goes_on_without_the_earlier_one(runs: Runs, old: Path) -> None:
    lost = runs.folder / "lost"
    shutil.copytree(old, lost)
    out, path = (
        runs.folder / "out",
        write_manifest(runs.folder / "manifest.yaml", runs.clips / "videos.jsonl", shard_clips=5, stages=STAGES),
    )
    with pytest.raises(Interrupted):
        engine.run(load_manifest(path), out, reuse=lost, open_with=lambda _, spec: Stopping(spec))
    shutil.rmtree(lost)
    assert engine.resume(out).complete
    assert same(old, out) and sound(out)
    assert [event["event"] for event in read_events(out / "log.jsonl")].count("reuse-gone") == 1
    assert work_of(out)["taken"] == Stopping.UNITS


class Stopping(SerialExecutor):
    """Is interrupted after some units."""

    UNITS = 2

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.left = self.UNITS

    def submit(self, unit: Unit) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().submit(unit)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_damaged_earlier_run_is_not_believed(runs: Runs, old: Path) -> None:
    torn = runs.folder / "torn"
    shutil.copytree(old, torn)
    for path in sorted((torn / "objects").iterdir())[::3]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 1] = b"?"
        path.write_bytes(data)
    (torn / "receipts/curate/000001.json").write_text("no receipt")
    new = runs(torn)
    assert same(old, new) and sound(new)


def test_what_was_refused_for_the_moment_is_asked_again(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert is_settled(journal)
    append_lines(journal, [b'{"passed":"aa"}', b'{"passed":"bb"}'])
    assert not is_settled(journal)
    answer = b'{"answer":{"bound":[],"model":"m","request":"%s","value":1},"request":"%s"}'
    append_lines(journal, [answer % (b"aa", b"aa")])
    assert not is_settled(journal)
    append_lines(journal, [answer % (b"bb", b"bb")])
    assert is_settled(journal)


def test_a_run_cannot_reuse_itself_or_nothing(runs: Runs, old: Path, tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "manifest.yaml", runs.clips / "videos.jsonl", shard_clips=5, stages=STAGES)
    with pytest.raises(UsageError, match="names the run itself"):
        engine.run(load_manifest(path), old, reuse=old)
    with pytest.raises(UsageError, match="holds no run"):
        engine.run(load_manifest(path), tmp_path / "new", reuse=tmp_path)
    assert not (tmp_path / "new").exists()


def test_the_plan_foretells_what_is_taken_over(runs: Runs, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_manifest(runs.folder / "manifest.yaml", runs.clips / "videos.jsonl", shard_clips=5, stages=STAGES)
    found = {}
    cases = {"none": [], "expand": ["expand.t2v_per_clip=2"], "loose": CHANGES["looser dynamics"]["sets"]}
    for name, sets in cases.items():
        options = [option for one in sets for option in ("--set", one)]
        assert main(["plan", str(path), "--reuse", str(old), "--json", *options]) == 0
        found[name] = json.loads(capsys.readouterr().out)["reuse"]
    whole = {name: [one["name"] for one in told["passes"] if one["taken"]] for name, told in found.items()}
    assert whole == {"none": ["curate", "expand", "pack"], "expand": ["curate"], "loose": []}
    assert found["none"]["decoded"] == found["expand"]["decoded"] == 0
    freed = {row["record_id"] for row in rejects(old) if row["stage"] == "dynamics"}
    assert 0 < found["loose"]["decoded"] <= len(freed) + 1
    assert found["loose"]["answers"] == sum(
        line.startswith(b'{"answer"') for journal in (old / "journal").glob("*/*") for line in lines_of(journal)
    )
    assert main(["plan", str(path), "--reuse", str(old)]) == 0
    assert "Taken over" in capsys.readouterr().err


def test_inspect_shows_what_would_change(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["--set", "dynamics.min_residual=0.0"]
    assert main(["inspect", str(old), *sets, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"]["dynamics.min_residual"]["after"] == 0.0
    assert main(["inspect", str(old), *sets]) == 0
    assert f"--reuse {old}" in capsys.readouterr().err


def rejects(out: Path) -> list[dict[str, Any]]:
    return pq.read_table(out / "index/rejects.parquet").to_pylist()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_manifest_gives_the_same_bytes(name: str, runs: Runs) -> None:
    old = runs()
    plain = runs(**CHANGES[name])
    asked = Counting.asked
    new = runs(old, **CHANGES[name])
    assert same(plain, new)
    assert Counting.asked <= asked
    assert sound(new) and sound(old)
    # Back again, from a run that was itself made so.
    assert same(old, runs(new))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_other_targets_choose_and_pack_alone(runs: Runs) -> None:
    first = runs(targets={"t2v": 9, "v2v": 9, "i2v": 9})
    plain = runs(targets={"t2v": 5, "v2v": 2})
    new = runs(first, targets={"t2v": 5, "v2v": 2})
    assert same(plain, new) and sound(new)
    done = [event["pass"] for event in read_events(new / "log.jsonl") if event["event"] == "shard-done"]
    anew = [
        event["pass"]
        for event in read_events(new / "log.jsonl")
        if event["event"] == "shard-done" and not event["usage"].get("taken")
    ]
    assert {"curate", "expand"} <= set(done) and not {"curate", "expand"} & set(anew)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_another_model_is_asked_and_the_same_one_is_not(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    first = runs()
    with monkeypatch.context() as patch:
        patch.setattr(Counting, "model", "another")
        plain = runs()
        asked = Counting.asked
        new = runs(first)
        assert same(plain, new) and Counting.asked == asked > 0
