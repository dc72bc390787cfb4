"""Scores: how good and how pleasing a clip looks to the embedder, by two opposite texts for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from synflow.contract import Context, Cut, Drop, Item, Keep, Outcome, Picture, StageConfig, Vector
from synflow.media.tone import spread
from synflow.records import Measure, Sample

KINDS = ("quality", "aesthetic")


class ScoresConfig(StageConfig):
    """How clips are scored. Nothing is dropped by default: scores of two embedders do not compare.

    Attributes:
        min_quality: least score for technical quality, 0 to 1; null for no limit.
        min_aesthetic: least score for beauty, 0 to 1; null for no limit.
        quality_texts: what a good picture is called, and what a bad one.
        aesthetic_texts: what a beautiful picture is called, and what an ugly one.
        scale: what cosines are multiplied with before the softmax; 100 is what CLIP was trained with.
        pictures: stills that are scored, evenly over the clip; the score of the clip is their mean.
    """

    min_quality: float | None = Field(None, ge=0, le=1)
    min_aesthetic: float | None = Field(None, ge=0, le=1)
    quality_texts: tuple[str, str] = ("Good photo.", "Bad photo.")
    aesthetic_texts: tuple[str, str] = ("Beautiful photo.", "Ugly photo.")
    scale: float = Field(100.0, gt=0)
    pictures: int = Field(4, ge=1, le=64)


class Scores:
    """Notes learned scores of the pictures, zero-shot; drops what scores too low where a limit is set.

    The score is that of CLIP-IQA (Wang, Chan and Loy, "Exploring CLIP for Assessing the Look and Feel of Images",
    2023): the softmax over the similarities of a picture with two opposite texts. An embedder that abstains gives no
    score, and a clip without one is kept. It is a stage of its own so that a run without it needs no embedder.
    """

    name: ClassVar[str] = "scores"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = ScoresConfig
    whole_shard: ClassVar[bool] = True
    uses: ClassVar[frozenset[str]] = frozenset({"media", "embed"})
    reasons: ClassVar[Mapping[str, str]] = {
        "low-quality": "its score for technical quality is under `min_quality`; off by default",
        "low-aesthetic": "its score for beauty is under `min_aesthetic`; off by default",
        "answer-unbound": "the embedder's vector was made from other pictures than it was sent",
    }
    decides: ClassVar[frozenset[str]] = frozenset({"min_quality", "min_aesthetic"})
    cuts: ClassVar[tuple[Cut, ...]] = tuple(
        Cut(f"low-{kind}", ((f"scores.{kind}", f"min_{kind}"),), "above") for kind in KINDS
    )

    def __init__(self, config: ScoresConfig | None = None) -> None:
        self.config = config or ScoresConfig()

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample; all of them are sent to the embedder together."""
        shown = [self._chosen(ctx.media.stills(sample).pictures) for sample in samples]
        texts = [Item(text=text) for kind in KINDS for text in self._texts(kind)]
        singles = [Item(pictures=(picture,)) for pictures in shown for picture in pictures]
        vectors = list(ctx.embed.embed([*texts, *singles]))
        anchors, rest = vectors[: len(texts)], iter(vectors[len(texts) :])
        return [
            self._judge(sample, pictures, [next(rest) for _ in pictures], anchors)
            for sample, pictures in zip(samples, shown, strict=True)
        ]

    def _chosen(self, pictures: Sequence[Picture]) -> list[Picture]:
        return [pictures[place] for place in spread(len(pictures), self.config.pictures)]

    def _texts(self, kind: str) -> tuple[str, str]:
        return self.config.quality_texts if kind == "quality" else self.config.aesthetic_texts

    def _judge(
        self, sample: Sample, pictures: Sequence[Picture], vectors: Sequence[Vector], anchors: Sequence[Vector]
    ) -> Outcome:
        for picture, vector in zip(pictures, vectors, strict=True):
            if vector.values is not None and vector.bound != (picture.digest,):
                return Drop("answer-unbound", "vector of other pictures")
        measures: dict[str, Measure] = {}
        for place, kind in enumerate(KINDS):
            found = [self.score(vector, *anchors[2 * place : 2 * place + 2]) for vector in vectors]
            told = [score for score in found if score is not None]
            if told:
                measures[f"scores.{kind}"] = round(float(np.mean(told)), 5)
        drop = self.verdict(measures)
        return replace(drop, measures=measures) if drop else Keep(sample.having(measures=measures))

    def score(self, picture: Vector, good: Vector, bad: Vector) -> float | None:
        """Return how much nearer a picture is to the good text than to the bad one, 0..1; None where one is unknown."""
        if picture.values is None or good.values is None or bad.values is None:
            return None
        seen = picture.values.astype(np.float64)
        apart = float(seen @ good.values.astype(np.float64) - seen @ bad.values.astype(np.float64))
        return float(1 / (1 + np.exp(-np.clip(self.config.scale * apart, -60, 60))))

    def verdict(self, measures: Mapping[str, Measure]) -> Drop | None:
        """Return why a clip with these scores is dropped; None for a good one, or one without scores."""
        for kind, least in zip(KINDS, (self.config.min_quality, self.config.min_aesthetic), strict=True):
            score = measures.get(f"scores.{kind}")
            if least is not None and score is not None and float(score) < least:
                return Drop(f"low-{kind}", f"score {float(score):.3f}")
        return None
