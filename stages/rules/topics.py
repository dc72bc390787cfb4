"""What a clip is about, in one word of its captions: enough to tell topics apart that a corpus has too much of.

The word of a clip follows from its own captions alone, so that it stays what it is whatever else a corpus holds; cells
of a k-means would move with every source that is added.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from stages.rules.words import rarity

WORD = re.compile(r"[^\W\d_]{3,}")

USUAL, ODD = 380, 600
"""Centibels of a word that may be a topic: rarer than one in 6,000 (`people`, `small`, `look` are not), and not rarer
than one in a million (`guitar`, `volcano`, `parkour` are)."""

NONE = ""
"""Topic of a clip without captions, or without such a word."""


def topic_of(texts: Iterable[str], language: str = "en") -> str:
    """Return the topic of a clip that these texts tell of: the word of most of them; of several the rarest."""
    known = rarity(language)
    told: Counter[str] = Counter()
    for text in texts:
        # Once a text: a caption that repeats a word is no more about it.
        words = {_singular(word, known) for word in WORD.findall(text.casefold())}
        told.update(word for word in words if USUAL < known.get(word, 0) <= ODD)
    return min(told, key=lambda word: (-told[word], -known[word], word), default=NONE)


def _singular(word: str, known: object) -> str:
    """Return a word without the s of a plural, where that is a word too."""
    short = word[:-1]
    plural = word.endswith("s") and not word.endswith("ss") and len(short) > 2
    return short if plural and short in known else word  # type: ignore[operator]
