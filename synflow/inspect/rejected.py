"""Samples of what was dropped, by reason, with pictures; and near-duplicates beside the clip that was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synflow.console import number_of
from synflow.inspect.index import RunIndex
from synflow.inspect.sampler import examples, smallest
from synflow.inspect.sheets import Sheet, Sources, planned
from synflow.inspect.thresholds import configs, known_cuts, limit_of

DUPLICATE = "near-duplicate"


@dataclass(frozen=True)
class Reject:
    """Something that was dropped.

    Attributes:
        against: measure, what it was and the threshold, for each term of the rule that dropped it.
    """

    row: dict[str, Any]
    span: tuple[float, float] | None
    caption: str
    sheet: Sheet
    against: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Twins:
    """A clip that was dropped as a duplicate, and the clip that was kept in its place."""

    dropped: Reject
    kept: Reject


def against(row: Mapping[str, Any], limits: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    """Return measure, value and limit of every rule that can have dropped a row."""
    found = []
    for cut in known_cuts():
        if (cut.stage, cut.reason) != (row["stage"], row["reason"]):
            continue
        for measure, parameter in cut.terms:
            value, limit = row["measures"].get(measure), limit_of(cut, parameter, dict(limits))  # type: ignore[arg-type]
            if value is not None and limit is not None:
                sign = "≥" if cut.keeps == "above" else "≤"
                found.append((measure, number_of(value), f"{sign} {number_of(limit)} ({parameter})"))
    return tuple(found)


def rejected(index: RunIndex, sources: Sources, number: int, seed: int) -> dict[tuple[str, str], list[Reject]]:
    """Return up to ``number`` samples of each stage and reason, drawn by hash, with pictures."""
    drawn = examples(index, number, seed)
    rows = [row for some in drawn.values() for row in some]
    shown = iter(_shown(index, sources, rows))
    return {key: [next(shown) for _ in some] for key, some in drawn.items()}


def duplicates(index: RunIndex, sources: Sources, number: int, seed: int) -> list[Twins]:
    """Return up to ``number`` near-duplicates, each with the clip that was kept."""
    ids: list[str] = []
    for batch in index.batches("rejects", ["clip_id", "reason"]):
        names, reasons = batch.column("clip_id").to_pylist(), batch.column("reason").to_pylist()
        mine = (name for name, reason in zip(names, reasons, strict=True) if reason == DUPLICATE and name)
        ids = smallest(number, [*ids, *mine], seed)
    rows = {row["clip_id"]: row for row in index.rows("rejects", "clip_id", ids) if row["reason"] == DUPLICATE}
    originals = {
        row["clip_id"]: row for row in index.rows("clips", "clip_id", sorted({row["detail"] for row in rows.values()}))
    }
    couples = [
        (row, {**originals[row["detail"]], "stage": "", "reason": "", "detail": ""})
        for name in ids
        if (row := rows.get(name)) is not None and row["detail"] in originals
    ]
    shown = iter(_shown(index, sources, [row for couple in couples for row in couple]))
    return [Twins(next(shown), next(shown)) for _ in couples]


def _shown(index: RunIndex, sources: Sources, rows: Sequence[dict[str, Any]]) -> list[Reject]:
    records = planned(index.root, {row["record_id"] for row in rows})
    names = sorted({row["clip_id"] for row in rows if row["clip_id"]})
    spans = {row["clip_id"]: (row["start"], row["end"]) for row in index.rows("clips", "clip_id", names)}
    limits = configs(index.run)
    found = []
    for row in rows:
        record, span = records.get(row["record_id"]), spans.get(row["clip_id"])
        captions = (record or {}).get("captions") or [""]
        span = span if span and None not in span and span[1] > span[0] else None
        found.append(Reject(row, span, str(captions[0]), sources.sheet(record, span), against(row, limits)))
    return found
