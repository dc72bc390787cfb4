"""Queries that go with a picture or a clip: what of it stays, and what differs in the target."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synflow.media.colors import COLORS
from synflow.media.findings import Findings
from synflow.models.signals.motion import temporal
from synflow.models.signals.said import HALVES, direction
from synflow.models.signals.space import dominant, named_colors, spatial
from synflow.models.signals.wording import count


@dataclass(frozen=True)
class Change:
    """A measured difference of the target from the reference.

    Attributes:
        kind: ``look`` (light, colour, place of a colour) or ``action`` (movement, camera).
        clause: a clause with subject and verb, for example ``the view is darker``.
        without: the same as a trait ruled out, for example ``not as bright``; empty where that cannot be said.
    """

    kind: str
    clause: str
    without: str = ""


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
_VIDEO = {
    "continuation": (
        "What comes next, when {wish}.",
        "A little later, when {wish}.",
        "The part that follows, where {wish}.",
    ),
    "viewpoint": ("The same scene seen anew, where {wish}.", "Another view of it, where {wish}."),
    "condition": ("The same scene, but now {wish}.", "This scene again, when {wish}."),
    "variation": ("Nearly the same action, but {wish}.", "Much like this, except that {wish}."),
}


def image_query(
    reference: Findings, target: Findings, facts: Mapping[str, Any], strategy: str, rng: random.Random
) -> dict[str, str] | None:
    """Return a query of at most 50 words that leads from a picture to a clip; None where nothing can be told.

    The query names something that the picture shows and a difference that was measured, so that it says nothing
    without the picture, and the picture alone does not tell which moment is meant. Where the strategy asked for has
    nothing to stand on, another one is taken and named.
    """
    anchor = _anchor(reference, rng)
    changes = [*_looks(reference, target), *_action(target, facts)]
    if not any(change.kind == "action" for change in changes):
        changes += _place(reference, target)
    if not anchor or not changes:
        return None
    fitting = {
        "identity-action": [change.clause for change in changes if change.kind == "action"],
        "identity-scene": [change.clause for change in changes if change.kind == "look"],
        "identity-negative": [change.without for change in changes if change.without],
        "relational": [change.clause for change in changes if not change.clause.startswith("something has changed")],
    }
    order = [strategy, "identity-action", "identity-scene", "relational"]
    chosen = next(name for name in order if fitting.get(name))
    wishes = fitting[chosen]
    wish = wishes[0] if len(wishes) == 1 or rng.random() < 0.5 else f"{wishes[0]} and {wishes[1]}"
    query = rng.choice(_IMAGE[chosen]).format(anchor=anchor, wish=wish)
    return {"query": query, "strategy": chosen} if count(query) <= 50 else None


def video_query(
    reference: Findings, target: Findings, facts: Mapping[str, Any], relation: str, rng: random.Random
) -> dict[str, str] | None:
    """Return a query of 5 to 15 words that leads from one clip to another; None where nothing can be told."""
    looks = [change.clause for change in _looks(reference, target)]
    action = [change.clause for change in _shift(reference, target)]
    action += [change.clause for change in _action(target, {}) if change.clause not in _told(reference)]
    apart = float((np.abs(reference.middle - target.middle) > 0.08).mean())
    follows = target.times[0] >= reference.times[-1]
    fitting = {
        "continuation": [*action, *looks] if follows else [],
        "viewpoint": looks if apart >= 0.5 else [],
        "condition": looks,
        "variation": action if apart < 0.5 else [],
    }
    for name in (relation, "continuation", "condition", "variation"):
        for wish in fitting.get(name, []):
            forms = list(_VIDEO[name])
            rng.shuffle(forms)
            for form in forms:
                query = form.format(wish=wish)
                if 5 <= count(query) <= 15:
                    return {"query": query, "relation": name}
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


def _looks(reference: Findings, target: Findings) -> Iterator[Change]:
    """Yield differences in place of a colour, light and colour, most telling first."""
    for color in COLORS:
        old = [patch for seen in reference.looks for patch in seen.patches if patch.color == color]
        new = [patch for seen in target.looks for patch in seen.patches if patch.color == color]
        if len(old) < len(reference.looks) or len(new) < len(target.looks):
            continue
        across = float(np.mean([p.x for p in new]) - np.mean([p.x for p in old]))
        down = float(np.mean([p.y for p in new]) - np.mean([p.y for p in old]))
        if direction((0.0, 0.0), (across, down), 0.12):
            sideways = "further to the right" if across > 0 else "further to the left"
            upright = "lower down" if down > 0 else "higher up"
            yield Change("look", f"the {color} is {sideways if abs(across) >= abs(down) else upright}")
    gap = float(np.mean([seen.light for seen in target.looks]) - np.mean([seen.light for seen in reference.looks]))
    if abs(gap) >= 0.06:
        more, less = ("brighter", "dark") if gap > 0 else ("darker", "bright")
        yield Change("look", f"the view is {more}", f"not as {less}")
    gains = {color: target.mean(color) - reference.mean(color) for color in COLORS}
    up, down_to = max(COLORS, key=lambda color: gains[color]), min(COLORS, key=lambda color: gains[color])
    if gains[up] >= 0.07 and gains[down_to] <= -0.07:
        yield Change("look", f"there is more {up} and less {down_to}", f"without so much {down_to}")
    elif gains[up] >= 0.06:
        yield Change("look", f"there is more {up} in view")
    elif gains[down_to] <= -0.06:
        yield Change("look", f"there is less {down_to} in view", f"without so much {down_to}")


def _action(target: Findings, facts: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what happens in the target: things that travel, the camera, where the movement is."""
    # The facts are of the whole clip: its camera is that of every part, its paths and cuts are not.
    camera = {"camera": facts["camera"]} if facts.get("camera") and not facts.get("cuts") else {}
    for said in temporal(target, camera):
        if said.topic == "way" and said.phrase.startswith("in which "):
            yield Change("action", said.phrase.removeprefix("in which "))
        elif said.topic == "camera" and said.phrase.startswith("as "):
            yield Change("action", said.phrase.removeprefix("as "))
        elif said.topic == "light-change" and said.phrase.startswith("that "):
            yield Change("action", f"the view {said.phrase.removeprefix('that ')}")
        elif said.topic == "color-change" and said.phrase.startswith("in which "):
            yield Change("action", said.phrase.removeprefix("in which "))
        elif said.topic == "where" and said.weight >= 0.7:
            yield Change("action", f"there is movement {said.phrase.removeprefix('with movement ')}")


