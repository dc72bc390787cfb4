"""Handling of a caption that people wrote: as a sentence of its own, or shortened at a joint."""

from __future__ import annotations

import re

from synflow.models.signals.lexicon import VERBS

_JOINTS = re.compile(
    r"(?:;|,|:| while| whereas| before| after| until| as| and then| then| in front of| in| on| at| near| beside|"
    r" next to| with| under| underneath| through| along| over| above| behind| towards?| into| against| during)(?= )"
)
_BARE_ENDS = frozenset(re.findall(r"\w+", "a an the of to and or with in on at by from is are his her their its"))


def count(text: str) -> int:
    """Return the number of words of ``text``: what stands between white space and holds a letter or digit."""
    return sum(1 for word in text.split() if any(letter.isalnum() for letter in word))


def tidy(caption: str) -> str:
    """Return a caption as a sentence: one line, a capital first, one full stop (or ! ? …) last; empty if unusable.

    A caption whose letters are mostly not Latin is unusable: its words could not be joined with English ones.
    """
    text = " ".join(caption.split()).strip(" -\u2013\u2014\u2022*|,;:")
    letters = [letter for letter in text if letter.isalpha()]
    if sum(letter.isascii() for letter in letters) < max(3, 0.8 * len(letters)):
        return ""
    text = text[0].upper() + text[1:]
    core = text.rstrip("\"'\u201d\u2019)")
    if core[-1:] in ("!", "?", "…"):
        return text
    return text if core.endswith(".") and not core.endswith("..") else text.rstrip(".") + "."


def bare(caption: str) -> str:
    """Return a tidy caption without its final full stop and with inner quotation marks made single."""
    return re.sub(r"[“”\"]", "'", caption[:-1] if caption.endswith(".") else caption)


def shortened(caption: str, least: int, most: int) -> str:
    """Return the longest beginning of a tidy caption that ends at a joint and has ``least`` to ``most`` words.

    What is cut away is an addition (a place, a second clause), so what is left is as true as the whole. Empty where
    there is no such joint.
    """
    if least <= count(caption) <= most:
        return caption
    stops = [match.end() for match in re.finditer(r"[.!?](?= [A-Z])", caption)]
    for stop in reversed(stops):
        if least <= count(caption[:stop]) <= most:
            return caption[:stop]
    head = caption[: stops[0]] if stops else caption
    for match in reversed(list(_JOINTS.finditer(head))):
        kept = head[: match.start()].rstrip(" ,;:")
        if least <= count(kept) <= most and _whole(kept):
            return kept + "."
    return ""


def _whole(text: str) -> bool:
    """Tell whether a beginning of a caption can stand alone: it has a verb, and no loose end."""
    words = [word.strip(",;:.'\"()").lower() for word in text.split()]
    if words[-1] in _BARE_ENDS or text.count("'") % 2 or text.count("(") != text.count(")"):
        return False
    # "between a cat" or "In a dark hall" would be left hanging.
    return (
        bool(set(words) & set(VERBS)) and words[0] not in ("in", "on", "at", "from", "with") and "between" not in words
    )
