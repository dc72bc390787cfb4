"""Draws a script from a seed and an index: the same two numbers always tell the same story."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from synflow.ids import rng_of
from synflow.world.palette import DIM_NAMES, NAMES, PAPER_NAMES, SIMILAR, luma, second_for, tint, tones
from synflow.world.script import (
    CODECS,
    COLORS,
    HEIGHT,
    OPPOSITE,
    RADII,
    SHAPES,
    STYLES,
    WIDTH,
    Background,
    Camera,
    Event,
    Mover,
    Part,
    Script,
    Shot,
)

SHORTEST_SHOT = 2.35
"""Seconds; longer than the shortest clip that the pipeline keeps, so every shot becomes a clip."""

STILL_KINDS = ("plain", "horizon", "stripes", "checks", "waves")
DEEP_KINDS = ("tiles", "dots", "patches", "bricks", "lines", "rings")
"""Patterns without a period, on which a moving camera shows; hills only show it sideways."""

WEIGHTS = {"enter": 3, "leave": 3, "cross": 4, "grow": 2, "shrink": 2, "bounce": 2, "collide": 2, "recolor": 2}


@dataclass
class _Draft:
    """A shot while its events are being chosen."""

    camera: Camera
    chosen: list[tuple[str, int, int | None, str, str, str]] = field(default_factory=list)
    state: dict[int, str] = field(default_factory=dict)
    begins: dict[int, bool] = field(default_factory=dict)
    radius: dict[int, float] = field(default_factory=dict)


def write_script(seed: int, index: int, shots: int | None = None, events: int | None = None) -> Script:
    """Return the script of clip ``index`` of world ``seed``; ``shots`` and ``events`` fix their numbers.

    With ``events`` given, every event has a mover of its own, so that their order can be told apart.
    """
    rng = rng_of("world", seed, index, shots or 0, events or 0)
    acts = events or rng.choices((1, 2, 3, 4), (30, 35, 20, 15))[0]
    cuts = shots or rng.choices([n for n in (1, 2, 3) if n <= acts], (50, 30, 20)[: min(acts, 3)])[0]
    style = rng.choices(STYLES, (45, 20, 17, 18))[0]
    per_shot = [1] * cuts
    for _ in range(acts - cuts):
        per_shot[rng.randrange(cuts)] += 1
    who = _casting(rng, acts, events is not None)
    colors = [c for c in COLORS if not (style == "dark" and c == "orange") and not (style == "sketch" and c == "white")]
    rng.shuffle(colors)
    movers = [Mover(colors.pop(), rng.choice(SHAPES), rng.choice(list(RADII))) for _ in range(max(who) + 1)]
    drafts: list[_Draft] = []
    for number, count in enumerate(per_shot):
        begin = sum(per_shot[:number])
        draft = _Draft(_camera(rng))
        for place in range(begin, begin + count):
            _act(rng, draft, movers, colors, who, place, begin + count)
        if len(movers) < 4 and draft.camera.motion == "still" and rng.random() < 0.2 and len(draft.state) < 3:
            movers.append(Mover(colors.pop(), rng.choice(SHAPES), rng.choice(list(RADII))))
            draft.begins[len(movers) - 1] = True
            draft.state[len(movers) - 1] = "in"
        drafts.append(draft)
    fps = rng.choice((24, 25, 30))
    lengths = _lengths(rng, per_shot)
    used = {m.color for m in movers} | {pick[5] for d in drafts for pick in d.chosen if pick[5]}
    made: list[Shot] = []
    told: list[Event] = []
    first = 0
    for number, (draft, length) in enumerate(zip(drafts, lengths, strict=True)):
        last = first + round(length * fps)
        camera = _measured(rng, draft.camera, (last - first) / fps)
        shot = Shot(
            first,
            last,
            round(first / fps, 6),
            round(last / fps, 6),
            _background(rng, camera, used, [s.background for s in made], style),
            camera,
            _parts(rng, draft, movers),
        )
        told += _events(draft, shot, number, len(told))
        made.append(shot)
        first = last
    return Script(
        id=f"world-{seed}-{index:05d}",
        seed=seed,
        index=index,
        fps=fps,
        style=style,
        codec=rng.choices(CODECS, (60, 15, 25))[0],
        movers=tuple(movers),
        shots=tuple(made),
        events=tuple(told),
    )


def _casting(rng: random.Random, acts: int, each: bool) -> list[int]:
    """Return the mover of each event, numbered by first appearance."""
    people = acts if each else rng.randint(1, acts)
    seats = list(range(people)) + [rng.randrange(people) for _ in range(acts - people)]
    rng.shuffle(seats)
    order = list(dict.fromkeys(seats))
    return [order.index(seat) for seat in seats]


def _camera(rng: random.Random) -> Camera:
    motion = rng.choices(("still", "pan", "tilt", "zoom"), (45, 25, 15, 15))[0]
    ways = {"still": ("",), "pan": ("left", "right"), "tilt": ("up", "down"), "zoom": ("in", "out")}
    return Camera(motion, rng.choice(ways[motion]))


def _measured(rng: random.Random, camera: Camera, seconds: float) -> Camera:
    if camera.motion == "still":
        return camera
    if camera.motion == "zoom":
        return Camera("zoom", camera.direction, round(rng.uniform(1.35, 1.5), 3))
    return Camera(camera.motion, camera.direction, float(min(round(rng.uniform(26, 40) * seconds), 190)))


def _sides(camera: Camera) -> tuple[str, ...]:
    """Return the sides a mover may head for, so that its way in the picture is also its way in the scene."""
    if camera.motion == "pan":
        return (camera.direction,)
    if camera.motion == "tilt":
        return ("top",) if camera.direction == "up" else ("bottom",)
    return ("left", "right", "left", "right", "top", "bottom")


def _act(
    rng: random.Random, draft: _Draft, movers: list[Mover], colors: list[str], who: Sequence[int], place: int, stop: int
) -> None:
    """Choose the event at ``place`` of the clip; ``stop`` is the first place of the next shot."""
    mover, state = who[place], draft.state.get(who[place])
    again_here, again_later = mover in who[place + 1 : stop], mover in who[stop:]
    fits = {"enter", "cross"} if state is None else set()
    fits |= {"leave", "bounce", "grow", "recolor"}
    if state is None:
        fits |= {"shrink", "collide"}
    if again_here:
        fits -= {"leave", "cross"}
    if again_later:
        fits -= {"grow", "shrink", "recolor"}
    if draft.camera.motion != "still":
        fits -= {"collide", "bounce"}
    if draft.camera.motion == "zoom":
        fits -= {"grow", "shrink"}
    if draft.camera.motion == "tilt" or not colors:
        fits.discard("recolor")
    if len(movers) >= 4 or not colors or any(pick[0] == "collide" for pick in draft.chosen):
        fits.discard("collide")
    done = {pick[0] for pick in draft.chosen if pick[1] == mover}
    fits -= done
    if done & {"grow", "shrink", "bounce", "collide"}:  # each of them needs a place of its own to rest
        fits -= {"grow", "shrink", "bounce"}
    if "collide" in done:
        fits.discard("recolor")
    if not fits:  # it has done all it can: somebody else passes by
        if len(movers) >= 4 or not colors:
            return
        movers.append(Mover(colors.pop(), rng.choice(SHAPES), rng.choice(list(RADII))))
        mover, fits = len(movers) - 1, {"cross"}
    previous = draft.chosen[-1][0] if draft.chosen else ""
    kinds = [k for k in WEIGHTS if k in fits and k != previous] or [k for k in WEIGHTS if k in fits]
    kind = rng.choices(kinds, [WEIGHTS[k] for k in kinds])[0]
    toward = rng.choice(_sides(draft.camera))
    origin, color, other = OPPOSITE[toward] if kind in {"enter", "cross"} else "", "", None
    if kind in {"grow", "shrink", "bounce", "collide"}:
        toward = ""
    if kind == "enter":
        toward = ""
    if kind == "recolor":
        color = colors.pop()
        toward = toward if toward in {"left", "right"} else rng.choice(("left", "right"))
    if kind == "collide":
        movers.append(Mover(colors.pop(), rng.choice(SHAPES), rng.choice(list(RADII))))
        other = len(movers) - 1
        draft.begins[other], draft.state[other] = True, "in"
    draft.begins.setdefault(mover, kind not in {"enter", "cross"})
    draft.state[mover] = "gone" if kind in {"leave", "cross"} else "in"
    if kind == "shrink":
        movers[mover] = Mover(movers[mover].color, movers[mover].shape, "large")
        draft.radius[mover] = 42.0
    if kind == "grow" and movers[mover].size == "large":
        movers[mover] = Mover(movers[mover].color, movers[mover].shape, "medium")
    draft.chosen.append((kind, mover, other, origin, toward, color))


def _lengths(rng: random.Random, per_shot: Sequence[int]) -> list[float]:
    """Return seconds of each shot: at most 8 in all, at least 4, about 1.7 for each event."""
    if len(per_shot) == 1:
        low, high = {1: (4.0, 4.8), 2: (4.2, 6.4), 3: (5.6, 7.6), 4: (7.0, 7.9)}[per_shot[0]]
        return [rng.uniform(low, high)]
    least = [SHORTEST_SHOT + 0.72 * (count - 1) for count in per_shot]
    slack = (7.9 - sum(least)) / len(least)
    return [seconds + rng.uniform(0.0, max(0.0, min(slack, 1.0))) for seconds in least]


def _background(
    rng: random.Random, camera: Camera, used: set[str], before: Sequence[Background], style: str
) -> Background:
    kinds = [*DEEP_KINDS, "hills"] if camera.motion in {"pan", "zoom"} else list(DEEP_KINDS)
    if camera.motion == "still":
        kinds = [*DEEP_KINDS, "hills", *STILL_KINDS]
    kind = rng.choice([k for k in kinds if k not in {b.kind for b in before}])
    taken = {name for color in used for name in {color, *SIMILAR[color]}} | {b.color for b in before}
    names = {"dark": DIM_NAMES, "sketch": PAPER_NAMES}.get(style, NAMES)
    free = [n for n in names if n not in taken] or ["grey"]
    color = rng.choice(free)
    tone = "" if style in {"dark", "sketch"} else _tone(rng, color, used)
    second = color
    if kind not in {"plain", "tiles", "bricks"}:
        second = second_for(color, tone, free, rng)
    turn = rng.choice(("horizontal", "vertical", "diagonal")) if kind == "stripes" else ""
    return Background(kind, color, second, tone, rng.getrandbits(31), turn)


def _tone(rng: random.Random, color: str, used: set[str]) -> str:
    """Choose a tone that sets all movers off by their brightness too, as far as one does."""

    def gap(tone: str) -> float:
        here = luma(tint(color, tone))
        return min(abs(luma(COLORS[name]) - here) for name in used)

    clear = [tone for tone in tones(color) if gap(tone) >= 20]
    return rng.choice(clear) if clear else max(tones(color), key=gap)


def _parts(rng: random.Random, draft: _Draft, movers: Sequence[Mover]) -> tuple[Part, ...]:
    """Give each mover of a shot a row and a column of its own, so that their ways seldom cover each other."""
    cast = sorted(draft.state)
    count = len(cast)
    wide, high = (0.27, 0.22) if draft.camera.motion == "zoom" else (0.34, 0.29)
    columns = [0.5 + wide * (2 * (i + 0.5) / count - 1) * (1.2 if count > 1 else 1) for i in range(count)]
    rows = [0.5 + high * (2 * (i + 0.5) / count - 1) * (1.2 if count > 1 else 1) for i in range(count)]
    if count == 1:
        columns, rows = [rng.uniform(0.5 - wide, 0.5 + wide)], [rng.uniform(0.5 - high, 0.5 + high)]
    rng.shuffle(columns)
    rng.shuffle(rows)
    spots = {m: [columns[i] * WIDTH, rows[i] * HEIGHT] for i, m in enumerate(cast)}
    placed = {pick[1] for pick in draft.chosen if pick[0] in {"collide", "recolor"}}
    for kind, mover, other, origin, toward, _ in draft.chosen:
        if kind in {"enter", "leave"} and mover not in placed:
            _lengthen(spots[mover], origin if kind == "enter" else toward)
        radius = draft.radius.get(mover, RADII[movers[mover].size])
        if kind == "bounce":
            spots[mover][1] = HEIGHT - radius - 8
        if kind == "recolor":
            away = WIDTH * rng.uniform(0.17, 0.34)
            spots[mover][0] = away if toward == "right" else WIDTH - away
        if kind == "collide" and other is not None:
            row = HEIGHT * rng.uniform(0.25, 0.75)
            spots[mover], spots[other] = [WIDTH * rng.uniform(0.1, 0.28), row], [WIDTH * rng.uniform(0.72, 0.9), row]
        if kind in {"grow", "shrink"}:
            spots[mover] = [min(max(spots[mover][0], 46.0), WIDTH - 46.0), min(max(spots[mover][1], 46.0), 98.0)]
    return tuple(
        Part(
            m, round(spots[m][0], 2), round(spots[m][1], 2), draft.radius.get(m, RADII[movers[m].size]), draft.begins[m]
        )
        for m in cast
    )


def _lengthen(spot: list[float], side: str) -> None:
    """Put a resting place on the far side of where a mover comes from or goes to: its way is then easy to see."""
    if side in {"left", "right"} and (spot[0] < WIDTH / 2) == (side == "left"):
        spot[0] = WIDTH - spot[0]
    if side in {"top", "bottom"} and (spot[1] < HEIGHT / 2) == (side == "top"):
        spot[1] = HEIGHT - spot[1]


def _events(draft: _Draft, shot: Shot, number: int, told: int) -> list[Event]:
    """Give the events of a shot their times, one after the other without a gap that would look still."""
    slot = (shot.end - shot.start) / len(draft.chosen)
    made = []
    for place, (kind, mover, other, origin, toward, color) in enumerate(draft.chosen):
        start = shot.start + slot * (place + 0.03)
        end = shot.start + slot * (place + 0.97)
        times = max(2, round((end - start) * 1.2)) if kind == "bounce" else 0
        made.append(
            Event(
                told + place, number, kind, mover, round(start, 4), round(end, 4), other, origin, toward, color, times
            )
        )
    return made
