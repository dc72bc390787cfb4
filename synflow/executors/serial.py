"""All units one after another in this process: for debugging, and for machines without Ray."""

from __future__ import annotations

import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Any

from synflow.executors.contract import Result, Unit
from synflow.executors.worker import Worker


class SerialExecutor:
    """One worker in this process. A crash of native code ends the process; what is done is kept."""

    slots = 1

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._worker: Worker | None = None
        # A thread of its own, so that whatever a unit raises arrives as a result, and Ctrl-C reaches the driver.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synflow-worker")
        self._ended = False
        self._flight: tuple[Unit, Future[dict[str, Any]]] | None = None

    def submit(self, unit: Unit) -> None:
        """Begin a unit."""
        if self._flight is not None:
            raise RuntimeError("one unit at a time")
        self._flight = (unit, self._thread.submit(self._work, unit))

    def _work(self, unit: Unit) -> dict[str, Any]:
        if self._worker is None:
            self._worker = Worker(self._spec)
        if self._ended:
            self._worker.stop()
        return self._worker.work(unit)

    def wait(self, timeout: float) -> Result | None:
        """Return the unit if it ended within ``timeout`` seconds."""
        if self._flight is None:
            return None
        unit, future = self._flight
        try:
            error = future.exception(timeout)
        except NotYet:
            return None
        self._flight = None
        if error is None:
            return Result(unit, "done", future.result())
        text = "".join(traceback.format_exception(error))
        return Result(unit, "failed", error=error, cause=f"{type(error).__name__}: {error}", traceback=text)

    def close(self) -> None:
        """End the worker; a unit under way ends first, without a receipt unless it was as good as done."""
        self._ended = True
        if self._worker is not None:
            self._worker.stop()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._worker is not None:
            self._worker.close()
