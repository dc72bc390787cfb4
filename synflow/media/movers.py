"""What moves in front of the camera: where from, where to, how far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from synflow.media.findings import one_way
from synflow.media.light import Mask
from synflow.media.pairs import Pair

LEAST_BLOB, LARGEST_BLOB = 0.002, 0.5
"""Shares of the picture between which a moving region counts as a thing."""

LEAST_SPECK = 0.0008
"""Share of the picture from which a place that differs may be a small thing."""

MOST_SPECKS = 6
"""Places that differ in one pair of pictures, above which none of them is followed."""

FEWEST_SIGHTINGS, SEEN_SHARE = 4, 0.6
"""In how many pairs, and in which share of those of its time, a small thing must be seen."""


@dataclass
class _Track:
    """One thing followed from pair to pair: time, centre (shares of width and height), share of the picture."""

    seen: list[tuple[float, float, float, float]] = field(default_factory=list)
    first: int = 0
    last: int = 0


def movers_of(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the things that move by themselves: ``count`` and ``paths``, largest first, at most six.

    A path has ``from`` and ``to`` (``left|center|right`` ``/`` ``top|middle|bottom``), mean ``share`` of the picture,
    ``start`` and ``end`` in seconds of the source, and ``straight``: whether one thing surely went from end to end.
    Where most of the picture moves, no things can be told apart.
    """
    tracks: list[_Track] = []
    for place, pair in enumerate(pairs):
        _follow(tracks, place, pair.time, _blobs(pair.moving, 3, 5, LEAST_BLOB))
    lasting = [track for track in tracks if len(track.seen) >= 2]
    lasting.sort(key=lambda track: -sum(seen[3] for seen in track.seen))
    paths = [_path(track) for track in lasting[:6]]
    return {"count": len(paths), "paths": paths}


def travel_of(pairs: Sequence[Pair]) -> float:
    """Return how far one small thing went through a picture that is otherwise still, in widths.

    It need not be large enough for a flow: what differs from picture to picture is followed. A clock, a cursor or a
    flame stay where they are, and a subtitle is seldom there when two pictures are compared.
    """
    tracks: list[_Track] = []
    for place, pair in enumerate(pairs):
        found = _blobs(pair.differs, 0, 5, LEAST_SPECK)
        _follow(tracks, place, pair.time, found if len(found) <= MOST_SPECKS else [])
    far = 0.0
    for track in tracks:
        seen = track.seen
        if len(seen) < FEWEST_SIGHTINGS or len(seen) < SEEN_SHARE * (track.last - track.first + 1):
            continue
        way = [(one[1], one[2]) for one in seen]
        if one_way(way):
            far = max(far, float(np.hypot(way[-1][0] - way[0][0], way[-1][1] - way[0][1])))
    return far


def _follow(tracks: list[_Track], place: int, time: float, blobs: Sequence[tuple[float, float, float]]) -> None:
    """Give each blob of a pair to the nearest track of the last two pairs, or start a new one."""
    free = [track for track in tracks if place - track.last <= 2]
    for share, x, y in blobs:
        near = min(free, key=lambda track: _apart(track, x, y), default=None)
        size = math.sqrt(share)
        if near is None or _apart(near, x, y) > max(0.2, 1.5 * size):
            near = _Track(first=place)
            tracks.append(near)
        else:
            free.remove(near)
        near.seen.append((time, x, y, share))
        near.last = place


def _apart(track: _Track, x: float, y: float) -> float:
    return math.hypot(track.seen[-1][1] - x, track.seen[-1][2] - y)


def _blobs(mask: Mask, opened: int, closed: int, least: float) -> list[tuple[float, float, float]]:
    """Return share and centre of each region of a mask, largest first; none where it is most of the picture."""
    if np.count_nonzero(mask) > LARGEST_BLOB * mask.size:
        return []
    whole = mask.view(np.uint8)
    if opened:
        whole = cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((opened, opened), np.uint8))
    whole = cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((closed, closed), np.uint8))
    height, width = whole.shape
    count, _, stats, centres = cv2.connectedComponentsWithStats(whole)
    found = [
        (float(stats[k, cv2.CC_STAT_AREA]) / whole.size, float(centres[k][0]) / width, float(centres[k][1]) / height)
        for k in range(1, count)
    ]
    return sorted((blob for blob in found if blob[0] >= least), reverse=True)[:8]


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
