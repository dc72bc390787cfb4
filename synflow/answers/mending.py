"""What is said to a model whose answer had faults, when it is asked once more.

Nothing of the faulty answer itself is said back: it may hold anything. The note names keys, faults and lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synflow.answers.faults import words

MENDABLE = frozenset({"answer-schema", "answer-truncated", "answer-refused"})
"""Refusals of a backend after which it may help to ask again, with the fault named."""

_WHOLE: Mapping[str, str] = {
    "answer-schema": "it was not the JSON object that is asked for",
    "answer-truncated": "it was cut off because it was too long: keep within the numbers of words",
    "answer-refused": "it declined the task: describe only what can be seen",
    "none-short": "none of the texts had fewer than 20 words",
    "none-long": "none of the texts had more than 100 words",
}
_PART: Mapping[str, str] = {
    "schema": "is missing or is not a text",
    "refusal": "declined the task, or spoke of what you cannot do, instead of describing",
    "garbled": "was not plain writing",
    "markup": "held markup, code, an address or line breaks",
    "instructs": "gave instructions instead of describing",
    "truncated": "ended in the middle of a sentence",
    "repeated": "said the same words over and over",
    "echo": "repeated these instructions",
    "absence": "said what is absent, missing or not visible",
    "language": "was not in English",
    "twice": "was the same text as another one",
}


def mending(faults: Mapping[str, str], lengths: Mapping[str, tuple[int, int]], value: Any = None) -> str:
    """Return the note on the faults of an answer; empty where there are none.

    Args:
        faults: key of the answer -> fault; under an empty key what is wrong with the whole.
        lengths: key -> (least, most) words.
        value: the answer, of which words are counted.
    """
    said = [f"the answer as a whole: {_WHOLE[code]}" for code in faults.get("", "").split() if code in _WHOLE]
    said += [f'"{key}" {_of(key, fault, lengths, value)}' for key, fault in faults.items() if key and fault]
    if not said:
        return ""
    return f"An earlier answer to this had faults. Write all of it anew, without them: {'; '.join(said)}."


def _of(key: str, fault: str, lengths: Mapping[str, tuple[int, int]], value: Any) -> str:
    if fault not in ("too-short", "too-long"):
        return _PART.get(fault, "could not be used")
    least, most = lengths[key]
    text = value.get(key) if isinstance(value, dict) else ""
    return f"had {len(words(text if isinstance(text, str) else ''))} words and must have {least} to {most}"
