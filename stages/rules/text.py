"""Repair of a caption, and what a text alone can tell against it."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from stages.rules.cut import cut_off
from stages.rules.ruleset import LanguageRules, Rulebook
from stages.rules.stutter import stuttering, words_of

MOJIBAKE = re.compile(
    r"[\u00c3\u00c2\u00e2\u00e3\u00e4\u00e5\u00e6\u00e7\u00e8\u00e9\u00d0\u00d1]"
    r"[\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039"
    r"\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]"
)
"""A letter of two-byte UTF-8 read as Latin-1 or Windows-1252, and the sign that follows it."""

SURE_MOJIBAKE = re.compile(
    r"\u00e2\u20ac|[\u00c3\u00c2][\u0080-\u00a9\u00ab-\u00b9\u00bc-\u00bf\u20ac\u2122\u0153\u0192\u2030\u2020\u2021\u02c6]"
    r"|[\u221a\u251c\u252c][\u00a0-\u00bf\u2310\u00ac\u00c4\u00d1\u00e0-\u00ff\u2248\u222b\u2202\u2211\u220f\u03a9]"
)
"""Pairs that stand in no text of any language: one is enough."""

IBM_PC = re.compile(r"[\u251c\u252c][^\x00-\x7f]|\u0393[^\x00-\x7f]{2}")
"""UTF-8 read in code page 437, which ftfy leaves alone where it is a single letter."""

PLAIN = re.compile(r"[A-Za-z0-9]+(?:[,;]? [A-Za-z0-9'-]*[A-Za-z0-9])*[.!?]?$")
"""Words with single spaces between them: nothing to tidy."""

CAPTION_KEYS = ("caption", "description", "text", "summary", "title", "sentence", "answer", "output", "response", "en")
"""Where models and exports put a caption in JSON; the first one that is there is taken."""

JSON_START = re.compile(
    r'^\s*[\[{]+\s*["\u201c](?:' + "|".join(CAPTION_KEYS) + r')["\u201d]\s*:\s*["\u201c](.+?)["\u201d]?\s*[}\]]*\s*$',
    re.DOTALL | re.IGNORECASE,
)
ESCAPED = re.compile(r"%u([0-9A-Fa-f]{4})")
PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
ADDRESS = re.compile(r"://|^www\.", re.IGNORECASE)

LOST = re.compile(r"\ufffd|\?{4}|(?:\?{2,}\s+){2}|[\u25a0\u25a1\u25af\u2395]{2}")
"""What stands where letters were lost: replacement marks, runs of question marks, empty boxes."""

VOWELS = frozenset("aeiouy")
TAG = re.compile(r"(?<![\w&])[#\uff03@](?=[^\W\d])[\w.\-]*\w")


def repaired(text: str, rules: LanguageRules) -> str:
    """Return the text with wrong decoding, entities, mark-up, spacing, stock phrases and shouting mended."""
    text = decoded(text)
    for _ in range(3):  # one suffix can stand behind another
        before = text
        if "json" not in rules.off:
            text = _out_of_json(text)
        text = rules.mended(text)
        text = _tidy(_untagged(text) if "hashtags" not in rules.off else text)
        if text == before:
            break
    return text if "shouting" in rules.off else calmed(text, rules)


def lost(text: str) -> bool:
    """Tell whether a text without words had some once: its signs are those that stand for letters that were lost."""
    control = sum(unicodedata.category(c) == "Cc" and not c.isspace() for c in text)
    return bool(LOST.search(text)) or control >= 3


def decoded(text: str) -> str:
    """Return the text as it was before entities and wrong decoding, on one line, without invisible signs."""
    if text.count("%") > 1 and not ADDRESS.search(text):
        text = _unescaped(text)
    if text.isascii() and "&" not in text and text.isprintable():
        return _tidy(text)
    import ftfy  # 60 ms to import

    text = ftfy.fix_text(html.unescape(html.unescape(text)), uncurl_quotes=False)
    text = IBM_PC.sub(_from_ibm_pc, text)
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp") else c for c in text)
    return _tidy("".join(c for c in text if unicodedata.category(c) not in ("Cf", "Co", "Cn") or c == "\u200d"))


def _unescaped(text: str) -> str:
    """Return a text that was written for an address (``a%20dog``, ``%u0434``) as it was before; others as they are."""
    letters = ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    if len(PERCENT.findall(letters)) < 2 or " " in letters.strip():
        return letters
    try:
        return unquote(letters, errors="strict")
    except UnicodeDecodeError:
        return letters


def _from_ibm_pc(found: re.Match[str]) -> str:
    try:
        return found[0].encode("cp437").decode("utf-8")
    except UnicodeError:
        return found[0]


def _tidy(text: str) -> str:
    if PLAIN.match(text):
        return text
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(
        r"^[-\u2013\u2014|:;,\u2022*~>\u00bb]+\s+|(?:\s+[-\u2013\u2014|:;,\u2022*~<\u00ab]+|[|:;,]+)$", "", text
    )
    return re.sub(r"\s+([.,;:!?](?:\s|$))", r"\1", text).strip()


def _out_of_json(text: str) -> str:
    """Return the caption that JSON holds; the text itself where it is none, or holds none or several."""
    if text[:1] not in "{[" or not text:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        found = JSON_START.match(text)
        return found[1].replace('\\"', '"') if found and '":' not in found[1] else text
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    for _ in range(3):
        if isinstance(value, dict):
            value = next((value[key] for key in CAPTION_KEYS if isinstance(value.get(key), str)), _only(value))
    return _tidy(value) if isinstance(value, str) else text


def _only(value: dict[str, Any]) -> Any:
    return next(iter(value.values())) if len(value) == 1 else None


def _untagged(text: str) -> str:
    """Return the text without tags at its end, and with those inside it as words; a heap of tags stays."""
    if "#" not in text and "@" not in text and "\uff03" not in text:
        return text
    tokens = text.split()
    tags = [token for token in tokens if TAG.fullmatch(token.rstrip(".,!?;:"))]
    rest = len(tokens) - len(tags)
    if not tags or rest < 3 or len(tags) > rest:
        return text
    while tokens and TAG.fullmatch(tokens[-1].rstrip(".,!?;:")):
        tokens.pop()
    while tokens and TAG.fullmatch(tokens[0].rstrip(".,!?;:")) and len(tokens) > 1 and TAG.fullmatch(tokens[1]):
        tokens.pop(0)
    return " ".join(TAG.sub(lambda tag: tag[0].lstrip("#@\uff03"), token) for token in tokens)


def calmed(text: str, rules: LanguageRules) -> str:
    """Return a text that is all in capitals as a sentence; known abbreviations stay as they are."""
    if sum(map(str.isupper, text)) < 10:
        return text
    letters = [c for c in text if c.isalpha() and c.lower() != c.upper()]
    words = re.findall(r"[^\W\d_]{2,}", text)
    if len(letters) < 12 or len(words) < 3 or sum(c.isupper() for c in letters) < 0.8 * len(letters):
        return text
    lower = re.sub(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?", lambda w: _calm_word(w[0], rules), text)
    return re.sub(r"^\W*[^\W\d_]|[.!?]\s+[^\W\d_]", lambda start: start[0].upper(), lower)


def _calm_word(word: str, rules: LanguageRules) -> str:
    return word if word in rules.keep_upper or not word.isupper() else word.lower()


def fault(text: str, rules: LanguageRules) -> tuple[str, str] | None:
    """Return reason code and detail of the first rule that a repaired text breaks; None for a sound one."""
    if not re.search(r"\w", text):
        return "caption-empty", "no word"
    if found := rules.condemned(text):
        return found
    if "hashtags" not in rules.off and (detail := _heap_of_tags(text)):
        return "caption-hashtags", detail
    if "garbled" not in rules.off and (detail := _garbled(text)):
        return "caption-garbled", detail
    name, detail = stuttering(text)
    if name and name not in rules.off:
        return "caption-repetitive", detail
    name, detail = cut_off(text, rules.language, rules.last_words, rules.strandable)
    if name and name not in rules.off:
        return "caption-truncated", detail
    return None


def _heap_of_tags(text: str) -> str:
    if "#" not in text and "@" not in text and "\uff03" not in text:
        return ""
    tokens = text.split()
    tags = [token for token in tokens if TAG.match(token)]
    if len(tags) >= 4 or (tags and len(tags) >= 0.5 * len(tokens)):
        return f"{len(tags)} of {len(tokens)} words are tags"
    return ""


def _garbled(text: str) -> str:
    """Tell text that decoding or typing broke: replacement marks, mojibake left over, more signs than letters."""
    if "\ufffd" in text or text.count("?") >= 4 + len(text) // 20:
        return "replacement characters"
    if not text.isascii() and (SURE_MOJIBAKE.search(text) or len(MOJIBAKE.findall(text)) >= 2):
        return "wrongly decoded characters"
    dense = len(text) - sum(map(str.isspace, text))
    letters = sum(map(str.isalpha, text))
    if letters < 0.5 * dense:
        letters += sum(unicodedata.category(c)[0] == "M" for c in text)  # vowel signs of Indic scripts
    if letters < 0.5 * dense:
        return f"{letters} letters of {dense} signs"
    words = words_of(text)
    if any(len(word) > 30 and word.isascii() for word in words):
        return "a word of more than 30 letters"
    latin = [w for w in words if w.isascii() and w.isalpha() and len(w) >= 4]
    if len(latin) >= 2 and sum(map(VOWELS.isdisjoint, latin)) > 0.6 * len(latin):
        return "words without vowels"
    return ""


def normal(text: str) -> str:
    """Return the text without case, punctuation and spacing, for telling whether two captions are the same."""
    return " ".join(words_of(unicodedata.normalize("NFKC", text)))


@lru_cache(maxsize=1)
def built_in_rules() -> Rulebook:
    """Return the rulebook without rules of a manifest."""
    return Rulebook()
