"""How a command ends before its time: SIGTERM as Ctrl-C, and readers that went away."""

from __future__ import annotations

import atexit
import gc
import os
import signal
from types import FrameType
from typing import Any


def end_on_sigterm() -> None:
    """Treat SIGTERM as Ctrl-C: what is done is kept and the line how to go on is printed."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, stop)
    except ValueError:
        # Only the main thread may say so; whoever calls `main` from another one ends it himself.
        return


def leave_memory() -> None:
    """Let the interpreter, when it ends, not look through all that was loaded for what it could free: .1 s."""
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def silence(*streams: Any) -> None:
    """Point closed streams at nothing, so that Python does not complain when it flushes them at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nothing, stream.fileno())
    os.close(nothing)
