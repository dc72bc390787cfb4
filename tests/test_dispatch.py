"""Retry and bisection: exactly the inputs that kill a worker are skipped, whatever else is in their shards."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow.dispatch import Dispatcher, halves
from synflow.errors import Damage, ServiceDown
from synflow.executors.contract import Result, Unit

COUNTS = {"inputs": 0, "kept": 0, "dropped": 0, "split": 0}


class ScriptedExecutor:
    """Workers that die on some inputs, fail on some shards; ``flaky`` shards die once for no reason."""

    def __init__(
        self,
        deadly: dict[str, set[int]],
        failing: dict[str, BaseException] | None = None,
        flaky: set[str] | None = None,
    ) -> None:
        self.slots = 3
        self.deadly, self.failing, self.flaky = deadly, failing or {}, set(flaky or ())
        self.flight: deque[Unit] = deque()
        self.done: dict[str, list[int]] = {}
        self.runs = 0

    def submit(self, unit: Unit) -> None:
        assert len(self.flight) < self.slots
        self.flight.append(unit)

    def wait(self, timeout: float) -> Result | None:
        unit = self.flight.popleft()
        self.runs += 1
        shard = unit["shard"]
        places = unit.get("only", [place for place in range(unit["size"]) if place not in unit["skip"]])
        if shard in self.flaky:
            self.flaky.discard(shard)
            return Result(unit, "died", cause="preempted")
        if self.deadly.get(shard, set()) & set(places):
            return Result(unit, "died", cause="SIGSEGV")
        if shard in self.failing:
            return Result(unit, "failed", error=self.failing[shard], cause="x", traceback="Traceback")
        if "only" not in unit:
            self.done[shard] = unit["skip"]
        receipt = {"counts": COUNTS, "drops": {}, "pairs": {}}
        return Result(unit, "done", {"receipt": receipt, "seconds": 0.0, "usage": {}})

    def close(self) -> None:
        self.flight.clear()


def units(shards: int, size: int) -> list[Unit]:
    return [{"shard": str(i), "size": size, "skip": [], "pass": {"name": "curate"}} for i in range(shards)]


def dispatch(executor: ScriptedExecutor, work: list[Unit]) -> tuple[Any, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    return Dispatcher(executor, events.append).run(work), events


@given(st.dictionaries(st.integers(0, 4).map(str), st.sets(st.integers(0, 12), max_size=5), max_size=5))
def test_exactly_the_deadly_inputs_are_skipped(deadly: dict[str, set[int]]) -> None:
    executor = ScriptedExecutor(deadly)
    outcome, events = dispatch(executor, units(5, 13))
    assert outcome.failed == []
    assert executor.done == {str(i): sorted(deadly.get(str(i), ())) for i in range(5)}
    assert sum(event["event"] == "shard-done" for event in events) == 5


def test_a_worker_that_dies_once_costs_one_retry() -> None:
    executor = ScriptedExecutor({}, flaky={"0"})
    _, events = dispatch(executor, units(1, 64))
    assert executor.done == {"0": []}
    assert executor.runs == 2
    assert [event["event"] for event in events] == ["shard-retry", "shard-done"]


def test_one_deadly_clip_of_64_is_found_in_few_runs() -> None:
    executor = ScriptedExecutor({"0": {37}})
    dispatch(executor, units(1, 64))
    assert executor.done == {"0": [37]}
    assert executor.runs <= 2 + 2 * 7 + 1


def test_a_bug_fails_its_shard_alone() -> None:
    executor = ScriptedExecutor({}, failing={"1": ValueError("boom")})
    outcome, events = dispatch(executor, units(4, 2))
    assert outcome.failed == ["1"]
    assert outcome.stopped is None
    assert set(executor.done) == {"0", "2", "3"}
    failed = next(event for event in events if event["event"] == "shard-failed")
    assert failed["cause"].startswith("bug: ") and failed["remedy"] and failed["traceback"] == "Traceback"


def test_a_service_that_is_down_stops_the_pass() -> None:
    executor = ScriptedExecutor({}, failing={"0": ServiceDown("disk full", "free space")})
    outcome, _ = dispatch(executor, units(50, 2))
    assert isinstance(outcome.stopped, ServiceDown)
    assert len(executor.done) < 5


def test_damage_is_noted() -> None:
    executor = ScriptedExecutor({}, failing={"0": Damage("object x is damaged", "resume")})
    outcome, _ = dispatch(executor, units(2, 2))
    assert outcome.damaged and outcome.failed == ["0"]


def test_a_pack_shard_that_kills_workers_fails_after_two_tries() -> None:
    executor = ScriptedExecutor({"t2v-000000": {0}})
    unit = {"shard": "t2v-000000", "size": 1, "skip": [], "pass": {"name": "pack"}}
    pack = {key: value for key, value in unit.items() if key != "size"}

    class Deadly(ScriptedExecutor):
        def wait(self, timeout: float) -> Result | None:
            self.runs += 1
            return Result(self.flight.popleft(), "died", cause="SIGKILL")

    executor = Deadly({})
    outcome, _ = dispatch(executor, [pack])
    assert outcome.failed == ["t2v-000000"] and executor.runs == 2


@pytest.mark.parametrize(("number", "expected"), [(1, [[0]]), (2, [[0], [1]]), (5, [[0, 1, 2], [3, 4]])])
def test_halves(number: int, expected: list[list[int]]) -> None:
    assert halves(list(range(number))) == expected
