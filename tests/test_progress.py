"""What a run shows of itself: sums of events, plain lines at intervals, a live table on a terminal."""

from __future__ import annotations

import io
import time
from typing import Any

from rich.console import Console

from synflow.console import people
from synflow.progress import LiveProgress, PlainProgress, Tally, live_table, progress_for


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def done(name: str, shard: int, inputs: int = 8, **more: Any) -> dict[str, Any]:
    counts = {"inputs": inputs, "kept": inputs - 2, "dropped": 2}
    return {
        "event": "shard-done",
        "pass": name,
        "shard": f"{shard:06d}",
        "counts": counts,
        "drops": {},
        "pairs": {},
        "seconds": 1.0,
        **more,
    }


STARTED = {"event": "run-started", "passes": [{"name": "curate", "shards": 4}, {"name": "expand", "shards": 4}]}


def feed(tally: Tally, clock: Clock) -> None:
    tally.take(STARTED)
    tally.take({"event": "pass-started", "pass": "curate", "shards": 4, "done": 1})
    clock.now += 4
    tally.take(done("curate", 1, drops={"quality/black": 2}, calls=3, tokens=400))
    tally.take(done("curate", 2, drops={"quality/black": 1, "rectify/caption-url": 1}))
    tally.take(
        {"event": "shard-failed", "pass": "curate", "shard": "000003", "cause": "x", "remedy": "y", "traceback": ""}
    )


def test_rates_and_time_left_count_only_this_driver() -> None:
    clock = Clock()
    tally = Tally(clock)
    feed(tally, clock)
    one = tally.passes["curate"]
    assert (one.done, one.before, one.failed, one.clips) == (3, 1, 1, 16)
    assert one.rate(clock.now) == 4.0 and one.over and one.seconds_left(clock.now) is None
    tally.take({"event": "pass-started", "pass": "expand", "shards": 4, "done": 0})
    assert tally.passes["expand"].seconds_left(clock.now) is None
    clock.now += 2
    tally.take(done("expand", 0, pairs={"t2v": 6, "v2v": 2}))
    assert tally.passes["expand"].seconds_left(clock.now) == 6.0
    assert tally.pairs == {"t2v": 6, "v2v": 2}
    tally.take(done("expand", 1, pairs={"t2v": 3}))
    tally.take({"event": "pass-started", "pass": "close", "shards": 4, "done": 0})
    tally.take(done("close", 0, pairs={"t2v": 5}))
    assert tally.pairs == {"t2v": 8}, "a later pass tells what is left of the pairs of its shard"
    tally.take({"event": "pass-started", "pass": "pack", "shards": 2, "done": 0})
    tally.take(done("pack", 0, pairs={"t2v": 5}))
    assert tally.pairs == {"t2v": 8}, "packing writes pairs that were counted when they were made"


def test_the_plain_line() -> None:
    clock = Clock()
    tally = Tally(clock)
    assert tally.line() == "0 pairs · 0 dropped"
    feed(tally, clock)
    assert (
        tally.line() == "curate 3/4 shards · 1 failed · 4.0 clips/s · 0 pairs · 4 dropped · 3 model calls, 100 tokens/s"
    )


def test_plain_lines_come_at_intervals_and_failures_at_once() -> None:
    stream, began = io.StringIO(), time.monotonic()
    with PlainProgress(people(stream), every=0.05) as progress:
        progress(dict(STARTED))
        progress(
            {"event": "shard-failed", "pass": "curate", "shard": "000003", "cause": "disk \x1b[31mgone", "remedy": "y"}
        )
        progress({"event": "shard-retry", "pass": "curate", "shard": "000002", "cause": "worker died"})
        time.sleep(0.18)
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith(r"failed: curate shard 000003: disk \x1b[31mgone")
    assert lines[1].endswith("again:  curate shard 000002: worker died")
    most = (time.monotonic() - began) / 0.05 + 1  # on a crowded machine a sleep takes longer than asked
    assert 2 <= sum(line.endswith("0 pairs · 0 dropped") for line in lines) <= most
    said = len(stream.getvalue())
    time.sleep(0.1)
    assert len(stream.getvalue()) == said, "nothing is said after the end"


def test_the_live_table_fits_and_tells_all() -> None:
    clock = Clock()
    tally = Tally(clock)
    feed(tally, clock)
    for width in (80, 140):
        stream = io.StringIO()
        Console(file=stream, width=width, markup=False, highlight=False).print(live_table(tally))
        text = stream.getvalue()
        assert max(len(line) for line in text.splitlines()) <= width
        for part in (
            "curate",
            "3/4 shards",
            "4.0 clips/s · 1 failed",
            "expand",
            "waits",
            "black 3 · caption-url 1",
            "100 tokens/s",
        ):
            assert part in text, part


def test_the_live_table_is_left_behind() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, color_system=None, markup=False)
    with LiveProgress(console) as progress:
        progress(dict(STARTED))
        progress({"event": "finished", "pairs": {"t2v": 3}, "drops": {}, "kept": 3})
    assert "t2v 3" in stream.getvalue().rpartition("curate")[2]
    assert stream.getvalue().endswith("\x1b[?25h"), "the cursor is shown again"


def test_a_pipe_gets_plain_lines_and_a_terminal_the_table() -> None:
    assert isinstance(progress_for(people(io.StringIO())), PlainProgress)
    assert isinstance(progress_for(Console(file=io.StringIO(), force_terminal=True)), LiveProgress)
