"""Pictures of an mp4 that lies inside a shard, decoded by the same guarded child as every other video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synflow.errors import ClipFailure
from synflow.inspect.strip import Pixels
from synflow.records import Location

SHORT_SIDE = 96
"""Pixels of the shorter side of a picture that is only drawn in a terminal."""


def film_frames(shard: Path, offset: int, size: int, count: int) -> tuple[list[Pixels], str]:
    """Return ``count`` pictures, uniform over an mp4, and what went wrong, if anything did."""
    from synflow.media.sandbox import Sandbox

    location = Location(path=str(shard.resolve()), offset=offset, size=size)
    sandbox = Sandbox()
    try:
        facts = sandbox.facts(location)
        _, pictures = sandbox.stills(location, 0.0, facts.duration, count, SHORT_SIDE)
    except ClipFailure as failure:
        return [], f"cannot be drawn: {failure.reason}"
    finally:
        sandbox.close()
    return [np.asarray(picture, dtype=np.uint8) for picture in pictures], ""
