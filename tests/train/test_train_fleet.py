"""Workers under Ray Train: the same result as one process, also when one of them is killed; failures told once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made import tiny, write_pictures

torch = pytest.importorskip("torch", reason="the trainer needs torch: make test-train")
pytest.importorskip("peft", reason="the trainer needs peft: make test-train")
pytest.importorskip("pandas", reason="Ray Train needs pandas: make test-train")

from safetensors.torch import load_file

from synflow.errors import Damage, Incomplete, Refused, ServiceDown, UsageError
from synflow.train import fleet
from synflow.train.executor import RayWorkers
from synflow.train.recipe import Recipe
from synflow.train.training import train

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Ray sets options of its own that it has given up."""
SETS = ("tune={use: lora, dropout: 0}", "curriculum={use: plain}", "batch.tasks={}", "data.tasks=[t2v, t2t, v2v]",
        "epochs=2", "steps=12", "checkpoints.every=3", "data.holdout=8")  # fmt: skip
TWO = "executor={use: ray, workers: 2}"


def recipe(run: Path, base: Path, out: Path, *sets: str) -> Recipe:
    return tiny(run, out, f"model.base={base}", *SETS, TWO, *sets)


def under_ray(chosen: Recipe, *, resume: bool = False) -> dict[str, Any]:
    assert isinstance(chosen.executor, RayWorkers)
    return fleet.train_under_ray(chosen, chosen.executor, resume=resume)


@pytest.fixture(scope="module")
def alone(made_run: Path, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process trains; the run is its own, since tables of negatives stand beside its shards."""
    folder = tmp_path_factory.mktemp("alone")
    run = shutil.copytree(made_run, folder / "run")
    train(recipe(run, tiny_base, folder / "out"))
    return folder / "out"


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


def assert_same(out: Path, alone: Path) -> None:
    one, two = (load_file(folder / "adapter/adapter_model.safetensors") for folder in (alone, out))
    assert one.keys() == two.keys()
    apart = torch.cat([(one[name] - two[name]).abs().flatten() for name in one])
    # Adam makes a step of whatever sign the rounding of a gradient of nearly nothing has: a few weights may show it.
    assert float((apart > 1e-5).float().mean()) < 2e-3 and float(apart.max()) <= 5e-4
    assert losses(out) == pytest.approx(losses(alone), abs=2e-5)
    assert json.loads((out / "training.json").read_text())["processes"] == 2
    assert not list((out / "staging").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_train_what_one_process_does(
    alone: Path, made_run: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(made_run, tmp_path / "run")
    chosen = recipe(run, tiny_base, tmp_path / "out")
    done = under_ray(chosen)
    assert done["steps"] == 24
    assert_same(tmp_path / "out", alone)
    monkeypatch.setattr(fleet, "_joined", lambda *_: pytest.fail("what is done needs no workers"))
    assert under_ray(chosen) == done
    with pytest.raises(Refused, match="another training: processes: 2, now 3"):
        under_ray(recipe(run, tiny_base, tmp_path / "out", "executor.workers=3"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", [True, False], ids=["rank 0", "rank 1"])
def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(
    alone: Path, made_run: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv("SYNFLOW_TEST_MARK", mark)
    run = shutil.copytree(made_run, tmp_path / "run")
    out = tmp_path / "out"
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            time.sleep(0.02)
            if (out / "log.jsonl").exists() and len((out / "log.jsonl").read_bytes().splitlines()) >= 5:
                holder = int(json.loads((out / "lock").read_bytes())["pid"])
                chosen = [pid for pid in workers(mark) if (pid == holder) is first]
                if chosen:
                    os.kill(chosen[0], signal.SIGKILL)
                    killed.append(chosen[0])

    threading.Thread(target=kill, daemon=True).start()
    done = under_ray(recipe(run, tiny_base, out))
    assert killed and done["steps"] == 24
    assert_same(out, alone)


def workers(mark: str) -> Iterator[int]:
    """Yield the workers of a training that was started with a mark in its environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (
                b"RayTrainWorker" in (folder / "cmdline").read_bytes()
                and mark.encode() in (folder / "environ").read_bytes()
            ):
                yield int(folder.name)
        except OSError:
            continue


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_failure_that_would_happen_again_is_told_at_once(tiny_base: Path, tmp_path: Path) -> None:
    run = write_pictures(tmp_path / "run", {"t2v": 24, "t2t": 16, "v2v": 6})
    next(run.glob("shards/t2v/*.tar")).unlink()
    with pytest.raises(Damage, match="is missing"):
        under_ray(recipe(run, tiny_base, tmp_path / "out", "data.holdout=0"))


def test_lost_workers_are_replaced_as_often_as_the_recipe_says(
    made_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter([3, 3, 6, 6, 6])
    reached: list[int] = []

    class Known:
        def __init__(self, *_: Any) -> None: ...

        def steps(self) -> list[int]:
            reached.append(next(steps))
            return reached[-1:]

    monkeypatch.setattr(fleet, "_joined", lambda *_: None)
    monkeypatch.setattr(fleet, "_tried", lambda *_: "rank 1, it died")
    monkeypatch.setattr(fleet, "Checkpoints", Known)
    chosen = tiny(made_run, tmp_path / "out", "executor={use: ray, workers: 2, failures: 2}")
    with pytest.raises(Incomplete, match="lost 3 times at step 6: rank 1, it died"):
        under_ray(chosen)
    assert reached == [3, 3, 6, 6, 6]


def test_what_a_worker_says_is_told_before_what_the_others_miss() -> None:
    from ray.exceptions import ActorDiedError
    from ray.train import WorkerGroupError

    class Wrapped(Exception):
        def __init__(self, error: Exception) -> None:
            super().__init__("a long story")
            self._base_exc = error

    lost = WorkerGroupError("x", {0: Wrapped(RuntimeError("Connection closed by peer")), 1: ActorDiedError()})
    assert fleet._told(lost).startswith("rank 1, ")
    own = WorkerGroupError("x", {0: Wrapped(RuntimeError("closed")), 1: Wrapped(Incomplete("no number", "lower it"))})
    with pytest.raises(Incomplete, match="no number"):
        fleet._told(own)
    with pytest.raises(ZeroDivisionError):
        fleet._told(ZeroDivisionError())


def test_what_cannot_begin_is_told_before_ray_starts(made_run: Path, tmp_path: Path) -> None:
    chosen = tiny(made_run, tmp_path / "out", TWO)
    with pytest.raises(UsageError, match="no training to go on with"):
        under_ray(chosen, resume=True)
    (tmp_path / "out/checkpoints").mkdir(parents=True)
    (tmp_path / "out/training.json").write_text("{}")
    with pytest.raises(Refused, match="not finished"):
        under_ray(chosen)
    with pytest.raises(ServiceDown, match="cannot be reached"):
        under_ray(tiny(made_run, tmp_path / "other", "executor={use: ray, address: '127.0.0.1:9'}"))
