"""What the targets of a manifest take: source videos, hours, calls, tokens and bytes, from what one source video gives.

The rates are those of `synflow.estimate`, or measured on a finished run, or given one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from math import ceil
from pathlib import Path
from typing import Any

from synflow.errors import UsageError
from synflow.estimate import GPU_TOKENS_PER_SECOND, estimate
from synflow.manifest import Manifest
from synflow.records import TASKS, InputRecord
from synflow.store.layout import RunLayout
from synflow.store.log import read_events
from synflow.store.receipts import Receipt, read_receipt

SAMPLE = 100_000
"""Made-up records whose estimate gives the rates of one: enough that rounding does not show."""

Rates = dict[str, float]
"""What one source video gives and takes.

``clips``, ``kept``; ``pairs.TASK``: pairs that can be made of it; ``cpu_seconds``; ``calls``, ``prompt_tokens``,
``answer_tokens``: of models that are served; ``cached_tokens``: those of the prompts that the server's cache holds;
``bytes``: of stored pictures and tables; and, not of a video,
``pair_bytes.TASK``: of a pair in its shard, ``gpu_prompt_tokens`` and ``gpu_answer_tokens``: of one GPU in a second.
"""

NAMES = (
    "clips", "kept", *(f"pairs.{task}" for task in TASKS), "cpu_seconds", "calls", "prompt_tokens", "cached_tokens",
    "answer_tokens",
    "bytes", *(f"pair_bytes.{task}" for task in TASKS), "gpu_prompt_tokens", "gpu_answer_tokens",
)  # fmt: skip


@dataclass(frozen=True)
class Needs:
    """What targets take.

    Attributes:
        targets: pairs by task; short: those of them for which no source video gives any pair.
        videos: source videos; by_task: how many each task alone would take; tightest: the task that takes most.
        rates: what all of it follows from; origin: where they are from.
        tokens: ``prompt``, of them ``cached``, and ``answer``; disk: bytes of the run directory.
    """

    targets: dict[str, int]
    videos: int
    by_task: dict[str, int]
    tightest: str
    short: tuple[str, ...]
    cpu_hours: float
    gpu_hours: float
    calls: int
    tokens: dict[str, int]
    disk: int
    origin: str
    rates: Rates

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def needs(manifest: Manifest, measured: Path | None = None, given: Sequence[str] = ()) -> Needs:
    """Return what the targets of ``manifest`` take.

    Args:
        manifest: with targets; its input lists are not read.
        measured: a finished run whose rates are taken.
        given: ``name=value`` of single rates, see `Rates`.

    Raises:
        UsageError: there are no targets, or a rate is wrong. Incomplete, Damage: the run cannot be measured.
    """
    targets = {str(task): number for task, number in (manifest.targets or {}).items() if number}
    if not targets:
        raise UsageError(
            f"{manifest.name} has no targets", "give it `targets: {t2v: 1000}`, or plan it without --needs"
        )
    rates = assumed(manifest)
    origin = "assumed"
    if measured is not None:
        rates.update(measured_rates(measured))
        origin = f"measured on {measured}"
    changed = _given(given)
    rates.update(changed)
    if changed:
        origin += f"; given: {', '.join(sorted(changed))}"
    return _reckoned(targets, rates, origin)


def _reckoned(targets: Mapping[str, int], rates: Rates, origin: str) -> Needs:
    by_task = {task: ceil(n / rates[f"pairs.{task}"]) for task, n in targets.items() if rates.get(f"pairs.{task}")}
    videos = max(by_task.values(), default=0)
    tokens = {kind: round(videos * rates[f"{kind}_tokens"]) for kind in ("prompt", "cached", "answer")}
    computed = {"prompt": tokens["prompt"] - tokens["cached"], "answer": tokens["answer"]}
    gpu = sum(number / rates[f"gpu_{kind}_tokens"] for kind, number in computed.items())
    shards = sum(number * rates.get(f"pair_bytes.{task}", 0.0) for task, number in targets.items())
    return Needs(
        targets=dict(targets),
        videos=videos,
        by_task=by_task,
        tightest=max(by_task, key=by_task.__getitem__, default=""),
        short=tuple(sorted(set(targets) - set(by_task))),
        cpu_hours=round(videos * rates["cpu_seconds"] / 3600, 1),
        gpu_hours=round(gpu / 3600, 1),
        calls=round(videos * rates["calls"]),
        tokens=tokens,
        disk=round(videos * rates["bytes"] + shards),
        origin=origin,
        rates={name: rates[name] for name in NAMES if name in rates},
    )


def assumed(manifest: Manifest) -> Rates:
    """Return the rates of `synflow.estimate` for the stages, models and media of a manifest."""
    free = manifest.model_copy(update={"targets": None})
    whole = estimate(free, repeat(InputRecord(record_id="x"), SAMPLE))
    served = bool(whole.tokens)
    rates: Rates = {
        "clips": whole.clips / SAMPLE,
        "kept": whole.kept / SAMPLE,
        **{f"pairs.{task}": number / SAMPLE for task, number in whole.pairs.items()},
        "cpu_seconds": whole.cpu_hours * 3600 / SAMPLE,
        "calls": whole.calls / SAMPLE if served else 0.0,
        "prompt_tokens": whole.tokens.get("prompt", 0) / SAMPLE,
        "cached_tokens": whole.tokens.get("cached", 0) / SAMPLE,
        "answer_tokens": whole.tokens.get("answer", 0) / SAMPLE,
        "gpu_prompt_tokens": GPU_TOKENS_PER_SECOND["prompt"],
        "gpu_answer_tokens": GPU_TOKENS_PER_SECOND["answer"],
    }
    # A pair's bytes are what the estimate grows by with it.
    bare = _disk(free, {})
    rates["bytes"] = bare / SAMPLE
    for task, number in whole.pairs.items():
        rates[f"pair_bytes.{task}"] = (_disk(free, {task: number}) - bare) / number if number else 0.0
    return rates


def _disk(manifest: Manifest, pairs: Mapping[str, int]) -> int:
    """Return the bytes that the estimate has for made-up records and so many pairs."""
    targets = {task: pairs.get(task, 0) for task in TASKS}
    return estimate(manifest.model_copy(update={"targets": targets}), repeat(InputRecord(record_id="x"), SAMPLE)).disk


def measured_rates(root: Path) -> Rates:
    """Return the rates of a finished run, of videos that could be used and could not.

    Raises:
        UsageError: there is no run, or it had no input. Incomplete: it is not finished. Damage: it cannot be read.
    """
    from synflow.inspect.index import open_index

    index = open_index(root)
    layout = RunLayout(root)
    names = [one["name"] for one in index.run.get("passes", [])]
    passes = {name: _receipts(layout, name) for name in (*names, "pack")}
    records = sum(receipt.counts.inputs for receipt in passes[names[0]]) if names else 0
    if not records:
        raise UsageError(f"{root} had no input to measure", "give a finished run over a few hundred source videos")
    made = next((name for name in names if any(receipt.pairs for receipt in passes[name])), "")
    pairs: dict[str, int] = {}
    for receipt in passes.get(made, ()):
        for task, number in receipt.pairs.items():
            pairs[task] = pairs.get(task, 0) + number
    events = [e for e in read_events(layout.log) if e.get("event") == "shard-done"]
    usage = [e.get("usage", {}) for e in events]
    stored = sum(ref.bytes for name in names for receipt in passes[name] for ref in receipt.objects.values())
    rates: Rates = {
        "clips": sum(r.counts.survivors + r.counts.dropped + r.counts.made_dropped for r in passes[names[0]]) / records,
        "kept": sum(receipt.counts.survivors for receipt in passes[names[-1]]) / records,
        **{f"pairs.{task}": number / records for task, number in pairs.items()},
        "cpu_seconds": sum(float(e.get("seconds", 0.0)) for e in events) / records,
        "bytes": stored / records,
    }
    shards = index.dataset["shards"]
    for task in {shard["task"] for shard in shards}:
        own = [shard for shard in shards if shard["task"] == task]
        rates[f"pair_bytes.{task}"] = sum(s["bytes"] for s in own) / sum(s["pairs"] for s in own)
    asked = sum(int(one.get("calls", 0)) + int(one.get("hits", 0)) for one in usage)
    if asked and any(one.get("prompt_tokens") for one in usage):
        calls = sum(int(one.get("calls", 0)) for one in usage)
        rates["calls"] = calls / records
        rates["prompt_tokens"] = sum(int(one.get("prompt_tokens", 0)) for one in usage) / records
        rates["cached_tokens"] = sum(int(one.get("cached_tokens", 0)) for one in usage) / records
        rates["answer_tokens"] = sum(int(one.get("answer_tokens", 0)) for one in usage) / records
    return rates


def _receipts(layout: RunLayout, name: str) -> list[Receipt]:
    found: Iterator[Receipt | None] = (read_receipt(path) for path in sorted(layout.receipts(name).glob("*.json")))
    return [receipt for receipt in found if receipt is not None]


def _given(texts: Iterable[str]) -> Rates:
    rates: Rates = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in NAMES:
            raise UsageError(f"--rate {text}: there is no rate {name!r}", f"rates are {', '.join(NAMES)}")
        try:
            rates[name] = float(value)
        except ValueError:
            rates[name] = -1.0
        least = 0.0 if not name.startswith("gpu_") else 1e-9
        if not least <= rates[name] < float("inf"):
            raise UsageError(f"--rate {text}: {value!r} is no rate", "for example --rate cpu_seconds=0.4")
    return rates
