"""Five captions of one picture: no past, no future, no movement."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from synflow.media.findings import Findings
from synflow.models.signals.said import Said, listed
from synflow.models.signals.space import spatial
from synflow.models.signals.style import stylistic
from synflow.models.signals.wording import bare, count, tidy


def frame_captions(
    found: Findings, facts: Mapping[str, Any], caption: str, rng: random.Random
) -> dict[str, str] | None:
    """Return five captions: three on what is where, a snapshot, and one on the look; None where little is to be seen.

    Args:
        found: what was measured of the one picture.
        facts: what the stages measured of the clip.
        caption: what people wrote of the whole clip; it is quoted as that, for the moment may show only a part of it.
        rng: draws wordings.
    """
    where = [said for said in spatial(found) if said.topic != "brightness-even"]
    look = list(stylistic(found))
    if not where or not look:
        return None
    where.sort(key=lambda said: -(said.weight + 0.2 * rng.random()))
    look.sort(key=lambda said: -(said.weight + 0.2 * rng.random()))
    turn = rng.randrange(3)

    def text(parts: list[Said], wording: int) -> str:
        return " ".join(said.sentences[(turn + wording) % len(said.sentences)] for said in parts)

    def filled(parts: list[Said], wording: int) -> str:
        rest = [said for said in [*where, *look] if said not in parts]
        while rest and count(text(parts, wording)) < 6:
            parts = [*parts, rest.pop(0)]
        return text(parts, wording)

    third = where[1:2] if len(where) > 1 else where[:1]
    return {
        "1": filled([*where[:4], *look[:1]], 0),
        "2": filled(where[:2], 1),
        "3": filled(third, 2),
        "4": _snapshot(where, look, facts, caption),
        "5": filled(look[:3], 1),
    }


def _snapshot(where: list[Said], look: list[Said], facts: Mapping[str, Any], caption: str) -> str:
    adjectives = listed([said.adjective for said in [*look, *where] if said.adjective][:2])
    article = "An" if adjectives[:1] in ("a", "e", "i", "o", "u") and adjectives else "A"
    head = f"{article} {adjectives} still" if adjectives else "A still"
    own = tidy(caption)
    if own and count(own) <= 50:
        longer = "longer video" if facts.get("caption_scope") == "video" else "clip"
        return f"{head} from a {longer} captioned “{bare(own)}”."
    told = next((said.phrase for said in [*where, *look] if said.phrase and not said.adjective), "")
    return (
        f"{head} {told}." if count(f"{head} {told}") >= 6 else f"{head} from a clip, {told or 'as seen at one moment'}."
    )
