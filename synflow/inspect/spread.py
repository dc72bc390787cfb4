"""How measures spread over the clips of a run, and how many clips another threshold would keep.

Everything is read from the index. Of very large runs every n-th clip is read, and the numbers say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synflow.contract import Cut
from synflow.inspect.index import RunIndex
from synflow.inspect.thresholds import Limits, configs, known_cuts, limit_of

MOST_CLIPS = 100_000
"""Clips that are read at most; of more, every n-th."""

BINS = 24
POINTS = 256
"""Values of a cut that a reader of the report can slide over."""

SHARES = (0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
"""Shares of the clips to keep, for which the threshold is told."""

GROUPED = ("audit.style.", "audit.axis.", "audit.prompt.", "enrich.fault.", "enrich.first.")
"""Beginnings of counts by group, which have tables of their own."""

Floats = npt.NDArray[np.float64]


@dataclass
class Spread:
    """What was measured of the clips of a run.

    Attributes:
        ends: of each clip, its place in ``fates``; -1 where it was kept.
        fates: stage and reason of those that were dropped.
        cells: measure -> rows in which it stands, and its values there.
        step: every how many-th clip was read.
    """

    ends: npt.NDArray[np.int32]
    fates: list[tuple[str, str]]
    cells: dict[str, tuple[npt.NDArray[np.int64], Floats]]
    step: int = 1

    def column(self, name: str) -> Floats:
        """Return a measure of all clips, float64 ``[n]``; NaN where it was not taken."""
        found = np.full(len(self.ends), np.nan)
        if name in self.cells:
            rows, values = self.cells[name]
            found[rows] = values
        return found

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Whether a clip was kept."""
        return self.ends < 0


@dataclass(frozen=True)
class Histogram:
    """Counts between ``edges``; what lies outside is counted in the outermost bins."""

    edges: tuple[float, ...]
    kept: tuple[int, ...]
    dropped: tuple[int, ...]


@dataclass(frozen=True)
class Distribution:
    """One measure over the clips."""

    name: str
    count: int
    low: float
    median: float
    high: float
    histogram: Histogram


@dataclass(frozen=True)
class Offer:
    """Another threshold, and how many of the clips that came so far it keeps."""

    threshold: float
    keeps: int
    share: float


@dataclass(frozen=True)
class CutSpread:
    """A rule over the clips that it judged: those that were kept, or dropped by it or by a later stage.

    Attributes:
        threshold: the value that the run used; None where it has none (then the rule is off).
        judged: how many clips it judged; ``keeps``: how many lie on the side that keeps.
        whole: whether the parameter is a whole number.
        points: up to `POINTS` values in order, evenly over the clips.
    """

    cut: Cut
    parameter: str
    threshold: float | None
    judged: int
    keeps: int
    dropped: int
    histogram: Histogram
    offers: tuple[Offer, ...]
    whole: bool
    points: tuple[float, ...] = field(repr=False)


def read_spread(index: RunIndex) -> Spread:
    """Return what was measured of the clips of a run."""
    total = sum(index.columns(table, ["record_id"]).num_rows for table in ("rejects", "clips"))
    step = max(1, math.ceil(total / MOST_CLIPS))
    ends: list[npt.NDArray[np.int32]] = []
    fates: dict[tuple[str, str], int] = {}
    cells: dict[str, list[tuple[npt.NDArray[np.int64], Floats]]] = {}
    seen = 0
    for batch, stages, reasons in _batches(index, step):
        keys = list(zip(stages, reasons, strict=True))
        told = [fates.setdefault(key, len(fates)) if key[0] else -1 for key in keys]
        ends.append(np.array(told, np.int32))
        for name, rows, values in _cells(batch.column("measures")):
            cells.setdefault(name, []).append((rows + seen, values))
        seen += batch.num_rows
    joined = {
        name: (np.concatenate([rows for rows, _ in parts]), np.concatenate([values for _, values in parts]))
        for name, parts in sorted(cells.items())
    }
    return Spread(np.concatenate(ends) if ends else np.empty(0, np.int32), list(fates), joined, step)


def _batches(index: RunIndex, step: int) -> Iterator[tuple[pa.RecordBatch, list[str], list[str]]]:
    """Yield every ``step``-th clip: those that were dropped, then those that were kept."""
    for table, more in (("rejects", ["stage", "reason"]), ("clips", ["kept"])):
        place = 0
        for whole in index.batches(table, ["measures", *more]):
            batch = whole if table == "rejects" else whole.filter(whole.column("kept"))
            chosen = np.arange(-place % step, batch.num_rows, step)
            place += batch.num_rows
            batch = batch.take(pa.array(chosen, pa.int64())) if step > 1 else batch
            if table == "rejects":
                yield batch, batch.column("stage").to_pylist(), batch.column("reason").to_pylist()
            else:
                yield batch, [""] * batch.num_rows, [""] * batch.num_rows


def _cells(column: pa.MapArray) -> Iterator[tuple[str, npt.NDArray[np.int64], Floats]]:
    """Yield each key of a column of maps with the rows in which it stands and its values there."""
    offsets = column.offsets.to_numpy()
    first, last = int(offsets[0]), int(offsets[-1])
    if last == first:
        return
    coded = column.keys[first:last].dictionary_encode()
    codes = coded.indices.to_numpy()
    values = column.items[first:last].cast(pa.float64()).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(len(column)), np.diff(offsets))
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(coded.dictionary) + 1))
    for code, name in enumerate(coded.dictionary.to_pylist()):
        places = order[bounds[code] : bounds[code + 1]]
        yield name, owners[places], values[places]


