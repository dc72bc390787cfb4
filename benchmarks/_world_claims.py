"""What a caption of a rendered world claims, and of which clips that is true: how many a perfect searcher cannot part.

A caption names movers by colour and shape (at times by size), what they do in which order, and at times what is behind
them. Other clips may show the same. Each claim is read from the caption and compared with the truth about each clip.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.world.palette import HUES
from synflow.world.phrases import DEEDS, NUMBERS, setting
from synflow.world.script import SHAPES, Background

COLORS = (*HUES, "grey", "black", "white")
SIZES = {"small": "small", "medium-sized": "medium", "large": "large"}
TIMES = {"twice": 2, **{f"{word} times": number for number, word in enumerate(NUMBERS)}}
_COLOR = "|".join(sorted(COLORS, key=len, reverse=True))
_MOVER = rf"(?:(?P<size>{'|'.join(SIZES)}) )?(?:now )?(?P<color>{_COLOR}) (?P<shape>{'|'.join(SHAPES)})"
_OTHER = rf"(?:an?|the) (?:(?:{'|'.join(SIZES)}) )?(?:now )?(?P<other>(?:{_COLOR}) \w+)"
_VERBS = (
    rf"bumps into {_OTHER} and springs back", rf"collides with {_OTHER}", rf"runs into {_OTHER} and bounces off it",
    rf"turns (?P<to>{_COLOR}) while sliding (?P<way>\w+)",
    rf"(?:slides|moves) (?P<way>\w+)(?: and turns|, changing) from (?:{_COLOR}) to (?P<to>{_COLOR})",
    rf"bounces(?: up and down)? (?P<times>{'|'.join(TIMES)})", r"bounces up and down on the spot",
)  # fmt: skip
_BEHIND = re.compile(r"(?:against|in front of) (.+?)(?=[,;.]| before | while | as the | as view|$)")
_LINK = re.compile(r"(, then |; then | before |, after which |; after a cut, |; in the next shot, |; later, )")


@dataclass(frozen=True)
class Deed:
    """One thing that one mover does; None where a caption does not say."""

    color: str
    shape: str
    size: str | None
    kind: str
    way: str
    more: str | int | None

    def fits(self, true: Deed) -> bool:
        """Tell whether what is claimed is so in a true deed."""
        said = (self.color, self.shape, self.kind, self.way)
        same = said == (true.color, true.shape, true.kind, true.way)
        return same and self.size in (None, true.size) and self.more in (None, true.more)


@dataclass(frozen=True)
class Claims:
    """What a caption says: deeds in order, and what is behind the first (empty: not said)."""

    deeds: tuple[Deed, ...]
    behind: str


@dataclass(frozen=True)
class Shown:
    """What a clip shows: deeds in order, and all phrases for what is behind."""

    deeds: tuple[Deed, ...]
    behind: frozenset[str] = field(default_factory=frozenset)


def claims_of(text: str) -> Claims | None:
    """Return what a caption claims; None where it is no caption of the world's own, whose deeds can be read."""
    said = text.lower()
    verbs = sorted(_verbs(said), key=lambda one: one[0].start())
    deeds: list[Deed] = []
    subject: re.Match[str] | None = None
    for found, kind, way in verbs:
        before = [m for m in re.finditer(_MOVER, said[: found.start()]) if m.end() == found.start() - 1]
        subject = before[-1] if before else subject
        if subject is None:
            return None
        color = subject["color"]
        # One that has changed its colour is still called by its pronoun or not at all.
        turned = [one for one in deeds if one.kind == "recolor" and one.shape == subject["shape"] and not before]
        told = found.groupdict()
        more: str | int | None = told.get("other") or told.get("to")
        if told.get("times"):
            more = TIMES[told["times"]]
        size = SIZES.get(subject["size"] or "")
        deeds.append(
            Deed(str(turned[-1].more) if turned else color, subject["shape"], size, kind, told.get("way") or way, more)
        )
    if not deeds:
        return None
    behind = _BEHIND.search(said)
    return Claims(tuple(deeds), behind[1] if behind else "")


