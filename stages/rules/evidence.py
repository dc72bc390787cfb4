"""What captions are compared with: pictures of a clip and what earlier stages measured of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.findings import Findings, findings
from synflow.media.lacks import Shades, lack
from synflow.media.looks import Look, Tint, tint
from synflow.media.things import Course, courses
from synflow.media.tone import colour

Verdict = Literal["supported", "contradicted", "unknown"]
Rgb = npt.NDArray[np.uint8]

THUMBNAIL = (80, 45)
"""Width and height at which colour beyond one tint is measured, as the scan of `quality` has them about."""


class Measured(Protocol):
    """What the rules of captions ask of a clip."""

    @property
    def found(self) -> Findings:
        """What was measured of the pictures."""
        ...

    @property
    def tints(self) -> Sequence[Tint | Look]:
        """The colours of each picture."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What earlier stages measured of the clip."""
        ...

    @property
    def still(self) -> bool:
        """Whether the pictures are one picture only, so that no claim on time is judged."""
        ...

    @property
    def lacks(self) -> Mapping[str, float]:
        """Claim on looks -> how clearly every one of the pictures contradicts it, 0 to 1."""
        ...

    @property
    def colour(self) -> float:
        """Grey levels of colour beyond one tint, over all pictures; see `synflow.media.tone.colour`."""
        ...

    @property
    def courses(self) -> Mapping[str, Course]:
        """Colour -> the one thing of that colour, followed through the pictures."""
        ...


class Lacks(Mapping[str, float]):
    """Claim on looks (`synflow.claims.CLAIMS`) -> how clearly all of some pictures contradict it, 0 to 1.

    Pictures are looked at in an order that spreads over the clip, and no further than to one that does not contradict.
    """

    def __init__(self, pictures: Sequence[Rgb]) -> None:
        self._pictures = pictures
        self._order = sorted(range(len(pictures)), key=lambda place: (bin(place)[::-1].find("1"), place))[::-1]
        self._shades: dict[int, Shades] = {}

    def __getitem__(self, claim: str) -> float:
        """Return the least lack of any picture."""
        least = 1.0
        for place in self._order:
            if place not in self._shades:
                self._shades[place] = Shades(self._pictures[place])
            least = min(least, lack(self._shades[place], claim))
            if least <= 0.0:
                break
        return least

    def __iter__(self) -> Iterator[str]:
        """Nothing is listed: what is asked for is measured."""
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True)
class Evidence:
    """What was measured of a clip, nearly all of it at hand; the fields are those of `Measured`.

    Attributes:
        pictures: in order of time; without them things are not followed.
    """

    found: Findings
    facts: Mapping[str, Any]
    still: bool
    lacks: Mapping[str, float]
    pictures: Sequence[Rgb] = field(default=(), repr=False)

    @property
    def tints(self) -> Sequence[Look]:
        """The colours of each picture."""
        return self.found.looks

    @cached_property
    def colour(self) -> float:
        """Grey levels of colour beyond one tint; measured when it is asked for."""
        return _colour_of(self.pictures)

    @cached_property
    def courses(self) -> Mapping[str, Course]:
        """Colour -> the one thing of that colour; measured when it is asked for."""
        return courses(self.pictures)


class Watched:
    """What is measured of a clip when a rule asks for it.

    Args:
        pictures: uint8 ``[h, w, 3]`` each, in order of time.
        times: seconds of each.
        facts: what earlier stages measured.
    """

    still = False

    def __init__(self, pictures: Sequence[Rgb], times: Sequence[float], facts: Mapping[str, Any]) -> None:
        self.pictures, self.times, self.facts = pictures, times, facts
        self.lacks: Mapping[str, float] = Lacks(pictures)

    @cached_property
    def found(self) -> Findings:
        """What was measured of the pictures."""
        return findings(list(self.pictures), self.times)

    @cached_property
    def tints(self) -> Sequence[Tint | Look]:
        """The colours of each picture, without all else."""
        return [tint(picture) for picture in self.pictures]

    @cached_property
    def colour(self) -> float:
        """Grey levels of colour beyond one tint."""
        return _colour_of(self.pictures)

    @cached_property
    def courses(self) -> Mapping[str, Course]:
        """Colour -> the one thing of that colour."""
        return courses(self.pictures)


def _colour_of(pictures: Sequence[Rgb]) -> float:
    if not pictures:
        return 0.0
    small = [cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA) for picture in pictures]
    return colour(np.stack(small)).colour


def series(evidence: Measured, color: str) -> list[float]:
    """Return the share of a colour in each picture, in order of time."""
    return [one.colors[color] for one in evidence.tints]


def between(value: float, no: float, yes: float) -> Verdict:
    """Return supported from ``yes`` on, contradicted up to ``no``, unknown between."""
    return "supported" if value >= yes else "contradicted" if value <= no else "unknown"
