"""Queries that lead from a picture or a clip to another video: what both have, and what only the target has.

What both have must be measured in both, or named by both captions; what differs must be measured, or named by the
caption of the target and not by that of the reference. A text names as little of the target as tells it from others of
its kind: with more of it nobody would need the picture.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synflow.media.findings import Findings
from synflow.models.signals.content import SHADES, shows
from synflow.models.signals.differences import action, looks
from synflow.models.signals.space import dominant, named_colors, spatial
from synflow.models.signals.things import things
from synflow.models.signals.wording import count

_IMAGE: Mapping[str, tuple[str, ...]] = {
    "scene": (
        "A scene that looks like this picture, with {anchor}, but with {own} in it.",
        "Surroundings like those in this picture, with {anchor}, where {own} can be seen.",
        "A place much like this one, with {anchor}, in a video with {own}.",
    ),
    "subject": (
        "The {shared} of this picture, but in a scene where {wish}.",
        "Another video with the kind of {shared} that is seen here, only that {wish}.",
    ),
    "attribute": (
        "What this picture shows, but with a {new} {thing} instead of the {old} one.",
        "A video like this picture, in which the {thing} is {new} rather than {old}.",
    ),
}
_VIDEO: Mapping[str, tuple[str, ...]] = {
    "scene": ("A scene that looks like this one, but with {own}.", "Surroundings like these, now with {own}."),
    "subject": ("The {shared} of this clip, in a scene where {wish}.", "This kind of {shared}, but where {wish}."),
    "attribute": (
        "Like this clip, but with a {new} {thing} instead of {old}.",
        "The same, only the {thing} is {new}, not {old}.",
    ),
}
_STRATEGY = {"scene": "identity-action", "subject": "identity-scene", "attribute": "identity-negative"}
_RELATION = {"scene": "variation", "subject": "condition", "attribute": "variation"}
_TOLD = {
    "scene": ("scene", "attribute", "subject"),
    "subject": ("subject",),
    "attribute": ("attribute", "scene", "subject"),
}
"""What may be told of which partner: only of one that looks alike that it does, or that it is like it but for one."""
_TURNS = re.compile(rf"\b(?:turn|chang|becom)(?:s|es|ing)\b.*\b(?:{'|'.join(sorted(SHADES))})\b", re.IGNORECASE)
"""A caption by which a thing has two colours; which of them is meant then?"""
_ARTICLES = frozenset({"a", "an", "the", "one"})
MANNER = frozenset(
    {"animation", "scene", "style", "light", "colors", "colours", "color", "colour", "drawing", "film", "footage",
     "video", "clip", "picture", "view", "shot", "camera", "frame", "cut", "fraction", "size",
     "spot", "side", "edge", "corner", "middle", "center", "centre", "distance", "direction", "way", "time", "moment",
     "while", "beginning", "end", "half", "part"}
)  # fmt: skip
"""Heads that name how, where or when something is shown, not what: a ball bounces on the spot."""


@dataclass(frozen=True)
class Thing:
    """A thing that a caption names: its last word, and the words before it, without the article."""

    head: str
    traits: tuple[str, ...]
    phrase: str

    @property
    def bare(self) -> str:
        """Without its article."""
        return " ".join((*self.traits, self.head))


def named(caption: str) -> list[Thing]:
    """Return the single things that a caption names: ``a small red circle`` of ``a small red circle in the grass``."""
    found = []
    for phrase in things(caption):
        words = phrase.split()
        stop = next((i for i, word in enumerate(words) if word in ("in", "of", "with", "over", "at", "on")), len(words))
        if words[0].lower() in _ARTICLES and 2 <= stop <= 5 and words[stop - 1].lower() not in MANNER:
            found.append(Thing(words[stop - 1].lower(), tuple(w.lower() for w in words[1 : stop - 1]), phrase))
    return found


def image_query(
    reference: Findings, target: Findings, facts: Mapping[str, Any], strategy: str, rng: random.Random
) -> dict[str, str] | None:
    """Return a query of at most 50 words that leads from a picture to another video; None where nothing can be told."""
    query = _query(reference, target, facts, rng, _IMAGE, 50)
    if query is None:
        return None
    kind, text = query
    return {"query": text, "strategy": strategy if strategy == "relational" and kind == "scene" else _STRATEGY[kind]}


def video_query(
    reference: Findings, target: Findings, facts: Mapping[str, Any], relation: str, rng: random.Random
) -> dict[str, str] | None:
    """Return a query of 5 to 15 words that leads from a clip to another video; None where nothing can be told."""
    query = _query(reference, target, facts, rng, _VIDEO, 15)
    return None if query is None else {"query": query[1], "relation": _RELATION[query[0]]}


def _query(
    reference: Findings,
    target: Findings,
    facts: Mapping[str, Any],
    rng: random.Random,
    forms: Mapping[str, Sequence[str]],
    most: int,
) -> tuple[str, str] | None:
    """Return the kind of a query and its text: of the kind of the partner where it can be told, else of another one."""
    # A caption of a longer video need not be true of this part of it.
    here = named(str(facts.get("reference_caption") or "")) if facts.get("reference_scope") != "video" else []
    there = named(str(facts.get("source_caption") or "")) if facts.get("caption_scope") != "video" else []
    turns = any(_TURNS.search(str(facts.get(name) or "")) for name in ("reference_caption", "source_caption"))
    first = str(facts.get("kinship"))
    tellers = {"attribute": _attribute, "scene": _scene, "subject": _subject}
    for kind in _TOLD[first]:
        if turns and kind != "scene":
            continue
        told = tellers[kind](reference, target, here, there)
        if told is None:
            continue
        order = list(forms[kind])
        rng.shuffle(order)
        texts = (form.format(**told) for form in order)
        if text := next((text for text in texts if 5 <= count(text) <= most), ""):
            return kind, text
    return None


def _attribute(
    reference: Findings, target: Findings, here: Sequence[Thing], there: Sequence[Thing]
) -> dict[str, str] | None:
    """Tell the one trait in which a thing of the target differs from that of the reference, both seen as colours.

    All else must be alike as far as its colours tell, and what is ruled out must not be there.
    """
    if not _anchor(reference, target):
        return None
    for old in here:
        for new in there:
            before, after = set(old.traits) - set(new.traits), set(new.traits) - set(old.traits)
            if old.head != new.head or len(before & SHADES) != 1 or len(after & SHADES) != 1:
                continue
            if sum(one.head == new.head for one in there) > 1 or sum(one.head == old.head for one in here) > 1:
                continue  # of two circles, which is meant?
            first, second = (before & SHADES).pop(), (after & SHADES).pop()
            if shows(reference, first) and shows(target, second) and not shows(target, first):
                return {"thing": new.head, "old": first, "new": second}
    return None


def _scene(
    reference: Findings, target: Findings, here: Sequence[Thing], there: Sequence[Thing]
) -> dict[str, str] | None:
    """Tell what both pictures look like, and a thing that only the caption of the target names."""
    anchor = _anchor(reference, target)
    told = {one.bare for one in here}
    # "a man" alone fits too many videos.
    own = [one for one in there if one.traits and one.bare not in told]
    own = [one for one in own if one.head not in {other.head for other in here}] or [
        one for one in own if set(one.traits) & SHADES
    ]
    own = [one for one in own if all(shows(target, trait) for trait in set(one.traits) & SHADES)]
    if not anchor or not own:
        return None
    chosen = own[0]
    article = chosen.phrase.split()[0].lower()
    return {"anchor": anchor, "own": f"{article} {chosen.bare}"}


def _subject(
    reference: Findings, target: Findings, here: Sequence[Thing], there: Sequence[Thing]
) -> dict[str, str] | None:
    """Tell a thing that both captions name, and how the target looks different.

    It is named by its kind alone: its colour and size are in the picture, and a text with them would find the target
    among all things of that colour without it.
    """
    shared = next(
        (new for new in there for old in here if new.head == old.head and set(new.traits) & set(old.traits)),
        next((new for new in there for old in here if new.head == old.head and not _clash(new, old)), None),
    )
    changes = [change for change in (*looks(reference, target), *action(target, {})) if change.alone]
    if shared is None or not changes:
        return None
    if any(sum(one.head == shared.head for one in part) > 1 for part in (here, there)):
        return None  # of two circles, which is meant?
    twin = next(old for old in here if old.head == shared.head)
    common = [trait for trait in shared.traits if trait in twin.traits]
    if not all(shows(part, trait) for part in (reference, target) for trait in set(common) & SHADES):
        return None
    return {"shared": shared.head, "wish": changes[0].clause}


def _clash(one: Thing, other: Thing) -> bool:
    """Tell whether two things are of two colours."""
    return bool(set(one.traits) & SHADES) and bool(set(other.traits) & SHADES)


def _anchor(reference: Findings, target: Findings) -> str:
    """Return what is measured of both alike: colours and where they are; empty where there is nothing."""
    both = {said.phrase for said in spatial(target)}
    for said in spatial(reference):
        if said.phrase in both and said.topic.startswith(("halves", "middle", "gathered", "patch")):
            return said.phrase.removeprefix("with ")
    main = dominant(reference)
    if main and main == dominant(target):
        return f"{main} over most of it"
    shared = [color for color in named_colors(reference) if color in named_colors(target)]
    return f"much {shared[0]}" if shared else ""
