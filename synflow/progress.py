"""What a run shows of itself while it works: a live table on a terminal, else one plain line every ten seconds.

A listener takes the engine's events (the same dicts are the lines of ``log.jsonl``) and never touches the run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from synflow.console import clean, count_of, duration_of, listed, people

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

PLAIN_EVERY = 10.0
"""Seconds between two plain lines."""

PACKING = "pack"
"""The pass that writes pairs made before: its pairs are not new ones."""

Event = Mapping[str, Any]


class Listener(Protocol):
    """Takes the events of a run, and is closed when the run ends in whatever way."""

    tally: Tally

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class PassTally:
    """How far one pass is; ``before`` shards were done when this driver came to it."""

    name: str
    shards: int
    done: int = 0
    before: int = 0
    failed: int = 0
    clips: int = 0
    began: float | None = None
    ended: float | None = None

    @property
    def over(self) -> bool:
        """Whether no shard of it is left to do."""
        return self.ended is not None or (self.began is not None and self.done + self.failed >= self.shards)

    def seconds(self, now: float) -> float:
        """Seconds that this driver has spent in it."""
        return 0.0 if self.began is None else (self.ended or now) - self.began

    def rate(self, now: float) -> float | None:
        """Clips a second since this driver began it; None before the first shard came back."""
        spent = self.seconds(now)
        return self.clips / spent if self.clips and spent > 0 else None

    def seconds_left(self, now: float) -> float | None:
        """Seconds until its last shard at the pace so far; None before the first came back."""
        fresh = self.done + self.failed - self.before
        if fresh <= 0 or self.over:
            return None
        return self.seconds(now) / fresh * (self.shards - self.done - self.failed)


@dataclass
class Tally:
    """All that the events so far add up to."""

    clock: Callable[[], float] = time.monotonic
    passes: dict[str, PassTally] = field(default_factory=dict)
    current: str = ""
    pairs: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0
    finished: bool = False
    _made: dict[str, dict[str, int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def take(self, event: Event) -> None:
        """Add one event; unknown ones say nothing here."""
        kind = event.get("event")
        if kind == "run-started":
            self.passes = {one["name"]: PassTally(one["name"], one["shards"]) for one in event["passes"]}
        elif kind == "pass-started":
            self._start(event)
        elif kind == "shard-done":
            self._shard(event)
        elif kind == "shard-failed":
            self._pass(event).failed += 1
        elif kind == "pass-settled":
            self._pass(event).ended = self.clock()
        elif kind == "finished":
            self.finished = True
            self.pairs, self.drops = dict(event.get("pairs", self.pairs)), dict(event.get("drops", self.drops))

    def _pass(self, event: Event) -> PassTally:
        name = str(event.get("pass", ""))
        return self.passes.setdefault(name, PassTally(name, 0))

    def _start(self, event: Event) -> None:
        for other in self.passes.values():
            if other.began is not None and other.ended is None:
                other.ended = self.clock()
        one = self._pass(event)
        one.shards = event.get("shards", one.shards)
        one.done = one.before = event.get("done", 0)
        one.began, one.ended, one.failed = self.clock(), None, 0
        self.current = one.name

    def _shard(self, event: Event) -> None:
        one = self._pass(event)
        one.done += 1
        one.clips += 0 if one.name == PACKING else int(event.get("counts", {}).get("inputs", 0))
        self.calls += int(event.get("calls", 0))
        self.tokens += int(event.get("tokens", 0))
        _add(self.drops, event.get("drops", {}))
        if one.name != PACKING:
            self._count_pairs(str(event.get("shard", "")), event.get("pairs", {}))

    def _count_pairs(self, shard: str, made: Mapping[str, int]) -> None:
        """Count the pairs of a shard; a later pass tells all that it leaves of them, not what it adds."""
        _add(self.pairs, {task: -number for task, number in self._made.get(shard, {}).items()})
        _add(self.pairs, made)
        self.pairs = {task: number for task, number in self.pairs.items() if number}
        self._made[shard] = dict(made)

    def line(self) -> str:
        """Return the state in one plain line."""
        now, one = self.clock(), self.passes.get(self.current)
        parts = []
        if one is not None:
            parts.append(f"{one.name} {one.done}/{one.shards} shards")
            if one.failed:
                parts.append(f"{one.failed} failed")
            if (rate := one.rate(now)) is not None:
                parts.append(f"{rate:.1f} clips/s")
        parts += [count_of(sum(self.pairs.values()), "pair"), f"{sum(self.drops.values()):,} dropped"]
        if self.calls:
            parts.append(self.model_line(now))
        if one is not None and (left := one.seconds_left(now)) is not None:
            parts.append(f"{duration_of(left)} left in this pass")
        return " · ".join(parts)

    def model_line(self, now: float) -> str:
        """Return model calls and, where a model counts them, tokens a second."""
        spent = max(now - self.began, 1e-9)
        rate = f", {self.tokens / spent:,.0f} tokens/s" if self.tokens else ""
        return count_of(self.calls, "model call") + rate


def _add(into: dict[str, int], counts: Mapping[str, int]) -> None:
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number


def notice(event: Event) -> str:
    """Return what is said at once of an event; empty for most."""
    place = f"{event.get('pass', '')} shard {event.get('shard', '')}"
    if event.get("event") == "shard-failed":
        return f"failed: {place}: {clean(str(event.get('cause', '')))}"
    if event.get("event") == "shard-retry":
        cause = clean(str(event.get("cause", "its worker died")))
        return f"again:  {place}: {cause}"
    return ""


class PlainProgress:
    """One plain line every ten seconds, for logs and pipes."""

    def __init__(self, console: Console, every: float = PLAIN_EVERY) -> None:
        self.tally = Tally()
        self._console, self._every = console, every
        self._lock, self._over = threading.Lock(), threading.Event()
        self._clockwork = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event."""
        with self._lock:
            self.tally.take(event)
        if said := notice(event):
            self._say(said)

    def _tick(self) -> None:
        while not self._over.wait(self._every):
            with self._lock:
                line = self.tally.line()
            self._say(line)

    def _say(self, text: str) -> None:
        self._console.print(f"{time.strftime('%H:%M:%S')}  {text}", soft_wrap=True)

    def __enter__(self) -> Self:
        self._clockwork.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._clockwork.join()


