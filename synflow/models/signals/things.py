"""Finds what a caption names: ``a two-humped camel``, ``a bowl of dark broth``, or bare keywords."""

from __future__ import annotations

import re

from synflow.media.colors import COLORS
from synflow.models.signals.lexicon import PAST, STOP, VERBS

_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = frozenset({"one", "two", "three", "four", "five", "six", "several", "many"})
_OPENERS = _ARTICLES | _NUMBERS
_OTHER_OPENERS = frozenset({"his", "her", "its", "their", "another", "some", "each", "every", "no", "my"})
_VIEWS = frozenset(
    {"view", "views", "shot", "shots", "look", "ride", "tilt", "pan", "close-up", "closeup", "clip", "video", "footage",
     "scene", "scenes", "recording", "time-lapse", "timelapse"}
)  # fmt: skip
"""Heads that name a way of seeing: they say something only with what follows them."""
_VAGUE = frozenset(
    {"air", "way", "back", "front", "side", "sides", "time", "top", "moment", "sign", "end", "camera", "background",
     "foreground", "distance", "middle", "center", "centre", "action", "manner", "bottom", "edge", "frame", "picture",
     "screen", "lot", "bit", "place", "row", "left", "right", "day", "night", "use", "other", "others", "same", "rest",
     "command", "opening", "bend", "fraction", "times", "cut"}
)  # fmt: skip
_EMPTY = frozenset(
    {"air", "top", "camera", "back", "front", "middle", "sign", "way", "place", "opening", "edge", "close", "close-up",
     "closeup", "cut", "slow motion", "footage", "clip", "video", "view", "shot"}
)  # fmt: skip
"""What is no keyword by itself."""
_ABSENT = frozenset({"no", "not", "without", "like", "as", "about", "for", "if", "before", "until", "off"})
"""Words after which a thing is named that need not be there."""
_JOINING = frozenset({"in", "with"})
_NOT_VERBS = frozenset({"sports", "news", "windows", "gas", "arts", "games", "series", "lens", "christmas", "canvas"})
_NOT_PARTICIPLES = frozenset(
    re.findall(
        r"\w+",
        "red bed shed sled seed weed speed breed feed building ring ceiling railing wing king string spring evening "
        "morning clothing painting wedding crossing lightning dressing icing frosting swing moped biped",
    )
)
_PLURALS = frozenset({"men", "women", "children", "people", "fish", "sheep", "mice", "feet"})
_QUOTED = re.compile(r"(?<!\w)(['\"\u2018\u201c])[^'\"\u2018\u2019\u201c\u201d]{1,80}['\"\u2019\u201d](?!\w)")
_TOKEN = re.compile(r"[\w'\u2019-]+|[.,;:!?()|]")


def things(caption: str) -> list[str]:
    """Return the things that a caption names with an article or a number, in its order and its words.

    ``A man in a blue shirt keeps a white football in the air`` gives ``a man in a blue shirt``, ``a blue shirt`` and
    ``a white football``. A thing that a caption denies or only compares with is left out.
    """
    tokens = _TOKEN.findall(_QUOTED.sub(" | ", caption))
    found: list[str] = []
    acted = False  # a verb came before: "in" and "with" now belong to that
    place = 0
    while place < len(tokens):
        low = tokens[place].lower()
        denied = place > 0 and tokens[place - 1].lower() in _ABSENT
        if low not in _OPENERS:
            # A new clause has a subject of its own.
            acted = acted and low not in ("while", "whereas", "as", ".", ";")
            acted = acted or low in VERBS or low in PAST
            place += 1
            continue
        text, after, verb = _thing(tokens, place)
        acted = acted or verb
        text = text.replace(" ,", ",")
        head = text.split()[-1].lower() if text else ""
        if text and not denied:
            longer = _lengthened(tokens, text, after, head in _VIEWS) if not acted or head in _VIEWS else ""
            if not _vague(text) and (longer or head not in _VIEWS or " of " in text):
                found.append(longer or text)
        place = max(place + 1, after)
    return list(dict.fromkeys(text[0].lower() + text[1:] for text in found))


def _lengthened(tokens: list[str], text: str, after: int, view: bool) -> str:
    """Return a thing with the one that directly follows it: ``a man in a blue shirt``; empty where none does."""
    joins = {"over", "at", "on", "of", "towards", *_JOINING} if view else _JOINING
    if after + 1 < len(tokens) and tokens[after].lower() in joins and tokens[after + 1].lower() in _ARTICLES:
        second, _, _ = _thing(tokens, after + 1)
        if second and not _vague(second):
            return f"{text} {tokens[after]} {second}"
    return ""


