"""A decoder with faults, which the first four bytes of a source choose; anything else is decoded as usual."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from pathlib import Path

from synflow.errors import ClipFailure
from synflow.media.pyav_decoder import PyAvDecoder


def hang() -> None:
    time.sleep(600)


def segfault() -> None:
    ctypes.string_at(0)


def eat() -> None:
    held = []
    while True:
        held.append(bytearray(64 << 20))


def bad_alloc() -> None:
    sys.stderr.write("terminate called after throwing an instance of 'std::bad_alloc'\n")
    sys.stderr.flush()
    os.abort()


def quit_() -> None:
    os._exit(3)


def bug() -> None:
    raise RuntimeError("a bug in a decoder")


def noise() -> None:
    os.write(1, b"x" * 300_000)
    os.write(2, b"warning\n" * 50_000)
    raise ClipFailure("unreadable", "noisy")


def connect() -> None:
    socket.socket()


def write() -> None:
    Path("/tmp/synflow-sandbox-was-here").write_text("x")


def run() -> None:
    os.posix_spawn("/bin/true", ["true"], {})


def fork() -> None:
    os.fork()


FAULTS = {f.__name__[:4].encode().ljust(4, b"_"): f for f in (hang, segfault, eat, bad_alloc, quit_, bug, noise)}
FORBIDDEN = {f.__name__[:4].encode().ljust(4, b"_"): f for f in (connect, write, run, fork)}


class Faulty:
    """Opens sources, badly."""

    def open(self, source):
        key = source.read(4)
        if key in FAULTS:
            FAULTS[key]()
        if key in FORBIDDEN:
            try:
                FORBIDDEN[key]()
            except OSError as error:
                raise ClipFailure("unreadable", f"refused: {type(error).__name__}") from error
            raise ClipFailure("unreadable", "allowed")
        return PyAvDecoder().open(source)
