"""What two pictures of a clip tell of each other: how the camera moved, what else moved, what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.flow import STILL, DenseFlow, Model, Sight, camera_flow, reach_of, seen_twice, shifted
from synflow.media.light import Gray, Mask, clipped, light_of, lit
from synflow.media.steps import Sudden

CHANGE = 6.0
"""Grey levels, after blurring, by which a pixel must differ to count as changed; above coding flicker."""

EVIDENCE = 3.0
"""Grey levels, after blurring, by which the pictures must differ where a flow is to count as motion."""

BLURRED = 0.37
"""Grain of the difference of two blurred pictures, as a share of the grain of one."""

SIGMAS = 4.5
"""Differences that are grain alone stay below so many of its standard deviations."""

GRAINY = 1.5
"""Grain in grey levels from which the flow gets blurred pictures."""

LITTLE = 0.004
"""Changed share under which the camera is not asked."""

CLOSER = 0.08
"""Growth of the second picture from which it is blurred before it is moved back."""

UNMATCHED = 24.0
"""Grey levels, after blurring, that a dense flow leaves where it does not map one picture onto the other."""

JUMP = 0.35
"""Share of the picture that must not be found again where the film jumps."""

OVERLAY_STEP = 3.0
"""Pixels that the camera must move for what stays in its place to be seen in two pictures."""

EDGE = 20
"""Grey levels between neighbours that make an edge."""

AROUND = np.ones((3, 3), np.uint8)
"""A pixel and its neighbours."""

OVERLAY = 5.0
"""Grey levels by which what stays in its place on the screen may waver."""

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """What a pair of pictures tells. Lengths are in widths of the picture, times in seconds.

    Attributes:
        shift: of the picture content, right and down, per second.
        zoom: natural logarithm of the growth per second; above 0 the camera goes in.
        roll: radians per second, clockwise.
        residual: mean of the strongest 5 % of residual motion, widths per second.
        explained: share of the textured places that move as the camera says; low where something fills the picture.
        speed: of the content, its 90th percentile over the textured places, widths per second.
        unmatched: share of the picture that no flow finds again.
        moving: mask of the places with residual motion, bool, every second pixel of the picture.
        differs: mask of the places that look different once camera and light are undone, likewise.
        rest: residual motion of each of them, widths per second.
    """

    time: float
    gap: float
    shift: tuple[float, float]
    zoom: float
    roll: float
    residual: float
    explained: float
    speed: float
    unmatched: float
    moving: Mask = field(repr=False)
    differs: Mask = field(repr=False)
    rest: npt.NDArray[np.float32] = field(repr=False)


class Eye:
    """Looks at pairs of pictures of one clip, knowing its grain.

    Args:
        small: the pictures at half the size.
        noise: standard deviation of the grain, grey levels.
    """

    def __init__(self, times: Times, luma: Gray, small: Gray, noise: float) -> None:
        self._times, self._luma, self._small = times, luma, small
        self._flow, self._far = DenseFlow(), DenseFlow(fine=False)
        self._grainy = noise > GRAINY
        self._spread = SIGMAS * BLURRED * noise
        self._smooth: dict[int, Gray] = {}
        self._overlay: Mask | None = None
        self._width = luma.shape[2]
        self._shape = (int(luma.shape[1]), int(luma.shape[2]))

    def smooth(self, place: int) -> Gray:
        """Return the blurred picture at a place."""
        if place not in self._smooth:
            self._smooth[place] = np.asarray(cv2.GaussianBlur(self._luma[place], (5, 5), 0), np.uint8)
        return self._smooth[place]

    def pairs(self, places: Sequence[tuple[int, int]]) -> tuple[Pair, ...]:
        """Return what each pair of pictures shows; the camera is thought to go on as it did in the pair before."""
        out: list[Pair] = []
        guess = STILL
        for i, j in places:
            gap = float(self._times[j] - self._times[i])
            sight = self._sight(i, j, guess * gap)
            guess = sight.camera / gap
            out.append(self._pair(i, j, sight))
        return tuple(out)

    def _sight(self, i: int, j: int, guess: Model) -> Sight:
        if self._grainy:
            return self._flow.camera(self.smooth(i), self.smooth(j), guess)
        return self._flow.camera(self._luma[i], self._luma[j], guess)

    def _pair(self, i: int, j: int, sight: Sight) -> Pair:
        gap = float(self._times[j] - self._times[i])
        unit = self._width * gap
        # The flow is no finer than every second pixel.
        texture = sight.texture[::2, ::2] & seen_twice(sight.camera, self._shape, step=2)
        flow = sight.flow[::2, ::2]
        whole = camera_flow(sight.camera, self._shape, 2)
        # Nothing was undone beforehand: all of the camera is in the flow.
        at_once = bool((sight.step == sight.camera).all())
        beyond = flow - (whole if at_once else camera_flow(sight.step, self._shape, 2))
        rest = _length(beyond)
        near = rest[texture] <= np.maximum(0.5, 0.33 * _length(whole)[texture])
        content = _length(flow if at_once else whole + beyond)[texture]
        differs = self._differs(i, j, sight.camera)
        rest *= texture & cv2.dilate(differs.view(np.uint8), AROUND).view(bool)
        right, down, grow, turn = (float(value) for value in sight.camera)
        return Pair(
            time=float(self._times[i]),
            gap=gap,
            shift=(right / unit, down / unit),
            zoom=grow / gap,
            roll=turn / gap,
            residual=_strongest(rest) / unit,
            explained=np.count_nonzero(near) / len(near) if len(near) else 1.0,
            speed=_high(content) / unit,
            unmatched=self._unmatched(i, j, sight),
            moving=rest > max(0.6, 0.012 * unit),
            differs=differs,
            rest=rest / unit,
        )

    def _differs(self, i: int, j: int, camera: Model) -> Mask:
        """Return where two pictures differ by more than light and grain, bool, every second pixel."""
        a = self.smooth(i)
        b = shifted(self.smooth(j), camera)
        gain, base = light_of(a, b)
        apart = cv2.absdiff(a, lit(b, gain, base))
        mask = np.asarray(apart > max(EVIDENCE, self._spread))
        if gain != 1.0 or base != 0.0:
            mask &= ~clipped(a, b)
        # Four neighbours become one: whatever differs in any of them.
        even = mask[: mask.shape[0] // 2 * 2, : mask.shape[1] // 2 * 2]
        met = even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
        grown = [(0, n - m) for n, m in zip(mask[::2, ::2].shape, met.shape, strict=True)]
        return np.pad(met, grown) if any(b for _, b in grown) else met

    def _unmatched(self, i: int, j: int, sight: Sight) -> float:
        """Return the share of a picture that is not found in the other where the flow says."""
        one = self._small[i]
        # A first look at half the size: most pairs need no other.
        size = one.shape[1] / self._width
        back = shifted(self._small[j], sight.camera * (size, size, 1, 1))
        apart = cv2.absdiff(cv2.blur(one, (3, 3)), cv2.blur(back, (3, 3)))
        if cv2.countNonZero(cv2.compare(apart, UNMATCHED, cv2.CMP_GT)) <= JUMP * apart.size:
            return 0.0  # the camera alone explains it
        flow = sight.flow
        y, x = np.mgrid[0 : self._shape[0], 0 : self._shape[1]].astype(np.float32)
        moved = shifted(self._luma[j], sight.camera)
        left = flow - camera_flow(sight.step, self._shape)
        back = cv2.remap(moved, x + left[..., 0], y + left[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        apart = cv2.absdiff(cv2.blur(self._luma[i], (5, 5)), cv2.blur(np.asarray(back, np.uint8), (5, 5)))
        return _over(apart, UNMATCHED)

    def look_for_overlays(self, places: Sequence[int]) -> None:
        """Find what stays in its place on the screen while the camera moves: logos, captions, frames."""
        film = self._small[places].astype(np.float32)
        spread = film.std(0)
        mean = film.mean(0).astype(np.uint8)
        sharp = cv2.morphologyEx(mean, cv2.MORPH_GRADIENT, AROUND) > EDGE
        found = (sharp & (spread < max(OVERLAY, 2 * self._spread))).astype(np.uint8)
        height, width = (self._shape[0] + 1) // 2, (self._shape[1] + 1) // 2
        found = cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST)
        self._overlay = np.asarray(cv2.dilate(found, np.ones((5, 5), np.uint8)) > 0)

    def without_overlays(self, pair: Pair) -> Pair:
        """Return the pair without the motion of what only stays in its place."""
        if self._overlay is None or not self._overlay.any():
            return pair
        rest = pair.rest * ~self._overlay
        return replace(
            pair, residual=_strongest(rest), rest=rest, moving=pair.moving & ~self._overlay,
            differs=pair.differs & ~self._overlay,
        )  # fmt: skip

    def change(
        self, i: int, j: int, camera: Model, sudden: Sequence[Sudden], *, moves: bool
    ) -> tuple[float, Pair | None]:
        """Return the share of pixels that differ once light, camera and sudden changes are undone, and the camera.

        Args:
            i: place of the first picture.
            j: place of the second.
            camera: what it usually does, per second.
            sudden: what changes at one blow.
            moves: whether the camera may have moved at all.
        """
        time, gap = float(self._times[i]), float(self._times[j] - self._times[i])
        limit = max(CHANGE, self._spread)
        a, b = self.smooth(i), self.smooth(j)
        gain, base = light_of(a, b)
        plain = _over(cv2.absdiff(a, lit(b, gain, base)), limit)
        none = np.zeros((1, 1), bool)
        if plain < LITTLE:
            return plain, Pair(time, gap, (0.0, 0.0), 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, none, none, none)
        guess = camera * gap * (self._width, self._width, 1, 1)
        sight = self._far.camera(a, b, guess) if moves else self._far.still(a)
        inside = seen_twice(sight.camera, self._shape, 3)
        if np.count_nonzero(inside) < 0.2 * inside.size:
            return 1.0, None
        # A closer view is made smaller: it is blurred before, or its details would flicker.
        closer = sight.camera[2] > CLOSER
        if sight.camera.any():
            b = shifted(b if closer else self._luma[j], sight.camera)
            b = np.asarray(cv2.GaussianBlur(b, (3, 3) if closer else (5, 5), 0), np.uint8)
        gain, base = light_of(a, b)
        mask = _unlike(a, lit(b, gain, base)) > limit
        if gain != 1.0 or base != 0.0:
            inside &= ~clipped(a, b)
        free = inside & ~self._on_screen(i, j, sight.camera, sudden)
        mask &= free
        kept = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        unit = self._width * gap
        right, down, grow, turn = (float(value) for value in sight.camera)
        beyond = sight.flow[::2, ::2] - camera_flow(sight.step, self._shape, 2)
        known = (sight.texture & free)[::2, ::2]
        explained = _under(_length(beyond)[known], 0.8)
        seen = Pair(
            time, gap, (right / unit, down / unit), grow / gap, turn / gap, 0.0, explained, 0.0, 0.0, none, none, none
        )
        return cv2.countNonZero(kept) / max(1, int(np.count_nonzero(inside))), seen

    def _on_screen(self, i: int, j: int, camera: Model, sudden: Sequence[Sudden]) -> Mask:
        """Return the places, in either picture, of what belongs to the screen and not to the scene.

        That is what changed at one blow between them, and what stays in its place while the camera moves.
        """
        start, end = float(self._times[i]) - 0.05, float(self._times[j]) + 0.05
        out = np.zeros(self._shape, np.uint8)
        masks = [event.mask for event in sudden if event.before >= start and event.after <= end]
        for mask in [*masks, *([] if self._overlay is None else [self._overlay])]:
            size = (self._shape[1], self._shape[0])
            out |= cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        if reach_of(camera, self._shape) >= OVERLAY_STEP:
            a, b = self.smooth(i), self.smooth(j)
            same = (cv2.absdiff(a, b) <= max(OVERLAY, self._spread)).astype(np.uint8)
            # Single pixels are alike by chance; a patch with an edge in it is not.
            same = cv2.erode(same, AROUND) & (cv2.morphologyEx(a, cv2.MORPH_GRADIENT, AROUND) > 2 * EDGE)
            out |= cv2.dilate(same, np.ones((5, 5), np.uint8))
            # The second picture is moved back onto the first, and what stands on its screen with it.
            out |= shifted(out, camera, border=cv2.BORDER_CONSTANT)
        return np.asarray(out > 0)


def _unlike(one: Gray, other: Gray) -> Gray:
    """Return by how much a pixel differs from the most alike of its neighbours: half a pixel off is no change."""
    low, high = cv2.erode(other, AROUND), cv2.dilate(other, AROUND)
    return np.asarray(cv2.max(cv2.subtract(low, one), cv2.subtract(one, high)), np.uint8)


def _over(apart: npt.NDArray[Any], limit: float) -> float:
    """Return the share of the pixels over ``limit``."""
    return cv2.countNonZero(cv2.compare(apart, limit, cv2.CMP_GT)) / apart.size


def _under(values: npt.NDArray[np.float32], limit: float) -> float:
    """Return the share of the values up to ``limit``; 1 where there are none."""
    return np.count_nonzero(values <= limit) / len(values) if len(values) else 1.0


def _length(flow: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.magnitude(flow[..., 0], flow[..., 1]), np.float32)


def _strongest(rest: npt.NDArray[np.float32]) -> float:
    """Return the mean of the strongest 5 %."""
    count = max(1, rest.size // 20)
    # Most places have none, and a partition takes ten times as long among equal values.
    some = rest[rest > 0]
    if len(some) > count:
        some = np.partition(some, len(some) - count)[-count:]
    return float(some.sum()) / count


def _high(values: npt.NDArray[np.float32]) -> float:
    """Return the 90th percentile."""
    return float(np.partition(values, int(0.9 * len(values)))[int(0.9 * len(values))]) if len(values) else 0.0
