"""True captions of a script in the five styles of the enrichment, each within its number of words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations

from synflow.ids import rng_of
from synflow.world.phrases import (
    NUMBERS,
    Teller,
    camera_clause,
    color_name,
    fresh,
    joined,
    paper_name,
    sentence,
    setting,
    short_deed,
    with_article,
)
from synflow.world.script import Background, Event, Script
from synflow.world.tracks import place_name, seen, tracks

LIMITS = {"summary": (10, 25), "dense": (80, 200), "abstract": (30, 100), "keywords": (5, 30), "partial": (10, 70)}
"""Fewest and most words of each style."""


def captions(script: Script, salt: str = "", order: Sequence[Event] | None = None) -> dict[str, str]:
    """Return one caption for each of the five styles.

    Args:
        script: the clip.
        salt: another salt words the same facts differently.
        order: the events as the summary is to tell them; by default as they happen.
    """
    rng = rng_of("captions", script.seed, script.index, salt)
    return {
        "summary": summary(script, rng, order),
        "dense": dense(script, rng),
        "abstract": abstract(script, rng),
        "keywords": keywords(script, rng),
        "partial": partial(script, rng),
    }


def words(text: str) -> int:
    """Return the number of words of a text."""
    return len(text.split())


def _within(style: str, text: str) -> bool:
    low, high = LIMITS[style]
    return low <= words(text) <= high


def summary(script: Script, rng: random.Random, order: Sequence[Event] | None = None) -> str:
    """Return the main events in one sentence, with as much of the setting as fits."""
    events = list(order or script.events)
    for fewest in range(len(events), min(2, len(events)) - 1, -1):
        for attempt in range(24):
            chosen = rng.choice(list(combinations(events, fewest)))
            text = _summary(script, rng, chosen, placed=attempt < 14, sized=attempt < 18 and rng.random() < 0.7)
            if _within("summary", text):
                return text
    raise AssertionError(f"no summary fits {script.id}")


def _summary(script: Script, rng: random.Random, events: Sequence[Event], placed: bool, sized: bool) -> str:
    teller = Teller(script, rng, sized)
    told = teller.grouped(events)
    shot = script.shots[events[0].shot]
    text = told[0][0]
    if placed or (len(told) == 1 and words(text) < 10):
        where = f" {rng.choice(('in front of', 'against'))} {setting(shot.background, script.style, rng)}"
        text += where if "," not in text and " and " not in text else f",{where}"
    last_shot = events[0].shot
    for place, (clause, event) in enumerate(told[1:], start=1):
        links: tuple[str, ...] = (", then ", " before ", "; then ", ", after which ")
        if len(told) > 2:
            links = ("; next, ", "; then ") if place < len(told) - 1 else ("; finally, ", "; in the end, ")
        if event.shot != last_shot:
            links = ("; after a cut, ", "; in the next shot, ") if event.shot == last_shot + 1 else ("; later, ",)
        last_shot = event.shot
        text += rng.choice(links) + clause
    moving = shot.camera.motion != "still"
    if len(script.shots) == 1 and words(text) < 19 and (moving or words(text) < 12) and rng.random() < 0.8:
        text += f" {rng.choice(('while', 'as'))} {camera_clause(shot.camera, rng)}"
    if words(text) < 21 and rng.random() < 0.4:
        text = f"{_LOOKS[script.style][0]} {text}"
    return sentence(text)


_LOOKS = {
    "flat": (
        "in a flat-color animation,",
        "in clean, flat colors",
        "its bold, even colors recall a paper cut-out",
    ),
    "noise": ("in a grainy clip,", "under a layer of flickering grain", "its flickering grain recalls old film"),
    "dark": ("in dim light,", "in very little light", "its low light gives it a quiet, nocturnal mood"),
    "sketch": (
        "in a hand-drawn scene,",
        "in pencil and crayon lines",
        "its drawn lines recall a sketchbook",
    ),
}


def _pace(event: Event) -> str:
    seconds = event.end - event.start
    span = f"{NUMBERS[max(round(seconds), 1)]} second{'s' if round(seconds) > 1 else ''}"
    return f"over about {span}"


def dense(script: Script, rng: random.Random) -> str:
    """Return everything that happens, where and in which order, with the setting, light and camera."""
    for brief in (False, True):
        lines = _told(script, rng, brief)
        spare = _spare(script, rng)
        while words(" ".join(lines)) < 92 and spare:
            lines.append(spare.pop())
        text = " ".join(sentence(line) for line in lines)
        if _within("dense", text):
            break
    return text


def _told(script: Script, rng: random.Random, brief: bool) -> list[str]:
    """Return the sentences of a dense caption; a brief one leaves out how long things take."""
    lines = [_opening(script, rng)]
    teller = Teller(script, rng)
    starters = ["First,", "Next,", "After that,", "Then"]
    last = len(script.events) - 1
    for number, shot in enumerate(script.shots):
        if number:
            at = f"about {NUMBERS[max(round(shot.start), 1)]} second{'s' if round(shot.start) > 1 else ''} in"
            where = setting(shot.background, script.style, rng)
            lines.append(f"a cut {at} {rng.choice(('leads to', 'changes the scene to'))} {where}")
        if not (brief and number):
            lines.append(_moving(script, number, rng))
        lines += _present(script, number, teller, rng)
        for event in (e for e in script.events if e.shot == number):
            start = starters[min(event.order, 3)]
            if event.order == last:
                start = rng.choice(("Finally,", "At last,", "In the end,"))
            if not last:
                start = rng.choice(("In the course of the clip,", "From beginning to end,"))
            pace = "" if brief else f" {_pace(event)}"
            lines.append(f"{start} {teller.clause(event)}{pace}{_whereabouts(script, event)}")
        lines += _resting(script, number, teller, rng)
    return lines


def _opening(script: Script, rng: random.Random) -> str:
    where = setting(script.shots[0].background, script.style, rng)
    look = _LOOKS[script.style][1]
    number = len(script.shots)
    if number == 1:
        return rng.choice(
            (
                f"this single continuous shot is set against {where} and shown {look}",
                f"the whole clip plays in front of {where}, shown {look}",
            )
        )
    return f"the clip has {NUMBERS[number]} shots and is shown {look}; the first is set against {where}"


def _moving(script: Script, number: int, rng: random.Random) -> str:
    camera = script.shots[number].camera
    clause = camera_clause(camera, rng)
    if camera.motion == "still":
        return f"{clause} {rng.choice(('throughout the shot', 'from start to finish'))}"
    return f"{clause} {rng.choice(('steadily during the shot', 'at an even speed', 'without a pause'))}"


def _at(x: float, y: float) -> str:
    """Return where in the picture something is, with its preposition."""
    place = place_name(x, y)
    word = "at" if place == "center" else "on" if place.endswith("side") else "in"
    return f"{word} the {place}"


def _present(script: Script, number: int, teller: Teller, rng: random.Random) -> list[str]:
    """Tell who can be seen when the shot begins, and where."""
    first = next(e.order for e in script.events if e.shot == number)
    there = []
    for track, part in zip(tracks(script, number), script.shots[number].parts, strict=True):
        if part.present:
            x, y, _ = seen(script, number, track, 0)
            there.append(f"{teller.name(part.mover, first)} {_at(x, y)}")
    if not there:
        return []
    what = "the clip" if len(script.shots) == 1 else "the shot"
    return [f"{what} {rng.choice(('begins', 'opens'))} with {joined(there)} of the picture"]


def _whereabouts(script: Script, event: Event) -> str:
    """Tell where an event ends, where that is a place in the picture."""
    if event.kind != "enter":
        return ""
    track = next(t for t in tracks(script, event.shot) if t.mover == event.mover)
    shot = script.shots[event.shot]
    i = min(round(event.end * script.fps) - shot.first, shot.last - shot.first - 1)
    x, y, _ = seen(script, event.shot, track, i)
    return f" and stops {_at(x, y)} of the picture"


def _resting(script: Script, number: int, teller: Teller, rng: random.Random) -> list[str]:
    """Tell which movers do nothing in a shot."""
    told = [e for e in script.events if e.shot == number]
    busy = {m for e in told for m in (e.mover, e.other)}
    idle = [p.mover for p in script.shots[number].parts if p.mover not in busy]
    ways = ("stays where it is", "rests in its place")
    return [f"meanwhile {teller.name(m, told[0].order)} {rng.choice(ways)}" for m in idle]


def _spare(script: Script, rng: random.Random) -> list[str]:
    """Return more true sentences, for clips in which little happens."""
    lead = script.events[0].mover
    being = script.movers[lead]
    edge = {
        "flat": "a thin dark outline sets it off from what is behind it",
        "noise": "a thin dark outline sets it off from the grainy picture behind it",
        "dark": "a thin bright rim sets it off from the gloom behind it",
        "sketch": "a doubled pencil outline and slanted crayon strokes give it shape",
    }[script.style]
    lines = [
        f"the clip lasts about {NUMBERS[round(script.duration)]} seconds, and all movement in it is easy to follow",
        "every figure in the scene is a simple geometric shape seen straight on, as in a picture book",
        "the light is a little uneven, so that some parts of the backdrop look brighter than others",
    ]
    if all(shot.background.kind not in {"plain", "horizon"} for shot in script.shots):
        lines.append("the pattern of the backdrop fills the frame from edge to edge")
    if all(e.kind != "recolor" or e.mover != lead for e in script.events):
        lines.append(f"the {being.shape} is filled with {being.color}, and {edge}")
    else:
        lines.append(f"apart from the change of color, the {being.shape} keeps its look, and {edge}")
    rng.shuffle(lines)
    return lines


_THEMES = {
    "enter": ("arrival", "turning up"),
    "leave": ("departure", "going away"),
    "cross": ("passing through", "a journey from one edge to the other"),
    "grow": ("growth", "becoming larger"),
    "shrink": ("dwindling", "becoming smaller"),
    "bounce": ("playfulness", "restless energy"),
    "collide": ("an encounter", "cause and effect"),
    "recolor": ("transformation", "changing one's color on the way"),
}


def abstract(script: Script, rng: random.Random) -> str:
    """Return what the clip is about rather than what it shows."""
    themes = list(dict.fromkeys(rng.choice(_THEMES[e.kind]) for e in script.events))
    cast = joined([fresh(script, m) for m in range(len(script.movers))])
    moves = [s.camera.motion for s in script.shots]
    view = {
        "still": "the fixed viewpoint leaves all attention to the movement itself",
        "pan": "the panning view adds a sense of travel",
        "tilt": "the tilting view makes the space feel taller than the frame",
        "zoom": "the changing distance of the view adds a sense of depth",
    }
    first = rng.choice(
        (
            f"a minimal animated study of {joined(themes)}, told with {cast} as its only cast",
            f"with nothing but {cast}, the clip tells a small story of {joined(themes)}",
            f"this is a little visual exercise about {joined(themes)}, acted out by {cast}",
        )
    )
    second = f"{_LOOKS[script.style][2]}, and {view[moves[0]]}"
    third = rng.choice(
        (
            "it would suit a lesson on shapes, colors and motion",
            "it feels like a page from an animated primer of movement",
            "it could illustrate how order and direction make a story out of simple figures",
        )
    )
    if len(script.shots) > 1:
        third = f"Its {NUMBERS[len(script.shots)]} short shots follow one another like panels of a comic; {third}"
    return " ".join(sentence(line) for line in (first, second, third))


def keywords(script: Script, rng: random.Random) -> str:
    """Return the clip as a comma-separated list of terms."""
    terms = [f"{m.color} {m.shape}" for m in script.movers]
    terms += list(dict.fromkeys(short_deed(script, e) for e in script.events))
    for shot in script.shots:
        terms.append(_backdrop(shot.background, script.style))
        if shot.camera.motion != "still":
            terms.append(f"{shot.camera.motion} {shot.camera.direction}")
    terms.append({"flat": "flat colors", "noise": "film grain", "dark": "dim light", "sketch": "sketch"}[script.style])
    while words(", ".join(terms)) > LIMITS["keywords"][1]:
        terms.pop(rng.randrange(len(script.movers), len(terms)))
    return ", ".join(dict.fromkeys(terms))


def _backdrop(background: Background, style: str) -> str:
    """Return a background as a keyword."""
    if style == "sketch":
        kind = {"patches": "lines", "horizon": "horizon", "plain": "blank"}.get(background.kind, background.kind)
        return f"{kind} on {paper_name(background)} paper" if kind != "blank" else f"{paper_name(background)} paper"
    kind = {"patches": "blotches", "horizon": "wall and floor"}.get(background.kind, background.kind)
    if kind == "plain":
        return f"plain {color_name(background)}"
    return f"{background.second if kind == 'hills' else color_name(background)} {kind}"


def partial(script: Script, rng: random.Random) -> str:
    """Return a text about one event only, as somebody might search who recalls a part of the clip."""
    event = rng.choice(script.events)
    background = script.shots[event.shot].background
    teller = Teller(script, rng, sized=rng.random() < 0.5)
    clause = teller.clause(event)
    where = setting(background, script.style, rng)
    ways: tuple[Callable[[], str], ...] = (
        lambda: f"at some point {clause}, and behind it you can see {where}",
        lambda: f"somewhere in this clip {clause} against {where}",
        lambda: f"the moment in which {clause} in front of {where}",
    )
    return sentence(rng.choice(ways)())


def still_caption(script: Script, rng: random.Random) -> str:
    """Return a true caption for a clip of ``script`` in which nothing moves."""
    track, part = tracks(script, 0)[0], script.shots[0].parts[0]
    x, y, _ = seen(script, 0, track, 0)
    being = script.movers[part.mover]
    where = setting(script.shots[0].background, script.style, rng)
    who = with_article(f"{being.size} {being.color} {being.shape}")
    return sentence(f"{who} rests {_at(x, y)} of the picture in front of {where}")