def _place(reference: Findings, target: Findings) -> Iterator[Change]:
    """Yield where the target differs from a picture, when the surroundings are the same."""
    differs = np.abs(reference.middle - target.middle) > 0.1
    share = float(differs.mean())
    if not 0.01 <= share <= 0.3:
        return
    x, y = (np.arange(64) + 0.5) / 64, ((np.arange(64) + 0.5) / 64)[:, None]
    sides = {"left": x < 0.5, "right": x >= 0.5, "top": y < 0.5, "bottom": y >= 0.5}
    parts = {side: float((differs & mask).sum() / differs.sum()) for side, mask in sides.items()}
    side = max(parts, key=lambda name: parts[name])
    if parts[side] >= 0.75:
        yield Change("action", f"something has changed in the {HALVES[side]}")


def _shift(reference: Findings, target: Findings) -> Iterator[Change]:
    """Yield how the movement of the target differs from that of the reference."""
    if not reference.steps or not target.steps:
        return
    before, after = float(np.mean(reference.steps)), float(np.mean(target.steps))
    if max(before, after) >= 0.03 and min(before, after) * 1.6 <= max(before, after):
        yield Change("action", "there is more movement" if after > before else "there is less movement")
    if max(reference.border, target.border) <= 0.1 and min(before, after) >= 0.004:
        old, new = (max(HALVES, key=lambda side: part.change_of[side]) for part in (reference, target))
        clear = reference.change_of[old] >= 0.62 and target.change_of[new] >= 0.62
        if clear and old != new and target.change_of[old] <= 0.5:
            yield Change("action", f"the movement is mainly in the {HALVES[new]}")


def _told(reference: Findings) -> set[str]:
    """Return what could be said of the reference as well, and so does not tell the target from it."""
    return {change.clause for change in _action(reference, {})}