def distributions(spread: Spread) -> list[Distribution]:
    """Return all measures but those that count by group, and those that are the same for all clips."""
    found = []
    for name in spread.cells:
        if name.startswith(GROUPED):
            continue
        values = spread.column(name)
        sound = np.isfinite(values)
        if not sound.any() or np.ptp(values[sound]) == 0:
            continue
        low, median, high = (float(one) for one in np.quantile(values[sound], (0.0, 0.5, 1.0)))
        drawn = histogram(values[sound], spread.kept[sound])
        found.append(Distribution(name, int(sound.sum()), low, median, high, drawn))
    return found


def histogram(values: Floats, kept: npt.NDArray[np.bool_], include: float | None = None) -> Histogram:
    """Return the counts of values between quantiles that leave out the tails; ``include`` becomes an edge of a bin."""
    low, high = (float(one) for one in np.quantile(values, (0.005, 0.995 if include is None else 0.95)))
    if include is not None:
        margin = (max(high, include) - min(low, include)) / (BINS - 4)
        low, high = min(low, include - 2 * margin), max(high, include + 2 * margin)
    if low == high:
        low, high = low - 0.5, high + 0.5
    if include is not None:
        width = (high - low) / BINS
        shift = (include - low) % width
        low, high = low + shift - width, high + shift
    edges = np.linspace(low, high, BINS + 1 + (include is not None))
    held = np.clip(values, low, high)
    counts = [np.histogram(held[mask], edges)[0] for mask in (kept, ~kept)]
    return Histogram(tuple(rounded(float(edge)) for edge in edges), *(tuple(map(int, one)) for one in counts))


def cut_spreads(index: RunIndex, spread: Spread, cuts: Sequence[Cut] | None = None) -> list[CutSpread]:
    """Return the rules of the run's stages over the clips they judged, in the order of the stages."""
    limits = configs(index.run)
    places = {name: place for place, name in enumerate(limits)}
    chosen = known_cuts() if cuts is None else cuts
    found = []
    for cut in sorted((one for one in chosen if one.stage in limits), key=lambda one: places[one.stage]):
        one = _cut_spread(spread, cut, limits, places)
        if one is not None:
            found.append(one)
    return found


def _cut_spread(spread: Spread, cut: Cut, limits: Limits, places: dict[str, int]) -> CutSpread | None:
    values = cut_values(spread, cut, limits)
    here = places[cut.stage]
    judged = np.array(
        [
            (stage, reason) == (cut.stage, cut.reason) or places.get(stage, len(places)) > here
            for stage, reason in spread.fates
        ]
        + [True]
    )[spread.ends]
    chosen = judged & np.isfinite(values)
    if not chosen.any():
        return None
    single = len(cut.terms) == 1
    threshold = limit_of(cut, cut.terms[0][1], limits) if single else 1.0
    ordered = np.sort(values[chosen])
    mine = [place for place, fate in enumerate(spread.fates) if fate == (cut.stage, cut.reason)]
    shown = np.quantile(ordered, np.linspace(0, 1, min(len(ordered), POINTS)), method="nearest")
    return CutSpread(
        cut=cut,
        parameter=cut.terms[0][1] if single else "",
        threshold=threshold,
        judged=len(ordered),
        keeps=keeping(ordered, threshold, cut.keeps) if threshold is not None else len(ordered),
        dropped=int(np.isin(spread.ends, mine).sum()),
        histogram=histogram(values[chosen], spread.kept[chosen], threshold),
        offers=offers(ordered, cut.keeps),
        whole=single and isinstance(limits[cut.stage].get(cut.terms[0][1]), int),
        points=tuple(rounded(float(one)) for one in shown),
    )


def cut_values(spread: Spread, cut: Cut, limits: Limits) -> Floats:
    """Return what a rule looks at, float64 ``[n]``: its measure, or the largest ratio of several to their limits."""
    if len(cut.terms) == 1:
        return spread.column(cut.terms[0][0])
    ratios = [spread.column(name) / limit for name, key in cut.terms if (limit := limit_of(cut, key, limits))]
    best: Floats = np.fmax.reduce(ratios) if ratios else np.full(len(spread.ends), np.nan)
    return best


def keeping(ordered: Floats, threshold: float, side: str) -> int:
    """Return how many of some sorted values a threshold keeps; one that equals it is kept."""
    if side == "above":
        return len(ordered) - int(np.searchsorted(ordered, threshold, side="left"))
    return int(np.searchsorted(ordered, threshold, side="right"))


def offers(ordered: Floats, side: str) -> tuple[Offer, ...]:
    """Return the thresholds that keep round shares of the clips."""
    found: dict[float, Offer] = {}
    for share in SHARES:
        at = float(np.quantile(ordered, 1 - share if side == "above" else share, method="nearest"))
        threshold = rounded(at, 4, up=side == "below")
        keeps = keeping(ordered, threshold, side)
        found.setdefault(threshold, Offer(threshold, keeps, round(keeps / len(ordered), 4)))
    return tuple(found.values())


def rounded(value: float, digits: int = 6, up: bool | None = None) -> float:
    """Return a value with some significant digits; rounded up or down where told, so that a cut still keeps it."""
    if value == 0 or not math.isfinite(value):
        return value
    scale = 10.0 ** (digits - 1 - math.floor(math.log10(abs(value))))
    if up is None:
        return round(value * scale) / scale
    return (math.ceil if up else math.floor)(value * scale) / scale
