"""Dynamics: clips in which nothing moves but, at most, the camera are dropped; the rest learn what moves and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from synflow.contract import Context, Cut, Drop, Keep, Outcome, StageConfig
from synflow.media.camera import camera_of
from synflow.media.motion import measure
from synflow.media.movers import movers_of, travel_of
from synflow.records import Measure, Sample

NOISE = 0.005
"""Widths per second of residual motion that errors of the flow alone can make under a moving camera."""


UNEASY: Mapping[str, float] = {"jumps": 0.7, "stutter": 1.0, "flashes": 2.5, "speed": 0.5}
"""From where a measure is flagged: real clips stay below (a shaking hand at times reaches the first and the last)."""


class DynamicsConfig(StageConfig):
    """When a clip is static, and when it jumps. The paper names the step and no detector: all of this is ours.

    A clip is static when all measures of motion are low: so is a slide with a ticking clock, changing subtitles or
    film grain; a talking head is not. A camera that moves through a real scene shows its depth, which no fit of the
    whole picture explains: such a clip is dropped only if it is a still picture that is panned, zoomed or turned.

    Attributes:
        min_residual: widths per second of motion beyond the camera's, under a camera that stands.
        min_parallax: the same under a camera that moves, as a share of the camera's speed; never more than
            `min_residual` is asked.
        moving_camera: widths per second at the edge of the picture from which a camera counts as moving.
        min_changed: share of the picture that changes over 4 s for half of the time.
        min_busy: share that changes in the busier quarter of the time.
        min_travel: widths that one small thing goes through a picture that is otherwise still.
        max_jumps: share of the moments in which a picture is not found again a fifth of a second later (hyperlapse,
            missing pictures, strobing); null to keep all.
        max_stutter: times per second that the film stands and then jumps; null to keep all.
        max_flashes: flashes of the whole picture per second; null to keep all.
        max_speed: widths per second that what is seen moves, camera and all; null to keep all.
    """

    min_residual: float = Field(0.009, ge=0)
    min_parallax: float = Field(0.2, ge=0)
    moving_camera: float = Field(0.04, ge=0)
    min_changed: float = Field(0.025, ge=0, le=1)
    min_busy: float = Field(0.06, ge=0, le=1)
    min_travel: float = Field(0.08, ge=0)
    max_jumps: float | None = Field(None, ge=0, le=1)
    max_stutter: float | None = Field(None, ge=0)
    max_flashes: float | None = Field(None, ge=0)
    max_speed: float | None = Field(None, ge=0)


class Dynamics:
    """Drops static clips, and on request those that jump; notes what the camera does and what moves."""

    name: ClassVar[str] = "dynamics"
    version: ClassVar[int] = 6
    Config: ClassVar[type[StageConfig]] = DynamicsConfig
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset({"media"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip", "crop"})
    reasons: ClassVar[Mapping[str, str]] = {
        "static-clip": "nothing moves in it, whatever the camera does",
        "jumpy": "its pictures jump, stutter, flash or rush by more than allowed",
    }
    decides: ClassVar[frozenset[str]] = frozenset(DynamicsConfig.model_fields)
    cuts: ClassVar[tuple[Cut, ...]] = (
        Cut(
            "static-clip",
            (
                ("dynamics.residual", "min_residual"),
                ("dynamics.changed", "min_changed"),
                ("dynamics.busy", "min_busy"),
                ("dynamics.travel", "min_travel"),
            ),
            "above",
        ),
        Cut("jumpy", (("dynamics.jumps", "max_jumps"),), "below"),
        Cut("jumpy", (("dynamics.stutter", "max_stutter"),), "below"),
        Cut("jumpy", (("dynamics.flashes", "max_flashes"),), "below"),
        Cut("jumpy", (("dynamics.speed", "max_speed"),), "below"),
    )

    def __init__(self, config: DynamicsConfig | None = None) -> None:
        self.config = config or DynamicsConfig()

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample, from the scan of its source."""
        return [self._judge(sample, ctx) for sample in samples]

    def _judge(self, sample: Sample, ctx: Context) -> Outcome:
        scan = ctx.media.scan(sample)
        if sample.clip is not None:
            scan = scan.within(sample.clip.start, sample.clip.end)
        measures, facts = looked_at(scan.times, scan.luma)
        drop = self.verdict(measures)
        if drop is not None:
            return replace(drop, measures=measures)
        return Keep(sample.having(measures=measures, facts=facts))

    def verdict(self, measures: Mapping[str, Measure]) -> Drop | None:
        """Return why a clip with these measures is dropped; None for one that moves."""
        names = ("residual", "changed", "busy", "travel", "camera_speed")
        residual, changed, busy, travel, speed = (float(measures[f"dynamics.{name}"]) for name in names)
        limits = self.config
        still = changed < limits.min_changed and busy < limits.min_busy and travel < limits.min_travel
        needed = max(NOISE, limits.min_parallax * speed) if speed >= limits.moving_camera else limits.min_residual
        if still and residual < min(needed, limits.min_residual):
            return Drop("static-clip", f"residual {residual:.3f} widths/s, {changed:.1%} changed")
        for name in UNEASY:
            most = getattr(limits, f"max_{name}")
            if most is not None and float(measures[f"dynamics.{name}"]) > most:
                return Drop("jumpy", f"{name} {float(measures[f'dynamics.{name}']):.2f}, more than {most:g}")
        return None


def looked_at(times: npt.NDArray[np.float64], luma: npt.NDArray[np.uint8]) -> tuple[dict[str, Measure], dict[str, Any]]:
    """Return the measures and the facts of a clip: its picture times ``[n]`` and brightness ``[n, h, w]``."""
    motion = measure(times, luma)
    camera = camera_of(motion)
    parts = camera["parts"] or [camera]
    measures: dict[str, Measure] = {
        "dynamics.residual": round(motion.residual, 5),
        "dynamics.moving": round(motion.moving, 5),
        "dynamics.changed": round(motion.changed, 5),
        "dynamics.busy": round(motion.busy, 5),
        "dynamics.travel": round(travel_of(motion.pairs) if camera["motion"] == "still" else 0.0, 4),
        "dynamics.speed": round(motion.speed, 4),
        "dynamics.camera": "+".join(str(part["motion"]) for part in parts),
        "dynamics.camera_direction": "+".join(str(part["direction"]) for part in parts),
        "dynamics.camera_speed": float(camera["strength"]),
        "dynamics.jumps": round(motion.jumps, 4),
        "dynamics.stutter": round(motion.stutter, 4),
        "dynamics.flashes": round(motion.flashes, 4),
        "dynamics.flags": "+".join(name for name, least in UNEASY.items() if getattr(motion, name) >= least),
        "dynamics.grain": round(motion.grain, 3),
    }
    return measures, {"camera": camera, "movers": movers_of(motion.pairs)}
