"""What of a failure is told: of a disk that will not do, in two lines; of a bug, which log tells more."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Sequence
from pathlib import Path


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
