"""What two captions have in common: words that few captions have, and things of which only the colour differs."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import pairwise

from wordfreq import zipf_frequency

from synflow.claims import CLAIMS, plain

COLOR_NAMES = (*CLAIMS[:10], "grey")
COLOR_WORDS = frozenset(COLOR_NAMES) | {"gray"}
USUAL = 5.2
"""Zipf frequency from which a word tells nothing of what is shown: ``the``, ``around``, ``people``; ours."""

_WORD = re.compile(r"[a-z][a-z'-]+|[.,;:!?]")


def tokens(text: str, most: int = 16) -> list[str]:
    """Return the telling words of a caption and their neighbours, ``guitar`` and ``acoustic guitar``; at most ``most``.

    What a caption denies or only compares with is left out.
    """
    words = _WORD.findall(plain(text).lower())
    found: dict[str, None] = {}
    for place, word in enumerate(words):
        if not _tells(word):
            continue
        if word not in COLOR_WORDS:
            found[_singular(word)] = None
        if place and _tells(words[place - 1]):
            found[f"{words[place - 1]} {_singular(word)}"] = None
    # Couples first: they say more, and a long caption must be cut.
    return sorted(found, key=lambda token: " " not in token)[:most]


def colored(text: str) -> dict[str, str]:
    """Return thing -> its colour, ``{"circle": "red"}``, of things that a caption gives one colour only."""
    words = _WORD.findall(plain(text).lower())
    found: dict[str, set[str]] = {}
    for color, thing in pairwise(words):
        if color in COLOR_WORDS and _tells(thing) and thing not in COLOR_WORDS:
            found.setdefault(_singular(thing), set()).add("grey" if color == "gray" else color)
    return {thing: next(iter(colors)) for thing, colors in found.items() if len(colors) == 1}


def number_of(token: str) -> int:
    """Return a number of 48 bits for a token: rows of many clips hold it for less than the word."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:6], "big")


@lru_cache(maxsize=65536)
def _tells(word: str) -> bool:
    return len(word) > 2 and word[0].isalpha() and (word in COLOR_WORDS or zipf_frequency(word, "en") < USUAL)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
