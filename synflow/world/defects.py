"""Known bad clips: each spoils a good one in a single way, and says which stage should notice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count

import cv2
import numpy as np
import numpy.typing as npt

from synflow.errors import UsageError
from synflow.ids import rng_of
from synflow.world.captions import captions, still_caption, summary
from synflow.world.film import pictures
from synflow.world.plot import write_script
from synflow.world.script import CODECS, HEIGHT, WIDTH, Camera, Script

Pixels = npt.NDArray[np.uint8]

KINDS = (
    "static",
    "frozen",
    "black",
    "blurred",
    "wrong-caption",
    "boilerplate-caption",
    "near-duplicate",
    "truncated",
    "wrong-order",
)

EXPECTED: dict[str, tuple[tuple[str, str], ...]] = {
    "static": (("dynamics", "static-clip"), ("quality", "frozen")),
    "frozen": (("quality", "frozen"), ("dynamics", "static-clip")),
    "black": (("quality", "black"),),
    "blurred": (("quality", "blurred"),),
    "wrong-caption": (("consistency", "caption-mismatch"),),
    "boilerplate-caption": (("rectify", "caption-boilerplate"), ("rectify", "caption-url")),
    "near-duplicate": (("dedup", "near-duplicate"),),
    "truncated": (("validate", "unreadable"), ("validate", "no-video")),
    "wrong-order": (("consistency", "caption-mismatch"),),
}
"""Stage and reason that should end each kind; further ones are as right."""

ELSEWHERE = 10_000_000
"""First index of clips that no world renders; their captions are borrowed, so no good clip shares its own."""


@dataclass(frozen=True)
class Take:
    """A clip ready for the encoder.

    Attributes:
        script: what can be seen.
        caption: what the list says of it; ``truths`` are true captions by style.
        change: what is done to its pictures.
        options: of the encoder, where they are not the usual ones.
        keep: share of the bytes of the file that are left.
    """

    script: Script
    caption: str
    truths: dict[str, str]
    grain: float
    defect: str | None = None
    duplicate_of: str | None = None
    film: Script | None = None
    change: Callable[[Iterable[Pixels]], Iterable[Pixels]] | None = None
    options: dict[str, str] = field(default_factory=dict)
    keep: float = 1.0

    def pictures(self) -> Iterable[Pixels]:
        """Return the pictures as they are encoded."""
        made = pictures(self.film or self.script)
        return self.change(made) if self.change else made


def defect_of(index: int, fraction: float) -> str | None:
    """Return the defect of clip ``index`` where ``fraction`` of all clips have one; None for a good clip.

    Raises:
        UsageError: ``fraction`` is not between 0 and 0.5.
    """
    if not 0.0 <= fraction <= 0.5:
        raise UsageError(f"defects: must be between 0 and 0.5, got {fraction}", "use for example --defects 0.2")
    exact = Fraction(str(fraction))
    before, after = int(index * exact), int((index + 1) * exact)
    return KINDS[before % len(KINDS)] if after > before else None


def take(seed: int, index: int, fraction: float) -> Take:
    """Return clip ``index`` of world ``seed``: good, or with the defect that its place asks for."""
    defect = defect_of(index, fraction)
    if defect is None:
        return _good(write_script(seed, index))
    rng = rng_of("defect", seed, index)
    if defect == "near-duplicate":
        free = [i for i in range(index) if defect_of(i, fraction) is None]
        return _near_duplicate(write_script(seed, rng.choice(free)), write_script(seed, index), rng)
    return _SPOILERS[defect](seed, index, rng)


def _good(script: Script) -> Take:
    truths = captions(script)
    return Take(script, truths["summary"], truths, 13.0 if script.style == "noise" else 0.0)


def _clean(seed: int, index: int, **wish: int) -> Script:
    """Return a script of one shot without grain, so that only the defect stands out."""
    script = write_script(seed, index, shots=1, **wish)
    return replace(script, style="flat") if script.style == "noise" else script


def _static(seed: int, index: int, rng: random.Random) -> Take:
    script = _clean(seed, index)
    shot = script.shots[0]
    parts = tuple(replace(part, present=True) for part in shot.parts)
    script = replace(script, events=(), shots=(replace(shot, camera=Camera("still"), parts=parts),))
    text = still_caption(script, rng)
    # A sensor is never quite at rest: pictures differ a little though nothing moves.
    return Take(script, text, {"summary": text}, 1.6, "static")


def _frozen(seed: int, index: int, rng: random.Random) -> Take:
    script = _clean(seed, index)
    moving = round(script.frames * rng.uniform(0.16, 0.24))
    text = captions(script)["summary"]

    def freeze(made: Iterable[Pixels]) -> Iterator[Pixels]:
        kept = None
        for i, picture in enumerate(made):
            kept = picture if i < moving or kept is None else kept
            yield kept

    return Take(script, text, {}, 0.0, "frozen", change=freeze)


def _black(seed: int, index: int, rng: random.Random) -> Take:
    script = _clean(seed, index)
    text = captions(script)["summary"]
    return Take(script, text, {}, 0.0, "black", change=lambda made: (picture // 48 for picture in made))


def _blurred(seed: int, index: int, rng: random.Random) -> Take:
    # The finest encoding: a smooth picture would show blocks as well.
    script, sigma = replace(_clean(seed, index), codec="h264"), rng.uniform(3.2, 4.2)
    truths = captions(script)
    return Take(
        script,
        truths["summary"],
        truths,
        0.0,
        "blurred",
        change=lambda made: (cv2.GaussianBlur(picture, (0, 0), sigma) for picture in made),
        options={"crf": "8"},
    )


def palette(script: Script) -> set[str]:
    """Return the names of all colours that a script shows."""
    shown = {m.color for m in script.movers} | {e.color for e in script.events if e.color}
    return shown | {name for s in script.shots for name in (s.background.color, s.background.second)}


def _wrong_caption(seed: int, index: int, rng: random.Random) -> Take:
    script = write_script(seed, index, shots=1, events=rng.choice((1, 2)))
    mine = {m.color for m in script.movers} | {e.color for e in script.events}
    for i in count(ELSEWHERE + index * 1000):
        other = write_script(seed, i, shots=1, events=2)
        theirs = {m.color for m in other.movers} | {e.color for e in other.events}
        same = script.shots[0].background.kind == other.shots[0].background.kind
        if not (mine - {""}) & palette(other) and not (theirs - {""}) & palette(script) and not same:
            return replace(_good(script), caption=captions(other)["summary"], defect="wrong-caption")
    raise AssertionError("unreachable")


_BOILERPLATE = (
    "Subscribe to our channel and hit the bell icon so you never miss {what} {n}!",
    "Thanks for watching {what} {n}! Please like, share and subscribe for more videos every week.",
    "Royalty free stock footage from {what} {n}, available for download in 4K. Buy a license now.",
    "Follow us on Facebook and Instagram for more of {what} {n}, and don't forget to leave a comment below.",
    "Click the link in the description to get 20% off and watch {what} {n} before anyone else.",
    "All rights reserved. No part of {what} {n} may be reproduced without permission of the copyright owner.",
)


def _boilerplate(seed: int, index: int, rng: random.Random) -> Take:
    what = rng.choice(("our episode", "our video", "our upload", "our show"))
    text = rng.choice(_BOILERPLATE).format(what=what, n=index + 1)
    return replace(_good(write_script(seed, index)), caption=text, defect="boilerplate-caption")


def _near_duplicate(origin: Script, own: Script, rng: random.Random) -> Take:
    """Re-encode an earlier clip with another codec, a little cropped and scaled, and told in other words."""
    codec = rng.choice([c for c in CODECS if c != origin.codec])
    crop, light = rng.choice((0.02, 0.03, 0.05)), rng.choice((0.94, 1.0, 1.05))
    script = replace(origin, id=own.id, index=own.index, codec=codec)
    first = captions(origin)["summary"]
    retold = [t for i in range(40) if (t := captions(origin, f"again {i}"))["summary"] != first]
    truths = min(retold, key=lambda t: len(t["summary"]))  # a copy says less, so the first one is the better one

    def again(made: Iterable[Pixels]) -> Iterator[Pixels]:
        x, y = round(WIDTH * crop / 2), round(HEIGHT * crop / 2)
        for picture in made:
            cut = picture[y : HEIGHT - y, x : WIDTH - x]
            yield cv2.convertScaleAbs(cv2.resize(cut, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), alpha=light)

    return Take(
        script,
        truths["summary"],
        truths,
        13.0 if origin.style == "noise" else 0.0,
        "near-duplicate",
        duplicate_of=origin.id,
        film=origin,
        change=again,
    )


def _truncated(seed: int, index: int, rng: random.Random) -> Take:
    """Cut an MP4 short: its table of contents, which stands last, is lost."""
    script = replace(write_script(seed, index), codec="h264")
    return replace(_good(script), defect="truncated", keep=round(rng.uniform(0.4, 0.8), 3))


def _wrong_order(seed: int, index: int, rng: random.Random) -> Take:
    script = write_script(seed, index, shots=1, events=rng.choice((2, 2, 3)))
    text = summary(script, rng_of("captions", seed, index, "reversed"), tuple(reversed(script.events)))
    return replace(_good(script), caption=text, defect="wrong-order")


_SPOILERS: dict[str, Callable[[int, int, random.Random], Take]] = {
    "static": _static,
    "frozen": _frozen,
    "black": _black,
    "blurred": _blurred,
    "wrong-caption": _wrong_caption,
    "boilerplate-caption": _boilerplate,
    "truncated": _truncated,
    "wrong-order": _wrong_order,
}
