"""Colours of backgrounds: what a name and a tone look like, and which of them go together."""

from __future__ import annotations

import colorsys
import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

HUES = {"red": 358, "orange": 28, "yellow": 52, "green": 130, "blue": 214, "purple": 276, "pink": 330, "brown": 26}
NAMES = ("grey", "blue", "green", "brown", "purple", "orange", "yellow", "pink", "red")
DIM_NAMES = ("grey", "blue", "green", "purple", "red")
"""Colours that are still told apart in little light (orange looks brown there)."""

PAPER_NAMES = ("grey", "blue", "green", "yellow", "brown")
"""Colours of drawing paper."""

SIMILAR: dict[str, set[str]] = {
    "red": {"orange", "pink", "brown"},
    "orange": {"red", "yellow", "brown"},
    "yellow": {"orange", "white"},
    "green": set(),
    "blue": {"purple"},
    "purple": {"blue", "pink"},
    "pink": {"red", "purple", "white"},
    "white": {"grey", "yellow", "pink"},
}
"""Colours of a background in front of which a mover of that colour is hard to tell."""

_GREYS = {"": 128, "pale": 182, "deep": 84}
_USUAL = {"": (0.62, 0.78), "pale": (0.34, 0.93), "deep": (0.72, 0.5)}
_BROWN = {"": (0.6, 0.5), "pale": (0.5, 0.62), "deep": (0.65, 0.36)}
_WARM = {"": (0.72, 0.9), "pale": (0.5, 0.97), "deep": (0.85, 0.85)}


def tones(name: str) -> tuple[str, ...]:
    """Return the tones that a colour can have and keep its name: a pale red would be pink."""
    return {"red": ("", "deep"), "pink": ("", "pale"), "yellow": ("", "pale"), "orange": ("", "pale")}.get(
        name, ("", "pale", "deep")
    )


def tint(name: str, tone: str, shift: float = 0.0) -> Floats:
    """Return an RGB (float32, shape ``[3]``, 0..255) that a person would call ``tone`` ``name``.

    Args:
        name: one of `NAMES`, or ``black``.
        tone: ``pale``, ``deep`` or empty; a tone that would change the name is left out.
        shift: -1..1, moves the hue (or the grey level) a little.
    """
    if name == "black":
        return np.full(3, 30 + 6 * shift, dtype=np.float32)
    if tone not in tones(name):
        tone = ""
    if name == "grey":
        return np.full(3, _GREYS[tone] + 6 * shift, dtype=np.float32)
    table = _BROWN if name == "brown" else _WARM if name in {"yellow", "orange"} else _USUAL
    saturation, value = table[tone]
    hue = (HUES[name] + 5 * shift) % 360 / 360
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value), dtype=np.float32) * 255


def paper(name: str, shift: float = 0.0) -> Floats:
    """Return the RGB of drawing paper of a light shade of a colour."""
    white = np.array([238, 235, 226], dtype=np.float32)
    out: Floats = tint(name, "pale", shift) * np.float32(0.6) + white * np.float32(0.4)
    return out


def luma(rgb: npt.ArrayLike) -> float:
    """Return the brightness of an RGB, 0..255."""
    return float(np.asarray(rgb, dtype=np.float64) @ (0.299, 0.587, 0.114))


def second_for(first: str, tone: str, free: Sequence[str], rng: random.Random) -> str:
    """Choose a colour that is told apart from ``first`` by its brightness alone, as a grey picture would show it."""
    here = luma(tint(first, tone))
    far = [n for n in (*free, "grey") if n != first and abs(luma(tint(n, tone)) - here) >= 36]
    if far:
        return rng.choice(far)
    return "black" if here >= 80 or first == "grey" else "grey"
