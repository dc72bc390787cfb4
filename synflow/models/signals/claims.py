"""Reads from an English text what can be measured in pictures: colours, black and white, night, sun, snow, water.

It is cautious: a word counts only where it plainly says how something looks. ``white wine``, ``brown hair``,
``Green Bay``, ``no red``, ``the sign for 'night'`` claim nothing.
"""

from __future__ import annotations

import re

CLAIMS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
    "colourless", "dark", "sunny", "snow", "underwater",
)  # fmt: skip
"""All claims that are known, in the order of the axes of the embedder's space."""

_COLOR = frozenset(CLAIMS[:10])

_WORD = re.compile(r"\S+")
_AFTER = frozenset(
    _WORD.findall(
        """
        wine tea coffee pepper peppers bean beans bread rice meat chocolate onion onions cabbage card cards cross tape
        light lights hair haired hairs eye eyes eyed skin skinned man men woman women guy guys girl girls boy boys
        person people male males female females lady lives matter noise tint tinted tinge tinged ish juice county
        market magic hole humor belt screen house energy collar whale panda bear eagle widow mamba bird moon giant
        dwarf bull hat friday board room blood blonde
        """
    )
)
"""Words that make the colour before them a kind, a name or a trait of people, whose pixels look otherwise."""

_BEFORE = frozenset(_WORD.findall("no not without never neither nor isn't wasn't aren't non mr mrs ms dr professor"))

_MONOCHROME = re.compile(
    r"\b(?:in|shot in|filmed in) (?:black[- ]and[- ]white|b ?& ?w|monochrome|greyscale|grayscale)\b(?![- ]\w)"
    r"|\b(?:black[- ]and[- ]white|monochrome|greyscale|grayscale)(?: silent)?(?:[- ]film)?[- ]"
    r"(?:film|footage|video|movie|photo|photograph|picture|image|clip|scene|shot|animation|cartoon)s?\b",
    re.IGNORECASE,
)
_ANY_PAIR = re.compile(r"\bblack[- ]and[- ]white\b|\bblack ?& ?white\b", re.IGNORECASE)

_PHRASES: dict[str, re.Pattern[str]] = {
    "dark": re.compile(
        r"\b(?:at|by|during the|late at) night(?!-)\b|\bnight[- ]?time\b|\bnight (?:sky|scene|shot|street|view)\b"
        r"|\bin (?:the |complete |total )?dark(?:ness)?\b(?! [a-z])|\bstarry sky\b",
        re.IGNORECASE,
    ),
    "sunny": re.compile(
        r"\b(?:sunny|sunlit|sun-drenched|broad daylight|bright daylight|bright sunlight|bright sunshine)\b",
        re.IGNORECASE,
    ),
    "snow": re.compile(
        r"\b(?:in|through|on|over|under|of|deep|fresh|white|falling) (?:the )?snow\b(?!-)"
        r"|\bsnow(?:y|-covered|-capped| covered| field| storm)\b",
        re.IGNORECASE,
    ),
    "underwater": re.compile(r"\b(?:underwater|under ?-?water|under the (?:water|sea))\b", re.IGNORECASE),
}
_QUOTED = re.compile(r"(?<!\w)(['\"\u2018\u201c])[^'\"\u2018\u2019\u201c\u201d]{1,80}['\"\u2019\u201d](?!\w)")
_TOKEN = re.compile(r"[A-Za-z']+|[.!?:;,]")


def claims_of(text: str) -> tuple[str, ...]:
    """Return the measurable claims of a text, in the order of `CLAIMS`; empty where it makes none."""
    bare = _QUOTED.sub(" ", text)
    found = {name for name, pattern in _PHRASES.items() if pattern.search(bare)}
    if _MONOCHROME.search(bare):
        # What such a text says of colours, it says of shades of grey.
        return tuple(c for c in CLAIMS if c in (found & {"dark", "sunny", "snow"}) | {"colourless"})
    found |= _colors(_ANY_PAIR.sub("black and white", bare))
    return tuple(c for c in CLAIMS if c in found)


def _colors(text: str) -> set[str]:
    """Return the colours that a text says something has."""
    tokens = _TOKEN.findall(text)
    found = set()
    for place, token in enumerate(tokens):
        color = token.lower()
        if color not in _COLOR:
            continue
        before = {t.lower() for t in tokens[max(0, place - 3) : place]}
        if (not text.isupper() and _is_name(tokens, place)) or before & _BEFORE or _is_kind(tokens, place):
            continue
        found.add(color)
    return found


def _is_name(tokens: list[str], place: int) -> bool:
    """Tell whether a capital letter makes a colour a name: ``Mr Brown``, ``Green Bay``."""
    if not tokens[place][0].isupper():
        return False
    opens = place == 0 or tokens[place - 1] in {".", "!", "?", ":"}
    return not opens or (place + 1 < len(tokens) and tokens[place + 1][0].isupper())


def _is_kind(tokens: list[str], place: int) -> bool:
    """Tell whether the word after the colours makes them a kind: ``black and white people``, ``red wine``."""
    following = [t.lower() for t in tokens[place + 1 : place + 4]]
    while len(following) > 1 and following[0] in {"and", "or", ","} and following[1] in _COLOR:
        following = following[2:]
    return bool(following) and following[0] in _AFTER
