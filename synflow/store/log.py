"""The log beside a run: events with times, one JSON line each; shown to people, never believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synflow.durable import append_lines


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a log; lines that a crash tore are passed over."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def stage_seconds(event: dict[str, Any]) -> dict[str, float]:
    """Return the seconds by stage that an event tells: those of a shard, or of a pass that was settled."""
    kind, usage = event.get("event"), event.get("usage")
    held = usage.get("stages") if kind == "shard-done" and isinstance(usage, dict) else None
    held = event.get("stages") if kind == "pass-settled" else held
    told = held.items() if isinstance(held, dict) else ()
    return {str(name): float(spent) for name, spent in told if isinstance(spent, (int, float))}


class RunLog:
    """Writes events to ``log.jsonl`` and hands them to a listener.

    Args:
        path: of the log.
        listener: gets each event without its time.
    """

    def __init__(self, path: Path, listener: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.path = path
        self._listener = listener

    def __call__(self, event: dict[str, Any]) -> None:
        """Write one event."""
        stamped = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}
        append_lines(self.path, [json.dumps(stamped, ensure_ascii=False).encode("utf-8", errors="replace")])
        if self._listener is not None:
            self._listener(event)

    def failed(self) -> set[tuple[str, str]]:
        """Return pass and shard of those whose last attempt failed."""
        found: set[tuple[str, str]] = set()
        for event in read_events(self.path):
            name = (event.get("pass", ""), event.get("shard", ""))
            if event["event"] == "shard-failed":
                found.add(name)
            elif event["event"] == "shard-done":
                found.discard(name)
        return found

    def damage(self) -> list[str]:
        """Return the objects that `synflow verify` found damaged and no run has made again."""
        found: list[str] = []
        for event in read_events(self.path):
            if event["event"] == "damage-found":
                found.extend(event["objects"])
            elif event["event"] == "damage-forgotten":
                found.clear()
        return found
