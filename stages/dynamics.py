"""Dynamics: clips in which nothing moves but, at most, the camera are dropped; the rest learn what moves and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from synflow.contract import Context, Cut, Drop, Keep, Outcome, StageConfig
from synflow.media.motion import measure
from synflow.media.movers import camera_of, movers_of
from synflow.records import Measure, Sample

NOISE = 0.015
"""Widths per second of residual motion that errors of the flow alone can make under a moving camera."""


class DynamicsConfig(StageConfig):
    """When a clip is static. The paper names the step and no detector: all of this is ours.

    A clip is dropped when all three measures are low: so is a slide with a ticking clock or film grain; a talking head
    is not. A camera that moves through a real scene shows its depth, which no fit of the whole picture explains: such
    a clip is dropped only if it is a still picture that is panned or zoomed.

    Attributes:
        min_residual: widths per second of motion beyond the camera's, under a camera that stands.
        min_parallax: the same under a camera that moves, as a share of the camera's speed.
        moving_camera: widths per second at the edge of the picture from which a camera counts as moving.
        min_changed: share of the picture that changes over 1.5 s for half of the time.
        min_busy: share that changes in the busier quarter of the time.
    """

    min_residual: float = Field(0.08, ge=0)
    min_parallax: float = Field(0.2, ge=0)
    moving_camera: float = Field(0.03, ge=0)
    min_changed: float = Field(0.015, ge=0, le=1)
    min_busy: float = Field(0.05, ge=0, le=1)


class Dynamics:
    """Drops static clips; notes what the camera does and what moves."""

    name: ClassVar[str] = "dynamics"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = DynamicsConfig
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset({"media"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip"})
    reasons: ClassVar[Mapping[str, str]] = {"static-clip": "nothing moves in it, whatever the camera does"}
    decides: ClassVar[frozenset[str]] = frozenset(DynamicsConfig.model_fields)
    cuts: ClassVar[tuple[Cut, ...]] = (
        Cut(
            "static-clip",
            (("dynamics.residual", "min_residual"), ("dynamics.changed", "min_changed"), ("dynamics.busy", "min_busy")),
            "above",
        ),
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
        motion = measure(scan.times, scan.luma)
        camera = camera_of(motion.pairs)
        measures: dict[str, Measure] = {
            "dynamics.residual": round(motion.residual, 5),
            "dynamics.changed": round(motion.changed, 5),
            "dynamics.busy": round(motion.busy, 5),
            "dynamics.camera": str(camera["motion"]),
            "dynamics.camera_speed": float(camera["strength"]),
        }
        drop = self.verdict(measures)
        if drop is not None:
            return replace(drop, measures=measures)
        return Keep(sample.having(measures=measures, facts={"camera": camera, "movers": movers_of(motion.pairs)}))

    def verdict(self, measures: Mapping[str, Measure]) -> Drop | None:
        """Return why a clip with these measures is dropped; None for one that moves."""
        names = ("residual", "changed", "busy", "camera_speed")
        residual, changed, busy, speed = (float(measures[f"dynamics.{name}"]) for name in names)
        limits = self.config
        still = changed < limits.min_changed and busy < limits.min_busy
        needed = max(NOISE, limits.min_parallax * speed) if speed >= limits.moving_camera else limits.min_residual
        if still and residual < min(needed, limits.min_residual):
            return Drop("static-clip", f"residual {residual:.3f} widths/s, {changed:.1%} changed")
        return None
