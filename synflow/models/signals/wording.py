"""Handling of a caption that people wrote: as a sentence of its own, shortened at a joint, or as keywords."""

from __future__ import annotations

import re

_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an the and or but nor of in on at by to from with without into onto over under through across along around "
        "behind beside besides between beyond near next above below up down off out inside outside towards toward "
        "past against among before after during while when where as than then that which who whom whose this these "
        "those there here it its is are was were be been being am do does did has have had having he she they them "
        "his her their him i you we our my your me us one another other each both all some any no not so very such "
        "only just also too still again together himself herself itself themselves s straight first slowly "
        "quickly front otherwise back away forth several for if because until another's",
    )
)
_VERBS = {
    "appear": "", "appears": "", "begins": "", "starts": "", "keeps": "", "gets": "", "goes": "", "makes": "",
    "takes": "", "seen": "", "shown": "", "shows": "", "seems": "", "looks": "", "stays": "", "puts": "", "gives": "",
    "walks": "walking", "walk": "walking", "runs": "running", "run": "running", "sits": "sitting", "sit": "sitting",
    "stands": "standing", "stand": "standing", "talks": "talking", "talk": "talking", "plays": "playing",
    "play": "playing", "rides": "riding", "ride": "riding", "drives": "driving", "drive": "driving",
    "moves": "moving", "move": "moving", "turns": "turning", "waves": "waving", "opens": "opening",
    "closes": "closing", "eats": "eating", "drinks": "drinking", "jumps": "jumping", "jump": "jumping",
    "dances": "dancing", "dance": "dancing", "swims": "swimming", "swim": "swimming", "flies": "flying",
    "fly": "flying", "cooks": "cooking", "cuts": "cutting", "pours": "pouring", "sings": "singing", "sing": "singing",
    "reads": "reading", "writes": "writing", "holds": "holding", "hold": "holding", "throws": "throwing",
    "catches": "catching", "kicks": "kicking", "hits": "hitting", "shoots": "shooting", "shoot": "shooting",
    "pass": "passing", "passes": "passing", "climbs": "climbing", "falls": "falling", "crawls": "crawling",
    "feeds": "feeding", "floats": "floating", "cleans": "cleaning", "washes": "washing", "works": "working",
    "inspects": "inspecting", "nibbles": "nibbling", "carves": "carving", "tosses": "tossing", "lifts": "lifting",
    "lowers": "lowering", "lays": "laying", "rearrange": "rearranging", "practises": "practising",
    "watches": "watching", "watch": "watching", "scrolls": "scrolling", "glides": "gliding", "crosses": "crossing",
    "enters": "entering",  "bounces": "bouncing", "grows": "growing", "shrinks": "shrinking",
    "slides": "sliding", "collides": "colliding", "collide": "colliding", "spins": "spinning", "pans": "panning",
    "tilts": "tilting", "zooms": "zooming", "points": "pointing", "smiles": "smiling", "laughs": "laughing",
    "taps": "tapping", "types": "typing", "typed": "typing", "uses": "using", "wears": "wearing", "trails": "",
    "reaches": "reaching", "straightens": "", "switches": "switching", "performs": "performing", "drops": "dropping",
    "changes": "changing", "vanishes": "vanishing", "fades": "fading", "stops": "stopping", "frets": "",
    "overlooking": "", "titled": "", "comes": "", "come": "", "go": "", "make": "", "take": "", "look": "",
    "picks": "picking", "pulls": "pulling", "pushes": "pushing", "demonstrates": "demonstrating",
    "explains": "explaining",
    "speaks": "speaking", "speak": "speaking", "prepares": "preparing", "adds": "adding", "mixes": "mixing",
}  # fmt: skip
"""Finite verbs that captions use -> the form that goes with keywords; empty where it says nothing alone."""

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
        bool(set(words) & set(_VERBS)) and words[0] not in ("in", "on", "at", "from", "with") and "between" not in words
    )


def phrases(caption: str) -> list[str]:
    """Return what a caption is about, in phrases of one to four words, in the order of the caption."""
    found: list[str] = []
    run: list[str] = []
    caption = re.sub(r"\bblack and white\b", "black-and-white", caption, flags=re.IGNORECASE)

    def close() -> None:
        text = " ".join(run[-4:])
        if run and text.lower() not in (known.lower() for known in found):
            found.append(text)
        run.clear()

    for index, raw in enumerate(re.findall(r"[\w'\u2019-]+|[.,;:!?()]", caption)):
        word = raw.strip("'\u2019-")
        low = word.lower()
        if not word or low in _STOP or not word[0].isalnum():
            close()
        elif low in _VERBS:
            close()
            if _VERBS[low]:
                run.append(_VERBS[low])
                close()
        else:
            run.append(low if index == 0 else word)
    close()
    return found
