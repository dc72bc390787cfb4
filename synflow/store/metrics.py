"""A run in numbers for Prometheus: from its events, as a text file beside the run and at ``/metrics`` of its page."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from synflow.store.layout import RunLayout
from synflow.store.log import read_events, stage_seconds

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EVERY = 10.0
"""Seconds between two writings of the file."""

ENDS = frozenset({"run-started", "finished", "interrupted", "withdrawn"})
"""Events after which it is written at once."""

GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "synflow_shards": ("shards of a pass", ("pass",)),
    "synflow_shards_done": ("shards of a pass that have a receipt", ("pass",)),
    "synflow_shards_failed": ("shards of a pass whose last attempt failed", ("pass",)),
    "synflow_pairs": ("pairs that the shards of a pass hold; those of `pack` are in the dataset", ("pass", "task")),
    "synflow_dropped": ("clips or records that were dropped", ("stage", "reason")),
    "synflow_workers": ("units of work at a time", ()),
    "synflow_complete": ("1 once the dataset is finished", ()),
    "synflow_last_event_timestamp_seconds": ("when something was last heard of the run, Unix time", ()),
}
COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "synflow_inputs": ("inputs that were worked on", ("pass",)),
    "synflow_worker_seconds": ("seconds of all workers", ("pass",)),
    "synflow_stage_seconds": ("seconds of all workers, and of the driver that settles", ("stage",)),
    "synflow_videos_decoded": ("videos of which pictures were decoded", ()),
    "synflow_model_calls": ("requests that went to models", ()),
    "synflow_model_answers_known": ("answers that the journal had", ()),
    "synflow_tokens": ("tokens of models", ("kind",)),
    "synflow_shard_failures": ("attempts at a shard that failed", ("pass",)),
    "synflow_shard_retries": ("shards that were begun again because a worker died", ("pass",)),
}
"""Names (a counter is shown with ``_total`` behind it), what they count, labels."""

TOKENS = {"prompt_tokens": "read", "cached_tokens": "cached", "answer_tokens": "written"}


class Metrics(Collector):
    """Adds up the events of a run; what makes no sense is passed over: a log is shown, never believed."""

    def __init__(self) -> None:
        self._sums: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._shards: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self._totals: dict[str, int] = {}
        self._workers = 0
        self._complete = False
        self.heard = 0.0

    def take(self, event: Mapping[str, Any]) -> None:
        """Add one event."""
        kind, name = event.get("event"), str(event.get("pass", ""))
        with contextlib.suppress(ValueError, TypeError):
            self.heard = datetime.fromisoformat(str(event["time"])).timestamp() if "time" in event else time.time()
        if kind in ("run-started", "withdrawn"):
            self._complete = False
        elif kind == "pass-started":
            self._totals[name] = int(_number(event.get("shards")))
        elif kind == "shard-done":
            self._done(name, event)
        elif kind == "shard-failed":
            self._add("synflow_shard_failures", 1, name)
            self._shards.setdefault((name, str(event.get("shard"))), None)
        elif kind == "shard-retry":
            self._add("synflow_shard_retries", 1, name)
        elif kind == "executor-opened":
            self._workers = int(_number(event.get("workers")))
        elif kind == "finished":
            self._complete = True
        for stage, spent in stage_seconds(dict(event)).items():
            self._add("synflow_stage_seconds", spent, stage)

    def _done(self, name: str, event: Mapping[str, Any]) -> None:
        self._shards[name, str(event.get("shard"))] = event
        usage = _map(event.get("usage"))
        self._add("synflow_inputs", _number(_map(event.get("counts")).get("inputs")), name)
        self._add("synflow_worker_seconds", _number(event.get("seconds")), name)
        self._add("synflow_videos_decoded", _number(usage.get("decoded")))
        self._add("synflow_model_calls", _number(usage.get("calls")))
        self._add("synflow_model_answers_known", _number(usage.get("hits")))
        for key, told in TOKENS.items():
            self._add("synflow_tokens", _number(usage.get(key)), told)

    def _add(self, name: str, value: float, *labels: str) -> None:
        self._sums[name, labels] += value  # type: ignore[assignment]

    def _state(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        """Yield what holds now: name, labels and value of each gauge."""
        for name, total in self._totals.items():
            mine = [event for (one, _), event in self._shards.items() if one == name]
            done = sum(event is not None for event in mine)
            yield "synflow_shards", (name,), max(total, len(mine))
            yield "synflow_shards_done", (name,), done
            yield "synflow_shards_failed", (name,), len(mine) - done
        pairs: Counter[tuple[str, ...]] = Counter()
        drops: Counter[tuple[str, ...]] = Counter()
        for (name, _), event in self._shards.items():
            for task, number in _map((event or {}).get("pairs")).items():
                pairs[name, str(task)] += int(_number(number))
            for reason, number in _map((event or {}).get("drops")).items():
                drops[tuple(str(reason).partition("/")[::2])] += int(_number(number))
        yield from (("synflow_pairs", labels, number) for labels, number in pairs.items())
        yield from (("synflow_dropped", labels, number) for labels, number in drops.items())
        yield "synflow_workers", (), self._workers
        yield "synflow_complete", (), float(self._complete)
        yield "synflow_last_event_timestamp_seconds", (), self.heard

    def collect(self) -> Iterator[Metric]:
        """Yield all families, with their help."""
        gauges = {name: GaugeMetricFamily(name, told, labels=labels) for name, (told, labels) in GAUGES.items()}
        counters = {name: CounterMetricFamily(name, told, labels=labels) for name, (told, labels) in COUNTERS.items()}
        for name, labels, value in self._state():
            gauges[name].add_metric(labels, value)
        for (name, labels), value in sorted(self._sums.items()):
            counters[name].add_metric(labels, value)
        yield from (*gauges.values(), *counters.values())

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def text(self) -> bytes:
        """Return all of it in the format of Prometheus."""
        return generate_latest(self._registry())

    def write(self, path: Path) -> None:
        """Write it to a file, whole; a disk that will not do is no reason to end a run."""
        with contextlib.suppress(OSError):
            write_to_textfile(str(path), self._registry())


class MetricsFile:
    """Keeps ``metrics.prom`` beside a run up to date.

    Args:
        layout: of the run.
    """

    def __init__(self, layout: RunLayout) -> None:
        self._path, self._written = layout.metrics, 0.0
        self.metrics = metrics_of(layout)

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take an event; write the file where it is time to."""
        self.metrics.take(event)
        if event.get("event") in ENDS or time.monotonic() - self._written >= EVERY:
            self.write()

    def write(self) -> None:
        """Write the file."""
        self._written = time.monotonic()
        self.metrics.write(self._path)


def metrics_of(layout: RunLayout) -> Metrics:
    """Return what the log of a run adds up to."""
    found = Metrics()
    for event in read_events(layout.log):
        found.take(event)
    return found


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
