"""A line now and then on how far a long command is."""

from __future__ import annotations

import time

from synflow.console import clean, people

EVERY = 10.0
"""Seconds between the lines, at least."""


class Ticker:
    """Prints what is done just now; called as often as something is done."""

    def __init__(self) -> None:
        self._console = people()
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Tell that ``done`` of ``total`` are done, where the last line is long enough ago."""
        from rich.text import Text

        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            self._console.print(Text(f"{clean(what, 80)}  {done:,} of {total:,}", style="dim"))
