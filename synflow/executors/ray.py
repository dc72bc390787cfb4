"""Actors under Ray, one unit in flight each; the only module of the pipeline that imports ray.

Ray retries nothing here (it would run a unit again without a word): a dead actor is a result, and a fresh one takes
its place.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from synflow.blas import use_all
from synflow.errors import ServiceDown
from synflow.executors.contract import Result, Unit
from synflow.executors.worker import Worker

KNOCK_SECONDS = 5.0
TROUBLE = (RayError, RuntimeError, ValueError, OSError)
COLORS = re.compile(r"\x1b\[[0-9;]*m")
REMEDY = "start the cluster or correct executor.address; `--set executor.use=serial` runs without Ray"


class _Actor:
    """A worker process."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._worker = Worker(spec)

    def work(self, unit: Unit) -> dict[str, Any]:
        """Do one unit."""
        return self._worker.work(unit)


def connect(address: str, cpus: int | None, remedy: str = REMEDY, *, told: bool = False) -> str:
    """Start Ray on this machine, or join a cluster; return the address of its own page, where the cluster has one.

    Args:
        address: ``local`` starts Ray; else the address of a cluster.
        cpus: that a local Ray has; None: all.
        remedy: what the user can do where it fails.
        told: what the workers print is printed here.

    Raises:
        ServiceDown: Ray cannot be reached or started.
    """
    local = address == "local"
    _knock(address)
    # ray.init takes SIGTERM for itself and would end the driver with a dump instead of a resumable stop.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    options: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False} if local else {}
    try:
        found = ray.init(address=address, log_to_driver=told, logging_level=logging.ERROR, **options)
    except Exception as error:
        # A bare Exception is what Ray raises where a node does not start in half a minute.
        if isinstance(error, TROUBLE) or type(error) is Exception:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ServiceDown(f"Ray cannot be reached at {address!r}: {first}", remedy) from error
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)
    # Of a cluster that runs one; none is started here.
    shown = getattr(found, "dashboard_url", "") or ""
    return f"http://{shown}" if shown and "://" not in shown else shown


class RayExecutor:
    """A pool of actors, each with one CPU.

    Args:
        spec: what a worker is built from.
        address: ``local`` starts Ray on this machine; else the address of a cluster that shares the run directory.
        cpus: workers; None takes all CPUs that Ray has.

    Attributes:
        dashboard: address of Ray's own page, where the cluster has one.

    Raises:
        ServiceDown: Ray cannot be reached or started.
    """

    def __init__(self, spec: dict[str, Any], address: str = "local", cpus: int | None = None) -> None:
        self._spec = spec
        self._own = not ray.is_initialized()
        self.dashboard = ""
        if self._own:
            self.dashboard = connect(address, cpus)
        # Workers are other processes: what the driver settles itself, of all clips at once, may take all CPUs.
        use_all()
        self.slots = max(1, cpus or int(ray.cluster_resources().get("CPU", 1)))
        self._make = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._idle: list[Any] = []
        self._flight: dict[Any, tuple[Unit, Any]] = {}

    def submit(self, unit: Unit) -> None:
        """Begin a unit on an idle or a fresh actor."""
        actor = self._idle.pop() if self._idle else self._make.remote(self._spec)
        self._flight[actor.work.remote(unit)] = (unit, actor)

    def wait(self, timeout: float) -> Result | None:
        """Return a unit that ended within ``timeout`` seconds."""
        ready, _ = ray.wait(list(self._flight), num_returns=1, timeout=timeout) if self._flight else ([], [])
        if not ready:
            return None
        unit, actor = self._flight.pop(ready[0])
        try:
            value = ray.get(ready[0], timeout=60)
        except RayTaskError as error:
            self._idle.append(actor)
            return _failure(unit, error)
        except (RayActorError, GetTimeoutError) as error:
            ray.kill(actor)
            return Result(unit, "died", cause=str(error).strip().splitlines()[0])
        self._idle.append(actor)
        return Result(unit, "done", value)

    def close(self) -> None:
        """End all actors, and Ray if this executor started it."""
        for actor in (*self._idle, *(actor for _, actor in self._flight.values())):
            ray.kill(actor)
        self._idle.clear()
        self._flight.clear()
        if self._own:
            ray.shutdown()


def _knock(address: str) -> None:
    """See that somebody listens at ``host:port``: Ray itself would try for minutes before it gives up.

    Raises:
        ServiceDown: nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
    except OSError as error:
        raise ServiceDown(f"Ray cannot be reached at {address!r}: {error.strerror or error}", REMEDY) from error


def _failure(unit: Unit, error: RayTaskError) -> Result:
    inner = error.cause if isinstance(error.cause, BaseException) else error
    # Ray keeps the traceback as coloured text; the exception itself comes without one.
    text = "Traceback in a Ray worker:\n" + COLORS.sub("", str(error))
    return Result(
        unit,
        "failed",
        error=inner,
        cause=f"{type(inner).__name__}: {str(inner).splitlines()[0] if str(inner) else ''}",
        traceback=text,
    )
