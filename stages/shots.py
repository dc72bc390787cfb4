"""Shots: a video is split where its shots change, and long shots are divided, so that a clip shows one scene."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from pydantic import Field, model_validator

from synflow.contract import Context, Drop, Keep, Outcome, Split, StageConfig
from synflow.errors import ClipFailure
from synflow.media.shots import Cut, Film, cuts_of, division
from synflow.media.spans import asked_clip, clip_of
from synflow.records import Clip, Sample

RULE = "shots/4"
"""The cut rule named in clips; raised when cuts are found differently."""

SLACK = 0.05
"""Share by which a single piece may pass a limit: a shot of 20.03 s is not halved, one of 1.96 s not lost."""


class ShotsConfig(StageConfig):
    """Lengths of clips. The paper splits at scene cuts without numbers: both defaults are ours.

    Attributes:
        min_clip: seconds; shorter shots are left out.
        max_clip: seconds; longer shots are divided into the fewest parts that fit, at a lesser change of the
            scene where one is near, else evenly.
    """

    min_clip: float = Field(2.0, gt=0)
    max_clip: float = Field(20.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> ShotsConfig:
        if self.max_clip < 2 * self.min_clip:
            raise ValueError("max_clip must be at least twice min_clip, so that halves of a long shot are long enough")
        return self


class Shots:
    """Splits a video at its cuts into clips of ``min_clip..max_clip`` seconds."""

    name: ClassVar[str] = "shots"
    version: ClassVar[int] = 5
    Config: ClassVar[type[StageConfig]] = ShotsConfig
    whole_shard: ClassVar[bool] = False
    divides: ClassVar[bool] = True
    uses: ClassVar[frozenset[str]] = frozenset({"media"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip", "crop", "start", "end"})
    splits: ClassVar[bool] = True
    reasons: ClassVar[Mapping[str, str]] = {
        "too-short": "no shot lasts `min_clip`",
        "bad-span": "the asked start and end lie outside the video, or in the wrong order",
    }

    def __init__(self, config: ShotsConfig | None = None) -> None:
        self.config = config or ShotsConfig()

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample, from the scan of its source."""
        return [self._divide(sample, ctx) for sample in samples]

    def _divide(self, sample: Sample, ctx: Context) -> Outcome:
        facts, scan = ctx.media.facts(sample), ctx.media.scan(sample)
        try:
            # The pictures know the length better than the header (a torn file promises more than it holds).
            whole = sample.clip or asked_clip(sample, facts, scan.end)
        except ClipFailure as failure:
            return Drop(failure.reason, failure.detail)
        end = min(whole.end, scan.end) if scan.end > whole.start else whole.end
        part = scan.within(whole.start, end)
        film = Film(part.times, part.luma, part.until)
        cuts = cuts_of(film)
        pieces = self.pieces(whole.start, end, cuts, film)
        measures = {"shots.count": len(cuts) + 1, "shots.cuts": len(cuts), "shots.longest": _longest(pieces)}
        if not pieces:
            detail = f"{len(cuts) + 1} shots in {end - whole.start:.2f} s"
            return Drop("too-short", detail, measures)
        if len(pieces) == 1 and pieces[0] == (whole.start, end) and whole.end - end < 0.5:
            facts_of = {"cuts": [], "caption_scope": "clip"}
            return Keep(sample.having(clip=whole, measures=measures, facts=facts_of))
        clips = [clip_of(facts, *piece, RULE, place, len(pieces)) for place, piece in enumerate(pieces)]
        scope = "clip" if whole.duration <= 1.25 * clips[0].duration else "video"
        return Split(
            tuple(
                sample.having(clip=clip, measures=measures, facts={"cuts": _inside(clip, cuts), "caption_scope": scope})
                for clip in clips
            )
        )

    def pieces(self, start: float, end: float, cuts: Sequence[Cut], film: Film) -> list[tuple[float, float]]:
        """Return the spans, in seconds, that become clips; what lies within a cut belongs to neither side."""
        begins = [start, *(cut.end for cut in cuts)]
        ends = [*(cut.start for cut in cuts), end]
        longest = self.config.max_clip * (1 + SLACK)
        out: list[tuple[float, float]] = []
        for first, last in zip(begins, ends, strict=True):
            length = last - first
            if length < self.config.min_clip * (1 - SLACK):
                continue
            parts = 1 if length <= longest else math.ceil(length / self.config.max_clip)
            marks = [first, *division(film, first, last, parts, longest), last]
            out += list(pairwise(marks))
        return out


def _longest(pieces: Sequence[tuple[float, float]]) -> float:
    return round(max((last - first for first, last in pieces), default=0.0), 3)


def _inside(clip: Clip, cuts: Sequence[Cut]) -> list[float]:
    """Return the cuts that fall inside the clip, in seconds from its start."""
    return [round(cut.time - clip.start, 3) for cut in cuts if clip.start + 1e-3 < cut.time < clip.end - 1e-3]
