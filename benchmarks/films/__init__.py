"""Films with known cuts, composed of seeded segments of real clips and encoded anew.

A film is made of clips of one half of the set (by hash), so that a rule tuned on one half can be judged on the other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from films.segments import QUALITIES, Made, Set, encode, half_of, spans
from films.with_cuts import CUT
from films.without_cuts import UNCUT

__all__ = ["CUT", "UNCUT", "Made", "films", "half_of"]

KINDS = {**CUT, **UNCUT}


def films(data: Path, folder: Path, each: int, seed: int) -> Iterator[Made]:
    """Write ``each`` films of every kind to ``folder`` and tell what each holds; the same for the same seed."""
    pools = spans(data)
    for k in range(each):
        for kind, recipe in KINDS.items():
            rng = random.Random(f"{seed}/{kind}/{k}")
            scene = Set(pools[k % 2], rng)
            film, places = recipe(scene)
            path = folder / f"{kind}-{k:03d}.mp4"
            encode(film, path, scene.fps, rng.choice(QUALITIES))
            yield Made(path, kind, k % 2, tuple(place / scene.fps for place in places))
