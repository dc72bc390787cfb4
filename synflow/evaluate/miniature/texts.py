"""What the queries of the miniature say: each task's own view of a script, always true."""

from __future__ import annotations

from synflow.ids import rng_of
from synflow.world.phrases import Teller, color_at, joined, sentence, setting, with_article
from synflow.world.script import HEIGHT, WIDTH, Event, Script
from synflow.world.tracks import place_name, seen, tracks

STARTS = ("First,", "Next,", "After that,", "Then")


def told_in_turn(script: Script) -> list[str]:
    """Return one sentence for each event."""
    teller = Teller(script, rng_of("turn", script.seed, script.index))
    return [sentence(teller.clause(event)) for event in script.events]


def in_order(script: Script) -> str:
    """Return all events in their order, without setting."""
    teller = Teller(script, rng_of("order", script.seed, script.index), sized=False)
    if len(script.events) == 1:
        return sentence(teller.clause(script.events[0]))
    return " ".join(
        sentence(f"{STARTS[min(place, 3)]} {teller.clause(event)}") for place, event in enumerate(script.events)
    )


def in_space(script: Script) -> str:
    """Return what is where in the middle of the first shot, and in front of what."""
    shot = script.shots[0]
    i = (shot.last - shot.first) // 2
    things = []
    for track in tracks(script, 0):
        x, y, radius = seen(script, 0, track, i)
        if radius < x < WIDTH - radius and radius < y < HEIGHT - radius:
            being = script.movers[track.mover]
            order = sum(event.shot == 0 and event.end <= shot.start + i / script.fps for event in script.events)
            place = place_name(x, y)
            word = "at" if place == "center" else "on" if place.endswith("side") else "in"
            name = with_article(f"{color_at(script, track.mover, order)} {being.shape}")
            things.append(f"{name} {word} the {place}")
    where = setting(shot.background, script.style, rng_of("space", script.seed, script.index))
    return sentence(f"{joined(things)}, in front of {where}" if things else f"an open view of {where}")


def main_object(script: Script) -> str:
    """Return what the one that acts first looks like, and what is behind it."""
    event = script.events[0]
    being = script.movers[event.mover]
    background = script.shots[event.shot].background
    where = setting(background, script.style, rng_of("object", script.seed, script.index))
    name = with_article(f"{being.size if being.size != 'medium' else 'medium-sized'} {being.color} {being.shape}")
    return sentence(f"the main object is {name}, seen against {where}")


def of_event(script: Script, event: Event) -> str:
    """Return one event alone."""
    rng = rng_of("event", script.seed, script.index, event.order)
    return sentence(Teller(script, rng, sized=False).clause(event))


def facts_of(script: Script, event: Event) -> tuple[str, ...]:
    """Return what `of_event` says, so that events of which the same is true are equal."""
    being = script.movers[event.mover]
    other = script.movers[event.other] if event.other is not None else None
    return (
        event.kind, color_at(script, event.mover, event.order), being.shape, event.origin, event.toward, event.color,
        f"{color_at(script, event.other, event.order)} {other.shape}" if other and event.other is not None else "",
    )  # fmt: skip
