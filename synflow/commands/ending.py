"""How a command ends: on a signal, and where nobody reads its output any more."""

from __future__ import annotations

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


def silence(*streams: Any) -> None:
    """Point closed streams at nothing, so that Python does not complain when it flushes them at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nothing, stream.fileno())
    os.close(nothing)