def _thing(tokens: list[str], start: int) -> tuple[str, int, bool]:
    """Return the thing that opens at ``start``, where it ends, and whether a verb was cut off its end."""
    end = _run(tokens, start + 1)
    following = tokens[end].lower() if end < len(tokens) else "."
    if tokens[0].lower() in ("in", "on", "at", "from") and following in _OPENERS:
        following = ","  # "In a terminal window the command ...": a subject follows, not an object
    words, cut = _trimmed(tokens[start:end], following, start == 0)
    if start and tokens[start - 1].lower() == "and" and len(words) > 2 and f"{words[-1].lower()}s" in VERBS:
        words, cut = words[:-1], True  # "chopsticks and a spoon lift"
    if len(words) < 2:
        return "", end, cut
    if not cut and end + 1 < len(tokens) and tokens[end].lower() == "of":
        begin = end + 1
        if tokens[begin].lower() in _ARTICLES:
            inner, last, cut = _thing(tokens, begin)
            # "the top of an orange track" is the track.
            vague = _vague(" ".join(words)) or words[-1].lower() in ("top", "back", "edge", "middle", "opening")
            return (inner if vague else f"{' '.join(words)} of {inner}") if inner else " ".join(words), last, cut
        last = _run(tokens, begin)
        more, cut = _trimmed(["the", *tokens[begin:last]], tokens[last].lower() if last < len(tokens) else ".", False)
        if len(more) > 1:
            return f"{' '.join(words)} of {' '.join(more[1:])}", last, cut
    return " ".join(words), end, cut


def _run(tokens: list[str], place: int) -> int:
    """Return where the row of describing and naming words that begins at ``place`` ends."""
    colors, start = frozenset(COLORS), place
    while place < len(tokens):
        low = tokens[place].lower()
        joined = place + 1 < len(tokens) and tokens[place - 1].lower() in colors and tokens[place + 1].lower() in colors
        if low in ("and", ",") and joined:  # "a red, white and blue ball"
            place += 1
        elif low in VERBS and low in _VIEWS and place > start and tokens[start - 1].lower() in ("a", "an"):
            place += 1  # "a short handheld look"
        elif low in STOP or low in VERBS or low in PAST or low in _OPENERS or not low[0].isalnum():
            break
        else:
            place += 1
    return place


def _trimmed(words: list[str], following: str, opens: bool) -> tuple[list[str], bool]:
    """Cut verbs off the end of a row of words that begins with an article; tell whether something was cut."""
    first, size = words[0].lower(), len(words)
    if first in ("a", "an", "one"):
        # After "a", a word that ends in s is a verb, but for a few: "a man strums".
        ends = [i for i, word in enumerate(words) if i >= 2 and _in_s(word)]
        words = words[: ends[0]] if ends else words
    elif first in _NUMBERS:
        ends = [i for i, word in enumerate(words) if i >= 1 and (_in_s(word) or word.lower() in _PLURALS)]
        words = words[: ends[-1] + 1] if ends else words
    elif opens and size > 2 and _in_s(words[-1]):
        words = words[:-1]
    if len(words) == size and size > 2 and following in _OPENERS | _OTHER_OPENERS:
        words = words[:-1]  # "two men lift | a box"
    while len(words) > 2 and _participle(words[-1]):
        words = words[:-1]
    return words, len(words) < size or following in VERBS or following in PAST


def _vague(text: str) -> bool:
    """Tell whether a thing with its article says too little to be looked for: ``the air``, ``a moment``."""
    words = text.lower().split()
    bare = len(words) == 2 or words[0] == "the"
    return "of" not in words and (words[-1] in ("background", "foreground") or (bare and words[-1] in _VAGUE))


def _in_s(word: str) -> bool:
    low = word.lower()
    return low.endswith("s") and not low.endswith(("ss", "us", "is", "'s", "\u2019s")) and low not in _NOT_VERBS


def _participle(word: str) -> bool:
    low = word.lower()
    return low in ("open", "shut") or (low.endswith(("ing", "ed", "ly")) and low not in _NOT_PARTICIPLES)


def phrases(caption: str) -> list[str]:
    """Return what a caption is about, in phrases of one to four words, in the order of the caption."""
    found: list[str] = []
    run: list[str] = []
    caption = re.sub(r"\bblack and white\b", "black-and-white", caption, flags=re.IGNORECASE)

    def close() -> None:
        while run and run[-1].lower() == "full":
            run.pop()
        text = " ".join(run[-4:])
        if run and text.lower() not in _EMPTY and text.lower() not in (known.lower() for known in found):
            found.append(text)
        run.clear()

    for index, raw in enumerate(re.findall(r"[\w'\u2019-]+|[.,;:!?()]", caption)):
        word = raw.strip("'\u2019-")
        low = word.lower()
        if not word or low in STOP or not word[0].isalnum():
            close()
        elif low in VERBS:
            close()
            if VERBS[low]:
                run.append(VERBS[low])
                close()
        else:
            run.append(low if index == 0 else word)
    close()
    return found
