"""The web page of a run, served by the command as a user would start it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def served(run: Path, *more: str) -> Iterator[str]:
    """Serve a run; give the address that the command prints, token and all."""
    command = [sys.executable, "-m", "synflow", "inspect", str(run), "--serve", "--port", "0", *more]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stderr
    first = server.stderr.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=\S+", first), first
    try:
        yield first
    finally:
        server.terminate()
        code = server.wait(20)
        server.stderr.close()
    assert code in (0, 130)
