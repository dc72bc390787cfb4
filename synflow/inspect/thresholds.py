"""What another threshold would have changed: the clips nearest to each cut, on both sides of it.

Filters write what they measured and only then decide, so both sides of a cut can be read from the index: those
dropped from ``rejects.parquet``, those kept from ``clips.parquet``. Nothing is decoded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synflow.contract import Cut
from synflow.errors import UsageError
from synflow.inspect.index import RunIndex
from synflow.registry import stage_class, stage_names


@cache
def known_cuts() -> tuple[Cut, ...]:
    """Return the numeric cuts that the registered stages declare, in the order of stage names."""
    found: list[Cut] = []
    for name in stage_names():
        # A stage that cannot be imported any more is no reason not to look at what it dropped.
        with contextlib.suppress(UsageError):
            found += getattr(stage_class(name), "cuts", ())
    return tuple(found)


@dataclass(frozen=True)
class Neighbour:
    """A clip near a cut."""

    value: float
    record_id: str
    clip_id: str
    source_uri: str


@dataclass(frozen=True)
class Near:
    """A cut with its neighbours, nearest first.

    Attributes:
        threshold: the value that the run used; None where a quantile or nothing but the data tells it.
        dropped: those that a slightly looser cut would have kept.
        kept: those that a slightly tighter cut would have dropped.
        dropped_in_all: how many the rule dropped.
    """

    cut: Cut
    threshold: float | None
    dropped: tuple[Neighbour, ...]
    kept: tuple[Neighbour, ...]
    dropped_in_all: int

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        value = asdict(self)
        return {"stage": self.cut.stage, **value.pop("cut"), "title": self.cut.title, **value}


def configs(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of each stage as ``run.json`` tells them."""
    found: dict[str, dict[str, Any]] = {}
    for holder in (run, *(value for value in run.values() if isinstance(value, dict))):
        stages = holder.get("stages")
        for entry in stages if isinstance(stages, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("config"), dict):
                found[str(entry.get("name", entry.get("stage", "")))] = entry["config"]
    return found


def nearest(index: RunIndex, number: int = 3, cuts: Sequence[Cut] | None = None) -> list[Near]:
    """Return each cut that dropped something, in the order of the stages, with ``number`` neighbours on each side."""
    limits = configs(index.run)
    if cuts is None:
        places = {name: place for place, name in enumerate(limits)}
        cuts = sorted(known_cuts(), key=lambda cut: places.get(cut.stage, len(places)))
    dropped: dict[Cut, list[Neighbour]] = {cut: [] for cut in cuts}
    kept: dict[Cut, list[Neighbour]] = {cut: [] for cut in cuts}
    totals = dict.fromkeys(cuts, 0)
    fields = ["record_id", "clip_id", "source_uri", "measures"]
    for batch in index.batches("rejects", [*fields, "stage", "reason"]):
        for cut in cuts:
            mine = pc.and_(pc.equal(batch.column("stage"), cut.stage), pc.equal(batch.column("reason"), cut.reason))
            part = batch.filter(mine)
            totals[cut] += part.num_rows
            _gather(dropped[cut], part, cut, limits, number, outward=cut.keeps == "below")
    hit = [cut for cut in cuts if totals[cut]]
    for batch in index.batches("clips", [*fields, "kept"]):
        survivors = batch.filter(batch.column("kept"))
        for cut in hit:
            _gather(kept[cut], survivors, cut, limits, number, outward=cut.keeps == "above")
    return [
        Near(cut, _threshold(cut, limits), tuple(dropped[cut]), tuple(kept[cut]), totals[cut])
        for cut in hit
        if dropped[cut] or kept[cut]
    ]


Limits = dict[str, dict[str, Any]]


def limit_of(cut: Cut, parameter: str, limits: Limits) -> float | None:
    """Return the value of a parameter in this run; None where it is none or no number."""
    value = limits.get(cut.stage, {}).get(parameter)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _threshold(cut: Cut, limits: Limits) -> float | None:
    return limit_of(cut, cut.terms[0][1], limits) if len(cut.terms) == 1 else 1.0


def _gather(
    held: list[Neighbour], batch: pa.RecordBatch, cut: Cut, limits: Limits, number: int, *, outward: bool
) -> None:
    """Add those of a slice that lie nearest to the cut; ``outward`` where values grow away from it."""
    values = _values(batch.column("measures"), cut, limits)
    # A rule may have further clauses; who was judged by those says nothing about this threshold.
    threshold = _threshold(cut, limits)
    beyond = (
        np.full(len(values), True) if threshold is None else values >= threshold if outward else values <= threshold
    )
    places = np.flatnonzero(np.isfinite(values) & beyond)
    order = places[np.argsort(values[places] if outward else -values[places], kind="stable")][:number]
    for i, row in zip(order, _rows(batch, order), strict=True):
        held.append(Neighbour(round(float(values[i]), 6), **row))
    held.sort(key=lambda one: (one.value if outward else -one.value, one.record_id, one.clip_id))
    del held[number:]


def _values(column: pa.Array, cut: Cut, limits: Limits) -> npt.NDArray[np.float64]:
    """Return what a cut looks at, float64 ``[n]``: its measure, or the largest ratio of several to their limits."""
    if len(cut.terms) == 1:
        return measured(column, cut.terms[0][0])
    ratios = np.full((len(cut.terms), len(column)), np.nan)
    for place, (measure, parameter) in enumerate(cut.terms):
        if limit := limit_of(cut, parameter, limits):
            ratios[place] = measured(column, measure) / limit
    best: npt.NDArray[np.float64] = np.fmax.reduce(ratios)
    return best


def _rows(batch: pa.RecordBatch, places: npt.NDArray[np.int64]) -> Iterator[dict[str, str]]:
    yield from batch.select(["record_id", "clip_id", "source_uri"]).take(pa.array(places, pa.int64())).to_pylist()


def measured(column: pa.Array, measure: str) -> npt.NDArray[np.float64]:
    """Return one measure of a ``measures`` column, float64 ``[n]``, NaN where it is absent or no number."""
    if len(column) == 0:
        return np.empty(0, np.float64)
    found = pc.map_lookup(column, query_key=pa.scalar(measure, column.type.key_type), occurrence="first")
    try:
        numbers = found.cast(pa.float64())
    except pa.ArrowInvalid:
        return np.full(len(column), np.nan)
    return np.asarray(pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False), dtype=np.float64)
