"""Which language a short caption is in: script first, then how likely its words are in each language.

Identifiers that look at letters (py3langid, lingua) need sentences. On captions of three words, word frequencies find
more of the foreign ones and take no English one for foreign; `benchmarks/captions.py` has the figures.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from stages.rules.words import BY_SCRIPT, FREQUENT, RARE, common, frequent, latin, listed, rarity

SCRIPTS = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "GREEK": "el", "ARABIC": "ar",
    "HEBREW": "he", "DEVANAGARI": "hi", "THAI": "th", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te",
    "GEORGIAN": "ka", "ARMENIAN": "hy",
}  # fmt: skip
"""First word of a letter's Unicode name -> the most frequent language in that script."""

SAME_SCRIPT = {
    "ru": {"uk", "bg", "sr", "be", "mk"}, "ar": {"fa", "ur"}, "hi": {"mr", "ne"}, "zh": {"ja"}, "ja": {"zh"},
}  # fmt: skip

MARGIN = {1: 450, 2: 450, 3: 350, 4: 280, 5: 280}
"""Words of a text -> centibels by which another language must be likelier. English captions stay below 100, cut to
two words below 200; names (La Tour Eiffel, tai chi) reach 400."""
MARGIN_PER_WORD = 45
"""The same for each word of longer texts: English ones with French names in them stay below 40."""

USUAL, MARGIN_OF_USUAL = 500, 120
"""A text of nothing but words that are usual at home (one in 100,000) has to be likelier by this for each word: the
words of "garage door repair van" are all Dutch, too."""

SURE = 0.98
"""Probability of the letter-based identifier that is needed for a language without a list."""


def foreign(text: str, languages: Collection[str]) -> str:
    """Return the language of ``text`` where it is surely none of ``languages`` (ISO 639-1), else an empty string."""
    script = script_of(text)
    if script:
        kin = {script, *SAME_SCRIPT.get(script, ())}
        if not kin & set(languages):
            return script
        if script == "ja" and "ja" not in languages:
            return "ja"  # kana are in no Chinese text
        shared = _listed_in(script)
        # One list tells nothing, and there are no spaces between words of Chinese, Japanese and Thai.
        return _other(text, sorted(kin & set(languages)), shared) if len(shared) > 1 else ""
    if not languages_in_latin(languages):
        return "latin"
    return _other(text, [name for name in languages if languages_in_latin([name])], latin())


def home_of(text: str, languages: Sequence[str]) -> str:
    """Return which of ``languages`` a text is most likely in: the first of them where nothing tells."""
    script = script_of(text)
    if script:
        kin = [name for name in languages if name == script or name in SAME_SCRIPT.get(script, ())]
    else:
        kin = [name for name in languages if languages_in_latin([name])]
    words = words_of(text)
    if len(kin) > 1 and words:
        return max(kin, key=lambda name: _likeliness(words, rarity(name)))
    return kin[0] if kin else ""


def language_of(text: str) -> str:
    """Return the most likely of all languages that there are lists or scripts for; empty where nothing tells."""
    script = script_of(text)
    names = _listed_in(script) if script else latin()
    words = words_of(text)
    if not words or not names:
        return script
    best = max(names, key=lambda name: _likeliness(words, common(name)))
    return best if _likeliness(words, common(best)) > -RARE * len(words) else script


def languages_in_latin(languages: Collection[str]) -> bool:
    """Tell whether any of ``languages`` is written in Latin letters."""
    other = set(SCRIPTS.values()).union(*SAME_SCRIPT.values())
    return any(name not in other for name in languages)


def words_of(text: str) -> list[str]:
    """Return the runs of letters of a text, in lower case."""
    return re.findall(r"[^\W\d_]+", text.lower())


def _other(text: str, homes: Sequence[str], candidates: Sequence[str]) -> str:
    """Return the candidate that is likelier than all of ``homes`` by the margin; empty where there is none."""
    words = words_of(text)
    if not words:
        return ""
    known = [home for home in homes if listed(home)]
    unknown = set(homes) - set(known)
    least = MARGIN.get(len(words), MARGIN_PER_WORD * len(words))
    if any(all(rarity(name).get(word, RARE) <= USUAL for word in words) for name in known):
        least = max(least, MARGIN_OF_USUAL * len(words))
    strange = sum(all(word not in rarity(name) for name in known) for word in words)
    if strange <= 0.5 * len(words) and any(_surely(words, name, tuple(candidates), least) for name in known):
        return ""
    home = max(known, key=lambda name: _likeliness(words, rarity(name)), default="")
    at_home = _likeliness(words, rarity(home))
    # Of the others only those are read as far as `common` that could be likelier by the margin.
    others = [name for name in candidates if name not in homes and _at_most(words, name) - at_home >= least]
    best = max(others, key=lambda name: _likeliness(words, common(name)), default="")
    margin = _likeliness(words, common(best)) - at_home if best else 0
    if margin >= least and _outvoted(words, home, best):
        return "" if unknown and _guess(text)[0] in unknown else best
    if len(words) >= 4 and strange > 0.5 * len(words):
        # Perhaps a language without a list (Estonian, Swahili, Welsh): letters have to tell, and must be sure.
        name, sure = _guess(text)
        return name if sure >= SURE and name not in homes else ""
    return ""


def _surely(words: Sequence[str], home: str, candidates: tuple[str, ...], least: int) -> bool:
    """Tell whether no candidate can be likelier by ``least``, not even one that had the best of all for each word."""
    return sum(_most(word, home, candidates) for word in words) < least


def _outvoted(words: Sequence[str], home: str, other: str) -> bool:
    """Tell whether most words speak for ``other``: a few names ("Fleur de Lis") do not make a text foreign."""
    gaps = [rarity(home).get(word, RARE) - common(other).get(word, RARE) for word in words]
    return sum(gap >= 30 for gap in gaps) > sum(gap <= -30 for gap in gaps)


@lru_cache(maxsize=1 << 16)
def _most(word: str, home: str, candidates: tuple[str, ...]) -> int:
    """Return by how many centibels a word is at most likelier in another language than at home."""
    others = (frequent(name).get(word, FREQUENT + 1) for name in candidates if name != home)
    return rarity(home).get(word, RARE) - min(others, default=RARE)


def _at_most(words: Sequence[str], language: str) -> int:
    """Return what `_likeliness` by the words that are `common` in a language cannot be more than."""
    known = frequent(language)
    return -sum(known.get(word, FREQUENT + 1) for word in words)


def _likeliness(words: Sequence[str], known: Mapping[str, int]) -> int:
    return -sum(known.get(word, RARE) for word in words)


def _listed_in(script: str) -> tuple[str, ...]:
    for names in BY_SCRIPT.values():
        if script in names:
            return names
    return (script,) if listed(script) else ()


def script_of(text: str) -> str:
    """Return the language of the script that a third of the letters or more are in; empty for Latin."""
    if text.isascii():
        return ""
    letters = [c for c in text if c.isalpha()]
    other = Counter(SCRIPTS[first] for c in letters if not c.isascii() and (first := _first_word(c)) in SCRIPTS)
    if not letters or sum(other.values()) < len(letters) / 3:
        return ""
    # Any kana makes it Japanese, however many of its signs are shared with Chinese.
    return "ja" if other["ja"] else max(sorted(other), key=lambda name: other[name])


@lru_cache(maxsize=4096)
def _first_word(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0]


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # loads its model: 0.3 s, 120 MB

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _guess(text: str) -> tuple[str, float]:
    name, probability = _identifier().classify(text.lower())
    return str(name), float(probability)
