"""The decoding child: ``python -m synflow.media.child``, started and watched by `synflow.media.sandbox`.

It reads requests from its standard input and answers on what was its standard output, until the input ends. It
limits itself before it touches the first byte of a video. It holds one source at a time, with the pictures that
its scan kept. A failure that belongs to the clip is an answer; anything else ends the process with a traceback.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import cv2

from synflow.errors import ClipFailure
from synflow.media import seccomp, wire
from synflow.media.decoder import Decoder, Reader, load_decoder
from synflow.media.heap import keep_memory, peak_memory
from synflow.media.light import luma_of
from synflow.media.reel import Reel, stacked
from synflow.media.source import Place, Source

Reply = tuple[dict[str, Any], list[Any]]

_PR_SET_PDEATHSIG = 1


class Bench:
    """Where the child works: at most one source is open, with its reel."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._source: Source | None = None
        self._reader: Reader | None = None
        self._reel: Reel | None = None

    def answer(self, request: dict[str, Any]) -> Reply:
        """Return head and buffers of the answer to ``request``.

        Raises:
            ClipFailure: the source cannot be used.
        """
        place = Place(os.fsdecode(request["path"]), request.get("offset"), request.get("size"))
        work: dict[str, Callable[[Place, dict[str, Any]], Reply]] = {
            "facts": self._facts, "scan": self._scan, "stills": self._stills, "glance": self._glance,
            "clip": self._clip,
        }  # fmt: skip
        return work[str(request["op"])](place, request)

    def close(self) -> None:
        """Let go of the source."""
        if self._reader is not None:
            self._reader.close()
        if self._source is not None:
            self._source.close()
        self._source = self._reader = self._reel = None
        # A picture whose side data was read is in a cycle with it, and holds all buffers of its decoder: 25 MB a clip.
        gc.collect()

    def _open(self, place: Place) -> tuple[Source, Reader]:
        """Return source and reader of ``place``: those that are open where nothing changed since."""
        source = Source(place)
        if self._source is not None and self._reader is not None and self._source.identity == source.identity:
            source.close()
            return self._source, self._reader
        self.close()
        self._source = source
        self._reader = self._decoder.open(source)
        return source, self._reader

    def _wound(self, place: Place, short_side: int) -> Reel:
        _, reader = self._open(place)
        if self._reel is None or self._reel.short_side != short_side:
            self._reel = Reel(reader, short_side)
        return self._reel

    def _facts(self, place: Place, request: dict[str, Any]) -> Reply:
        source, reader = self._open(place)
        header = reader.header
        width, height = header.display
        facts = {
            "digest": source.digest(), "bytes": source.size, "container": header.container, "codec": header.codec,
            "pix_fmt": header.pix_fmt, "duration": header.end, "fps": round(header.fps, 6),
            "frames": len(header.times), "width": width, "height": height, "rotation": header.rotation,
            "pixel_aspect": header.pixel_aspect, "bit_depth": header.bit_depth, "audio": header.audio,
        }  # fmt: skip
        return {"facts": facts}, []

    def _scan(self, place: Place, request: dict[str, Any]) -> Reply:
        got = self._wound(place, int(request["short_side"])).scan()
        thumbnail = got.color[0].shape if got.color else (0, 0, 3)
        head = {
            "times": got.times, "until": got.until, "luma": list(got.luma.shape),
            "color_times": got.color_times, "color": [len(got.color), *thumbnail],
            "errors": got.errors, "end": got.end, "combing": got.combing,
        }  # fmt: skip
        return head, [got.luma, *([stacked(got.color)] if got.color else [])]

    def _stills(self, place: Place, request: dict[str, Any]) -> Reply:
        reel = self._wound(place, int(request["short_side"]))
        span = float(request["start"]), float(request["end"])
        times, pictures = reel.stills(*span, int(request["n"]))
        shape = [len(pictures), *pictures[0].shape]
        return {"times": times, "shape": shape}, [stacked(pictures)]

    def _glance(self, place: Place, request: dict[str, Any]) -> Reply:
        reel = self._wound(place, int(request["short_side"]))
        span = float(request["start"]), float(request["end"])
        _, pictures = reel.stills(*span, int(request["n"]), int(request["few"]))
        bright = stacked([luma_of(rgb) for rgb in pictures])
        return {"shape": bright.shape}, [bright]

    def _clip(self, place: Place, request: dict[str, Any]) -> Reply:
        reel = self._wound(place, int(request["short_side"]))
        inner = request.get("crop")
        edges = (inner["left"], inner["top"], inner["right"], inner["bottom"]) if inner else None
        return {}, [reel.clip(float(request["start"]), float(request["end"]), edges)]


def limit(memory: int, lifeline: int, main_thread: bool) -> dict[str, Any]:
    """Set all limits but the system call filter; return those that hold."""
    # The write end of the lifeline is held by the parent alone: when it dies, the kernel ends this process too,
    # whatever it is doing. PR_SET_PDEATHSIG would do, but it fires when the *thread* that started us ends.
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    if main_thread and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, memory)):
        resource.setrlimit(name, (value, value))
    return {"memory": memory, "file_size": 0, "core": 0, "lifeline": True}


def serve(requests: BinaryIO, replies: BinaryIO, bench: Bench) -> None:
    """Answer requests until there are no more."""
    while (request := wire.receive(requests)) is not None:
        try:
            head, buffers = bench.answer(request)
        except ClipFailure as failure:
            head, buffers = {"failure": [failure.reason, failure.detail]}, []
        except MemoryError:
            head, buffers = {"failure": ["decode-memory", "more memory asked for than a decoder may have"]}, []
        head["peak"] = peak_memory()
        wire.send(replies, head, buffers)
        # Let go before the next source is decoded: its pictures then take the same memory.
        del head, buffers


def main() -> None:
    """Limit this process, load the decoder, say hello, then serve."""
    name, memory, lifeline, parent, main_thread = sys.argv[1:6]
    limits = limit(int(memory), int(lifeline), main_thread == "1")
    if os.getppid() != int(parent):
        sys.exit(0)
    keep_memory()
    # Answers leave through a copy of standard output; whatever a library prints goes to standard error.
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    try:
        bench = Bench(load_decoder(name))
    except ImportError as error:
        wire.send(replies, {"hello": False, "fault": str(error).splitlines()[0]})
        return
    # A second thread for pictures as small as these only waits, and that takes a tenth of all CPU here.
    cv2.setNumThreads(1)
    limits["no_new_privileges"] = seccomp.no_new_privileges()
    limits["seccomp"] = seccomp.apply()
    wire.send(replies, {"hello": True, "limits": limits})
    # What is loaded by now stays: later collections need not look at it, and take no time.
    gc.freeze()
    serve(sys.stdin.buffer, replies, bench)


if __name__ == "__main__":
    main()
