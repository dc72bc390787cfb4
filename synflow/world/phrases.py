"""Words for what a script holds: movers, settings, camera moves and events, several ways to say each."""

from __future__ import annotations

import random
from collections.abc import Sequence

from synflow.world.script import Background, Camera, Event, Script

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def with_article(phrase: str) -> str:
    """Put ``a`` or ``an`` in front of a phrase."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def joined(parts: Sequence[str]) -> str:
    """Join phrases as in English: ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(text: str) -> str:
    """Make a sentence: a capital at the beginning, a full stop at the end."""
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def color_at(script: Script, mover: int, order: int) -> str:
    """Return the colour of a mover when event ``order`` begins."""
    changes = [e.color for e in script.events if e.kind == "recolor" and e.mover == mover and e.order < order]
    return changes[-1] if changes else script.movers[mover].color


def fresh(script: Script, mover: int) -> str:
    """Return an indefinite name for a mover without its size: ``a red circle``."""
    return with_article(f"{script.movers[mover].color} {script.movers[mover].shape}")


def color_name(background: Background) -> str:
    """Return the main colour of a background with its tone, for example ``dark grey``."""
    tone = {"pale": "pale ", "deep": "dark "}.get(background.tone, "")
    return f"{tone}{background.color}"


def paper_name(background: Background) -> str:
    """Return the colour of the paper that a sketch is drawn on, for example ``pale blue``."""
    return f"{'light' if background.color in {'grey', 'brown'} else 'pale'} {background.color}"


def setting(background: Background, style: str, rng: random.Random) -> str:
    """Return a noun phrase for a background that follows ``in front of`` or ``against``."""
    turn = background.turn
    if style == "sketch":
        drawn, sheet = rng.choice(("pencil-drawn", "hand-drawn")), f"{paper_name(background)} paper"
        return {
            "plain": f"a blank sheet of {sheet}",
            "horizon": f"a {drawn} horizon line on {sheet}",
            "stripes": f"{turn} pencil lines on {sheet}",
            "checks": f"a {drawn} checkered grid on {sheet}",
            "waves": f"{drawn} wavy lines on {sheet}",
            "tiles": f"{drawn} tiles on {sheet}",
            "bricks": f"a {drawn} brick wall on {sheet}",
            "dots": f"{drawn} circles on {sheet}",
            "patches": f"winding pencil lines on {sheet}",
            "lines": f"{drawn} bars on {sheet}",
            "rings": f"{drawn} rings on {sheet}",
            "hills": f"{drawn} hills on {sheet}",
        }[background.kind]
    first, second = color_name(background), background.second
    ways = {
        "plain": (with_article(f"plain {first} background"), with_article(f"bare {first} backdrop")),
        "horizon": (
            f"{with_article(first)} wall above {with_article(second)} floor",
            f"{with_article(second)} floor and {with_article(first)} wall",
        ),
        "stripes": (f"{turn} {first} and {second} stripes", f"{turn} stripes in {first} and {second}"),
        "checks": (with_article(f"{first} and {second} checkerboard"), f"checks of {first} and {second}"),
        "waves": (f"wavy {first} and {second} bands", f"waves of {first} and {second}"),
        "tiles": (with_article(f"mosaic of {first} tiles"), with_article(f"{first} tiled wall")),
        "bricks": (with_article(f"{first} brick wall"), with_article(f"wall of {first} bricks")),
        "dots": (
            f"{second} dots on {with_article(first)} ground",
            f"{with_article(first)} backdrop with {second} dots",
        ),
        "patches": (f"blotches of {first} and {second}", with_article(f"blotchy {first} and {second} backdrop")),
        "lines": (
            f"{with_article(first)} backdrop crossed by {second} bars",
            f"{second} bars that criss-cross on {first}",
        ),
        "rings": (f"concentric {first} and {second} rings", f"rings of {first} and {second}"),
        "hills": (f"{second} hills under {with_article(first)} sky", f"{with_article(first)} sky over {second} hills"),
    }
    return rng.choice(ways[background.kind])


def camera_clause(camera: Camera, rng: random.Random) -> str:
    """Return a clause about the camera: ``the camera pans to the right``."""
    if camera.motion == "still":
        return rng.choice(("the camera stays still", "the camera does not move", "the view stays fixed"))
    if camera.motion == "zoom":
        if camera.direction == "in":
            return rng.choice(("the camera zooms in", "the camera pushes in", "the view zooms in"))
        return rng.choice(("the camera zooms out", "the camera pulls back", "the view zooms out"))
    if camera.motion == "pan":
        way = camera.direction
        return rng.choice((f"the camera pans {way}", f"the camera pans to the {way}", f"the view pans to the {way}"))
    return rng.choice((f"the camera tilts {camera.direction}", f"the view tilts {camera.direction}"))


