"""What the camera does over a clip, from what it did between pairs of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.media.motion import Motion
from synflow.media.pairs import Pair
from synflow.media.ranks import medians

STILL = 0.015
"""Widths per second of camera motion (at the edge of the picture) under which an unsteady camera counts as still."""

CREEP = 0.004
"""The same for a camera that surely goes one way; slower is not told from the errors of the flow."""

CREEP_WAY = 0.008
"""Widths that the edge must go between two far pictures to be seen to creep."""

GOES = 0.4
"""Share of the speed from picture to picture that a camera keeps over seconds; less is shaking on the spot."""

STEADY = 0.45
"""Share of the usual speed that the usual velocity must keep; less is going to and fro."""

LEAD = 1.6
"""How many times as strong as the next kind of motion the leading one must be, to name the camera by it."""

CLEAR = 0.4
"""Share of the strongest kind of motion that another must have to be named beside it."""

EXPLAINED = 0.5
"""Share of the picture that must move as the fitted camera says; else something else fills the picture."""

EXPLAINED_FAR = 0.7
"""Share of the picture that must move as the camera says between two far pictures."""

_KINDS = (
    ("pan", "left", "right"),
    ("tilt", "up", "down"),
    ("zoom", "in", "out"),
    ("roll", "counterclockwise", "clockwise"),
)
"""Name and directions: of a motion of the content above 0, and below."""

Moves = npt.NDArray[np.float64]


def camera_of(motion: Motion) -> dict[str, Any]:
    """Return what the camera does over a clip.

    Returns:
        ``motion``: still, pan, tilt, zoom, roll, shake or mixed; ``direction`` of the camera itself (what is seen
        moves the other way): left, right, up, down, in, out, clockwise, counterclockwise or empty; ``strength``:
        how fast the edge of the picture moves, in widths per second; ``parts``: the same three of each motion that
        is clear: one, or two, strongest first, where it is mixed of just those; none where it is mixed otherwise.
    """
    pairs = motion.pairs
    if not pairs:
        return _named("still", "", 0.0)
    near = _moves(pairs)
    strength = round(float(np.linalg.norm(near, axis=1).mean()), 4)
    trusted = np.array([pair.explained >= EXPLAINED for pair in pairs])
    far = _moves([pair for pair in motion.far if pair.explained >= EXPLAINED])
    if trusted.sum() < len(pairs) / 2:
        # Little but the things that move has structure: the camera is seen where nothing of it moves.
        stands = median(np.linalg.norm(near, axis=1).tolist()) < STILL
        return _named("still" if stands else "mixed", "", strength)
    near = near[trusted]
    # Medians: one jolt, or one cut that nobody took out, says nothing of what the camera does.
    speed, drift = np.linalg.norm(near, axis=1), medians(near)
    total, kept = median(speed.tolist()), float(np.linalg.norm(drift))
    if total < STILL:
        return _creeping(motion, strength)
    gone = median(np.linalg.norm(far, axis=1).tolist()) if len(far) >= 3 else total
    if gone < GOES * total or kept < STEADY * total:
        return _named("mixed" if gone >= 2 * GOES * total and len(far) >= 3 else "shake", "", strength)
    return _steady(drift, medians(np.abs(near)), strength)


def _moves(pairs: Sequence[Pair]) -> Moves:
    """Return each motion as the speed that it gives the edge of the picture, half a width from the centre."""
    return np.array([[p.shift[0], p.shift[1], p.zoom / 2, p.roll / 2] for p in pairs]).reshape(-1, 4)


def _creeping(motion: Motion, strength: float) -> dict[str, Any]:
    """Name a camera that is nearly still: pictures seconds apart tell whether it creeps."""
    seen = [p for p in motion.far if p.explained >= EXPLAINED_FAR]
    if len(seen) < 3 or len(seen) < 0.8 * len(motion.far):
        return _named("still", "", strength)
    moves = _moves(seen)
    drift, speed = medians(moves), medians(np.abs(moves))
    way = float(np.linalg.norm(drift)) * median(p.gap for p in seen)
    alike = float(np.linalg.norm(moves.mean(axis=0))) >= 0.85 * float(np.linalg.norm(moves, axis=1).mean())
    if float(np.linalg.norm(drift)) < CREEP or way < CREEP_WAY or not alike:
        return _named("still", "", strength)
    return _steady(drift, speed, round(float(np.linalg.norm(drift)), 4))


def _steady(drift: Moves, speed: Moves, strength: float) -> dict[str, Any]:
    """Name a camera that goes one way, by the kinds of motion that keep their direction."""
    steady = np.where(np.abs(drift) >= STEADY * speed, np.abs(drift), 0.0)
    order = [int(k) for k in np.argsort(-steady, kind="stable") if steady[k] > 0]
    if not order:
        return _named("mixed", "", strength)
    clear = [k for k in order if steady[k] >= CLEAR * steady[order[0]]]
    parts = [
        {
            "motion": _KINDS[k][0],
            "direction": _KINDS[k][1 if drift[k] > 0 else 2],
            "strength": round(float(steady[k]), 4),
        }
        for k in clear
    ]
    if len(order) > 1 and steady[order[0]] < LEAD * steady[order[1]]:
        return {"motion": "mixed", "direction": "", "strength": strength, "parts": parts if len(parts) == 2 else []}
    return {**parts[0], "strength": strength, "parts": parts[:1]}


def _named(motion: str, direction: str, strength: float) -> dict[str, Any]:
    parts = [{"motion": motion, "direction": direction, "strength": strength}] if motion != "mixed" else []
    return {"motion": motion, "direction": direction, "strength": strength, "parts": parts}
