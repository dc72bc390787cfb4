"""Sends the units of a pass to an executor; a unit whose worker dies is retried once, then bisected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from synflow.errors import Damage, SynflowError, UsageError
from synflow.executors.contract import Executor, Result, Unit

Listener = Callable[[dict[str, Any]], None]

BUG_REMEDY = "`synflow resume --failed` tries it again once its cause is mended; the traceback is in log.jsonl"


@dataclass
class Outcome:
    """How a pass ended: shards that failed, and the error that stopped it, if one did."""

    failed: list[str] = field(default_factory=list)
    stopped: SynflowError | None = None
    damaged: bool = False


@dataclass
class _Search:
    """The hunt for the inputs of a shard that kill workers: halves that still have to be tried."""

    unit: Unit
    suspects: deque[list[int]] = field(default_factory=deque)
    guilty: list[int] = field(default_factory=list)
    flying: int = 0


class Dispatcher:
    """Runs the units of one pass.

    Args:
        executor: where they run.
        tell: gets an event for each unit that ends.
    """

    TICK = 0.5

    def __init__(self, executor: Executor, tell: Listener) -> None:
        self._executor = executor
        self._tell = tell
        self._waiting: deque[Unit] = deque()
        self._deaths: dict[str, int] = {}
        self._searches: dict[str, _Search] = {}
        self._flying = 0
        self.outcome = Outcome()

    def run(self, units: Iterable[Unit]) -> Outcome:
        """Run ``units``; return when all have ended, or when going on makes no sense."""
        source = iter(units)
        while True:
            self._fill(source)
            if not self._flying:
                return self.outcome
            result = self._executor.wait(self.TICK)
            if result is not None:
                self._flying -= 1
                self._end(result)

    def _fill(self, source: Iterator[Unit]) -> None:
        while self._flying < self._executor.slots and self.outcome.stopped is None:
            unit = self._waiting.popleft() if self._waiting else next(source, None)
            if unit is None:
                return
            self._executor.submit(unit)
            self._flying += 1

    def _end(self, result: Result) -> None:
        unit, shard = result.unit, result.unit["shard"]
        if "only" in unit:
            self._narrow(result)
        elif result.status == "done":
            self._tell({"event": "shard-done", "pass": unit["pass"]["name"], "shard": shard, **_summary(result.value)})
        elif result.status == "failed":
            self._fail(result)
        else:
            self._died(result)

    def _fail(self, result: Result) -> None:
        error = result.error
        known = isinstance(error, SynflowError)
        remedy = error.remedy if isinstance(error, SynflowError) else BUG_REMEDY
        cause = str(error) if known else f"bug: {result.cause}"
        if isinstance(error, Damage):
            self.outcome.damaged = True
        elif isinstance(error, SynflowError) and (error.retryable or isinstance(error, UsageError)):
            # The disk or a service is gone, or nothing can work as configured: the next unit would end the same way.
            self.outcome.stopped = error
        self.outcome.failed.append(result.unit["shard"])
        self._tell(
            {
                "event": "shard-failed", "pass": result.unit["pass"]["name"], "shard": result.unit["shard"],
                "cause": cause, "remedy": remedy, "traceback": "" if known else result.traceback,
            }
        )  # fmt: skip

    def _died(self, result: Result) -> None:
        """Retry once; then look for the inputs that kill the worker."""
        unit, shard = result.unit, result.unit["shard"]
        self._deaths[shard] = self._deaths.get(shard, 0) + 1
        self._tell({"event": "shard-retry", "pass": unit["pass"]["name"], "shard": shard, "cause": result.cause})
        if self._deaths[shard] == 1:
            self._waiting.append(unit)
            return
        places = [place for place in range(unit.get("size", 0)) if place not in unit.get("skip", ())]
        if self._deaths[shard] > 2 + len(places) or not places:
            self._fail(Result(unit, "failed", cause=f"the worker died again and again ({result.cause})"))
            return
        self._searches[shard] = _Search(unit, deque(halves(places)))
        self._advance(self._searches[shard])

    def _narrow(self, result: Result) -> None:
        search = self._searches[result.unit["shard"]]
        search.flying -= 1
        tried: list[int] = result.unit["only"]
        if result.status == "died":
            if len(tried) == 1:
                search.guilty.extend(tried)
            else:
                search.suspects.extend(halves(tried))
        # A part that fails otherwise is innocent of killing; the whole shard will tell its fault.
        self._advance(search)

    def _advance(self, search: _Search) -> None:
        """Try what is still suspect; when nothing is, run the shard without the guilty."""
        while search.suspects:
            self._waiting.append({**search.unit, "only": search.suspects.popleft()})
            search.flying += 1
        if search.flying == 0:
            skip = sorted({*search.unit.get("skip", ()), *search.guilty})
            self._waiting.append({**search.unit, "skip": skip})


def halves(places: list[int]) -> list[list[int]]:
    """Return the two halves of ``places``; of one place, itself."""
    middle = (len(places) + 1) // 2
    return [part for part in (places[:middle], places[middle:]) if part]


def _summary(value: dict[str, Any]) -> dict[str, Any]:
    receipt = value["receipt"]
    usage = value["usage"]
    return {
        "counts": receipt["counts"], "drops": receipt["drops"], "pairs": receipt["pairs"], "seconds": value["seconds"],
        "calls": usage.get("calls", 0), "usage": usage,
        "tokens": usage.get("prompt_tokens", 0) + usage.get("answer_tokens", 0),
    }  # fmt: skip
