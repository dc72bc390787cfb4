"""Texts that say a part of what a caption says: the order of events, one event of several, the camera, the theme.

They are cut from captions, never written anew, so they are as true as these. A made negative says what is then false:
the events the other way round, or a thing in a colour that nothing in the clip has.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from stages.rules.kinship import COLOR_NAMES, colored
from synflow.records import Domain

Kind = Literal["order", "event", "camera", "theme"]

DOMAINS: dict[Kind, Domain] = {"order": "t", "camera": "t", "event": "pr", "theme": "pr"}
"""The ability of UVRB that a text of each kind trains."""

FEWEST, MOST = 5, 40
"""Words of such a text; ours."""

FEWEST_CAMERA = 8
"""Words of one on the camera: that it pans to the right alone fits too many videos."""

_BARE_CAMERA = re.compile(
    r"\b(?:an?|the|and|then|with|to|on|of|in|at|by|it|its|as|while|from|camera|view|shot|picture|frame|scene|whole|clip"
    r"|is|moves?|moving|motion|pans?|panning|tilts?|tilting|zooms?|zooming|pulls?|turns?|turning|follows?|tracks?|left"
    r"|right|up|down|upwards?|downwards?|in|out|back|away|closer|forwards?|slowly|quickly|gently|steadily|slightly"
    r"|a bit|first|later|end|start|beginning|time|along|goes|on|throughout)\b|[^\w\s]",
    re.IGNORECASE,
)
"""Words that speak of the camera alone: what is left over says of what it is."""

_LINK = re.compile(
    r"\s*(?:[,;]\s*(?:and\s+)?(?:then|next|finally|in the end|later|afterwards|after which|after that)\b,?"
    r"|\s(?:and\s+)?then\b|\sbefore\b)\s+",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"(?:an?|the|one|two|three|four|five|six|several|many|some|another)\s", re.IGNORECASE)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|he|him|his|she|her|hers|itself|himself|herself|themselves|again|same|other|others"
    r"|too|also|both|this|that|these|those|back)\b",
    re.IGNORECASE,
)
_HANGING = re.compile(
    r"^(?:it|they|he|she|this|that|these|those|then|next|after|afterwards|meanwhile|later|finally|at last|in the end"
    r"|first|before|but|and|so|also|there)\b",
    re.IGNORECASE,
)
_CAMERA = re.compile(
    r"\b(?:camera|view|shot)\b[\w ,]{0,30}\b(?:pans?|panning|tilts?|tilting|zooms?|zooming|pulls? (?:back|away|out)"
    r"|moves? (?:in|closer|forward|towards)|turns?|turning|follows?|following|dolly|dollies|tracks?|tracking)\b"
    r"|\b(?:pans|tilts|zooms) (?:to the )?(?:left|right|up|down|in|out)\b",
    re.IGNORECASE,
)
_TITLE = re.compile('[\u201c\u201d"\u2018]')


class Part(NamedTuple):
    """A part of a caption: what it speaks of, and the text."""

    kind: Kind
    text: str


def parts(text: str, *, abstract: bool = False) -> list[Part]:
    """Return the texts that can be cut from a caption, each of which stands by itself.

    Args:
        text: a caption.
        abstract: whether it speaks of the whole and its mood; its first sentence is then the theme.
    """
    found: list[Part] = []
    sentences = _sentences(text)
    for sentence in sentences:
        if not _fits(sentence) or _HANGING.match(sentence):
            continue
        clauses = events(sentence)
        if clauses:
            found += [Part("event", said) for said in map(_sentence, clauses) if _fits(said)]
            if len(sentences) > 1:
                found.append(Part("order", sentence))
        if _CAMERA.search(sentence) and len(sentence.split()) >= FEWEST_CAMERA and _shows(sentence):
            found.append(Part("camera", sentence))
    if abstract and len(sentences) > 1 and _fits(sentences[0]) and not _HANGING.match(sentences[0]):
        found.append(Part("theme", sentences[0]))
    return list(dict.fromkeys(found))


def events(text: str) -> list[str]:
    """Return the clauses in which a text of one sentence tells what happens in turn; empty where it does not.

    Each must have a subject of its own and point back to none of the others.
    """
    bare = " ".join(text.split()).rstrip(".")
    if len(_sentences(text)) != 1 or _TITLE.search(bare):
        return []
    clauses = [clause.strip(" ,;") for clause in _LINK.split(bare)]
    whole = all(_SUBJECT.match(clause) and len(clause.split()) >= 4 for clause in clauses)
    if len(clauses) < 2 or not whole or any(_POINTS_BACK.search(clause) for clause in clauses):
        return []
    for place, clause in enumerate(clauses):
        named = {word for other in clauses[:place] for word in other.lower().split()}
        if any(noun in named for noun in re.findall(r"\bthe (?:\w+ )?(\w+)", clause.lower()) if noun not in _FIXED):
            return []
    return clauses


_FIXED = frozenset({"left", "right", "top", "bottom", "middle", "camera", "view", "picture", "frame", "edge", "side"})
"""Nouns with an article that need not have been named before."""


def reversed_order(text: str) -> str:
    """Return a text of one sentence with its events told the other way round; empty where it tells no order."""
    clauses = events(text)
    if not clauses:
        return ""
    turned = [_lower(clause) for clause in reversed(clauses)]
    return _sentence(", then ".join([turned[0], *turned[1:]]))


def recolored(text: str, seen: Sequence[str], rng: random.Random) -> str:
    """Return a text with the colour of one thing changed to one that nothing has; empty where there is none such.

    Args:
        text: a caption.
        seen: the colours that the pictures of its clip show.
        rng: draws the thing and the colour.
    """
    held = colored(text)
    free = [color for color in COLOR_NAMES if color not in seen and not re.search(rf"\b{color}\b", text, re.IGNORECASE)]
    if not held or not free:
        return ""
    thing = rng.choice(sorted(held))
    pattern = re.compile(rf"(?:\b(an?) )?\b{held[thing]}\b(?= {re.escape(thing)})", re.IGNORECASE)
    color = rng.choice(free)

    def changed(match: re.Match[str]) -> str:
        if not match[1]:
            return color.capitalize() if match[0][0].isupper() else color
        article = "an" if color[0] in "aeiou" else "a"
        return f"{article.capitalize() if match[1][0].isupper() else article} {color}"

    said, number = pattern.subn(changed, text)
    return said if number else ""


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[A-Z\u201c])", " ".join(text.split())) if part]


def _shows(text: str) -> bool:
    """Tell whether a text on the camera names what is seen by it, too."""
    return len(_BARE_CAMERA.sub(" ", text).split()) >= 2


def _fits(text: str) -> bool:
    return FEWEST <= len(text.split()) <= MOST and not _TITLE.search(text)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def _lower(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text[0].lower() + text[1:] if _SUBJECT.match(f"{first} ") else text


def kinds_of(found: Sequence[Part]) -> Iterator[tuple[Kind, list[Part]]]:
    """Yield each kind that is there with its texts, in a fixed order."""
    for kind in DOMAINS:
        if own := [part for part in found if part.kind == kind]:
            yield kind, own
