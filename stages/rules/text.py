"""Repair of a caption, and what a text alone can tell against it."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

LAST_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an the and or but of to as his their its our your my this these those into for than because very "
        "between toward towards upon whose",
    )
)
"""Words that no English caption ends with: a text that does was cut off."""

ENDS_LIKE_CUT = re.compile(
    r"(?:\s|/|[-\u2013\u2014,(:])(?:\.{3,}|\u2026)\s*$|\b\w{1,2}(?:\.{3,}|\u2026)\s*$|[(/&+]\s*$"
)

STUTTER = re.compile(
    r"\ban? (\w{3,}) and (?:an? )?\1\b(?! (?:in|with|who|that|which|wearing|holding|from|on|of)\b)", re.IGNORECASE
)
"""``a white and white cat``, ``a horse and a horse``: what captioning models say. Of 9,800 captions that people wrote
none has it; ``a man and a man in red`` tells two apart."""

MOJIBAKE = re.compile(
    r"[\u00c3\u00c2\u00e2\u00e3\u00e4\u00e5\u00e6\u00e7\u00e8\u00e9]"
    r"[\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039"
    r"\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]"
)
"""A letter of two-byte UTF-8 read as Latin-1 or Windows-1252, and the sign that follows it."""


@dataclass(frozen=True)
class Rule:
    """One entry of `captions.yaml`; ``reason`` is empty for a repair."""

    name: str
    pattern: re.Pattern[str]
    reason: str = ""
    put: str = ""


@lru_cache(maxsize=1)
def rule_file() -> dict[str, Any]:
    """Return the rule file as data, examples and all."""
    text = Path(__file__).with_name("captions.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


@lru_cache(maxsize=1)
def rules() -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """Return the repairs and the drops, compiled, in order of the file."""
    data = rule_file()
    repairs = tuple(Rule(r["name"], _compiled(r), put=r.get("with", "")) for r in data["repair"])
    drops = tuple(Rule(r["name"], _compiled(r), reason=r["reason"]) for r in data["drop"])
    return repairs, drops


def _compiled(entry: dict[str, Any]) -> re.Pattern[str]:
    return re.compile(entry["pattern"], re.IGNORECASE | re.DOTALL)


def repaired(text: str) -> str:
    """Return the text with wrong decoding, entities, mark-up, spacing and stock phrases mended."""
    import ftfy  # 60 ms to import

    text = ftfy.fix_text(html.unescape(html.unescape(text)), uncurl_quotes=False)
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp") else c for c in text)
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Co", "Cn") or c == "\u200d")
    for rule in rules()[0]:
        text = rule.pattern.sub(rule.put, text)
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"^[-\u2013\u2014|:;,\u2022*~]+\s*|\s*[-\u2013\u2014|:;,\u2022*~]+$", "", text)
    return re.sub(r"\s+([.,;:!?](?:\s|$))", r"\1", text).strip()


def fault(text: str) -> tuple[str, str] | None:
    """Return reason code and detail of the first rule that a repaired text breaks; None for a sound one."""
    if not re.search(r"\w", text):
        return "caption-empty", "no word"
    for rule in rules()[1]:
        if rule.pattern.search(text):
            return rule.reason, rule.name
    for check in (_hashtags, _garbled, _repetitive, _truncated):
        found = check(text)
        if found:
            return found
    return None


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)?", text.lower())


def _hashtags(text: str) -> tuple[str, str] | None:
    tokens = text.split()
    tags = [token for token in tokens if re.match(r"[#@]\w", token)]
    if len(tags) >= 4 or (tags and len(tags) >= 0.5 * len(tokens)):
        return "caption-hashtags", f"{len(tags)} of {len(tokens)} words are tags"
    return None


def _garbled(text: str) -> tuple[str, str] | None:
    """Tell text that decoding or typing broke: replacement marks, mojibake left over, more signs than letters."""
    if "\ufffd" in text or text.count("?") >= 4 + len(text) // 20:
        return "caption-garbled", "replacement characters"
    if len(MOJIBAKE.findall(text)) >= 2:
        return "caption-garbled", "wrongly decoded characters"
    dense = [c for c in text if not c.isspace()]
    letters = sum(unicodedata.category(c)[0] in "LM" for c in dense)
    if letters < 0.5 * len(dense):
        return "caption-garbled", f"{letters} letters of {len(dense)} signs"
    longest = max(_words(text), key=len, default="")
    if longest.isascii() and len(longest) > 30:
        return "caption-garbled", "a word of more than 30 letters"
    latin = [w for w in _words(text) if w.isascii() and w.isalpha() and len(w) >= 4]
    if len(latin) >= 2 and sum(not re.search(r"[aeiouy]", w) for w in latin) > 0.6 * len(latin):
        return "caption-garbled", "words without vowels"
    return None


def _repetitive(text: str) -> tuple[str, str] | None:
    words = _words(text)
    if len(words) < 4:
        return None
    if re.search(r"(\S)\1{9,}", text):
        return "caption-repetitive", "one sign again and again"
    if stutter := STUTTER.search(text):
        return "caption-repetitive", f"'{stutter[0]}'"
    doubled = sum(a == b for a, b in pairwise(words))
    if doubled >= 3 or (len(words) >= 4 and doubled >= 2 and doubled >= 0.2 * len(words)):
        return "caption-repetitive", f"{doubled} words said twice"
    for size in (2, 3, 4):
        groups = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        often, times = groups.most_common(1)[0] if groups else ((), 0)
        if times >= 3 and times * size >= 0.5 * len(words) and len(set(often)) > 1:
            return "caption-repetitive", f"'{' '.join(often)}' {times} times"
    if len(words) >= 12 and len(set(words)) < 0.35 * len(words):
        return "caption-repetitive", f"{len(set(words))} different words of {len(words)}"
    return None


def _truncated(text: str) -> tuple[str, str] | None:
    if ENDS_LIKE_CUT.search(text):
        return "caption-truncated", "ends in the middle"
    words = _words(text)
    if len(words) >= 3 and words[-1] in LAST_WORDS and text[-1].isalpha() and text.split()[-1].islower():
        return "caption-truncated", f"ends with '{words[-1]}'"
    return None


def normal(text: str) -> str:
    """Return the text without case, punctuation and spacing, for telling whether two captions are the same."""
    return " ".join(_words(unicodedata.normalize("NFKC", text)))
