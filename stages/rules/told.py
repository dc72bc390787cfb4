"""What a caption tells of coloured things, in its order: they come, go, cross, grow, shrink, turn a colour, move a way.

Who does it is named, or is the one of whom the caption spoke just before: ``a red car slows down, and then leaves to
the left``. Where two colours are named it is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from synflow.claims import colors_of
from synflow.media.colors import COLORS

Kind = Literal["come", "go", "cross", "grow", "shrink", "turn", "slide"]

_COLOR = "|".join(COLORS)
_SIDE = "left|right|top|bottom|above|below"
_WAYS = {
    "left": "left", "right": "right", "top": "up", "above": "up", "bottom": "down", "below": "down", "up": "up",
    "down": "down", "upward": "up", "upwards": "up", "downward": "down", "downwards": "down",
}  # fmt: skip
"""A side or a way as captions name it -> the way on which something goes there."""

OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}

JOINT = re.compile(
    r"[.;,]|\b(?:and then|then|before|after which|after that|finally|next|in the end|later|while|whereas|as)\b", re.I
)
LINK = re.compile(r"\b(?:then|before|after which|after that|finally|next|in the end|later)\b", re.IGNORECASE)
REVERSED = re.compile(r"\b(?:after (?!which|that|a cut)|once |when |as soon as |previously|earlier)", re.IGNORECASE)

_MOVES = r"(?:walk|run|drive|slide|fl(?:y|ie)|roll|ride|swim|move|glide|step|jump|crawl|travel|drift|float|sail)e?s"
_COMES = re.compile(
    rf"\b(?:enters|appears|arrives|emerges|comes (?:in|into|down|up)|drops in|rises into|{_MOVES} (?:in|into))\b"
    r"(?! (?:his|her|its|their)\b)"
)
_GOES = re.compile(
    rf"\b(?:exits|disappears|vanishes|(?:{_MOVES}|goes|sinks|rises) (?:out|off)\b(?: of)?"
    r"|leaves(?=$|[ ]*[.;,]| (?:to|on|at|through|by|over|and|before|while|from) |"
    r" the (?:picture|frame|view|scene|shot|screen|image)))"
)
_CROSSES = re.compile(rf"\b(?:crosses|passes|(?:{_MOVES}|climbs|falls) (?:across|past|through))\b")
_GROWS = re.compile(r"\b(?:grows(?! (?:in|on|out|up)\b)|swells|expands|gets (?:much |a lot |far )?(?:bigger|larger))\b")
_SHRINKS = re.compile(r"\b(?:shrinks|dwindles|contracts|gets (?:much |a lot |far )?smaller)\b")
_TURNS = re.compile(
    rf"\b(?:turn(?:s|ing)|chang(?:es|ing)(?: colou?r)?|becom(?:es|ing))(?: from ({_COLOR}))?(?: in| to| into)*"
    rf" ({_COLOR})\b(?! \w+(?:s|er)\b)"
)
_SLIDES = re.compile(
    rf"\b(?:{_MOVES}|(?:walk|runn|driv|slid|fly|roll|rid|swimm|mov|glid|crawl|travel|drift|float|sail)ing)"
    r"(?: slowly| quickly| steadily)? (?:to the |toward the |towards the )?"
    r"(left|right|up|down|upwards?|downwards?)\b(?! (?:of|in|into|out|at|on|the|a)\b)"
)
_VERBS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("turn", _TURNS), ("go", _GOES), ("come", _COMES), ("cross", _CROSSES), ("grow", _GROWS), ("shrink", _SHRINKS),
    ("slide", _SLIDES),
)  # fmt: skip
_FROM = re.compile(rf"\bfrom (?:the )?({_SIDE})(?: side| edge)?\b(?! of\b)")
_FROM_TO = re.compile(rf"\b(?:from (?:the )?({_SIDE}) (?:side )?)?to (?:the )?({_SIDE})\b")
_AT = re.compile(rf"\b(?:to|on|at|through|by|over) (?:the )?({_SIDE})\b(?! of\b)")
_OUT = {"rises out": "up", "sinks out": "down"}

_NAMED = re.compile(
    rf"(?<![\w-])(?:an?|the|one|another) (?:now )?(?:(?!(?:of|in|with|on|at|by|to|and)\b)[\w-]+ ){{0,2}}?"
    rf"({_COLOR}) [\w-]+"
)
_BEHIND = re.compile(r"\b(?:against|front of|behind|before|of|with|on|over|under|in|into|from|to|and|see) $")
_SAME = re.compile(r"^(?:\s|and\b|it\b|then\b|also\b|next\b|finally\b|slowly\b|quickly\b)*$")
_GOES_ON = re.compile(
    r"^\s*(?:(?:and|it|then|also|next|first|finally|later|meanwhile|at|in|on|against|with|under|behind|over|for|during|from"
    r"|to|by|through|near)\b|\w+(?:s|ing|ly)\b)"
)
"""A clause without a subject of its own: where something is, when, or what else the same one does."""


@dataclass(frozen=True)
class Told:
    """An event.

    Attributes:
        color: of the thing, before the event; empty where it is not known.
        into: of ``turn``: the colour afterwards.
        way: where it comes from (the side), goes out at, or moves to; empty where it is not told.
        begin, end: where in the text it is told.
    """

    kind: Kind
    color: str
    begin: int
    end: int
    way: str = ""
    into: str = ""


def told_events(text: str, subject: str = "") -> tuple[list[Told], str]:
    """Return the events of a text in its order, and the colour of whom it spoke last.

    Args:
        text: in small letters, without what it only quotes or denies (`synflow.claims.plain`).
        subject: colour of whom the text before it spoke last; empty for nobody.
    """
    found: list[Told] = []
    for begin, clause in _clauses(text):
        verb, kind = _verb(clause)
        head = clause[: verb.start()] if verb else clause
        named = [
            match[1]
            for match in _NAMED.finditer(head if verb else clause)
            if not _BEHIND.search(head[: match.start()]) and colors_of(match[0]) == {match[1]}
        ]
        if len(set(named)) == 1:
            subject = named[0]
        elif named or not (_SAME.match(head) if verb else _GOES_ON.match(clause)):
            subject = ""
        if verb is None or kind is None:
            continue
        into = verb[2] if kind == "turn" else ""
        color = verb[1] or subject if kind == "turn" else subject
        way = _way(kind, verb, clause)
        found.append(Told(kind, color or "", begin + verb.start(), begin + verb.end(), way, into))
        subject = into or subject
        # "turns green while sliding left" is cut before "sliding"; "slides left and turns from red to green" is not.
        if kind == "slide" and (turn := _TURNS.search(clause, verb.end())):
            found.append(Told("turn", turn[1] or color or "", begin + turn.start(), begin + turn.end(), "", turn[2]))
            subject = turn[2]
    return found, subject


def _clauses(text: str) -> Iterator[tuple[int, str]]:
    begin = 0
    for match in JOINT.finditer(text):
        if text[begin : match.start()].strip():
            yield begin, text[begin : match.start()]
        begin = match.end()
    if text[begin:].strip():
        yield begin, text[begin:]


def _verb(clause: str) -> tuple[re.Match[str] | None, Kind | None]:
    """Return the first verb of a clause that tells an event."""
    matches = [(match.start(), place) for place, (_, verb) in enumerate(_VERBS) if (match := verb.search(clause))]
    if not matches:
        return None, None
    start, place = min(matches)
    kind, verb = _VERBS[place]
    return verb.search(clause, start), kind


def _way(kind: Kind, verb: re.Match[str], clause: str) -> str:
    rest = clause[verb.start() :]
    if kind == "slide":
        return _WAYS[verb[1]]
    if kind == "come":
        told = _FROM.search(rest)
        return _WAYS[told[1]] if told else ""
    if kind == "go":
        told = _AT.search(rest)
        return _WAYS[told[1]] if told else next((way for words, way in _OUT.items() if rest.startswith(words)), "")
    if kind == "cross":
        told = _FROM_TO.search(rest)
        return _WAYS[told[2]] if told and (not told[1] or _WAYS[told[1]] == OPPOSITE[_WAYS[told[2]]]) else ""
    return ""
