"""Pictures of an mp4 that lies inside a shard, decoded by the same guarded child as every other video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synflow.errors import ClipFailure
from synflow.inspect.strip import Pixels
from synflow.records import Location

if TYPE_CHECKING:
    from synflow.media.sandbox import Sandbox

SHORT_SIDE = 96
"""Pixels of the shorter side of a picture that is only drawn in a terminal."""


def film_frames(
    shard: Path, offset: int, size: int, count: int, sandbox: Sandbox | None = None
) -> tuple[list[Pixels], str]:
    """Return ``count`` pictures, uniform over an mp4, and what went wrong, if anything did.

    A child that decodes is started for it, unless a ``sandbox`` is lent.
    """
    from synflow.media.sandbox import Sandbox

    if sandbox is None:
        with Sandbox() as own:
            return film_frames(shard, offset, size, count, own)
    location = Location(path=str(shard.resolve()), offset=offset, size=size)
    try:
        facts = sandbox.facts(location)
        _, pictures = sandbox.stills(location, 0.0, facts.duration, count, SHORT_SIDE)
    except ClipFailure as failure:
        return [], f"cannot be drawn: {failure.reason}"
    return [np.asarray(picture, dtype=np.uint8) for picture in pictures], ""
