"""The tree of failures: each says its cause, its remedy, its exit code and whether a retry can help.

::

    SynflowError
    ├── UsageError          2  a wrong command line, manifest, list or parameter
    ├── Incomplete          3  some shards failed, or a service is down; resumable
    │   └── ServiceDown     3  Ray, a model server or a disk cannot be used just now
    ├── Refused             4  locked by another driver, output of another run, drift
    ├── Damage              5  bytes on disk differ from what a receipt promises
    ├── Interrupted       130  Ctrl-C or SIGTERM; resumable
    └── ClipFailure         -  one clip cannot be used; becomes a Drop, never an exit
"""

from __future__ import annotations


class SynflowError(Exception):
    """A failure with one line of cause and one line of remedy.

    Args:
        cause: what went wrong and where (file, key path or line number), in one line.
        remedy: what the user can do about it, in one line.
    """

    exit_code: int = 1
    retryable: bool = False

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[SynflowError], tuple[str, str]]:
        """Keep both lines when the error crosses a process boundary."""
        return (type(self), (self.cause, self.remedy))


class UsageError(SynflowError):
    """The command line, the manifest or an input list is wrong."""

    exit_code = 2


class Incomplete(SynflowError):
    """The run stopped before its end; what is done is kept and `synflow resume` goes on."""

    exit_code = 3
    retryable = True


class ServiceDown(Incomplete):
    """Something outside synflow (Ray, a model server, the disk) cannot be used just now."""


class Refused(SynflowError):
    """The directory is in use by another driver, or belongs to another run."""

    exit_code = 4


class Damage(SynflowError):
    """Stored bytes differ from what a receipt promises."""

    exit_code = 5


class Interrupted(SynflowError):
    """The user stopped the run; what is done is kept."""

    exit_code = 130
    retryable = True


class ClipFailure(SynflowError):
    """One clip cannot be used. The chain turns it into a `Drop` with this reason.

    Args:
        reason: a registered kebab-case reason code, for example ``unreadable``.
        detail: what was seen, in one line; deterministic (no paths of temporary files, no times).
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[ClipFailure], tuple[str, str]]:
        """Keep reason and detail when the error crosses a process boundary."""
        return (type(self), (self.reason, self.detail))
