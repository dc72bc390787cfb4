"""How failures are told: in two lines, cause and remedy; of a bug, which log tells more."""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from synflow.commands.endings import silence
from synflow.console import clean


def disk_failure(error: OSError) -> tuple[int, str, str] | None:
    """Return exit code, cause and remedy of a disk that is full or may not be written; None for anything else."""
    name = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 3, f"no space left for{name or ' the output'}", "free space on that disk, then `synflow resume` the run"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return 2, f"cannot use{name or ' a file'}: {error.strerror}", "choose a folder that you may read and write"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return 3, "too many open files", "raise the limit (`ulimit -n 65536`), then `synflow resume` the run"
    return None


def log_of(arguments: Sequence[str]) -> str:
    """Return the log of the run that a command line names, if there is one."""
    for one in arguments:
        path = Path(one) / "log.jsonl"
        # What is no path at all (too long) is asked about here too.
        with contextlib.suppress(OSError, ValueError):
            if not one.startswith("-") and path.is_file():
                return str(path)
    return ""


def tell(code: int, cause: str, remedy: str, *, debug: bool) -> int:
    """Write the two lines of a failure, and its traceback where asked for."""
    if debug and sys.exc_info()[0] is not None:
        traceback.print_exc()
    told = clean("; ".join(cause.splitlines()), 2000)  # several mistakes of a manifest
    lines = [f"error: {told}"] + ([f"remedy: {clean(remedy, 2000)}"] if remedy else [])
    try:
        print("\n".join(lines), file=sys.stderr, flush=True)
    except BrokenPipeError:
        silence(sys.stderr)
    return code


def misuse(error: typer.TyperException) -> tuple[str, str]:
    """Return cause and remedy of a command line that does not parse."""
    ctx: typer.Context | None = getattr(error, "ctx", None)
    command = ctx.command_path if ctx else "synflow"
    message = error.format_message().rstrip(".")
    return f"{message[:1].lower()}{message[1:]}", f"`{command} --help` shows what it takes"