def _verbs(said: str) -> list[tuple[re.Match[str], str, str]]:
    found = []
    for (kind, way), phrases in DEEDS.items():
        found += [(m, kind, way) for phrase in phrases for m in re.finditer(re.escape(phrase), said)]
    for pattern in _VERBS:
        kind = "recolor" if "<to>" in pattern else "collide" if "<other>" in pattern else "bounce"
        found += [(m, kind, "") for m in re.finditer(pattern, said)]
    return found


def shown_by(truth: Mapping[str, Any], start: float, end: float) -> Shown:
    """Return what a clip shows between two times of its film, from a line of ``truth.jsonl``."""
    colors = [mover["color"] for mover in truth["movers"]]
    deeds = []
    for event in truth["events"]:
        mover = truth["movers"][event["mover"]]
        kind = event["kind"]
        way = event["origin"] if kind == "enter" else event["toward"] if kind in ("leave", "cross", "recolor") else ""
        more: str | int | None = None
        if kind == "bounce":
            more = event["times"]
        elif kind == "collide":
            more = f"{colors[event['other']]} {truth['movers'][event['other']]['shape']}"
        elif kind == "recolor":
            more = event["color"]
        if start <= (event["start"] + event["end"]) / 2 <= end:
            deeds.append(Deed(colors[event["mover"]], mover["shape"], mover["size"], kind, way, more))
        if kind == "recolor":
            colors[event["mover"]] = event["color"]
    behind = set()
    for shot in truth["shots"]:
        if shot["start"] < end and shot["end"] > start:
            behind |= {setting(Background(**shot["background"]), truth["style"], _Always(k)) for k in (0, 1)}  # type: ignore[arg-type]
    return Shown(tuple(deeds), frozenset(behind))


class _Always:
    """Chooses the same place of whatever it is offered."""

    def __init__(self, place: int) -> None:
        self.place = place

    def choice(self, ways: Sequence[str]) -> str:
        return ways[self.place % len(ways)]


def true_of(claims: Claims, shown: Shown) -> bool:
    """Tell whether a clip shows all that is claimed, in that order."""
    if claims.behind and claims.behind not in shown.behind:
        return False
    left = iter(shown.deeds)
    return all(any(one.fits(true) for true in left) for one in claims.deeds)


def reversed_order(text: str) -> str | None:
    """Return a caption of two movers with what they do in the other order, word for word; None where it is another."""
    parts = _LINK.split(text.strip().removesuffix("."))
    if (
        len(parts) != 3
        or re.search(r"[.]|; (?:next|finally|in the end),", text.strip()[:-1])
        or any(not re.match(r"(?i)an? ", part) for part in parts[::2])
    ):
        return None
    if any(claims_of(part) is None for part in parts[::2]):
        return None
    first, link, second = parts
    return f"{second[0].upper()}{second[1:]}{link}{first[0].lower()}{first[1:]}."


def best_among(others: int, alike: int, many: int) -> float:
    """Return R@1 that a perfect searcher has among ``many`` candidates, one of them wanted: it guesses among equals.

    Args:
        others: all other candidates.
        alike: those of them of which the query is true as well.
        many: candidates, of which the others are drawn at random.
    """
    drawn = min(many - 1, others)
    ways = math.comb(others, drawn)
    return sum(
        math.comb(alike, met) * math.comb(others - alike, drawn - met) / ways / (1 + met)
        for met in range(min(alike, drawn) + 1)
    )


def among(ranks: npt.NDArray[np.int64], candidates: int, many: int) -> float:
    """Return R@1 among ``many`` candidates drawn at random, of which one is wanted: its mean over all draws.

    Args:
        ranks: how many of all other candidates stand before the wanted one, for each query.
        candidates: all that there are.
        many: how many there would be; all, where it is more.
    """
    others, drawn = candidates - 1, min(many, candidates) - 1
    steps = np.arange(drawn)
    # No draw may meet one of the `rank` that stand before: (others - rank choose drawn) / (others choose drawn).
    left = np.clip(others - ranks[:, None] - steps, 0, None) / (others - steps)
    return float(np.prod(left, axis=1).mean())
