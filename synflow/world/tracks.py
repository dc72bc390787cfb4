"""Turns the events of a shot into places: where each mover is in every picture, how big and of what colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synflow.world.script import COLORS, HEIGHT, WIDTH, Event, Part, Script, Shot

Floats = npt.NDArray[np.float64]

MARGIN = 6.0
"""Pixels between the edge of the picture and a mover that is outside."""

GROWN = {"small": 40.0, "medium": 46.0, "large": 48.0}
SHRUNK = 0.3


@dataclass
class Track:
    """The way of one mover through one shot, one entry for each picture.

    Attributes:
        x, y, radius: pixels of the view, before the camera's zoom; outside the picture where it cannot be seen.
        color: float64, shape ``[n, 3]``, RGB.
    """

    mover: int
    x: Floats
    y: Floats
    radius: Floats
    color: Floats


def tracks(script: Script, number: int) -> list[Track]:
    """Return the tracks of all movers of a shot, in the order of its parts."""
    shot = script.shots[number]
    events = [e for e in script.events if e.shot == number]
    times = np.arange(shot.last - shot.first) / script.fps + shot.start
    parts = {part.mover: part for part in shot.parts}
    return [_track(script, part, events, times, parts) for part in shot.parts]


def _outside(side: str, part: Part) -> tuple[float, float]:
    """Return a place just outside the picture, straight beyond where the mover rests."""
    reach = 1.2 * part.radius + MARGIN
    return {
        "left": (-reach, part.y),
        "right": (WIDTH + reach, part.y),
        "top": (part.x, -reach),
        "bottom": (part.x, HEIGHT + reach),
    }[side]


def _track(script: Script, part: Part, events: Sequence[Event], times: Floats, parts: Mapping[int, Part]) -> Track:
    mover = script.movers[part.mover]
    x, y = np.full(len(times), part.x), np.full(len(times), part.y)
    radius = np.full(len(times), part.radius)
    color = np.tile(np.array(COLORS[mover.color], dtype=np.float64), (len(times), 1))
    mine = [e for e in events if part.mover in (e.mover, e.other)]
    if mine and mine[0].kind in {"enter", "cross"} and mine[0].mover == part.mover:
        x[:], y[:] = _outside(mine[0].origin, part)
    for event in mine:
        u = np.clip((times - event.start) / (event.end - event.start), 0.0, 1.0)
        begun = times >= event.start
        if event.kind in {"enter", "leave", "cross"}:
            resting = (float(x[-1]), part.y)
            begin = resting if event.kind == "leave" else _outside(event.origin, part)
            finish = (part.x, part.y) if event.kind == "enter" else _outside(event.toward, part)
            if event.kind == "leave" and event.toward in {"top", "bottom"}:
                finish = (resting[0], finish[1])
            eased = {"enter": 1 - (1 - u) ** 1.25, "leave": u**1.25, "cross": u}[event.kind]
            reach = max(0.0, float(radius[-1]) - part.radius) if event.kind == "leave" else 0.0
            sign = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}.get(event.toward, (0, 0))
            x[begun] = (begin[0] + (finish[0] + sign[0] * reach - begin[0]) * eased)[begun]
            y[begun] = (begin[1] + (finish[1] + sign[1] * reach - begin[1]) * eased)[begun]
        elif event.kind == "bounce":
            y[begun] = (part.y - (part.y - 0.3 * HEIGHT) * np.abs(np.sin(math.pi * event.times * u)))[begun]
        elif event.kind == "grow":
            radius[begun] = (part.radius + (GROWN[mover.size] - part.radius) * u)[begun]
        elif event.kind == "shrink":
            radius[begun] = (part.radius * (1 - (1 - SHRUNK) * u))[begun]
        elif event.kind == "recolor":
            step = 0.46 * WIDTH * (1 if event.toward == "right" else -1)
            x[begun] = (part.x + step * u)[begun]
            mix = np.clip((u - 0.46) / 0.08, 0.0, 1.0)[:, None]
            color = color * (1 - mix) + np.array(COLORS[event.color], dtype=np.float64) * mix
        else:
            x[begun] = _collision(part, event, u, parts)[begun]
    return Track(part.mover, x, y, radius, color)


def _collision(part: Part, event: Event, u: Floats, parts: Mapping[int, Part]) -> Floats:
    """Return the way of one of two movers that run into each other half-way and spring back."""
    left, right = parts[event.mover], parts[event.other if event.other is not None else event.mover]
    middle = (left.x + left.radius + right.x - right.radius) / 2
    touch = middle - left.radius * 0.95 if part.mover == event.mover else middle + right.radius * 0.95
    return part.x + (touch - part.x) * (1 - np.abs(2 * u - 1))


def place_name(x: float, y: float) -> str:
    """Return where in the picture a place is, in words: ``upper left``, ``center``."""
    column = "left" if x < WIDTH * 0.36 else "right" if x > WIDTH * 0.64 else ""
    row = "upper" if y < HEIGHT * 0.36 else "lower" if y > HEIGHT * 0.64 else ""
    if row and column:
        return f"{row} {column}"
    if row:
        return f"{row} middle"
    return f"{column} side" if column else "center"


def key_points(script: Script, event: Event) -> list[dict[str, float]]:
    """Return where the mover of an event is (time, x, y, radius in the view) at its begin, middle and end."""
    shot = script.shots[event.shot]
    track = next(t for t in tracks(script, event.shot) if t.mover == event.mover)
    points = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = event.start + share * (event.end - event.start)
        i = min(max(round(at * script.fps) - shot.first, 0), shot.last - shot.first - 1)
        x, y, radius = seen(script, event.shot, track, i)
        points.append(
            {"time": round((shot.first + i) / script.fps, 4), "x": round(x, 2), "y": round(y, 2), "r": round(radius, 2)}
        )
    return points


def zoom_of(shot: Shot, i: int) -> float:
    """Return by how much the picture ``i`` of a shot is magnified; 1 where the camera does not zoom."""
    if shot.camera.motion != "zoom":
        return 1.0
    share = i / max(shot.last - shot.first - 1, 1)
    if shot.camera.direction == "out":
        share = 1 - share
    return 1.0 + (shot.camera.amount - 1.0) * share


def seen(script: Script, number: int, track: Track, i: int) -> tuple[float, float, float]:
    """Return x, y and radius of a mover as the camera sees it in picture ``i`` of a shot."""
    zoom = zoom_of(script.shots[number], i)
    x, y = float(track.x[i]), float(track.y[i])
    return (
        WIDTH / 2 + (x - WIDTH / 2) * zoom,
        HEIGHT / 2 + (y - HEIGHT / 2) * zoom,
        float(track.radius[i]) * zoom,
    )
