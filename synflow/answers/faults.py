"""Checks on what a model wrote, each fault with its name.

========== ===================================================================
fault      the text
========== ===================================================================
schema     is not there, or is not a text
refusal    declines the task instead of doing it
garbled    is hardly made of words: signs, digits, broken letters, one endless word
markup     holds tags, code, JSON, an address, or is a list over several lines
instructs  gives orders to a model instead of describing
echo       gives back what it was told, or the dots of the example
too-short  has fewer words than asked for
repeated   says the same words over and over
too-long   has more words than asked for
truncated  ends in the middle
absence    says what is not there
language   is not in English
twice      is that of an earlier key of the same answer
none-short of the whole answer: no caption has fewer than 20 words
none-long  of the whole answer: no caption has more than 100 words
========== ===================================================================

The first that applies is told. An answer that a backend could not read at all is a refusal of the backend:
``answer-schema``, ``answer-truncated`` or ``answer-refused``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from synflow.answers.instructions import instructs

FAULTS: Mapping[str, str] = {
    "schema": "is not there, or is not a text",
    "refusal": "declines the task instead of doing it",
    "garbled": "is hardly made of words",
    "markup": "holds tags, code, JSON, an address, or is a list over several lines",
    "instructs": "gives orders to a model instead of describing",
    "echo": "gives back what the model was told",
    "too-short": "has fewer words than asked for",
    "repeated": "says the same words over and over",
    "too-long": "has more words than asked for",
    "truncated": "ends in the middle",
    "absence": "says what is not there",
    "language": "is not in English",
    "twice": "is the same as another text of the answer",
    "none-short": "no caption of the answer has fewer than 20 words",
    "none-long": "no caption of the answer has more than 100 words",
}
"""Fault -> what it means, in the order in which they are looked for."""

SHORT, LONG = 20, 100
"""At least one of the five captions has fewer words than the first and one more than the second; the paper's."""

_CANNOT = r"(cannot|can['\u2019]?t|can not|am unable to|am not able to|won['\u2019]t|will not)"
_REFUSAL = re.compile(
    rf"\b(i('| a|\u2019)?m (very |so )?sorry|i apologi[sz]e|i {_CANNOT}|i do(n['\u2019]t| not) (see|have|know)"
    r"|as an ai\b|unable to (assist|help|comply|process|view|see|access|describe|provide)|language model"
    rf"|{_CANNOT} (assist|help|comply|view|see|process|describe|be (determined|provided))"
    r"|against (my|the) (policy|policies|guidelines)|content (policy|cannot be)|(please|kindly) (provide|upload|share)"
    r"|(no|not enough) (video|images?|frames?|pictures?|information) ((was|were|is|are) )?(provided|available|given))",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"</?[a-z][a-z0-9]*( [^<>]*)?/?>|```|https?://|\bwww\.\w|\{\s*\"|\"\s*:\s*[\"\[{]|^\s*[\[{].*[\]}]\s*$|!\[|\]\("
    r"|\*\*|^#{1,6} |\\n|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}"
    r"|\b(def|function|return|import|select|insert) [\w*]+[ (].*[;:{}()]",
    re.IGNORECASE | re.DOTALL,
)
_LIST = re.compile(r"(^|\n)\s*([-*\u2022]|\d+[.)]) ")
_EXAMPLE = re.compile(
    r"^\W*(\.{2,}|\u2026|string|text|caption( ?\d+)?|placeholder|todo|tbd|n/?a|none|null|undefined|unknown"
    r"|lorem ipsum.*|your (text|caption|answer) here.*)\W*$",
    re.IGNORECASE,
)
_OPEN = frozenset(
    [
        "a", "an", "the", "and", "or", "of", "its", "their", "his", "was", "were", "into", "which", "as", "but", "than",
        "whose",
    ]
)  # fmt: skip
"""Words that no sentence ends with."""

_ABSENT = re.compile(
    r"\b(there (is|are) (no|not any|nothing)\b(?! (longer|more))"
    r"|no (other )?(\w+ ){0,2}(is|are|can be) (visible|seen|shown|present)"
    r"|(is|are) (not|never) (visible|shown|seen|present|included|depicted)"
    r"|(cannot|can['\u2019]t|can not) be (seen|made out)"
    r"|without any (visible|other)|absence of|lack(s|ing)? (of )?any)\b",
    re.IGNORECASE,
)
_ECHO_WORDS = 9
"""So many words in a row of the instruction do not get into a caption by chance."""

Foreign = Callable[[str], str]
"""Returns the language of a text where it is surely not the one that is asked for, else an empty text."""


def words(text: str) -> list[str]:
    """Return the words of ``text``: what stands between white space and holds a letter or digit."""
    return [word for word in text.split() if any(letter.isalnum() for letter in word)]


