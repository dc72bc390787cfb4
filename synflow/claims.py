"""Reads from an English text what can be measured in pictures: colours, black and white, night, sun, snow, water.

It is cautious: a word counts only where it plainly says how something looks. ``white wine``, ``brown hair``,
``Green Bay``, ``no red``, ``like a red rose``, ``green with envy``, ``the sign for 'night'`` claim nothing.
"""

from __future__ import annotations

import re

CLAIMS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
    "colourless", "dark", "sunny", "snow", "underwater",
)  # fmt: skip
"""All claims on looks that are known, in the order of the axes of the embedder's space."""

_COLOR = frozenset(CLAIMS[:10])

_WORD = re.compile(r"\S+")
_AFTER = frozenset(
    _WORD.findall(
        """
        wine tea coffee pepper peppers bean beans bread rice meat chocolate onion onions cabbage card cards cross tape
        light lights hair haired hairs head heads headed eye eyes eyed skin skinned skins man men woman women guy guys
        girl girls boy boys person people male males female females lady ladies lives matter noise tint tinted tinge
        tinged ish juice county market magic hole humor humour belt screen screens house energy collar whale whales
        panda pandas bear bears eagle eagles widow mamba bird birds moon giant giants dwarf bull bulls hat friday
        monday board room blood blonde sox mosque bay fox foxes deer squirrel squirrels cat cats wings army carpet
        handed alert chip chips slip lie lies sheep area zone pages fever ocean sea berries metal revolution party
        peace cheese salad jay devils
        """
    )
)
"""Words that make the colour before them a kind, a name or a trait of people, whose pixels may look otherwise."""

_DENIED = frozenset(
    _WORD.findall(
        """
        no not without never neither nor isn't wasn't aren't non none nothing instead than except lacks lacking minus
        mr mrs ms dr professor feel feels feeling felt like resembling resembles resemble
        """
    )
)
"""Words before a colour by which it is denied, only compared with, part of a name, or a mood."""
_DIM = frozenset({"dark", "darkish", "navy", "midnight", "deep", "pale", "light", "faded", "dirty", "off", "dull"})
_FADES = frozenset({"green", "blue", "purple", "brown", "black", "white"})
"""Colours that may look nearly black, white or grey after a word of `_DIM`; a dark red still looks red."""

_MONOCHROME = re.compile(
    r"\b(?:in|shot in|filmed in) (?:black[- ]and[- ]white|b ?& ?w|monochrome|greyscale|grayscale)\b(?![- ]\w)"
    r"|\b(?:black[- ]and[- ]white|monochrome|greyscale|grayscale)(?: silent)?(?:[- ]film)?[- ]"
    r"(?:film|footage|video|movie|photo|photograph|picture|image|clip|scene|shot|animation|cartoon)s?\b",
    re.IGNORECASE,
)
_ANY_PAIR = re.compile(r"\bblack[- ]and[- ]white\b|\bblack ?& ?white\b", re.IGNORECASE)
_FIGURES = re.compile(
    r"\b(?:out of the blue|in the (?:red|black|pink)|green with envy|once in a blue moon|black out|code red"
    r"|(?:as \w+|red|orange|yellow|green|blue|purple|pink|brown|black|white) as (?:an? |the )?\w+"
    r"|colou?r (?:grading|correction))\b",
    re.IGNORECASE,
)

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
_QUOTED = re.compile(
    r"(?<!\w)(['\"\u2018\u201c\u00ab])[^'\"\u2018\u2019\u201c\u201d\u00ab\u00bb]{1,80}['\"\u2019\u201d\u00bb](?!\w)"
)
_DENIAL = re.compile(
    r"\b(?:no|not|never|without|nor|neither|nothing|cannot|\w+n['\u2019]t|instead of|rather than|except for"
    r"|as if|as though|like an?|like the|pretend\w* to|seems? to|about to|want\w* to|tr(?:y|ies|ying) to|going to)\b"
    r"[^.,;:!?]*",
    re.IGNORECASE,
)
_ONLY = re.compile(r"\bnothing (?:but|other than|except)\b", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z']+|[.!?:;,]")


def plain(text: str) -> str:
    """Return a text without what is only quoted, denied, compared with, pretended or intended, up to the next comma.

    ``A dog jumps, not like the red one`` gives ``A dog jumps, ``: what is left is what the text asserts.
    """
    return _DENIAL.sub(" ", _FIGURES.sub(" ", _QUOTED.sub(" ", _ONLY.sub("only", text))))


def claims_of(text: str) -> tuple[str, ...]:
    """Return the claims of a text on looks, in the order of `CLAIMS`; empty where it makes none."""
    bare = plain(text)
    found = {name for name, pattern in _PHRASES.items() if pattern.search(bare)}
    if _MONOCHROME.search(bare):
        # What such a text says of colours, it says of shades of grey.
        return tuple(c for c in CLAIMS if c in (found & {"dark", "sunny", "snow"}) | {"colourless"})
    found |= colors_of(bare)
    return tuple(c for c in CLAIMS if c in found)


def colors_of(text: str) -> set[str]:
    """Return the colours that a text says something has."""
    return {color for color, faint in _told(text) if not faint}


def faint_colors_of(text: str) -> set[str]:
    """Return the colours that a text says something has, though dark or pale, so that little may be seen of them."""
    return {color for color, faint in _told(text) if faint}


def _told(text: str) -> set[tuple[str, bool]]:
    tokens = _TOKEN.findall(_ANY_PAIR.sub("black and white", text))
    found = set()
    for place, token in enumerate(tokens):
        color = token.lower()
        if color not in _COLOR:
            continue
        before = {t.lower() for t in tokens[max(0, place - 3) : place]}
        named = not text.isupper() and _is_name(tokens, place)
        if not (named or before & _DENIED or _is_kind(tokens, place)):
            found.add((color, color in _FADES and place > 0 and tokens[place - 1].lower() in _DIM))
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
