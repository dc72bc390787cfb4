"""What a row of pictures of one clip shows over time: what stays, what changes, what moves.

Pure perception on arrays. The pictures are few and far apart, so a cut is not told from a quick change here, and
the camera is not followed: both are measured on dense pictures by the stages `shots` and `dynamics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.colors import COLORS, NEUTRAL, Rgb, color_map, reduced, shares_of
from synflow.media.looks import Look, look, region_masks

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Path:
    """The way of one thing through the picture; positions are fractions of width and height.

    Attributes:
        color: its colour where one covers most of it, else empty.
        share: part of the picture that it covers, in the middle of its values.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    share: float
    color: str = ""


@dataclass(frozen=True)
class Findings:
    """What was measured of the pictures of a clip.

    Attributes:
        looks: one for each picture, in order of time.
        times: seconds of each picture.
        steps: share of pixels that differ from one picture to the next (``n - 1`` values, 0 to 1).
        change_of: region of `synflow.media.looks.REGIONS` -> share of all those differences that lie in it.
        border: share of the outermost pixels that ever differ from their median; near 0 for a still camera.
        ends: share of pixels that differ between the first and the last picture.
        middle: brightness of the median picture, 64 x 64, for comparing two clips.
        mover: one thing that crosses a picture that is otherwise still.
        patch: a patch of colour that travels, whatever the camera does.
    """

    looks: tuple[Look, ...]
    times: tuple[float, ...]
    steps: tuple[float, ...]
    change_of: Mapping[str, float]
    border: float
    ends: float
    middle: Floats
    mover: Path | None
    patch: Path | None

    def mean(self, color: str, region: str = "") -> float:
        """Return the mean share of ``color`` over the pictures, in a region or in the whole."""
        return float(np.mean(self.series(color, region)))

    def least(self, color: str, region: str = "") -> float:
        """Return the lowest share of ``color`` in any picture."""
        return float(np.min(self.series(color, region)))

    def series(self, color: str, region: str = "") -> list[float]:
        """Return the share of ``color`` in each picture, in order of time."""
        return [(seen.regions[region] if region else seen.colors)[color] for seen in self.looks]


@dataclass(frozen=True)
class Seen:
    """One picture, reduced, with what was measured of it; for who needs it in more than one row of pictures."""

    rgb: Rgb
    look: Look

    @classmethod
    def of(cls, rgb: Rgb) -> Seen:
        """Look at ``rgb`` (uint8 ``[h, w, 3]``)."""
        base = reduced(rgb, 320)
        return cls(base, look(base, (int(rgb.shape[0]), int(rgb.shape[1]))))


