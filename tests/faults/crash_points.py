"""Kills a run at its k-th filesystem operation, resumes it, and says what came of it.

Run as a program: ``python crash_points.py WORKLOAD SOURCE FOLDER EVERY [OFFSET]``. One process imports what is needed
and forks a child per trial, so that a trial costs the work and not the imports. WORKLOAD is ``synflow`` (SOURCE is a
manifest), ``reuse`` (a manifest and an earlier run, with a colon between them; every other trial goes on without the
earlier run being named again) or ``naive`` (SOURCE is unused). Prints a JSON line a trial, and one with the number of
operations.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

OPERATIONS = ("open", "write", "pwrite", "fsync", "rename", "link", "unlink", "mkdir", "ftruncate")


class KillingOs:
    """`os` and `shutil` whose k-th changing call kills the process; a killed write leaves half of its bytes."""

    def __init__(self, real: Any, counter: Counter) -> None:
        self._real, self._counter = real, counter

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in OPERATIONS and name != "rmtree":
            return found

        def counted(*args: Any, **options: Any) -> Any:
            if self._counter.step(name) and name == "write":
                found(args[0], bytes(args[1])[: len(args[1]) // 2])
            self._counter.die_if_due()
            return found(*args, **options)

        return counted


class Counter:
    def __init__(self, due: int | None) -> None:
        self.due, self.count, self.names = due, 0, []

    def step(self, name: str) -> bool:
        self.count += 1
        self.names.append(name)
        return self.count == self.due

    def die_if_due(self) -> None:
        if self.count == self.due:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked child; return the signal that ended it, else minus its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


class SynflowWorkload:
    """A small real run, serial."""

    def __init__(self, source: str) -> None:
        import synflow.run
        from synflow import durable
        from synflow.manifest import load_manifest
        from synflow.store import lock
        from synflow.store.verify import verify

        self.manifest = load_manifest(Path(source))
        self.patched = [(durable, "os"), (durable, "shutil"), (lock, "os")]
        self.run_into, self.verify = synflow.run.run, verify

    def run(self, folder: Path) -> None:
        self.run_into(self.manifest, folder)

    def resume(self, folder: Path) -> None:
        self.run(folder)

    def result(self, folder: Path) -> tuple[str, list[str]]:
        report = self.verify(folder)
        faults = [f"{one.path} {one.what}" for one in (*report.damage, *report.accounts, *report.litter)]
        return (folder / "dataset.json").read_text(), faults


class ReuseWorkload(SynflowWorkload):
    """The same, taking over what holds of an earlier run."""

    def __init__(self, source: str) -> None:
        manifest, _, old = source.partition(":")
        super().__init__(manifest)
        self.old = Path(old)
        self.times = 0

    def run(self, folder: Path) -> None:
        self.run_into(self.manifest, folder, reuse=self.old)

    def resume(self, folder: Path) -> None:
        self.times += 1
        self.run_into(self.manifest, folder, reuse=self.old if self.times % 2 else None)


class NaiveWorkload:
    """What many pipelines do: write the file under its name, and take a file that exists for done."""

    def __init__(self, source: str) -> None:
        import naive

        self.naive = naive
        self.patched = [(naive, "os")]

    def run(self, folder: Path) -> None:
        self.naive.run(folder)

    def resume(self, folder: Path) -> None:
        self.run(folder)

    def result(self, folder: Path) -> tuple[str, list[str]]:
        return self.naive.result(folder), []


def trial(workload: Any, folder: Path, due: int | None) -> tuple[int, list[str]]:
    """Run in a child that dies at operation ``due``; return its signal and the operations that it did."""
    trace = folder.parent / f"{folder.name}.trace"

    def work() -> None:
        counter = Counter(due)
        for module, name in workload.patched:
            setattr(module, name, KillingOs(getattr(module, name), counter))
        workload.run(folder)
        trace.write_text(json.dumps(counter.names))

    ended = in_child(work)
    return ended, json.loads(trace.read_text()) if trace.exists() else []


def main() -> None:
    kind, source, root, every = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    offset = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    workload = {"synflow": SynflowWorkload, "reuse": ReuseWorkload, "naive": NaiveWorkload}[kind](source)
    ended, names = trial(workload, root / "reference", None)
    wanted, faults = workload.result(root / "reference")
    print(json.dumps({"operations": len(names), "ended": ended, "faults": faults}), flush=True)
    for due in range(1 + offset, len(names) + 1, every):
        folder = root / f"run-{due}"
        killed, _ = trial(workload, folder, due)
        resumed = in_child(lambda: workload.resume(folder))  # noqa: B023
        try:
            found, faults = workload.result(folder)
        except (OSError, ValueError) as error:
            found, faults = "", [repr(error)]
        line = {"point": due, "operation": names[due - 1], "killed": killed, "resumed": resumed}
        print(json.dumps({**line, "same": found == wanted, "faults": faults}), flush=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