def fault_of(
    text: Any, least: int, most: int, instruction: str = "", allowed: str = "", foreign: Foreign | None = None
) -> str:
    """Return the first fault of a text of ``least`` to ``most`` words, or an empty text.

    Args:
        text: what the model gave for one key, of any type.
        least: fewest words.
        most: most words.
        instruction: what it was told, which it must not give back.
        allowed: a part of the instruction that it may repeat, such as the caption that came with the clip.
        foreign: tells languages; without it only the script is looked at.
    """
    if not isinstance(text, str) or not text.strip():
        return "schema"
    for name, has in _CHECKS:
        if has(text):
            return name
    count = len(words(text))
    if count < least:
        return "too-short"
    if is_repetitive(text):
        return "repeated"
    if count > most:
        return "too-long"
    if _is_cut(text):
        return "truncated"
    if _echoes(text, instruction, allowed):
        return "echo"
    if _ABSENT.search(text):
        return "absence"
    return "language" if _is_foreign(text, foreign) else ""


def faults_of(
    value: Any,
    lengths: Mapping[str, tuple[int, int]],
    instruction: str = "",
    allowed: str = "",
    foreign: Foreign | None = None,
) -> dict[str, str]:
    """Return key -> fault (empty where sound) for an answer that should hold a text for each key of ``lengths``."""
    answer = value if isinstance(value, dict) else {}
    found: dict[str, str] = {}
    seen: set[str] = set()
    for key, (least, most) in lengths.items():
        fault = fault_of(answer.get(key), least, most, instruction, allowed, foreign)
        if not fault:
            plain = " ".join(_plain(answer[key]))
            fault = "twice" if plain in seen else ""
            seen.add(plain)
        found[key] = fault
    return found


def is_repetitive(text: str) -> bool:
    """Tell whether a text stutters.

    One word four times in a row, two or more words three times in a row, or any six words three times or more.
    """
    plain = _plain(text)
    if any(len(set(plain[i : i + 4])) == 1 for i in range(len(plain) - 3)):
        return True
    for size in range(2, min(40, len(plain) // 3) + 1):
        same = 0  # words that are those of `size` words before, in a row
        for i in range(size, len(plain)):
            same = same + 1 if plain[i] == plain[i - size] else 0
            if same >= 2 * size:
                return True
    runs = Counter(tuple(plain[i : i + 6]) for i in range(len(plain) - 5))
    return bool(runs) and max(runs.values()) >= 3


def _is_garbled(text: str) -> bool:
    """Tell broken letters, signs instead of words, and words that are none."""
    if any(not (letter.isprintable() or letter in "\n\t\r") for letter in text) or "\ufffd" in text:
        return True
    letters = sum(letter.isalpha() or letter.isspace() for letter in text)
    pieces = text.split()
    longest = max(len(piece) for piece in pieces)
    if letters < 0.7 * len(text) or not any(letter.isalpha() for letter in text):
        return True
    # Scripts without spaces have long words, too; what language they are is asked elsewhere.
    return longest > 45 and text.isascii()


def _is_markup(text: str) -> bool:
    return bool(_MARKUP.search(text)) or len(_LIST.findall(text)) >= 2 or text.strip().count("\n") >= 3


def _is_example(text: str) -> bool:
    return bool(_EXAMPLE.match(text)) or text.count("...") + text.count("\u2026") >= 4


_CHECKS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("refusal", lambda text: bool(_REFUSAL.search(text))),
    ("echo", _is_example),
    ("instructs", instructs),
    ("markup", _is_markup),
    ("garbled", _is_garbled),
)


def _is_cut(text: str) -> bool:
    """Tell whether a text ends at dots, at a sign that something follows, or after a word that none ends with."""
    bare = text.rstrip()
    if bare.endswith(("...", "\u2026", ",", ":", "(", "[", "&", "/", " -", "\u2013", "\u2014")):
        return True
    last = re.search(r"(?<!['\"\u2019\u201d])\b([a-z]+)$", bare)
    return last is not None and last[1] in _OPEN


def _is_foreign(text: str, foreign: Foreign | None) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    if sum(letter < "\u0250" for letter in letters) < 0.8 * len(letters):
        return True
    return foreign is not None and bool(foreign(text))


def _plain(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())  # noqa: RUF001


def _echoes(text: str, instruction: str, allowed: str) -> bool:
    told, own, free = _plain(instruction), _plain(text), _plain(allowed)
    if len(own) < _ECHO_WORDS or len(told) < _ECHO_WORDS:
        return False

    def runs(row: list[str]) -> set[tuple[str, ...]]:
        return {tuple(row[i : i + _ECHO_WORDS]) for i in range(len(row) - _ECHO_WORDS + 1)}

    return bool(runs(own) & (runs(told) - runs(free)))
