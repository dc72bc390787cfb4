"""Whether a caption says the same over and over, as captioning models and careless joins do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

SAME_JOINED = re.compile(
    r"\ban? (\w{3,}) and (?:an? )?\1\b(?! (?:in|with|who|that|which|wearing|holding|from|on|of)\b)", re.IGNORECASE
)
"""``a white and white cat``, ``a horse and a horse``: what captioning models say. Of 9,800 captions that people wrote
none has it; ``a man and a man in red`` tells two apart."""

ACT_JOINED = re.compile(r"\b(\w{3,}ing) (?:and|while|then|and then) (?:is |are )?\1\b", re.IGNORECASE)
"""``kissing and kissing each other``."""

SAME_PLACE = re.compile(r"\b((?:in|on|with|at|into) an? [a-z]{3,})\b(?=(?:[ ,]+[\w'-]+){0,8} \1\b)", re.IGNORECASE)
"""``in a room with a gun in a room``."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")

_SMALL = frozenset(re.findall(r"\w+", "a an the of in on at to with for and or is are it by from as"))

_NAMING = re.compile(r"\b(?:say|says|saying|sing|sings|song|chant|chants|called|titled|said|sung|word|words)\b")


@lru_cache(maxsize=16)
def words_of(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text in lower case, apostrophes inside them kept."""
    return tuple(_WORD.findall(text.lower()))


def stuttering(text: str) -> tuple[str, str]:
    """Return the name of the check that found a repetition, and what it saw; empty for a sound text."""
    if re.search(r"(\S)\1{9,}", text):
        return "one-sign", "one sign again and again"
    words = words_of(text)
    if len(words) < 4:
        return "", ""
    long = [word for word in words if len(word) > 2 and word not in _SMALL]
    if len(set(long)) < len(long):
        for name, rule in (("same-joined", SAME_JOINED), ("act-joined", ACT_JOINED), ("same-place", SAME_PLACE)):
            if found := rule.search(text):
                return name, f"'{found[0]}'"
    twice = [a for a, b in pairwise(words) if a == b and a.isalpha()]
    doubled = 0 if len(set(twice)) == 1 < len(set(words)) and _NAMING.search(text.lower()) else len(twice)
    if doubled >= 3 or (doubled >= 2 and doubled >= 0.2 * len(words)):
        return "doubled-words", f"{doubled} words said twice"
    return _phrases(words)


def _phrases(words: Sequence[str]) -> tuple[str, str]:
    if len(set(pairwise(words))) == len(words) - 1:
        return "", ""  # no two words stand together twice
    for size in range(3, len(words) // 2 + 1):
        run = next((i for i in range(len(words) - 2 * size + 1) if _twice(words, i, size)), None)
        if run is not None and (2 * size == len(words) >= 8 or not _NAMING.search(" ".join(words))):
            return "phrase-twice", f"'{' '.join(words[run : run + size])}' twice running"
    for size in (2, 3, 4):
        groups = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        often, times = groups.most_common(1)[0] if groups else ((), 0)
        if times >= 3 and times * size >= 0.5 * len(words) and len(set(often)) > 1 and not _SMALL.issuperset(often):
            return "phrase-again", f"'{' '.join(often)}' {times} times"
    if len(words) >= 12 and len(set(words)) < 0.35 * len(words):
        return "few-words", f"{len(set(words))} different words of {len(words)}"
    return "", ""


def _twice(words: Sequence[str], at: int, size: int) -> bool:
    return words[at : at + size] == words[at + size : at + 2 * size] and len(set(words[at : at + size])) > 1
