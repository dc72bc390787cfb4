"""Decodes untrusted files in a kept child process with a deadline and a memory limit; see `synflow.media.child`."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.errors import ClipFailure, Interrupted, ServiceDown, UsageError
from synflow.media import wire
from synflow.media.affinity import Together
from synflow.pictures import Scan
from synflow.records import Crop, Facts, Location

START_DEADLINE = 60.0
"""Seconds that a child may take to say hello."""

KEPT_LINES = 20
"""Lines of its standard error that are kept of a child."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""Variables that a child sees; no secret is among them."""

PIPE = 1 << 20
"""Bytes that a pipe from a child may hold: with the usual 64 KiB, both sides wake 16 times as often."""

PATIENCE = 1.0
"""Seconds that a child works on the CPU of the thread that waits for it; then on any."""

MEMORY_SIGNS = ("MemoryError", "bad_alloc", "Cannot allocate memory", "out of memory", "malloc")


Bytes = npt.NDArray[np.uint8]
"""A buffer of an answer, shape ``[n]``."""


class _Died(Exception):
    """The child ended, or said something that is no message."""


class Sandbox:
    """One kept child process that decodes. It is used by one thread at a time, and starts at the first call.

    Every call raises `ClipFailure` where the clip is to blame: ``unreadable``, ``no-video``, ``decode-timeout``
    (the child is killed), ``decode-crash`` (it died by itself) or ``decode-memory`` (it asked for more than it
    may have). A fresh child serves the next call.

    Args:
        decoder: ``pyav``, ``decord``, or an import path ``module:Class``.
        deadline: seconds that one call may take.
        memory: bytes of address space that the child may use.

    Attributes:
        limits: what holds for the child, as it said itself; empty before its first start.
        starts: children started so far. ``peak``: most memory that one of them had resident, in bytes.
        stderr: last lines that the children wrote there; for diagnosis, never part of an output.
    """

    def __init__(self, decoder: str = "pyav", deadline: float = 60.0, memory: int = 2 << 30) -> None:
        self.decoder, self.deadline, self.memory = decoder, deadline, memory
        self.limits: dict[str, Any] = {}
        self.starts = 0
        self.peak = 0
        self.stderr: deque[str] = deque(maxlen=KEPT_LINES)
        self._child: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._stopped = False

    def facts(self, location: Location) -> Facts:
        """Return what probing tells, with digest and length of the source; decodes at most one picture."""
        head, _ = self._ask(location, {"op": "facts"})
        return Facts(**head["facts"])

    def scan(self, location: Location, short_side: int) -> Scan:
        """Decode the whole source once; the child keeps pictures for `stills` until it opens another source."""
        head, buffers = self._ask(location, {"op": "scan", "short_side": short_side})
        color = buffers[1] if len(buffers) > 1 else np.zeros(0, np.uint8)
        return Scan(
            times=np.asarray(head["times"], dtype=np.float64),
            until=np.asarray(head["until"], dtype=np.float64),
            luma=buffers[0].reshape(head["luma"]),
            color_times=np.asarray(head["color_times"], dtype=np.float64),
            color=color.reshape(head["color"]),
            errors=head["errors"],
            end=head["end"],
            combing=np.asarray(head["combing"], dtype=np.float64),
        )

    def stills(
        self, location: Location, start: float, end: float, n: int, short_side: int
    ) -> tuple[list[float], npt.NDArray[np.uint8]]:
        """Return times and RGB pictures (``[n, h, w, 3]``) of up to ``n`` stills of ``[start, end)`` seconds.

        The result is the same whether the child still holds the scan of the source or must seek; see
        `synflow.media.grid`.
        """
        head, buffers = self._ask(
            location, {"op": "stills", "start": start, "end": end, "n": n, "short_side": short_side}
        )
        return head["times"], buffers[0].reshape(head["shape"])

    def glance(
        self, location: Location, start: float, end: float, n: int, short_side: int, few: int
    ) -> npt.NDArray[np.uint8]:
        """Return the brightness (``[few, h, w]``) of ``few`` of the pictures of `stills`, evenly spread."""
        span = {"start": start, "end": end, "short_side": short_side}
        head, buffers = self._ask(location, {"op": "glance", **span, "n": n, "few": few})
        return buffers[0].reshape(head["shape"])

    def clip(self, location: Location, start: float, end: float, short_side: int, crop: Crop | None = None) -> bytes:
        """Return ``[start, end)`` seconds as H.264 in mp4; the bytes depend on the source, span and crop alone."""
        inner = crop.model_dump() if crop else None
        request = {"op": "clip", "start": start, "end": end, "short_side": short_side, "crop": inner}
        _, buffers = self._ask(location, request)
        return buffers[0].tobytes()

    def stop(self) -> None:
        """Answer nothing from now on; may be called while another thread waits for an answer.

        That thread gets `Interrupted`, and no verdict on its clip: the clip did not kill the child.
        """
        self._stopped = True
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the child; not while another thread waits for an answer."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.kill()
        child.wait()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, location: Location, request: dict[str, Any]) -> tuple[dict[str, Any], list[Bytes]]:
        if not location.path:
            raise ClipFailure("unreadable", "not a local file")
        request = {**request, "path": location.path, "offset": location.offset, "size": location.size}
        self._check_stopped()
        child = self._running()
        try:
            head, buffers = self._exchange(child, request, self.deadline)
        except TimeoutError:
            self.close()
            raise ClipFailure("decode-timeout", f"no answer within {self.deadline:g} s") from None
        except _Died as death:
            self._check_stopped()
            raise self._verdict(child, str(death)) from None
        except BaseException:
            # Interrupted in the middle of an answer: its rest must not be read as the next one.
            self.close()
            raise
        self.peak = max(self.peak, int(head.get("peak", 0)))
        if "failure" in head:
            reason, detail = head["failure"]
            if reason == "decode-memory":
                self.close()
            raise ClipFailure(reason, detail)
        return head, buffers

    def _check_stopped(self) -> None:
        if self._stopped:
            self.close()
            raise Interrupted("decoding was stopped", "resume the run")

    def _verdict(self, child: subprocess.Popen[bytes], said: str) -> ClipFailure:
        """Bury a child that died during a call; return what that means for the clip."""
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=1.0)
        code = child.poll()
        self._drain(child)
        self.close()
        last = self.stderr[-1] if self.stderr else ""
        if any(sign in line for line in list(self.stderr)[-3:] for sign in MEMORY_SIGNS):
            return ClipFailure("decode-memory", "the decoder ran out of the memory it may have")
        if code is None:
            return ClipFailure("decode-crash", said)
        if code < 0:
            return ClipFailure("decode-crash", f"the decoder died by {_signal_name(-code)}")
        return ClipFailure("decode-crash", f"the decoder ended: {last}" if last else "the decoder ended")

    def _running(self) -> subprocess.Popen[bytes]:
        """Return a child that lives: the kept one, or a fresh one.

        Raises:
            UsageError: the decoder cannot be loaded. ServiceDown: no child can be started.
        """
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        self.stderr.clear()
        child = self._child = self._spawn()
        self.starts += 1
        try:
            hello, _ = self._exchange(child, None, START_DEADLINE)
        except (TimeoutError, _Died):
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=1.0)
            self._drain(child)
            self.close()
            last = self.stderr[-1] if self.stderr else "it says nothing"
            raise ServiceDown(
                f"the decoding process does not start: {last}",
                f"raise media.memory (now {self.memory} bytes), or free memory and processes, then resume",
            ) from None
        if not hello.get("hello"):
            self.close()
            raise UsageError(
                f"media.decoder: decoder {self.decoder} cannot be loaded: {hello.get('fault', '')}",
                "install it, or use media.decoder: pyav",
            )
        self.limits = dict(hello["limits"])
        return child

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **threads}
        read_end, self._lifeline = os.pipe()
        main_thread = threading.current_thread() is threading.main_thread()
        command = [sys.executable, "-P", "-m", "synflow.media.child", self.decoder, str(self.memory)]
        try:
            child = subprocess.Popen(
                [*command, str(read_end), str(os.getpid()), str(int(main_thread))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=(read_end,),
                bufsize=0,
            )
        finally:
            os.close(read_end)
        for pipe in (child.stdout, child.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        if child.stdout is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
            # Where too many pipes are that large already, the usual size does.
            with suppress(OSError):
                fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, PIPE)
        return child

    def _exchange(
        self, child: subprocess.Popen[bytes], request: dict[str, Any] | None, seconds: float
    ) -> tuple[dict[str, Any], list[Bytes]]:
        """Send ``request`` (None: wait for the hello) and return head and buffers of the answer.

        Raises:
            TimeoutError: there is no whole answer after ``seconds``. _Died: there will be none.
        """
        assert child.stdin is not None
        limit = time.monotonic() + seconds
        with Together(child.pid) as turn:
            if request is not None:
                try:
                    child.stdin.write(wire.message(request))
                except BrokenPipeError:
                    raise _Died("the decoder closed its input") from None
            try:
                prefix = self._read(child, wire.PREFIX.size, limit, turn)
                head = wire.parse_head(self._read(child, wire.head_of(prefix.tobytes()), limit, turn).tobytes())
            except wire.Garbled as error:
                raise _Died(f"the decoder sent no message: {error}") from None
            return head, [self._read(child, size, limit, turn) for size in head.get("buffers", [])]

    def _read(self, child: subprocess.Popen[bytes], size: int, limit: float, turn: Together) -> Bytes:
        """Return the next ``size`` bytes of the answer, emptying standard error meanwhile."""
        assert child.stdout is not None
        assert child.stderr is not None
        data = np.empty(size, np.uint8)
        view, got = memoryview(data.data), 0
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            ready.register(child.stderr, selectors.EVENT_READ)
            while got < size:
                left = limit - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                found = ready.select(min(left, PATIENCE))
                if not found:
                    turn.part()
                for key, _ in found:
                    if key.fileobj is child.stderr:
                        if not self._drain(child):
                            ready.unregister(child.stderr)
                        continue
                    count = os.readv(child.stdout.fileno(), [view[got:]])
                    if not count:
                        raise _Died("the decoder closed its output")
                    got += count
        return data

    def _drain(self, child: subprocess.Popen[bytes]) -> bool:
        """Keep the last lines of standard error; return False where it has ended."""
        assert child.stderr is not None
        while True:
            try:
                block = os.read(child.stderr.fileno(), 1 << 16)
            except BlockingIOError:
                return True
            if not block:
                return False
            self.stderr.extend(line for line in block.decode("utf-8", "replace").splitlines() if line.strip())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
