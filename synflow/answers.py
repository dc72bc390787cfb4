"""Checks on what a model wrote, each fault with its name; the same for every model.

========== ==================================================================
fault      the text
========== ==================================================================
schema     is not there, or is not a text
too-short  has fewer words than asked for
too-long   has more
refusal    declines the task instead of doing it
repeated   says the same words over and over
echo       gives back what it was told
language   is mostly not in Latin letters
twice      is that of an earlier key of the same answer
========== ==================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

FAULTS = ("schema", "too-short", "too-long", "refusal", "repeated", "echo", "language", "twice")

_REFUSAL = re.compile(
    r"\b(i('| a)?m sorry|i (cannot|can't|am unable|am not able)|as an ai\b|unable to (assist|help|comply)"
    r"|cannot (assist|help|comply)|language model)",
    re.IGNORECASE,
)
_ECHO_WORDS = 9
"""So many words in a row of the instruction do not get into a caption by chance."""


def words(text: str) -> list[str]:
    """Return the words of ``text``: what stands between white space and holds a letter or digit."""
    return [word for word in text.split() if any(letter.isalnum() for letter in word)]


def fault_of(text: Any, least: int, most: int, instruction: str = "", allowed: str = "") -> str:
    """Return the first fault of a text of ``least`` to ``most`` words, or an empty text.

    Args:
        text: what the model gave for one key, of any type.
        least: fewest words.
        most: most words.
        instruction: what it was told, which it must not give back.
        allowed: a part of the instruction that it may repeat, such as the caption that came with the clip.
    """
    if not isinstance(text, str) or not text.strip():
        return "schema"
    count = len(words(text))
    if _REFUSAL.search(text):
        return "refusal"
    if count < least:
        return "too-short"
    if count > most:
        return "too-long"
    if is_repetitive(text):
        return "repeated"
    if _echoes(text, instruction, allowed):
        return "echo"
    letters = [letter for letter in text if letter.isalpha()]
    if sum(letter < "\u0250" for letter in letters) < 0.8 * len(letters):
        return "language"
    return ""


def faults_of(
    value: Any, lengths: Mapping[str, tuple[int, int]], instruction: str = "", allowed: str = ""
) -> dict[str, str]:
    """Return key -> fault (empty where sound) for an answer that should hold a text for each key of ``lengths``."""
    answer = value if isinstance(value, dict) else {}
    found: dict[str, str] = {}
    seen: set[str] = set()
    for key, (least, most) in lengths.items():
        fault = fault_of(answer.get(key), least, most, instruction, allowed)
        if not fault:
            plain = " ".join(_plain(answer[key]))
            fault = "twice" if plain in seen else ""
            seen.add(plain)
        found[key] = fault
    return found


def is_repetitive(text: str) -> bool:
    """Tell whether a text stutters: one word four times in a row, or one run of six words three times or more."""
    plain = _plain(text)
    if any(len(set(plain[i : i + 4])) == 1 for i in range(len(plain) - 3)):
        return True
    runs = Counter(tuple(plain[i : i + 6]) for i in range(len(plain) - 5))
    return bool(runs) and max(runs.values()) >= 3


def _plain(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())  # noqa: RUF001


def _echoes(text: str, instruction: str, allowed: str) -> bool:
    told, own, free = _plain(instruction), _plain(text), _plain(allowed)
    if len(own) < _ECHO_WORDS or len(told) < _ECHO_WORDS:
        return False

    def runs(row: list[str]) -> set[tuple[str, ...]]:
        return {tuple(row[i : i + _ECHO_WORDS]) for i in range(len(row) - _ECHO_WORDS + 1)}

    return bool(runs(own) & (runs(told) - runs(free)))
