"""Validate: the probe of a source decides whether it can be used at all; nothing is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from synflow.contract import Context, Cut, Drop, Keep, Outcome, StageConfig
from synflow.errors import ClipFailure
from synflow.media.spans import asked_clip
from synflow.records import Facts, Measure, Sample

ROUNDING = 0.02
"""Share of a length that a container may lose to rounding (1.96 s of an announced 2 s is not too short)."""


class ValidateConfig(StageConfig):
    """Limits on size, length and shape. The paper names the checks without numbers: all defaults are ours.

    Attributes:
        min_short_side: pixels of the shorter display side.
        min_duration, max_duration: seconds, of the asked span where there is one.
        min_frames: pictures. Five are the fewest of which motion can be told; a higher one would drop good slow
            videos (2 s at 4 pictures a second are 8).
        min_aspect, max_aspect: display width over height.
    """

    min_short_side: int = Field(240, ge=1)
    min_duration: float = Field(2.0, ge=0)
    max_duration: float = Field(600.0, gt=0)
    min_frames: int = Field(5, ge=1)
    min_aspect: float = Field(0.4, gt=0)
    max_aspect: float = Field(2.5, gt=0)


class Validate:
    """Drops what is too small, too short, too long or oddly shaped; makes the clip of the rest."""

    name: ClassVar[str] = "validate"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = ValidateConfig
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset({"media"})
    reasons: ClassVar[Mapping[str, str]] = {
        "unreadable": "the container cannot be opened, or nothing in it decodes",
        "no-video": "there is no video stream, or it holds no pictures",
        "too-small": "the shorter side is under `min_short_side`",
        "too-short": "it lasts less than `min_duration`, or has fewer than `min_frames` pictures",
        "too-long": "it lasts more than `max_duration`",
        "odd-aspect": "width over height is outside `min_aspect..max_aspect`",
        "bad-span": "the asked start and end lie outside the video, or in the wrong order",
        "duplicate-record": "the list holds the same record a second time",
    }
    decides: ClassVar[frozenset[str]] = frozenset(ValidateConfig.model_fields)
    cuts: ClassVar[tuple[Cut, ...]] = (
        Cut("too-small", (("validate.short_side", "min_short_side"),), "above"),
        Cut("too-short", (("validate.duration", "min_duration"),), "above"),
        Cut("too-long", (("validate.duration", "max_duration"),), "below"),
    )

    def __init__(self, config: ValidateConfig | None = None) -> None:
        self.config = config or ValidateConfig()

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample, from its probe alone."""
        return [self._judge(sample, ctx) for sample in samples]

    def _judge(self, sample: Sample, ctx: Context) -> Outcome:
        facts = ctx.media.facts(sample)
        if facts.frames <= 0:
            return Drop("no-video", "no pictures", probe_measures(facts, 0.0))
        # Where neither header nor packets tell the length, only the pictures can.
        duration = facts.duration if facts.duration > 0 else ctx.media.scan(sample).end
        try:
            clip = sample.clip or asked_clip(sample, facts, duration)
        except ClipFailure as failure:
            return Drop(failure.reason, failure.detail, probe_measures(facts, duration))
        measures = probe_measures(facts, clip.duration)
        # A span keeps its share of the pictures.
        share = min(1.0, clip.duration / duration) if duration > 0 else 1.0
        drop = self.verdict({**measures, "validate.frames": facts.frames * share})
        if drop is not None:
            return replace(drop, measures=measures)
        source = sample.source.model_copy(update={"digest": facts.digest})
        return Keep(sample.having(source=source, clip=clip, measures=measures))

    def verdict(self, measures: Mapping[str, Measure]) -> Drop | None:
        """Return why a video with these measures is dropped; None for one that can be used."""
        limits = self.config
        short_side, aspect = round(float(measures["validate.short_side"])), float(measures["validate.aspect"])
        length, frames = float(measures["validate.duration"]), round(float(measures["validate.frames"]))
        if short_side < limits.min_short_side:
            return Drop("too-small", _size(short_side, aspect))
        if not limits.min_aspect <= aspect <= limits.max_aspect:
            return Drop("odd-aspect", f"{_size(short_side, aspect)} = {aspect:.2f}")
        if length < limits.min_duration * (1 - ROUNDING):
            return Drop("too-short", f"{length:.2f} s")
        if frames < limits.min_frames:
            return Drop("too-short", f"{frames} pictures")
        if length > limits.max_duration * (1 + ROUNDING):
            return Drop("too-long", f"{length:.1f} s")
        return None


def _size(short_side: int, aspect: float) -> str:
    """Return width and height, in pixels, of a picture of that shape."""
    if aspect >= 1:
        return f"{round(short_side * aspect)}x{short_side}"
    return f"{short_side}x{round(short_side / aspect) if aspect else 0}"


def probe_measures(facts: Facts, length: float) -> dict[str, Measure]:
    """Return what the probe tells, as measures."""
    return {
        "validate.duration": round(length, 3),
        "validate.short_side": min(facts.width, facts.height),
        "validate.aspect": round(facts.width / facts.height, 4) if facts.height else 0.0,
        "validate.frames": facts.frames,
        "validate.fps": round(facts.fps, 3),
    }
