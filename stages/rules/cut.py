"""Whether a caption was cut off: at dots, after a word that none ends with, or in the middle of a word."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from stages.rules.words import listed, listed_word, share, share_of_longer

DOTS = re.compile(
    r"(?:\s|/|[-\u2013\u2014,(:])(?:\.{3,}|\u2026)\s*$|\b\w{1,2}(?:\.{3,}|\u2026)\s*$|(?<!etc)(?:[(/+[]|\s&)\s*$"
)

STRANDED = re.compile(
    r"(?:\bto (?!an?\b|the\b|his\b|her\b|their\b|its\b|my\b|your\b|one\b)\w+(?: [\w'-]+){0,1}"
    r"|\b(?:what|who|whom|which|that|where|why|how|whatever)(?: [\w'-]+){1,6}|\w+n't(?: [\w'-]+){0,3}"
    r"|\bto|\b(?:an?|little|long|short|worth)) $",
    re.IGNORECASE,
)
"""What lets a sentence end with `with`, `is`, `while`: "a toy to play with", "explains what it is", "for a while"."""

AMOUNT = re.compile(
    r"\b(?:an?|the|his|her|their|its|this|some|two|three) (?:\w+ )?(?:back|bit|bottle|bottom|bowl|box|bunch|couple|cup"
    r"|edge|end|front|glass|group|handful|herd|lot|middle|number|pack|pair|part|piece|pile|plate|row|series|set|sheet"
    r"|side|slice|stack|top|variety)s? $",
    re.IGNORECASE,
)
"""What no sentence strands `of` after, whatever stands before: "a hand that is writing on a piece of"."""

MORE_OFTEN = 30
"""A last word is a piece where longer words with its beginning are this many times more frequent than itself."""

_FINITE = re.compile(
    r"\b(?:is|are|was|were|am|be|been|has|have|had|do|does|did|can|could|will|would|shall|should|may|might|must|to|and"
    r"|or|let|make|help|watch|see|two|three|four|five|many|some|several|people|men|women|children|they|we|you|i)\b"
    r"|\w{2,}(?:ing|[^s]s)\b|\w{3,}ed\b|n't\b",
    re.IGNORECASE,
)
_SINGULAR = re.compile(r"\b(?:an?|the|one|this|that)\s+\w+", re.IGNORECASE)


def cut_off(text: str, language: str, last_words: Collection[str], strandable: Collection[str]) -> tuple[str, str]:
    """Return the name of the check that found a cut, and what it saw; empty for a whole text.

    Args:
        text: repaired.
        language: ISO 639-1; empty where it is not known.
        last_words: words that no caption of that language ends with.
        strandable: those that end one only after `to`, `what` and the like.
    """
    if text[-1:] in ".\u2026(/+&[" and (DOTS.search(text) or _dots_in_word(text, language)):
        return "ends-with-dots", "ends in the middle"
    last = re.search(r"(?<![\w.'\u2019&@-])([^\W\d_]+)$", text)
    words = re.findall(r"[^\W_]+", text.lower())
    if last is None or len(words) < 3 or not (last[1].islower() or language == "de"):
        return "", ""
    word = words[-1]
    before = text[: last.start()]
    if word in last_words or (word in strandable and not STRANDED.search(before)) or _amount(word, before):
        return "last-word", f"ends with '{word}'"
    if len(words) < 4 or not listed(language):
        return "", ""
    if _piece(word, language):
        return "cut-word", f"'{word}' is the beginning of a word"
    if language == "en" and _ends_on_bare_verb(text, words):
        return "bare-verb", f"the only verb is '{word}', without its ending"
    return "", ""


def _amount(word: str, before: str) -> bool:
    return word == "of" and AMOUNT.search(before) is not None


def _dots_in_word(text: str, language: str) -> bool:
    found = re.search(r"([^\W\d_]{3,})(?:\.{3,}|\u2026)$", text)
    return found is not None and listed(language) and _piece(found[1].lower(), language)


def _piece(word: str, language: str) -> bool:
    own = share(word, language)
    # A plural on the list makes a noun of `mat`, `bra`, `spa`; of two letters (`ad`) it has to be frequent.
    least, plural = 0.05 if len(word) > 2 else 0.3, word + "s"
    noun = listed_word(plural, language) and least * own < share(plural, language) < 4 * own
    return share_of_longer(word, language) > (10 if noun else 1) * MORE_OFTEN * own


def _ends_on_bare_verb(text: str, words: Sequence[str]) -> bool:
    """Tell "a worker in a red lift inspect": one subject, and no verb but a last word that does not agree with it."""
    if len(words) < 5 or not _verb(words[-1]):
        return False
    if sum(word[:1].isupper() for word in text.split()) > 0.5 * len(words):
        return False  # a title, not a sentence
    # After a noun only: "a recent move" ends on one itself.
    noun = words[-2] + "s"
    if not listed_word(noun, "en") or share(noun, "en") < 0.05 * share(words[-2], "en"):
        return False
    before = text[: -len(words[-1])]
    return bool(_SINGULAR.search(before)) and not _FINITE.search(before)


@lru_cache(maxsize=4096)
def _verb(word: str) -> bool:
    """Tell whether an English word is above all a verb: its forms in -ed and -ing are more frequent than itself."""
    if len(word) < 4 or not listed_word(word, "en") or word.endswith(("s", "ed", "ing", "er", "ly")):
        return False
    stem = word.removesuffix("e")
    soft = stem[:-1] + "i" if stem.endswith("y") and stem[-2] not in "aeiou" else stem
    forms = [(soft + "ed", stem + "ing"), (word + word[-1] + "ed", word + word[-1] + "ing")]
    pairs = [pair for pair in forms if all(listed_word(form, "en") for form in pair)]
    return any(share(past, "en") + share(going, "en") > share(word, "en") for past, going in pairs)
