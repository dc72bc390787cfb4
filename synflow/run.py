"""A run from its first byte to ``dataset.json``: lock, plan, passes, settling, packing, index.

The story is the same for a first run and a resumed one: what has a sound receipt is done, the rest is pending.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synflow.durable import append_lines, forget
from synflow.earlier import identity_of
from synflow.engine import Engine, ExecutorFactory
from synflow.errors import Damage, Interrupted, UsageError
from synflow.executors.factory import open_executor
from synflow.identity import check_vacant, read_identity
from synflow.ids import canonical
from synflow.manifest import Manifest
from synflow.plan import PACK
from synflow.store.layout import RunLayout
from synflow.store.lock import Lock, lock_of
from synflow.store.log import RunLog
from synflow.store.metrics import MetricsFile
from synflow.store.negatives import folder_of, versions
from synflow.store.receipts import read_receipt
from synflow.store.survey import RunState, survey
from synflow.store.verify import forget_damaged
from synflow.store.withdrawals import find_sources, read_withdrawals

Listener = Callable[[dict[str, Any]], None]

ROUNDS = 3
"""How often a run goes back to make damaged objects again before it gives up."""


def run(
    manifest: Manifest, out: Path, listener: Listener | None = None, open_with: ExecutorFactory = open_executor,
    reuse: Path | None = None, lock: Lock | None = None,
) -> RunState:  # fmt: skip
    """Run ``manifest`` into ``out``, or continue an identical unfinished run there.

    Args:
        manifest: what to make of what.
        out: the run directory.
        listener: gets the events of the run.
        open_with: makes the executor.
        reuse: directory of another run, complete or not: what still holds of it is not done again. The result is the
            same without it.
        lock: of ``out``, where it is held already; it is let go at the end.

    Raises:
        UsageError, Incomplete, Refused, Damage, Interrupted: see `synflow.errors`.
    """
    layout = RunLayout(out.resolve())
    check_vacant(layout)
    earlier = reuse.resolve() if reuse is not None else None
    if earlier is not None:
        identity_of(RunLayout(earlier))
        if earlier == layout.root:
            raise UsageError("--reuse names the run itself", "give the folder of another run, or leave it out")
    return _locked(layout, lambda layout, log: _drive(layout, log, manifest, open_with, reuse=earlier), listener, lock)


def resume(
    root: Path, failed_only: bool = False, listener: Listener | None = None, open_with: ExecutorFactory = open_executor,
    executor: Mapping[str, Any] | None = None, lock: Lock | None = None,
) -> RunState:  # fmt: skip
    """Continue the run in ``root``; does nothing if it is complete.

    Args:
        root: the run directory.
        failed_only: work only on shards whose last attempt failed.
        listener: gets the events of the run.
        open_with: makes the executor.
        executor: another executor than the manifest's.
        lock: of ``root``, where it is held already; it is let go at the end.

    Raises:
        UsageError: there is no run. Otherwise as `run`.
    """
    layout = RunLayout(root.resolve())
    held = read_identity(layout)
    if held is None:
        raise UsageError(f"{root} holds no run", "start one with `synflow run MANIFEST --out DIR`")
    manifest = Manifest.restored(held["manifest"], Path(held["folder"]))
    if executor is not None:
        manifest = manifest.with_executor(executor)
    return _locked(
        layout,
        lambda layout, log: _drive(layout, log, manifest, open_with, resumed=True, failed_only=failed_only),
        listener,
        lock,
    )


def withdraw(
    root: Path, sources: Sequence[str], listener: Listener | None = None,
    open_with: ExecutorFactory = open_executor, executor: Mapping[str, Any] | None = None, lock: Lock | None = None,
) -> RunState:  # fmt: skip
    """Take everything out of a run's dataset that was made of some sources; only their shards are packed again.

    The withdrawal is written down first. Whatever interrupts it, the run is not complete before the dataset is without
    these sources, and every later `run` or `resume` there leaves them out. Of a run that is not finished nothing is
    done now: it ends without them.

    Args:
        root: the run directory.
        sources: digests or addresses of sources, or ids of input records.
        listener: gets the events of the run.
        open_with: makes the executor.
        executor: another executor than the manifest's.
        lock: of ``root``, where it is held already; it is let go at the end.

    Raises:
        UsageError: there is no run, or no such source in it. Otherwise as `run`.
    """
    layout = RunLayout(root.resolve())
    held = read_identity(layout)
    if held is None:
        raise UsageError(f"{root} holds no run", "give the folder that --out or `output` named")
    manifest = Manifest.restored(held["manifest"], Path(held["folder"]))
    if executor is not None:
        manifest = manifest.with_executor(executor)

    def drive(layout: RunLayout, log: RunLog) -> None:
        _check_withdrawals(layout)
        packed = any(layout.receipts(PACK).glob("*.json"))
        first = [read_receipt(path) for path in sorted(layout.receipts(held["passes"][0]["name"]).glob("*.json"))]
        known = read_withdrawals(layout).lines
        lines = find_sources(layout, [receipt for receipt in first if receipt is not None], sources)
        fresh = [line for line in lines if line not in known]
        if fresh:
            forget(layout.dataset)
            append_lines(layout.withdrawn, [canonical(line) for line in fresh])
            # They name pairs and texts that go; the vectors of what stays are worth keeping.
            for version in versions(layout):
                forget(folder_of(layout) / version)
            log({"event": "withdrawn", "sources": fresh})
        if packed:
            _drive(layout, log, manifest, open_with, resumed=True, frozen=True)

    return _locked(layout, drive, listener, lock)


def _check_withdrawals(layout: RunLayout) -> None:
    """Refuse to go on where the account of what was withdrawn is not what it was: it would come back.

    Raises:
        Damage: it is not.
    """
    try:
        dataset = json.loads(layout.dataset.read_bytes())
    except (FileNotFoundError, ValueError):
        return
    if isinstance(dataset, dict) and not read_withdrawals(layout).holds(dataset):
        raise Damage(f"{layout.withdrawn} does not tell any more what was withdrawn", "put it back from a copy")


def _locked(
    layout: RunLayout, drive: Callable[[RunLayout, RunLog], None], listener: Listener | None, lock: Lock | None
) -> RunState:
    with lock or lock_of(layout.root):
        metrics = MetricsFile(layout)

        def tell(event: dict[str, Any]) -> None:
            metrics(event)
            if listener is not None:
                listener(event)

        log = RunLog(layout.log, tell)
        try:
            drive(layout, log)
        except KeyboardInterrupt:
            log({"event": "interrupted"})
            raise Interrupted("interrupted; what is done is kept", f"`synflow resume {layout.root}` goes on") from None
        finally:
            if layout.identity.exists():
                metrics.write()
            else:
                # Nothing is left behind of a run that was not begun.
                layout.unprepare()
        return survey(layout.root)


def _drive(
    layout: RunLayout,
    log: RunLog,
    manifest: Manifest,
    open_with: ExecutorFactory,
    *,
    resumed: bool = False,
    failed_only: bool = False,
    reuse: Path | None = None,
    frozen: bool = False,
) -> None:
    _check_withdrawals(layout)
    for leftover in layout.staging.glob("*"):
        forget(leftover)
    engine = Engine(layout, log, manifest, open_with, failed_only)
    engine.bind(resumed, frozen)
    if layout.dataset.exists() and not log.damage() and engine.complete():
        log({"event": "finished", **survey_totals(layout)})
        return
    if suspects := log.damage():
        forget_damaged(layout, suspects)
        # Without it the run is not complete, so tables, card and itself are written again however often this stops.
        forget(layout.dataset)
        log({"event": "damage-forgotten"})
    engine.follow(reuse)
    for _ in range(ROUNDS):
        with contextlib.closing(engine):
            if engine.passes_done():
                return
        if not forget_damaged(layout, None):
            break
    raise Damage(
        f"objects of {layout.root} are damaged again and again", "check the disk, then `synflow resume` the run"
    )


def survey_totals(layout: RunLayout) -> dict[str, Any]:
    """Return the totals of a complete run, for its last event."""
    value = json.loads(layout.dataset.read_bytes())
    return {
        "pairs": value["pairs"],
        "drops": value["drops"],
        "kept": value["clips"]["kept"],
        "records": value["records"],
    }
