"""How far a run is: from receipts alone; rates and the causes of failures come from its log."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from synflow.errors import Damage, UsageError
from synflow.store.layout import RunLayout
from synflow.store.log import read_events
from synflow.store.verify import all_receipts


@dataclass(frozen=True)
class Failure:
    """A shard whose last attempt failed."""

    pass_name: str
    shard: str
    cause: str
    remedy: str
    traceback: str = ""


@dataclass(frozen=True)
class PassState:
    """How far one pass is; ``seconds`` is the work of all workers on it so far."""

    name: str
    total: int
    done: int
    failed: tuple[Failure, ...]
    counts: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Reused:
    """What a run took over from an earlier one, and what it looked at itself.

    Attributes:
        root: of the earlier run.
        shards: shards of all passes that were taken over whole, of ``total`` that were done.
        decoded: videos of which pictures were decoded.
        answers: answers of models that were taken over; ``calls``: those that were asked for.
    """

    root: str
    shards: int = 0
    total: int = 0
    decoded: int = 0
    answers: int = 0
    calls: int = 0


@dataclass(frozen=True)
class RunState:
    """How far a run is.

    Attributes:
        pairs: task -> number; drops: ``stage/reason`` -> number.
        clips_per_second: of the pass under way, over its last events; None when nothing is known.
        seconds_left: for the pass under way.
        asked: ``calls`` of models so far, answers that were known (``hits``), and ``prompt_tokens``, ``cached_tokens``
            (of the prompt, from the server's cache) and ``answer_tokens``; ``later`` calls on a clip, those of them
            that showed pictures ``again``, and found them cached (``again_cached``); empty where nothing was asked.
        dashboard: address of Ray's own page, where the cluster that the run is on has one.
    """

    root: Path
    name: str
    complete: bool
    passes: tuple[PassState, ...]
    pairs: dict[str, int]
    drops: dict[str, int]
    clips_per_second: float | None = None
    seconds_left: float | None = None
    reused: Reused | None = None
    asked: dict[str, int] = field(default_factory=dict)
    dashboard: str = ""


def survey(root: Path) -> RunState:
    """Return how far the run in ``root`` is.

    Raises:
        UsageError: there is no run. Damage: its identity cannot be read.
    """
    layout = RunLayout(root)
    try:
        identity = json.loads(layout.identity.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{root} holds no run", "give the folder that --out or `output` named") from None
    except ValueError as error:
        raise Damage(
            f"{layout.identity} is not a run's identity", f"`synflow verify {root}` tells the damage"
        ) from error
    events = list(read_events(layout.log))
    failures = _failures(events)
    passes: list[PassState] = []
    drops: dict[str, int] = {}
    pairs: dict[str, int] = {}
    planned = {one["name"]: identity["shards"] for one in identity["passes"]}
    planned["pack"] = _pack_total(events)
    done = _receipts_by_pass(layout)
    complete = layout.dataset.exists()
    for name, total in planned.items():
        receipts = done.get(name, [])
        for receipt in receipts:
            _add(drops, receipt.drops)
        if (name == "pack") is complete and any(receipt.pairs for receipt in receipts):
            # Of a run under way those of the last pass that made or chose some; of a finished one its dataset's.
            pairs = _sum([receipt.pairs for receipt in receipts])
        sealed = {receipt.shard for receipt in receipts}
        passes.append(
            PassState(
                name=name,
                total=max(total, len(receipts)),
                done=len(receipts),
                failed=tuple(f for f in failures.values() if f.pass_name == name and f.shard not in sealed),
                counts=_sum([receipt.counts.model_dump() for receipt in receipts]),
                seconds=round(
                    sum(e.get("seconds", 0.0) for e in events if e["event"] == "shard-done" and e["pass"] == name), 3
                ),
            )
        )
    rate, left = (None, None) if complete else _rate(events, passes)
    told = dict(sorted(drops.items()))
    return RunState(
        root,
        identity["name"],
        complete,
        tuple(passes),
        pairs,
        told,
        rate,
        left,
        _reused(events),
        _asked(events),
        _dashboard(events),
    )


def _dashboard(events: list[dict[str, Any]]) -> str:
    """Return the address of Ray's page as the last driver was told it; empty where it is no web address."""
    told = [str(event.get("dashboard", "")) for event in events if event["event"] == "executor-opened"]
    return told[-1] if told and told[-1].startswith(("http://", "https://")) else ""


ASKED = (
    "calls", "hits", "prompt_tokens", "cached_tokens", "answer_tokens", "later", "again", "again_cached",
)  # fmt: skip


def _asked(events: list[dict[str, Any]]) -> dict[str, int]:
    """Return what models were asked; shards that failed had calls too, which nobody wrote down."""
    done = [event.get("usage", {}) for event in events if event["event"] == "shard-done"]
    sums = {name: sum(int(usage.get(name, 0)) for usage in done) for name in ASKED}
    return sums if sums["calls"] or sums["hits"] else {}


def _receipts_by_pass(layout: RunLayout) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for _, receipt in all_receipts(layout):
        if receipt is not None:
            found.setdefault(receipt.pass_name, []).append(receipt)
    return found


def _failures(events: list[dict[str, Any]]) -> dict[tuple[str, str], Failure]:
    found: dict[tuple[str, str], Failure] = {}
    for event in events:
        name = (event.get("pass", ""), event.get("shard", ""))
        if event["event"] == "shard-failed":
            found[name] = Failure(*name, event["cause"], event["remedy"], event.get("traceback", ""))
        elif event["event"] == "shard-done":
            found.pop(name, None)
    return found


def _reused(events: list[dict[str, Any]]) -> Reused | None:
    roots = [event["root"] for event in events if event["event"] == "reuse"]
    if not roots:
        return None
    done = [event.get("usage", {}) for event in events if event["event"] == "shard-done"]
    names = {"shards": "taken", "decoded": "decoded", "answers": "reused", "calls": "calls"}
    sums = {name: sum(usage.get(told, 0) for usage in done) for name, told in names.items()}
    return Reused(str(roots[-1]), total=len(done), **sums)


def _pack_total(events: list[dict[str, Any]]) -> int:
    totals = [event["shards"] for event in events if event["event"] == "pass-started" and event["pass"] == "pack"]
    return int(totals[-1]) if totals else 0


def _rate(events: list[dict[str, Any]], passes: list[PassState]) -> tuple[float | None, float | None]:
    """Return clips a second and seconds left in the pass under way, from its events since it last started."""
    started = [place for place, event in enumerate(events) if event["event"] == "pass-started"]
    if not started:
        return None, None
    first = events[started[-1]]
    ended = [e for e in events[started[-1] :] if e["event"] == "shard-done"]
    if not ended:
        return None, None
    span = (datetime.fromisoformat(ended[-1]["time"]) - datetime.fromisoformat(first["time"])).total_seconds()
    if span <= 0:
        return None, None
    clips = sum(e["counts"]["inputs"] for e in ended)
    under_way = next((one for one in passes if one.name == first["pass"]), None)
    left = (under_way.total - under_way.done) * span / len(ended) if under_way else None
    return round(clips / span, 3), round(left, 1) if left is not None else None


def _add(into: dict[str, int], more: dict[str, int]) -> None:
    for name, number in more.items():
        into[name] = into.get(name, 0) + number


def _sum(values: list[dict[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        _add(found, value)
    return found
