"""Consistency: clips whose captions fit their pictures least are dropped, by a quantile over the whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from synflow.contract import (
    Context,
    Cut,
    Decision,
    Drop,
    Item,
    Keep,
    Outcome,
    Picture,
    Row,
    StageConfig,
    Vector,
)
from synflow.records import Caption, Sample

SAME = 1e-6
"""Scores that differ by less are the same score, whatever the order of summing."""


class ConsistencyConfig(StageConfig):
    """How well a caption must fit. The paper gives neither threshold nor number of key frames: defaults are ours.

    Attributes:
        drop_quantile: share of the scored clips to drop, the worst ones; those that score as high as the clip at the
            quantile stay, so that an embedder of few values drops fewer.
        min_score: absolute score under which to drop, instead of the quantile.
        key_frames: pictures that fit the caption best, at most so many, ``key_gap`` seconds apart or more.
    """

    drop_quantile: float = Field(0.15, ge=0, lt=1)
    min_score: float | None = None
    key_frames: int = Field(3, ge=1, le=3)
    key_gap: float = Field(1.0, ge=0)


class Consistency:
    """Scores caption against pictures with the embedder, drops the worst, and picks key frames.

    A caption of a whole video that was cut into shots need not fit each of them: it is scored once against the
    pictures of all shots together. Where some shots are gone already it cannot be scored.
    An embedder that abstains, or a sample without a caption, gives no score: such a sample is kept.
    """

    name: ClassVar[str] = "consistency"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = ConsistencyConfig
    rank: ClassVar[int] = 30
    uses: ClassVar[frozenset[str]] = frozenset({"media", "embed"})
    reasons: ClassVar[Mapping[str, str]] = {
        "caption-mismatch": "the caption fits the pictures less than the threshold",
        "answer-unbound": "the embedder's vector was made from other pictures than it was sent",
    }
    decides: ClassVar[frozenset[str]] = frozenset({"drop_quantile", "min_score"})
    cuts: ClassVar[tuple[Cut, ...]] = (Cut("caption-mismatch", (("consistency.score", "min_score"),), "above"),)

    def __init__(self, config: ConsistencyConfig | None = None) -> None:
        self.config = config or ConsistencyConfig()

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return score and key frames of each sample; None where the embedder cannot tell."""
        spoken = [place for place, sample in enumerate(samples) if said_of(sample) is not None]
        pictures = {place: ctx.media.stills(samples[place]).pictures for place in spoken}
        asks: list[list[Item]] = []
        for place in spoken:
            caption = said_of(samples[place])
            told = [other for other in spoken if told_together(samples[place], samples[other])]
            shown = tuple(picture for other in told for picture in pictures[other])
            single = [Item(pictures=(picture,)) for picture in pictures[place]]
            asks.append([Item(text=caption.text if caption else ""), Item(pictures=shown), *single])
        vectors = iter(ctx.embed.embed([item for items in asks for item in items]))
        rows: list[Row | None] = [None] * len(samples)
        for place, items in zip(spoken, asks, strict=True):
            rows[place] = self._row(items, [next(vectors) for _ in items], pictures[place], is_whole(samples, place))
        return rows

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return one decision for each row: the threshold is the quantile of all scores, or ``min_score``."""
        scores = np.array([row["score"] for row in rows if row["score"] is not None])
        threshold = self.config.min_score
        if threshold is None:
            # A score that some clip has, so that equal scores share one fate.
            quantile = self.config.drop_quantile
            threshold = float(np.quantile(scores, quantile, method="higher")) if len(scores) else 0.0
        return [self._decide(row, float(threshold)) for row in rows]

    def regrouped(self, row: Row, samples: Sequence[Sample], place: int) -> Row:
        """Return the row without its score where the caption speaks of shots that are no longer there."""
        return row if is_whole(samples, place) else {**row, "score": None}

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Drop a mismatch; note score and key frames of the rest."""
        if decision.drop is not None:
            return decision.drop
        note = decision.note or {}
        measures = {} if note.get("score") is None else {"consistency.score": float(note["score"])}
        keys = tuple(int(key) for key in note.get("keys", ()) if not sample.frames or key < len(sample.frames))
        return Keep(sample.having(measures=measures, key_frames=keys or sample.key_frames))

    def _row(
        self, items: Sequence[Item], vectors: Sequence[Vector], pictures: Sequence[Picture], whole_video: bool
    ) -> Row | None:
        for item, vector in zip(items, vectors, strict=True):
            if item.pictures and vector.values is not None:
                sent = tuple(picture.digest for picture in item.pictures)
                if vector.bound != sent:
                    return {"score": None, "keys": [], "unbound": True}
        text, whole, *single = vectors
        score = fit(text, whole)
        if score is None:
            return None
        score = score if whole_video else None
        each = [fit(text, vector) for vector in single]
        return {"score": score, "keys": self.key_frames(each, [picture.time for picture in pictures])}

    def key_frames(self, scores: Sequence[float | None], times: Sequence[float]) -> list[int]:
        """Return the places of the pictures that fit best, best first and far enough apart in time.

        Equal scores say nothing: then the picture nearest to the middle of the clip is the best.
        """
        told = [place for place, score in enumerate(scores) if score is not None]
        if not told:
            return []
        middle = (times[0] + times[-1]) / 2
        order = sorted(told, key=lambda place: (-(scores[place] or 0.0), abs(times[place] - middle), place))
        chosen: list[int] = []
        for place in order:
            if len(chosen) < self.config.key_frames and all(
                abs(times[place] - times[other]) >= self.config.key_gap for other in chosen
            ):
                chosen.append(place)
        return chosen

    def _decide(self, row: Row, threshold: float) -> Decision:
        if row.get("unbound"):
            return Decision(Drop("answer-unbound", "vector of other pictures"))
        score = row["score"]
        if score is not None and score < threshold - SAME:
            measures = {"consistency.score": score}
            return Decision(Drop("caption-mismatch", f"score {score:.3f} under {threshold:.3f}", measures))
        return Decision(note={"score": score, "keys": row["keys"]})


def said_of(sample: Sample) -> Caption | None:
    """Return the caption that a clip is judged by: the first that came with its source and tells of a clip."""
    told = [caption for caption in sample.captions if caption.frame is None and caption.text.strip()]
    return next((caption for caption in told if caption.origin != "model"), told[0] if told else None)


def told_together(sample: Sample, other: Sample) -> bool:
    """Tell whether one caption speaks of both: of the clip itself, or of the shots of one video."""
    if sample.facts.get("caption_scope") != "video":
        return sample.key == other.key
    return sample.record_id == other.record_id


def is_whole(samples: Sequence[Sample], place: int) -> bool:
    """Tell whether all that the caption of a sample speaks of is there: of a cut video, every shot."""
    sample = samples[place]
    if sample.clip is None or sample.facts.get("caption_scope") != "video":
        return True
    return sum(told_together(sample, other) for other in samples) == sample.clip.of


def fit(text: Vector, pictures: Vector) -> float | None:
    """Return the cosine of two unit vectors, rounded; None where the embedder abstains from either."""
    if text.values is None or pictures.values is None:
        return None
    return round(float(np.dot(text.values.astype(np.float64), pictures.values.astype(np.float64))), 6)
