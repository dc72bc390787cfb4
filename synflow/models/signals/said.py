"""One thing that may be said: a measured finding in several wordings."""

from __future__ import annotations

from dataclasses import dataclass

from synflow.records import Emphasis


@dataclass(frozen=True)
class Said:
    """A finding that cleared its margin, in words.

    Attributes:
        topic: what it speaks of; a text says at most one thing on each topic.
        weight: how much it tells of this clip rather than of any clip, 0 to 1.
        sentences: full sentences that say the same, for different texts about one clip.
        phrase: what follows "a clip ..." for example ``with blue above and green below``; empty where none reads well.
        words: keywords; empty where there is nothing to search for.
        adjective: what one adjective says of it; empty where none does.
    """

    axis: Emphasis
    topic: str
    weight: float
    sentences: tuple[str, ...]
    phrase: str = ""
    words: str = ""
    adjective: str = ""

    @property
    def concrete(self) -> bool:
        """Whether a person could look for it: a colour and where, light and where, camera, a way, a change."""
        kind = self.topic.partition("-")[0]
        return self.weight >= 0.3 and (kind not in _TRIVIAL or "black" in self.adjective)


_TRIVIAL = frozenset(
    {"format", "contrast", "busy", "lines", "ends", "duration", "activity", "pace", "detail", "palette", "mostly"}
)
"""Topics that say how a picture is made rather than what is to be seen in it."""

PLACES = {
    ("left", "top"): "at the top left",
    ("left", "middle"): "on the left",
    ("left", "bottom"): "at the bottom left",
    ("center", "top"): "at the top",
    ("center", "middle"): "in the middle",
    ("center", "bottom"): "at the bottom",
    ("right", "top"): "at the top right",
    ("right", "middle"): "on the right",
    ("right", "bottom"): "at the bottom right",
}


def cell(x: float, y: float) -> tuple[str, str]:
    """Return the third of the picture that holds a point, for example ``("left", "top")``."""
    across = "left" if x < 0.36 else "right" if x > 0.64 else "center"
    down = "top" if y < 0.36 else "bottom" if y > 0.64 else "middle"
    return across, down


def place(x: float, y: float) -> str:
    """Return where a point is, in words: ``at the top left``."""
    return PLACES[cell(x, y)]


def direction(start: tuple[float, float], end: tuple[float, float], least: float = 0.2) -> str:
    """Return the way from ``start`` to ``end``: ``from left to right``; empty where it is shorter than ``least``."""
    across, down = end[0] - start[0], end[1] - start[1]
    if max(abs(across), abs(down)) < least:
        return ""
    sideways = "from left to right" if across > 0 else "from right to left"
    upright = "from top to bottom" if down > 0 else "from bottom to top"
    return sideways if abs(across) >= abs(down) else upright


def listed(parts: list[str] | tuple[str, ...]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


HALVES = {"top": "upper half", "bottom": "lower half", "left": "left half", "right": "right half"}
"""Regions of `synflow.media.looks` that are halves, in words."""


def within(color: str, place: str, share: float) -> str:
    """Return ``a small patch of red on the left``, the size in words."""
    size = "a small patch" if share < 0.025 else "a patch" if share < 0.08 else "an area"
    return f"{size} of {color} {place}"
