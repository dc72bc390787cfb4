"""The script of a rendered clip: who is in it, what happens when, where the camera looks. It is the truth.

Lengths are pixels of the 256 x 144 view, times are seconds from the first picture. The origin is the upper left.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

WIDTH, HEIGHT = 256, 144

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (218, 36, 36),
    "orange": (246, 138, 22),
    "yellow": (246, 222, 48),
    "green": (44, 168, 66),
    "blue": (40, 84, 224),
    "purple": (132, 56, 190),
    "pink": (248, 128, 190),
    "white": (246, 246, 246),
}
"""The eight colours of movers, RGB."""

SHAPES = ("circle", "square", "triangle", "star", "diamond")
RADII = {"small": 13.0, "medium": 18.0, "large": 24.0}
STYLES = ("flat", "noise", "dark", "sketch")
CODECS = ("h264", "vp9", "mpeg4")
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


@dataclass(frozen=True)
class Mover:
    """A shape that takes part in a clip; no two of one clip share a colour."""

    color: str
    shape: str
    size: str


@dataclass(frozen=True)
class Background:
    """What is behind the movers.

    Attributes:
        kind: the pattern, for example ``bricks``; ``turn`` is the direction of stripes, else empty.
        color, second: names of its two colours; ``tone`` of both is ``pale``, ``deep`` or empty.
        seed: draws everything else (sizes, places, light).
    """

    kind: str
    color: str
    second: str
    tone: str
    seed: int
    turn: str = ""


@dataclass(frozen=True)
class Camera:
    """How the view moves during a shot.

    Attributes:
        motion: ``still``, ``pan``, ``tilt`` or ``zoom``.
        direction: where the camera turns: left, right, up, down, in, out; empty when still.
        amount: pixels that the background moves by, or the ratio of a zoom.
    """

    motion: str
    direction: str = ""
    amount: float = 0.0


@dataclass(frozen=True)
class Part:
    """A mover's place in one shot.

    Attributes:
        mover: index into the movers of the script.
        x, y: where it rests; ``radius`` is its size when the shot begins.
        present: whether it can be seen when the shot begins.
    """

    mover: int
    x: float
    y: float
    radius: float
    present: bool


@dataclass(frozen=True)
class Event:
    """Something that a mover does.

    Attributes:
        kind: enter, leave, cross, grow, shrink, bounce, collide or recolor.
        mover: who does it; ``other`` is whom it collides with.
        origin, toward: side of the picture that it comes from and goes to, where that makes sense.
        color: the new colour of a recolor.
        times: how often it touches the ground in a bounce.
    """

    order: int
    shot: int
    kind: str
    mover: int
    start: float
    end: float
    other: int | None = None
    origin: str = ""
    toward: str = ""
    color: str = ""
    times: int = 0


@dataclass(frozen=True)
class Shot:
    """A run of pictures between two cuts; ``first`` and ``last`` (exclusive) count pictures of the clip."""

    first: int
    last: int
    start: float
    end: float
    background: Background
    camera: Camera
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Script:
    """All that happens in one clip."""

    id: str
    seed: int
    index: int
    fps: int
    style: str
    codec: str
    movers: tuple[Mover, ...]
    shots: tuple[Shot, ...]
    events: tuple[Event, ...]

    @property
    def frames(self) -> int:
        """Number of pictures."""
        return self.shots[-1].last

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.fps

    def record(self) -> dict[str, Any]:
        """Return the script as JSON, with the times of its cuts spelled out."""
        return {
            **asdict(self),
            "width": WIDTH,
            "height": HEIGHT,
            "frames": self.frames,
            "duration": round(self.duration, 6),
            "cuts": [shot.start for shot in self.shots[1:]],
        }
