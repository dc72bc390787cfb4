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
class Subject:
    """Of whom a text speaks.

    Attributes:
        color: of the thing; empty for nobody that is known. was: its colour before it last turned.
        mention: how many were spoken of before it.
    """

    color: str = ""
    was: str = ""
    mention: int = 0

    def next(self, color: str = "") -> Subject:
        """Return another one, of whom the text speaks from here on."""
        return Subject(color, "", self.mention + 1)


@dataclass(frozen=True)
class Told:
    """An event.

    Attributes:
        by: whose it is.
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
    by: Subject = Subject()


def told_events(text: str, subject: Subject | None = None) -> tuple[list[Told], Subject]:
    """Return the events of a text in its order, and of whom it spoke last.

    Args:
        text: in small letters, without what it only quotes or denies (`synflow.claims.plain`).
        subject: of whom the text before it spoke last.
    """
    found: list[Told] = []
    who = subject or Subject()
    for begin, clause in _clauses(text):
        verb, kind = _verb(clause)
        head = clause[: verb.start()] if verb else clause
        named = {
            match[1]
            for match in _NAMED.finditer(head)
            if not _BEHIND.search(head[: match.start()]) and colors_of(match[0]) == {match[1]}
        }
        if len(named) == 1:
            who = who.next(named.pop())
        elif named or not (_SAME.match(head) if verb else _GOES_ON.match(clause)):
            who = who.next()
        if verb is None or kind is None:
            continue
        if kind == "turn":
            told, who = _turn(verb, begin, who)
            found.append(told)
            continue
        way = _way(kind, verb, clause)
        found.append(Told(kind, who.color, begin + verb.start(), begin + verb.end(), way, by=who))
        # "turns green while sliding left" is cut before "sliding"; "slides left and turns from red to green" is not.
        if kind == "slide" and (turn := _TURNS.search(clause, verb.end())):
            told, who = _turn(turn, begin, who)
            found.append(told)
    return found, who


def _turn(verb: re.Match[str], begin: int, who: Subject) -> tuple[Told, Subject]:
    """Return the event that something turns another colour, and the same thing afterwards."""
    before, after = verb[1] or who.color, verb[2]
    told = Told("turn", before, begin + verb.start(), begin + verb.end(), "", after, who)
    return told, Subject(after, before, who.mention)


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
