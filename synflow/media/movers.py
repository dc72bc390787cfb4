"""What the camera does and what moves in front of it, in words and numbers that a caption can use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from synflow.media.findings import one_way
from synflow.media.motion import Pair

STILL = 0.015
"""Widths per second of camera motion (at the edge of the picture) under which a camera counts as still."""

STEADY = 0.45
"""Share of the mean speed that the mean velocity must keep; less is shaking to and fro."""

LEAD = 1.6
"""How many times as strong as the next kind of motion the leading one must be, to name the camera by it."""

EXPLAINED = 0.5
"""Share of the picture that must move as the fitted camera says; else something else fills the picture."""

LEAST_BLOB, LARGEST_BLOB = 0.002, 0.5
"""Shares of the picture between which a moving region counts as a thing."""


def camera_of(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return what the camera does over the pairs of a clip.

    Returns:
        ``motion``: still, pan, tilt, zoom, roll, shake or mixed; ``direction`` of the camera itself (what is seen
        moves the other way): left, right, up, down, in, out, clockwise, counterclockwise or empty; ``strength``:
        how fast the edge of the picture moves, in widths per second.
    """
    if not pairs:
        return {"motion": "still", "direction": "", "strength": 0.0}
    # Each as the speed that it gives the edge of the picture, half a width from the centre.
    moves = np.array([[p.shift[0], p.shift[1], p.zoom / 2, p.roll / 2] for p in pairs])
    strength = round(float(np.linalg.norm(moves, axis=1).mean()), 4)
    trusted = np.array([pair.explained >= EXPLAINED for pair in pairs])
    if trusted.sum() < len(pairs) / 2:
        return {"motion": "mixed", "direction": "", "strength": strength}
    moves = moves[trusted]
    speed, drift = np.abs(moves).mean(axis=0), moves.mean(axis=0)
    total = float(np.linalg.norm(moves, axis=1).mean())
    if total < STILL:
        return {"motion": "still", "direction": "", "strength": strength}
    if float(np.linalg.norm(drift)) < STEADY * total:
        return {"motion": "shake", "direction": "", "strength": strength}
    steady = np.where(np.abs(drift) >= STEADY * speed, np.abs(drift), 0.0)
    order = np.argsort(-steady, kind="stable")
    if steady[order[0]] < LEAD * steady[order[1]]:
        return {"motion": "mixed", "direction": "", "strength": strength}
    kind = int(order[0])
    names = (("pan", "left", "right"), ("tilt", "up", "down"), ("zoom", "in", "out"))
    if kind == 3:
        name, forth, back = "roll", "counterclockwise", "clockwise"
    else:
        name, forth, back = names[kind]
    return {"motion": name, "direction": forth if drift[kind] > 0 else back, "strength": strength}


@dataclass
class _Track:
    """One thing followed from pair to pair: time, centre (shares of width and height), share of the picture."""

    seen: list[tuple[float, float, float, float]] = field(default_factory=list)
    last: int = 0


def movers_of(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the things that move by themselves: ``count`` and ``paths``, largest first, at most six.

    A path has ``from`` and ``to`` (``left|center|right`` ``/`` ``top|middle|bottom``), mean ``share`` of the picture,
    ``start`` and ``end`` in seconds of the source, and ``straight``: whether one thing surely went from end to end.
    Where most of the picture moves, no things can be told apart.
    """
    tracks: list[_Track] = []
    for place, pair in enumerate(pairs):
        _follow(tracks, place, pair)
    lasting = [track for track in tracks if len(track.seen) >= 2]
    lasting.sort(key=lambda track: -sum(seen[3] for seen in track.seen))
    paths = [_path(track) for track in lasting[:6]]
    return {"count": len(paths), "paths": paths}


def _follow(tracks: list[_Track], place: int, pair: Pair) -> None:
    """Give each blob of a pair to the nearest track of the last two pairs, or start a new one."""
    free = [track for track in tracks if place - track.last <= 2]
    for share, x, y in _blobs(pair):
        near = min(free, key=lambda track: _apart(track, x, y), default=None)
        size = np.sqrt(share)
        if near is None or _apart(near, x, y) > max(0.2, 1.5 * size):
            near = _Track()
            tracks.append(near)
        else:
            free.remove(near)
        near.seen.append((pair.time, x, y, share))
        near.last = place


def _apart(track: _Track, x: float, y: float) -> float:
    return float(np.hypot(track.seen[-1][1] - x, track.seen[-1][2] - y))


def _blobs(pair: Pair) -> list[tuple[float, float, float]]:
    """Return share and centre of each moving region, largest first; none where most of the picture moves."""
    mask = pair.moving.astype(np.uint8)
    if float(mask.mean()) > LARGEST_BLOB:
        return []
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    height, width = mask.shape
    count, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    found = [
        (float(stats[k, cv2.CC_STAT_AREA]) / mask.size, float(centres[k][0]) / width, float(centres[k][1]) / height)
        for k in range(1, count)
    ]
    return sorted((blob for blob in found if blob[0] >= LEAST_BLOB), reverse=True)[:8]


def _path(track: _Track) -> dict[str, Any]:
    first, last = track.seen[0], track.seen[-1]
    return {
        "from": zone(first[1], first[2]),
        "to": zone(last[1], last[2]),
        "share": round(float(np.mean([seen[3] for seen in track.seen])), 4),
        "start": round(first[0], 3),
        "end": round(last[0], 3),
        "straight": one_way([(seen[1], seen[2]) for seen in track.seen]),
    }


def zone(x: float, y: float) -> str:
    """Return the ninth of the picture that a point (shares of width and height) lies in."""
    across = ("left", "center", "right")[min(2, int(3 * x))]
    down = ("top", "middle", "bottom")[min(2, int(3 * y))]
    return f"{across}/{down}"