DEEDS = {
    ("enter", "left"): ("slides in from the left", "comes in from the left", "enters from the left"),
    ("enter", "right"): ("slides in from the right", "comes in from the right", "enters from the right"),
    ("enter", "top"): ("drops in from above", "comes down from the top", "enters from the top"),
    ("enter", "bottom"): ("rises into view from below", "comes up from the bottom", "enters from the bottom"),
    ("leave", "left"): ("slides out to the left", "exits on the left", "leaves to the left"),
    ("leave", "right"): ("slides out to the right", "exits on the right", "leaves to the right"),
    ("leave", "top"): ("rises out of the picture", "exits at the top", "leaves through the top"),
    ("leave", "bottom"): ("sinks out of the picture", "exits at the bottom", "leaves through the bottom"),
    ("cross", "left"): ("crosses from right to left", "travels across from right to left"),
    ("cross", "right"): ("crosses from left to right", "travels across from left to right"),
    ("cross", "top"): ("climbs past from bottom to top", "crosses upward from bottom to top"),
    ("cross", "bottom"): ("falls past from top to bottom", "crosses downward from top to bottom"),
    ("grow", ""): ("grows to several times its size", "swells steadily", "grows much bigger"),
    ("shrink", ""): ("shrinks to a fraction of its size", "shrinks steadily", "gets much smaller"),
}
"""Verb phrases by kind of event and by the side that is entered from, left by or moved to."""


def deed(script: Script, event: Event, other: str, rng: random.Random) -> str:
    """Return what happens in an event as a verb phrase; ``other`` names the partner of a collision."""
    if event.kind == "bounce":
        times = "twice" if event.times == 2 else f"{NUMBERS[event.times]} times"
        return rng.choice((f"bounces up and down {times}", f"bounces {times}", "bounces up and down on the spot"))
    if event.kind == "collide":
        return rng.choice(
            (f"bumps into {other} and springs back", f"collides with {other}", f"runs into {other} and bounces off it")
        )
    if event.kind == "recolor":
        before = script.movers[event.mover].color
        return rng.choice(
            (
                f"turns {event.color} while sliding {event.toward}",
                f"slides {event.toward} and turns from {before} to {event.color}",
                f"moves {event.toward}, changing from {before} to {event.color}",
            )
        )
    key = event.origin if event.kind == "enter" else event.toward
    return rng.choice(DEEDS[(event.kind, key)])


def short_deed(script: Script, event: Event) -> str:
    """Return an event as a keyword."""
    if event.kind == "recolor":
        return f"{script.movers[event.mover].color} turning {event.color}"
    if event.kind == "cross":
        return f"crossing {event.origin} to {event.toward}"
    if event.kind == "enter":
        return f"entering from the {event.origin}"
    if event.kind == "leave":
        return f"leaving {'to' if event.toward in {'left', 'right'} else 'at'} the {event.toward}"
    return {"grow": "growing", "shrink": "shrinking", "bounce": "bouncing", "collide": "collision"}[event.kind]


class Teller:
    """Tells events in order and remembers who was introduced, so that only the first mention has ``a``."""

    def __init__(self, script: Script, rng: random.Random, sized: bool = True) -> None:
        self.script, self.rng, self.sized = script, rng, sized
        self.met: dict[int, str] = {}

    def name(self, mover: int, order: int) -> str:
        """Return a name for a mover as it is when event ``order`` begins: ``a red star``, ``the red star``."""
        being, color = self.script.movers[mover], color_at(self.script, mover, order)
        before = self.met.get(mover)
        self.met[mover] = color
        if before is not None:
            return f"the {'now ' if before != color else ''}{color} {being.shape}"
        size = {"small": "small ", "medium": "medium-sized ", "large": "large "}[being.size] if self.sized else ""
        return with_article(f"{size}{color} {being.shape}")

    def clause(self, event: Event, subject: str | None = None) -> str:
        """Return one event as a clause; ``subject`` replaces the name, empty for a bare verb phrase."""
        who = self.name(event.mover, event.order) if subject is None else subject
        other = self.name(event.other, event.order) if event.other is not None else ""
        return f"{who} {deed(self.script, event, other, self.rng)}".strip()

    def grouped(self, events: Sequence[Event]) -> list[tuple[str, Event]]:
        """Return clauses with their first event, in the order given; neighbours with one subject share a clause."""
        groups: list[list[Event]] = []
        for event in events:
            if groups and groups[-1][-1].mover == event.mover and groups[-1][-1].shot == event.shot:
                groups[-1].append(event)
            else:
                groups.append([event])
        clauses = []
        for number, group in enumerate(groups):
            before = groups[number - 1] if number else []
            alone = bool(before) and before[-1].mover == group[0].mover and all(e.other is None for e in before)
            clause = self.clause(group[0], "it" if alone else None)
            for i, event in enumerate(group[1:], start=1):
                comma = "," if len(group) > 2 or "," in clause or " and " in clause else ""
                clause += ", " if i < len(group) - 1 else f"{comma} and then "
                clause += self.clause(event, "")
            clauses.append((clause, group[0]))
        return clauses
