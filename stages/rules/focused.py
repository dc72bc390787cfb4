"""Further t2v pairs of a clip: texts on a part of what its captions say, and texts made to be false of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from stages.rules.backward import Backward
from stages.rules.focus import Part, kinds_of, parts, recolored, reversed_order
from synflow.media.colors import COLORS, color_map, reduced
from synflow.pairs.draw import plain
from synflow.records import Caption, Pair

SHOWN = 0.002
"""Share of one picture from which a colour counts as shown: what nothing shows must not be shown anywhere; ours."""


def drawn_parts(
    captions: Sequence[Caption], taken: Sequence[str], wanted: int, rng: random.Random
) -> list[tuple[Part, Caption]]:
    """Draw up to ``wanted`` parts of captions, of different kinds first, none that is ``taken`` as a text already.

    Args:
        captions: those that may stand beside the clip.
        taken: texts of its pairs.
        wanted: how many.
        rng: draws.
    """
    owners: dict[str, Caption] = {}
    found: list[Part] = []
    shown = {_bare(text) for text in taken}
    elsewhere = {_bare(caption.text) for caption in captions}
    for caption in captions:
        if caption.style == "keywords":
            continue
        for part in parts(caption.text, abstract=caption.style == "abstract"):
            # What stands in another caption word for word is no theme, but that caption again.
            again = part.kind == "theme" and _bare(part.text) in elsewhere - {_bare(caption.text)}
            if _bare(part.text) not in shown and part.text not in owners and not again:
                owners[part.text] = caption
                found.append(part)
    by_kind = [list(own) for _, own in kinds_of(found)]
    rng.shuffle(by_kind)
    for own in by_kind:
        rng.shuffle(own)
    drawn: list[tuple[Part, Caption]] = []
    while by_kind and len(drawn) < wanted:
        own = by_kind.pop(0)
        part = own.pop()
        drawn.append((part, owners[part.text]))
        if own:
            by_kind.append(own)
    return drawn


def _bare(text: str) -> str:
    return plain(text).rstrip(".")


def false_texts(text: str, colors: Sequence[str], rng: random.Random) -> Iterator[dict[str, str]]:
    """Yield texts that are false of the target of a pair, each as a negative of it.

    Args:
        text: the query, true of the target.
        colors: that the pictures of the clip show.
        rng: draws.
    """
    if turned := reversed_order(text):
        yield {"kind": "reversed-order", "negative_text": turned}
    if changed := recolored(text, colors, rng):
        yield {"kind": "attribute", "negative_text": changed}


def with_negatives(pair: Pair, colors: Sequence[str], backward: Backward, rng: random.Random) -> Pair:
    """Return a t2v pair with texts that are false of its target, and its target backward where its text is false of it.

    Keywords tell no order and are left alone.

    Args:
        pair: of a clip.
        colors: that the pictures of the clip show.
        backward: the clip, played backward.
        rng: draws.
    """
    text, goal = pair.query.text, pair.target.video
    if pair.task != "t2v" or text is None or goal is None or text.style == "keywords":
        return pair
    made = tuple(false_texts(text.text, colors, rng))
    if backward.belies(text.text):
        made = (*made, {"kind": "reversed-video", "negative_clip_id": goal.clip_id})
    return pair.model_copy(update={"negatives": made}) if made else pair


def colors_shown(rgb: npt.NDArray[np.uint8]) -> list[str]:
    """Return the colours of which some picture (uint8 ``[n, h, w, 3]``) shows more than a trace."""
    shown: set[int] = set()
    for picture in rgb:
        names, counts = np.unique(color_map(reduced(picture, 160)), return_counts=True)
        total = int(counts.sum())
        shown |= {int(n) for n, count in zip(names, counts, strict=True) if n >= 0 and count >= SHOWN * total}
    return [COLORS[index] for index in sorted(shown)]
