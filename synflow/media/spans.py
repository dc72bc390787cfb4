"""Spans of a source, and the clip that each makes."""

from __future__ import annotations

from synflow.errors import ClipFailure
from synflow.ids import make_id
from synflow.records import Clip, Facts, Sample


def clip_of(facts: Facts, start: float, end: float, cut: str = "whole", place: int = 0, of: int = 1) -> Clip:
    """Return the clip ``start .. end`` seconds of the source that ``facts`` tell of, under its one id."""
    start, end = round(start, 3), round(end, 3)
    name = make_id("clip", facts.digest, start, end, cut)
    return Clip(id=name, start=start, end=end, cut=cut, place=place, of=of, facts=facts)


def asked_clip(sample: Sample, facts: Facts, duration: float) -> Clip:
    """Return the clip that the record asks for, inside its video of ``duration`` seconds: all of it by default.

    Raises:
        ClipFailure: ``bad-span``, the asked span has no part in the video.
    """
    if sample.start is None and sample.end is None:
        return clip_of(facts, 0.0, duration)
    start = max(0.0, sample.start or 0.0)
    end = duration if sample.end is None else min(sample.end, duration)
    if not end > start:
        asked = f"{sample.start or 0.0:g}..{'' if sample.end is None else f'{sample.end:g}'}"
        raise ClipFailure("bad-span", f"asked {asked} s of a video of {duration:.2f} s")
    return clip_of(facts, start, end, "asked")
