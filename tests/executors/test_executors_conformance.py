"""One suite for all executors: units end as done, failed or died, errors keep their lines, slots are kept to."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synflow.errors import ServiceDown, UsageError
from synflow.executors.contract import Executor, Result, Unit
from synflow.executors.factory import open_executor
from synflow.registry import found
from synflow.store.layout import RunLayout
from synflow.store.receipts import read_receipt

PLUGIN = Path(__file__).resolve().parent.parent / "faults" / "plugin"
CHOICES = {"serial": {"use": "serial"}, "ray": {"use": "ray", "address": "local", "cpus": 2}}


@pytest.fixture(scope="module", params=sorted(CHOICES))
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    root = tmp_path_factory.mktemp("run")
    RunLayout(root).prepare(("curate",))
    (root / "marker").write_text("")
    spec = {
        "root": str(root), "seed": 1,
        "stages": {"boom": {"marker": str(root / "marker")}, "validate": {"min_duration": 0.0}},
        "models": {"vlm": {"use": "signals"}, "embed": {"use": "signals"}}, "prompts": {},
        "media": {
            "frames": 2, "short_side": 64, "jpeg_quality": 90, "decoder": "pyav", "deadline": 20.0, "memory": 1 << 30,
        },
        "download": {"max_bytes": 1, "timeout": 1.0, "allow_private": False},
    }  # fmt: skip
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLUGIN), before or ""])
    sys.path.insert(0, str(PLUGIN))
    found.cache_clear()
    opened = open_executor(CHOICES[request.param], spec)
    opened.root = root  # type: ignore[attr-defined]
    yield opened
    opened.close()
    sys.path.remove(str(PLUGIN))
    found.cache_clear()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def unit(shard: str, *names: str, stages: tuple[str, ...] = ("boom",), **changes: Any) -> Unit:
    records = [
        {
            "record_id": f"{shard}-{name}",
            "uri": name,
            "location": {"path": f"/nowhere/{name}"},
            "fault": "",
            "duplicate_of": "",
        }
        for name in names
    ]
    plan = {"name": "curate", "stages": list(stages), "corpus": [], "stores_frames": False}
    return {
        "kind": "samples",
        "pass": plan,
        "shard": shard,
        "inputs": "x",
        "records": records,
        "skip": [],
        "cuts": False,
        **changes,
    }


def all_of(executor: Executor, units: list[Unit]) -> dict[str, Result]:
    results: dict[str, Result] = {}
    waiting = list(units)
    flying = 0
    deadline = time.monotonic() + 120
    while len(results) < len(units) and time.monotonic() < deadline:
        while waiting and flying < executor.slots:
            executor.submit(waiting.pop(0))
            flying += 1
        result = executor.wait(0.5)
        if result is not None:
            flying -= 1
            results[result.unit["shard"]] = result
    return results


def test_done_units_leave_receipts(executor: Executor) -> None:
    results = all_of(executor, [unit(f"done-{i}", "a.mp4", "b.mp4") for i in range(5)])
    assert {result.status for result in results.values()} == {"done"}
    for shard, result in results.items():
        receipt = read_receipt(RunLayout(executor.root).receipt("curate", shard))  # type: ignore[attr-defined]
        assert receipt is not None
        assert receipt.model_dump(mode="json") == result.value["receipt"]
        # The files are nowhere: the engine drops what has no clip in the end.
        assert receipt.drops == {"engine/unreadable": 2}


def test_a_bug_is_a_failure_with_its_traceback_and_the_next_unit_runs(executor: Executor) -> None:
    results = all_of(executor, [unit("bug", "bug.mp4"), unit("after", "a.mp4")])
    assert results["bug"].status == "failed"
    assert "ZeroDivisionError: a bug in a stage" in results["bug"].cause
    assert "Traceback" in results["bug"].traceback and "faulty.py" in results["bug"].traceback
    assert "\x1b" not in results["bug"].traceback
    assert results["after"].status == "done"


def test_a_known_error_keeps_its_type_and_both_lines(executor: Executor) -> None:
    results = all_of(executor, [unit("known", "a.mp4", stages=("no-such-stage",))])
    error = results["known"].error
    assert isinstance(error, (UsageError, KeyError))
    found = all_of(executor, [unit("pack", "a", kind="pack", task="t2v", refs=[[1, "x", "missing.jsonl", 0, 5]])])[
        "pack"
    ]
    assert found.status == "failed"
    assert type(found.error).__name__ == "Damage"
    assert "missing.jsonl" in found.error.cause and "resume" in found.error.remedy  # type: ignore[union-attr]


def test_a_trial_leaves_nothing(executor: Executor) -> None:
    results = all_of(executor, [unit("trial", "a.mp4", "b.mp4", only=[1])])
    assert results["trial"].status == "done" and results["trial"].value["receipt"] is None
    layout = RunLayout(executor.root)  # type: ignore[attr-defined]
    assert not layout.receipt("curate", "trial").exists()
    assert list(layout.staging.iterdir()) == []


def test_a_dead_worker_is_a_result_and_a_fresh_one_takes_its_place(executor: Executor) -> None:
    if executor.slots == 1:
        pytest.skip("a crash of the serial executor is a crash of the driver")
    results = all_of(executor, [unit("segv", "segv.mp4"), unit("neighbour", "a.mp4"), unit("later", "b.mp4")])
    assert {shard: result.status for shard, result in results.items()} == {
        "segv": "died", "neighbour": "done", "later": "done"
    }  # fmt: skip
    assert results["segv"].cause


def test_waiting_for_nothing_returns_nothing(executor: Executor) -> None:
    assert executor.wait(0.01) is None


def test_a_node_that_is_too_slow_to_start_is_a_service_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    from synflow.executors import ray

    def slow(**_: Any) -> None:
        raise Exception("The current node timed out during startup.\nMore of it.")  # noqa: TRY002  as Ray does

    monkeypatch.setattr(ray.ray, "init", slow)
    with pytest.raises(ServiceDown, match=r"timed out during startup\.$") as caught:
        ray.connect("local", 1)
    assert "executor.use=serial" in caught.value.remedy

    monkeypatch.setattr(ray.ray, "init", lambda **_: {}["a bug"])
    with pytest.raises(KeyError):
        ray.connect("local", 1)
