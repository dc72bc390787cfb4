"""The order test with an embedder: a text on what happens when must fit a clip better than the clip played backwards.

An embedder that only averages pictures scores both alike, and then nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stages.rules.evidence import Verdict
from synflow.contract import Embedder, Item, Picture, said_digest
from synflow.records import Caption

_ORDERED = re.compile(
    r"\b(?:then|before|after(?:wards)?|first|finally|next|later|at last|in the end|begins?|starts?|ends?|until|once"
    r"|enters?|leaves?|exits?|appears?|disappears?|opens?|closes?|falls?|rises?|turns? (?:in)?to|from \w+ to)\b",
    re.IGNORECASE,
)
SAME = 1e-4
"""Cosines that differ by less are equal: the embedder does not see time."""


def is_temporal(caption: Caption, verdicts: Mapping[str, str]) -> bool:
    """Tell whether a caption of the clip speaks of an order that was not measured."""
    if caption.frame is not None or any(claim.startswith("in this order: ") for claim in verdicts):
        return False
    return bool(_ORDERED.search(caption.text))


def order_verdicts(
    texts: Sequence[str], shown: Sequence[tuple[Picture, ...]], embedder: Embedder, margin: float
) -> list[Verdict]:
    """Return for each text whether its pictures fit it better in their order than backwards.

    Args:
        texts: on one clip each.
        shown: the pictures of each of these clips, in order of time.
        embedder: asked once for all of them.
        margin: by how much backwards must be better to contradict a text; forwards, to support it.
    """
    items: list[Item] = []
    for text, pictures in zip(texts, shown, strict=True):
        items += [Item(text=text), Item(pictures=pictures), Item(pictures=pictures[::-1])]
    vectors = list(embedder.embed(items)) if items else []
    found: list[Verdict] = []
    for place, text in enumerate(texts):
        own = vectors[3 * place : 3 * place + 3]
        bound = [tuple(picture.digest for picture in item.pictures) for item in items[3 * place : 3 * place + 3]]
        told, forward, backward = (vector.values for vector in own)
        false = any(tuple(vector.bound) != want for vector, want in zip(own, bound, strict=True))
        if told is None or forward is None or backward is None or false or own[0].said not in ("", said_digest(text)):
            found.append("unknown")
            continue
        gain = float(told @ forward) - float(told @ backward)
        sure = max(margin, SAME)
        found.append("supported" if gain >= sure else "contradicted" if gain <= -sure else "unknown")
    return found
