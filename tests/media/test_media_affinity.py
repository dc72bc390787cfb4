"""Who waits and who is waited for share a CPU for that time, and neither is held there afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from media_barcode import BY_NAME, make

from synflow.errors import ClipFailure
from synflow.media import sandbox as module
from synflow.media.affinity import Together
from synflow.media.sandbox import Sandbox
from synflow.records import Location

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are held to CPUs on Linux alone")


@pytest.fixture
def other():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


@pytest.fixture
def every() -> set[int]:
    return os.sched_getaffinity(0)


def test_they_are_on_one_cpu_while_one_waits(other: int, every: set[int]) -> None:
    with Together(other):
        (here,) = os.sched_getaffinity(0)
        assert here in every
        assert os.sched_getaffinity(other) == {here}
    assert os.sched_getaffinity(0) == every


def test_the_other_is_set_free_before(other: int, every: set[int]) -> None:
    with Together(other) as turn:
        turn.part()
        assert os.sched_getaffinity(other) == every
        assert len(os.sched_getaffinity(0)) == 1


def test_other_threads_stay_where_they_were(other: int, every: set[int]) -> None:
    over, begun = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (begun.set(), over.wait()))
    thread.start()
    begun.wait()
    with Together(other):
        assert thread.native_id is not None
        assert os.sched_getaffinity(thread.native_id) == every
    over.set()
    thread.join()


def test_nothing_is_lost_where_the_other_is_gone(every: set[int]) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(KeyError), Together(process.pid) as turn:
        turn.part()
        raise KeyError
    assert os.sched_getaffinity(0) == every


def test_a_thread_keeps_to_the_cpus_that_it_was_given(other: int, every: set[int]) -> None:
    last = max(every)
    os.sched_setaffinity(0, {last})
    try:
        with Together(other):
            assert os.sched_getaffinity(other) == {last}
        assert os.sched_getaffinity(0) == {last}
    finally:
        os.sched_setaffinity(0, every)


def test_a_child_that_takes_long_may_run_anywhere(
    tmp_path: Path, every: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(every) < 2:
        pytest.skip("there is one CPU")
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    (tmp_path / "hang.mp4").write_bytes(b"hang" + b"\0" * 64)
    video = make(BY_NAME["h264-b-frames"], tmp_path)
    seen: list[int] = []
    with Sandbox("media_faults:Faulty", deadline=2.0) as sandbox:
        sandbox.facts(Location(path=str(video)))
        assert sandbox._child is not None
        pid, over = sandbox._child.pid, threading.Event()

        def watch() -> None:
            with suppress(ProcessLookupError):
                while not over.wait(0.05):
                    seen.append(len(os.sched_getaffinity(pid)))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            with pytest.raises(ClipFailure, match="within 2 s"):
                sandbox.facts(Location(path=str(tmp_path / "hang.mp4")))
        finally:
            over.set()
            watching.join()
    assert os.sched_getaffinity(0) == every
    held = seen.index(1)
    assert len(every) in seen[held:]
    assert seen[-1] == len(every)