class LiveProgress:
    """A table that redraws itself on a terminal and leaves its last state behind."""

    def __init__(self, console: Console) -> None:
        self.tally = Tally()
        self._console, self._lock = console, threading.Lock()
        self._live: Live | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event."""
        with self._lock:
            self.tally.take(event)
        if said := notice(event):
            self._console.print(said, style="red" if said.startswith("failed") else "yellow")

    def _draw(self) -> Group:
        with self._lock:
            return live_table(self.tally)

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(console=self._console, refresh_per_second=4, get_renderable=self._draw)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


def live_table(tally: Tally) -> Group:
    """Return the live view: a line for each pass, then pairs, drops, model calls and the time spent."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    now = tally.clock()
    table = Table.grid(padding=(0, 2), expand=False)
    for one in tally.passes.values():
        bar = ProgressBar(total=max(one.shards, 1), completed=one.done, width=24)
        table.add_row(
            Text(one.name, style="bold" if one.name == tally.current and not one.over else ""),
            bar,
            Text(f"{one.done:,}/{count_of(one.shards, 'shard')}", justify="right"),
            _pass_note(one, now),
        )
    facts = Table.grid(padding=(0, 2))
    facts.add_row(Text("pairs", style="dim"), f"{sum(tally.pairs.values()):,}  ", _dim(listed(tally.pairs)))
    largest = dict(sorted(tally.drops.items(), key=lambda item: -item[1]))
    reasons = {name.rpartition("/")[2]: number for name, number in largest.items()}
    facts.add_row(Text("dropped", style="dim"), f"{sum(tally.drops.values()):,}", _dim(listed(reasons, 3)))
    if tally.calls:
        facts.add_row(
            Text("models", style="dim"), f"{tally.calls:,}", _dim(tally.model_line(now).partition(" model ")[2])
        )
    facts.add_row(Text("time", style="dim"), duration_of(now - tally.began), Text(""))
    return Group(table, facts)


def _pass_note(one: PassTally, now: float) -> Text:
    from rich.text import Text

    if one.began is None:
        return Text("waits", style="dim")
    parts = [f"{rate:.1f} clips/s"] if (rate := one.rate(now)) is not None else []
    if one.failed:
        parts.append(f"{one.failed} failed")
    if (left := one.seconds_left(now)) is not None:
        parts.append(f"{duration_of(left)} left")
    return Text(" · ".join(parts), style="red" if one.failed else "dim")


def _dim(text: str) -> Text:
    from rich.text import Text

    return Text(text, style="dim")


def progress_for(console: Console | None = None) -> Listener:
    """Return the progress that suits where the console goes."""
    console = console or people()
    return LiveProgress(console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress(console)
