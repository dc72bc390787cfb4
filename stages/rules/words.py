"""How frequent a word is in a language, from the lists of wordfreq 3.1 (the `small` ones: one in a million or more).

wordfreq: Robyn Speer, https://github.com/rspeer/wordfreq; frequencies in centibels, hundredths of a power of ten.
"""

from __future__ import annotations

import gzip
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import msgpack

RARE = 700
"""Centibels below 1 that a word counts with which is on no list: one in ten million."""

COMMON = 560
"""Centibels up to which a word of a language counts that is not to be kept: half the memory (65 MB for the 27 lists in
Latin letters, if all are asked for), and one in a hundred foreign captions of three words less is found."""

FREQUENT = 450
"""Centibels up to which all lists are read at once (a tenth of the work): it is enough to tell of nearly all texts at
home that no other language can be likelier."""

READ = 1 << 13
"""Bytes of a list that are inflated at a time."""

BY_SCRIPT = {"CYRILLIC": ("ru", "uk", "bg", "mk"), "ARABIC": ("ar", "fa", "ur")}
"""Scripts that several listed languages share, other than Latin."""

_OTHER = {"ar", "bg", "bn", "el", "fa", "he", "hi", "ja", "ko", "mk", "ru", "ta", "uk", "ur", "zh"}


@lru_cache(maxsize=1)
def _files() -> Mapping[str, Path]:
    # The package itself is not imported: it takes as long as reading all of its lists.
    found = find_spec("wordfreq")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("wordfreq is not installed")
    paths = (Path(found.origin).parent / "data").glob("small_*.msgpack.gz")
    return {path.name.removeprefix("small_").partition(".")[0]: path for path in sorted(paths)}


def listed(language: str) -> bool:
    """Tell whether there is a list for a language (ISO 639-1)."""
    return language in _files()


@lru_cache(maxsize=1)
def latin() -> tuple[str, ...]:
    """Return the languages in Latin letters that there are lists for, sorted."""
    return tuple(name for name in _files() if name not in _OTHER)


@lru_cache(maxsize=64)
def rarity(language: str) -> Mapping[str, int]:
    """Return word -> centibels below 1 (100: every tenth word, 600: one in a million); empty without a list."""
    return _read(language, RARE)


@lru_cache(maxsize=64)
def common(language: str) -> Mapping[str, int]:
    """Return the part of `rarity` up to `COMMON`."""
    return _read(language, COMMON)


@lru_cache(maxsize=64)
def frequent(language: str) -> Mapping[str, int]:
    """Return the part of `rarity` up to `FREQUENT`."""
    return _read(language, FREQUENT)


def _read(language: str, most: int) -> Mapping[str, int]:
    if not listed(language):
        return {}
    with gzip.open(_files()[language]) as packed:
        # Unpacked one place after the other: rarer words are neither inflated nor made.
        places = msgpack.Unpacker(packed, raw=False, read_size=READ)
        count = places.read_array_header() - 1
        header = places.unpack()
        if header != {"format": "cB", "version": 1}:
            raise ValueError(f"the list of words of {language} has an unknown format: {header}")
        return {word: place for place in range(min(count, most + 1)) for word in places.unpack()}


def listed_word(word: str, language: str) -> bool:
    """Tell whether a word is on the list of a language."""
    return word in rarity(language)


@lru_cache(maxsize=8)
def _sorted(language: str) -> tuple[str, ...]:
    return tuple(sorted(rarity(language)))


@lru_cache(maxsize=8192)
def share_of_longer(start: str, language: str) -> float:
    """Return the share of all words of a text (0 to 1) that begin with ``start`` and go on."""
    words, known = _sorted(language), rarity(language)
    total, place = 0.0, bisect_left(words, start)
    while place < len(words) and words[place].startswith(start):
        if words[place] != start:
            total += 10 ** (-known[words[place]] / 100)
        place += 1
    return total


def share(word: str, language: str) -> float:
    """Return the share of all words of a text that ``word`` is; that of a rare word where it is on no list."""
    return float(10 ** (-rarity(language).get(word, RARE) / 100))
