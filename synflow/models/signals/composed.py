"""Queries that go with a picture or a clip: what of it stays, and what differs in the target."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synflow.media.findings import Findings
from synflow.models.signals.content import Content, shows
from synflow.models.signals.differences import Change, action, looks, shift
from synflow.models.signals.elsewhere import MANNER
from synflow.models.signals.space import dominant, named_colors, spatial
from synflow.models.signals.wording import count

_IMAGE = {
    "identity-action": (
        "The view in this picture with {anchor}, at a moment when {wish}.",
        "The place in this picture, with {anchor}, while {wish}.",
        "From the scene in this picture with {anchor}, the moment when {wish}.",
    ),
    "identity-scene": (
        "This scene with {anchor}, but now {wish}.",
        "What this picture shows, with {anchor}, at a time when {wish}.",
        "The same surroundings as here, with {anchor}, except that {wish}.",
    ),
    "identity-negative": (
        "The view in this picture with {anchor}, but {wish}.",
        "This scene with {anchor}, only {wish}.",
    ),
    "relational": (
        "A scene laid out like this picture, with {anchor}, in which {wish}.",
        "The arrangement of this picture, with {anchor}, in a clip where {wish}.",
    ),
}
_NAMED_IMAGE = {
    "identity-action": (
        "The scene of the {name}, here with {anchor}, at a moment when {wish}.",
        "This scene of the {name}, with {anchor}, in a part where {wish}.",
    ),
    "identity-scene": (
        "The same scene of the {name}, here with {anchor}, but now {wish}.",
        "The scene of the {name}, shown here with {anchor}, at a time when {wish}.",
    ),
    "identity-negative": (
        "The same scene of the {name}, here with {anchor}, but {wish}.",
        "The scene of the {name}, shown here with {anchor}, only {wish}.",
    ),
    "relational": ("The scene of the {name}, much as in this picture with {anchor}, in a part where {wish}.",),
}
"""They speak of the scene: one picture of it need not show what the caption names."""
_SHOT_IMAGE = ("Another shot from the video of the {name} that this picture with {anchor} is from, {link} {wish}.",)
_UNNAMED_SHOT_IMAGE = ("Another shot from the video that this picture with {anchor} is from, {link} {wish}.",)
_SAME_SHOT_IMAGE = ("This shot with {anchor}, from a longer video of the {name}, {link} {wish}.",)
_VIDEO = {
    "continuation": ("The scene with {name}, a little later, when {wish}.", "The scene with {name}, later on, {tail}."),
    "viewpoint": (
        "Another view of the scene with {name}, where {wish}.",
        "Another view of the scene with {name}, {tail}.",
    ),
    "condition": ("This scene with {name}, but now {wish}.", "The scene with {name}, now {tail}."),
    "variation": ("This scene with {name}, except that {wish}.",),
}
_NAMED_VIDEO = {
    "continuation": (
        "The same {name}, a little later, when {wish}.",
        "What comes next with the {name}, when {wish}.",
        "The same {name}, a little later, {tail}.",
    ),
    "viewpoint": ("Another view of the {name}, where {wish}.", "Another view of the {name}, {tail}."),
    "condition": ("The same {name}, but now {wish}.", "The same {name}, now {tail}."),
    "variation": ("The same {name} again, except that {wish}.", "The same {name}, except that {wish}."),
}
_SHOT_VIDEO = (
    "Another shot from the video of the {name}, where {wish}.",
    "Another shot of the {name} video, {tail}.",
)
_UNNAMED_SHOT_VIDEO = ("Another shot of this video, {tail}.", "Another shot of this video, where {wish}.")
_SAME_SHOT_VIDEO = ("This shot from the video of the {name}, when {wish}.", "This {name} video, now {tail}.")


def image_query(
    reference: Findings, target: Findings, facts: Mapping[str, Any], strategy: str, rng: random.Random
) -> dict[str, str] | None:
    """Return a query of at most 50 words that leads from a picture to a clip; None where nothing can be told.

    The query names something that the picture shows and a difference that was measured, so that it says nothing
    without the picture, and the picture alone does not tell which moment is meant. Where the strategy asked for has
    nothing to stand on, another one is taken and named.
    """
    anchor = _anchor(reference, rng)
    changes = [*looks(reference, target), *action(target, facts)]
    if not anchor or not any(change.alone for change in changes):
        return None
    # One that says little alone may follow another, never lead.
    changes.sort(key=lambda change: not change.alone)
    fitting = {
        "identity-action": [change.clause for change in _led(changes, "action")],
        "identity-scene": [change.clause for change in _led(changes, "look")],
        "identity-negative": [change.without for change in changes if change.without],
        "relational": [change.clause for change in changes],
    }
    order = [strategy, "identity-action", "identity-scene", "relational"]
    chosen = next(name for name in order if fitting.get(name))
    wishes = fitting[chosen]
    wish = wishes[0] if len(wishes) == 1 or rng.random() < 0.4 else f"{wishes[0]} and {wishes[1]}"
    content = _content(reference, target, facts)
    name = _name(content).removeprefix("scene with the ")
    forms: Sequence[str] = _NAMED_IMAGE[chosen] if name else _IMAGE[chosen]
    if facts.get("same_clip") is False:
        # The shots of one video need have nothing in common but the video.
        forms = _SHOT_IMAGE if name else _UNNAMED_SHOT_IMAGE
    elif name and content.longer:
        forms = _SAME_SHOT_IMAGE
    link = "but" if chosen == "identity-negative" else "where"
    query = rng.choice(forms).format(name=name, anchor=anchor, wish=wish, link=link)
    return {"query": query, "strategy": chosen} if count(query) <= 50 else None


def _content(reference: Findings, target: Findings, facts: Mapping[str, Any]) -> Content:
    """Return what the caption names; where it is of a longer video and both are parts of one shot, what both may show.

    That is to stay the same between them, and the caption may speak of another shot.
    """
    content = Content.of(str(facts.get("source_caption") or ""), facts)
    if not content.longer or facts.get("same_clip") is False:
        return content
    return content.where(lambda color: shows(reference, color) and shows(target, color))


def _name(content: Content, most: int = 8) -> str:
    """Return what stays the same, by name; empty where that is only how it is shown, as ``the flat animation``."""
    name = content.identity(most)
    return "" if name and name.split()[-1].lower() in MANNER else name


def _led(changes: Sequence[Change], kind: str) -> list[Change]:
    """Return the changes of a kind, then the others; none where the kind has none that can lead."""
    first = [change for change in changes if change.kind == kind and change.alone]
    return [*first, *(change for change in changes if change not in first)] if first else []


def video_query(
    reference: Findings, target: Findings, facts: Mapping[str, Any], relation: str, rng: random.Random
) -> dict[str, str] | None:
    """Return a query of 5 to 15 words that leads from one clip to another; None where nothing can be told."""
    seen = list(looks(reference, target))
    told = {change.clause for change in action(reference, {})}
    # What could be said of the reference as well does not tell the target from it.
    done = [change for change in action(target, {}) if change.alone and change.clause not in told]
    done = [*shift(reference, target, facts), *done]
    apart = float((np.abs(reference.middle - target.middle) > 0.08).mean())
    follows = target.times[0] >= reference.times[-1]
    fitting = {
        "continuation": [*done, *seen] if follows else [],
        "viewpoint": seen if apart >= 0.5 else [],
        "condition": seen,
        "variation": done if apart < 0.5 else [],
    }
    content = _content(reference, target, facts)
    names = list(dict.fromkeys(name for most in (8, 4, 2) if (name := _name(content, most))))
    anchor = "" if names else _anchor(reference, rng)
    if facts.get("same_clip") is False:
        names = [name.removeprefix("scene with the ") for name in names]
        shots: tuple[str, ...] = _UNNAMED_SHOT_VIDEO if anchor else _SHOT_VIDEO
    else:
        shots = _SAME_SHOT_VIDEO if content.longer and names else ()
    for kind in (relation, "continuation", "condition", "variation"):
        for wish in fitting.get(kind, []):
            for name in names or [anchor] * bool(anchor):
                forms = list(shots or (_VIDEO[kind] if anchor else _NAMED_VIDEO[kind]))
                rng.shuffle(forms)
                fitting_forms = (form for form in forms if wish.tail or "{tail}" not in form)
                queries = (form.format(name=name, wish=wish.clause, tail=wish.tail) for form in fitting_forms)
                query = next((text for text in queries if 5 <= count(text) <= 15), "")
                if query:
                    return {"query": query, "relation": kind}
    return None


def _anchor(reference: Findings, rng: random.Random) -> str:
    """Return one concrete attribute of the reference: a colour and where, best where it is special."""
    found = [
        said.phrase.removeprefix("with ")
        for said in spatial(reference)
        if said.topic.startswith(("halves", "patch", "middle", "gathered")) and said.phrase.startswith("with ")
    ]
    if found:
        return found[rng.randrange(min(2, len(found)))]
    main = dominant(reference)
    if main:
        return f"{main} over most of it"
    held = named_colors(reference)
    if held:
        return f"its {held[0]} and {held[1]} parts" if len(held) >= 2 else f"its {held[0]} parts"
    if all(seen.colorless for seen in reference.looks):
        return "its shades of grey"
    sides = [said for said in spatial(reference) if said.topic.startswith("brightness-") and said.phrase]
    return sides[0].phrase.removeprefix("with ") if sides else ""
