"""A clip played backward: where a text is then false of it, that is a hard negative which only its order tells apart.

It has the same pictures, so nothing but what happens in time can tell it from the clip. What a text says of time is
judged twice, on the pictures in their order and from last to first; looks are the same either way and are not asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.rules.claims import Watched, judged

_TIMED = re.compile(
    r"\b(?:then|before|after|finally|next|later|enters?|entering|leaves|leaving|exits?|comes|appears|disappears|vanishes"
    r"|cross(?:es|ing)|grows?|growing|swells?|shrinks?|turns|turning|changes|changing|becomes|becoming|gets|gives way"
    r"|pans?|panning|tilts?|tilting|zooms?|zooming|pulls? back|pushes in|draws back|moves in"
    r"|to the (?:left|right|top|bottom)|from (?:the )?(?:left|right|top|bottom|above|below)|left|right|upwards?"
    r"|downwards?)\b",
    re.IGNORECASE,
)
"""Without such a word nothing that can be measured has a direction in time."""

_BACK = {
    "left": "right", "right": "left", "up": "down", "down": "up", "in": "out", "out": "in",
    "clockwise": "counterclockwise", "counterclockwise": "clockwise",
}  # fmt: skip


class Backward:
    """A clip, and the same clip played backward; measured when a text first speaks of time.

    Args:
        rgb: its pictures, uint8 ``[n, h, w, 3]``, in order of time.
        times: seconds of each.
        facts: what earlier stages measured.
    """

    def __init__(self, rgb: npt.NDArray[np.uint8], times: Sequence[float], facts: Mapping[str, Any]) -> None:
        self._rgb, self._times, self._facts = rgb, list(times), facts

    def belies(self, text: str) -> bool:
        """Tell whether a text that is true of the clip is surely false of it played backward.

        One claim at least must be borne out by the clip and be contradicted backward, and none be contradicted by the
        clip. Of a clip with cuts nothing is told.
        """
        if self._facts.get("cuts") or len(self._times) < 3 or not _TIMED.search(text):
            return False
        backward = judged(text, self._backward, timed=True)
        if "contradicted" not in backward.values():
            return False
        forward = judged(text, self._forward, timed=True)
        if "contradicted" in forward.values():
            return False
        return any(forward.get(claim) == "supported" for claim, told in backward.items() if told == "contradicted")

    @cached_property
    def _forward(self) -> Watched:
        return Watched(list(self._rgb), self._times, self._facts)

    @cached_property
    def _backward(self) -> Watched:
        ends = self._times[0] + self._times[-1]
        return Watched(list(self._rgb[::-1]), [ends - time for time in self._times[::-1]], turned(self._facts))


def turned(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what would have been measured of a clip without cuts that is played backward."""
    found = dict(facts)
    if camera := facts.get("camera"):
        parts = [_back(part) for part in reversed(camera.get("parts") or ())]
        found["camera"] = {**_back(camera), "parts": parts}
    if movers := facts.get("movers"):
        paths = [{**path, "from": path.get("to", ""), "to": path.get("from", "")} for path in movers.get("paths") or ()]
        found["movers"] = {**movers, "paths": paths}
    return found


def _back(motion: Mapping[str, Any]) -> dict[str, Any]:
    way = str(motion.get("direction", ""))
    return {**motion, "direction": _BACK.get(way, way)}
