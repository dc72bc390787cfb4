"""Opens the executor that a manifest names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synflow.executors.contract import Executor


def open_executor(choice: Mapping[str, Any], spec: Mapping[str, Any]) -> Executor:
    """Return the executor.

    Args:
        choice: ``use: serial``, or ``use: ray`` with ``address`` and ``cpus``.
        spec: what a `synflow.executors.worker.Worker` is built from.

    Raises:
        ServiceDown: Ray cannot be reached or started.
    """
    if choice["use"] == "serial":
        from synflow.executors.serial import SerialExecutor

        return SerialExecutor(dict(spec))
    from synflow.executors.ray import RayExecutor

    return RayExecutor(dict(spec), address=choice["address"], cpus=choice["cpus"])