def trend(values: Sequence[float]) -> float:
    """Return the mean of the last third minus that of the first, or 0 where the way there is not steady.

    Steady means that the rank correlation of the values with time is at least 0.7.
    """
    n = len(values)
    if n < 3:
        return 0.0 if n < 2 else float(values[-1] - values[0])
    third = max(1, n // 3)
    ranks = np.argsort(np.argsort(np.asarray(values), kind="stable"), kind="stable").astype(np.float64)
    order = np.arange(n, dtype=np.float64)
    spread = float(ranks.std() * order.std())
    agreement = float(((ranks - ranks.mean()) * (order - order.mean())).mean()) / spread if spread else 0.0
    change = float(np.mean(values[-third:]) - np.mean(values[:third]))
    return change if abs(agreement) >= 0.7 and agreement * change > 0 else 0.0


STRAIGHT = 0.6
"""Least distance between the ends of a way, as a share of its length: less goes to and fro."""

LEAP = 0.6
"""Longest single step of a way, as a share of the distance between its ends: more is one thing gone, another come."""


def one_way(places: Sequence[tuple[float, float]]) -> bool:
    """Tell whether a row of places (fractions of width and height) is the way of one thing from end to end.

    What bounces, or what is followed on from one thing to the next, has two ends too, but did not go between them.
    """
    walked = np.linalg.norm(np.diff(np.asarray(places, dtype=np.float64), axis=0), axis=1)
    apart = float(np.hypot(places[-1][0] - places[0][0], places[-1][1] - places[0][1]))
    return apart > 0 and apart >= STRAIGHT * float(walked.sum()) and float(walked.max()) <= LEAP * apart


def findings(pictures: Sequence[Rgb], times: Sequence[float] = ()) -> Findings:
    """Return what is measured of ``pictures`` (uint8 ``[h, w, 3]`` each, at least one, in order of time)."""
    return findings_of([Seen.of(picture) for picture in pictures], times)


def findings_of(seen: Sequence[Seen], times: Sequence[float] = ()) -> Findings:
    """Return what is measured of pictures that were looked at before."""
    bases, looks = [one.rgb for one in seen], tuple(one.look for one in seen)
    stack = np.stack([_gray(base) for base in bases])
    steps, change_of = _changes(stack)
    median = np.median(stack, axis=0)
    foreground = np.abs(stack - median) > 0.1
    border = _border(foreground)
    return Findings(
        looks=looks,
        times=tuple(times) if times else tuple(float(i) for i in range(len(looks))),
        steps=steps,
        change_of=change_of,
        border=border,
        ends=float((np.abs(stack[-1] - stack[0]) > 0.08).mean()),
        middle=median,
        mover=_mover(foreground, bases) if border < 0.12 else None,
        patch=_traveller(looks),
    )


def _gray(rgb: Rgb) -> Floats:
    """Return a small, soft, 64 x 64 brightness picture: noise and fine texture are gone."""
    gray = cv2.cvtColor(np.ascontiguousarray(reduced(rgb, 192)), cv2.COLOR_RGB2GRAY)
    square = cv2.resize(gray, (64, 64), interpolation=cv2.INTER_AREA)
    soft: Floats = cv2.GaussianBlur(square, (0, 0), 0.8).astype(np.float32) / 255.0
    return soft


def _changes(stack: Floats) -> tuple[tuple[float, ...], dict[str, float]]:
    """Return the share of changed pixels per step, and the share of all changes that lies in each region."""
    changed = np.abs(np.diff(stack, axis=0)) > 0.08
    weight = changed.sum(axis=0, dtype=np.float64)
    total = float(weight.sum())
    masks = region_masks(*weight.shape)
    where = {region: float(weight[mask].sum()) / total if total else 0.0 for region, mask in masks.items()}
    return tuple(float(step.mean()) for step in changed), where


def _border(foreground: npt.NDArray[np.bool_]) -> float:
    ever = foreground.mean(axis=0)
    ring = np.concatenate([ever[:3].ravel(), ever[-3:].ravel(), ever[:, :3].ravel(), ever[:, -3:].ravel()])
    return float(ring.mean())


def _mover(foreground: npt.NDArray[np.bool_], pictures: Sequence[Rgb]) -> Path | None:
    """Return the one thing that stands out from the median picture, if it is one and goes one way."""
    n = len(foreground)
    if n < 4:
        return None
    places: list[tuple[int, float, float, float]] = []
    tints: list[str] = []
    for index, mask in enumerate(foreground):
        share = float(mask.mean())
        if not 0.004 <= share <= 0.25:
            continue
        _, labels, stats, centers = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        if stats[largest, cv2.CC_STAT_AREA] < 0.75 * mask.sum():
            continue
        places.append((index, (centers[largest][0] + 0.5) / 64, (centers[largest][1] + 0.5) / 64, share))
        tints.append(_tint(pictures[index], labels == largest))
    if len(places) < max(3, 0.6 * n):
        return None
    xs, ys = [p[1] for p in places], [p[2] for p in places]
    if abs(trend(xs)) < 0.2 and abs(trend(ys)) < 0.2:
        return None
    if not one_way(list(zip(xs, ys, strict=True))) or len({tint for tint in tints if tint}) > 1:
        return None
    color = tints[0] if tints[0] and all(tint == tints[0] for tint in tints) else ""
    share = float(np.median([p[3] for p in places]))
    return Path((float(xs[0]), float(ys[0])), (float(xs[-1]), float(ys[-1])), share, color)


def _tint(rgb: Rgb, mask: npt.NDArray[np.bool_]) -> str:
    """Return the colour of at least 60 % of the pixels of ``rgb`` under ``mask`` (bool ``[64, 64]``), else empty."""
    small = cv2.resize(np.ascontiguousarray(reduced(rgb, 192)), (64, 64), interpolation=cv2.INTER_AREA)
    shares = shares_of(color_map(small)[mask])
    best = max(COLORS, key=lambda color: shares[color])
    return best if shares[best] >= 0.6 and best not in NEUTRAL else ""


def _traveller(looks: Sequence[Look]) -> Path | None:
    """Return the patch of one colour that is in every picture, alike in size, and travels one way."""
    if len(looks) < 4:
        return None
    found: list[Path] = []
    for color in COLORS:
        row = [patch for seen in looks for patch in seen.patches if patch.color == color]
        if len(row) != len(looks):
            continue
        shares = [patch.share for patch in row]
        if max(shares) > 2.5 * min(shares):
            continue
        xs, ys = [patch.x for patch in row], [patch.y for patch in row]
        travels = abs(trend(xs)) >= 0.2 or abs(trend(ys)) >= 0.2
        if travels and one_way(list(zip(xs, ys, strict=True))):
            found.append(Path((xs[0], ys[0]), (xs[-1], ys[-1]), float(np.median(shares)), color))
    return max(found, key=lambda path: path.share) if found else None
