"""Which of the near targets are negatives: not too near, no copy, not of the same source; then the nearest of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.mining.corpus import Corpus, Shown
from synflow.mining.neighbours import DIGITS
from synflow.mining.settings import Settings
from synflow.records import Task

SAME_HASH = 3
"""Bits of 64 by which the hashes of the middle pictures of two clips may differ that show the same."""

OTHER_HASH = 12
"""Bits from which two clips of one source show something else."""

Half = npt.NDArray[np.float16]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """How near a negative of each pair may be.

    Attributes:
        own: score of each pair's own target; NaN where the prober abstains from one of its sides.
        mean: of these.
        bars: a negative scores less; NaN where there is no score to compare with.
    """

    own: npt.NDArray[np.float64]
    mean: float
    bars: npt.NDArray[np.float64]

    @classmethod
    def of(cls, corpus: Corpus, pairs: Places, vectors: Half, settings: Settings) -> Limits:
        """Return the limits of some pairs."""
        own = scores_of(vectors, corpus.query[pairs], corpus.target[pairs])
        seen = own[np.isfinite(own)]
        mean = round(float(seen.mean()), DIGITS) if len(seen) else float("nan")
        # A positive below 0 has nothing nearer to 0 that is below it: no share of it is a bound.
        bars = np.minimum(np.minimum(mean + settings.delta, own), np.where(own > 0, settings.share * own, own))
        return cls(own, mean, bars)


@dataclass(frozen=True)
class Choice:
    """Negatives of one task, and what was counted of it."""

    rows: list[dict[str, Any]]
    report: dict[str, Any]


def scores_of(vectors: Half, one: Places, other: Places) -> npt.NDArray[np.float64]:
    """Return the scores of items with items, rounded, float64 ``[n]``."""
    found = np.empty(len(one), np.float64)
    for start in range(0, len(one), 65_536):
        part = slice(start, start + 65_536)
        found[part] = np.einsum("nd,nd->n", vectors[one[part]].astype(np.float64), vectors[other[part]])
    return np.round(found, DIGITS)


def choose(
    corpus: Corpus, task: Task, pairs: Places, vectors: Half, limits: Limits,
    near: Iterable[tuple[list[int], list[float]]], settings: Settings, learned: bool,
) -> Choice:  # fmt: skip
    """Return the negatives of all pairs of a task.

    Args:
        corpus: of the run.
        task: of the pairs.
        pairs: which.
        vectors: of all items.
        limits: of these pairs.
        near: the items that are near the query of each, and their scores, the nearest first.
        settings: of the mining.
        learned: whether the prober is a learned one, whose vectors of copies are alike.
    """
    wanted = settings.number(task)
    chooser = _Chooser(corpus, vectors, settings, learned)
    counts: Counter[str] = Counter()
    numbers: Counter[int] = Counter()
    rows: list[dict[str, Any]] = []
    for pair, bar, found in zip(pairs.tolist(), limits.bars.tolist(), near, strict=True):
        made = made_before(corpus, task, corpus.ids[pair])
        if np.isnan(bar):
            counts["abstained"] += 1
            counts["made"] += len(made)
            rows += made
            numbers[0] += 1
            continue
        mined = list(chooser.mined(pair, *found, wanted, counts))
        parts = list(chooser.segments(pair, bar, settings.segments, {row["negative_pair_id"] for row in mined}))
        if not mined:
            counts["none-left"] += 1
        numbers[len(mined)] += 1
        for row in (*mined, *parts):
            counts[row["kind"]] += 1
        counts["made"] += len(made)
        rows += [{"pair_id": corpus.ids[pair], **row} for row in (*mined, *parts)] + made
    report = {
        "pairs": len(pairs),
        "mean_positive": None if np.isnan(limits.mean) else limits.mean,
        "negatives": {str(number): pairs for number, pairs in sorted(numbers.items())},
        **dict(sorted(counts.items())),
    }
    return Choice(rows, report)


class _Chooser:
    def __init__(self, corpus: Corpus, vectors: Half, settings: Settings, learned: bool) -> None:
        self.corpus, self.vectors, self.settings, self.learned = corpus, vectors, settings, learned

    def mined(
        self, pair: int, items: list[int], scores: list[float], wanted: int, counts: Counter[str]
    ) -> Iterator[dict[str, Any]]:
        """Yield up to ``wanted`` negatives of a pair from what is near its query, the nearest first."""
        given, window = 0, slice(self.settings.first - 1, self.settings.last)
        for rank, (item, score) in enumerate(
            zip(items[window], scores[window], strict=True), start=self.settings.first
        ):
            if given == wanted:
                return
            other = self.corpus.shown[item]
            if why := self._unfit(pair, item, other):
                counts[why] += 1
                continue
            given += 1
            yield _row("mined", other, score, rank)

    def _alike(self, pair: int, item: int) -> bool:
        """Tell whether a target is a copy of the pair's own, as far as a learned prober sees."""
        if not self.learned or self.settings.same > 1:
            return False
        own = self.vectors[self.corpus.target[pair]].astype(np.float32)
        return float(own @ self.vectors[item].astype(np.float32)) >= self.settings.same

    def _unfit(self, pair: int, item: int, other: Shown) -> str:
        """Return why a target can be no negative of a pair; empty where it can."""
        corpus = self.corpus
        target = int(corpus.target[pair])
        own = corpus.shown[target]
        if other.group == own.group or other.group in corpus.groups[pair]:
            return "same-source"
        shows = {own.media, corpus.reference[pair][0]} - {""}
        if item == target or other.media in shows or _apart(own.phash, other.phash) <= SAME_HASH:
            return "copy"
        said = corpus.said.get(item, set())
        if corpus.asked[pair] in said or said & corpus.said.get(target, set()):
            return "same-text"
        return "copy" if self._alike(pair, item) else ""

    def segments(self, pair: int, bar: float, wanted: int, taken: set[str]) -> Iterator[dict[str, Any]]:
        """Yield up to ``wanted`` other parts of the video that a pair's target is from, the nearest first."""
        corpus = self.corpus
        own = corpus.shown[int(corpus.target[pair])]
        if not wanted or own.end <= own.start:
            return
        held = corpus.of_video.get(own.video, ())
        kin = [i for i in held if self._other_part(pair, own, corpus.shown[i]) and not self._alike(pair, i)]
        kin = [i for i in kin if np.isfinite(self.vectors[i, 0]) and corpus.shown[i].pair not in taken]
        items = np.array(kin, np.int64)
        if not kin:
            return
        scores = scores_of(self.vectors, np.full(len(items), corpus.query[pair]), items)
        ordered = sorted(
            (-score, corpus.keys[item], item) for score, item in zip(scores.tolist(), kin, strict=True) if score < bar
        )
        for minus, _, item in ordered[:wanted]:
            yield _row("segment", corpus.shown[item], -minus, None)

    def _other_part(self, pair: int, own: Shown, other: Shown) -> bool:
        """Tell whether a target shows something else of the same video, and nothing that the query shows."""
        corpus = self.corpus
        if other.end <= other.start or _overlap((own.start, own.end), (other.start, other.end)):
            return False
        _, clip, start, end = corpus.reference[pair]
        if clip and _overlap((start, end), (other.start, other.end)):
            return False
        # Within one clip the scene is the same; of another clip the middle picture tells.
        return other.clip != own.clip and _apart(own.phash, other.phash) >= OTHER_HASH


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] - 1e-3 and other[0] < one[1] - 1e-3


def _apart(one: int, other: int) -> int:
    """Return in how many of 64 bits two hashes differ; 64 where one of them is missing."""
    return 64 if one < 0 or other < 0 else (one ^ other).bit_count()


def _row(kind: str, other: Shown, score: float, rank: int | None) -> dict[str, Any]:
    return {
        "kind": kind, "negative_pair_id": other.pair, "negative_clip_id": other.clip, "negative_text": other.text,
        "score": round(score, DIGITS), "rank": rank,
    }  # fmt: skip


def made_before(corpus: Corpus, task: Task, pair: str) -> list[dict[str, Any]]:
    """Return the negatives that were made with a pair, and stand in its record, as rows of the table."""
    names = ("kind", "negative_pair_id", "negative_clip_id", "negative_text")
    return [
        {"pair_id": pair, **{name: str(told.get(name, "")) for name in names}, "score": None, "rank": None}
        for told in corpus.made.get(task, {}).get(pair, ())
    ]
