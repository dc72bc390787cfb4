"""Quality: black, blurred, frozen and blocky clips are dropped, on measures of the scan and of the stills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from synflow.contract import Context, Cut, Drop, Keep, Outcome, Scan, StageConfig, Stills
from synflow.media.picture import frozen_stretch, look_at
from synflow.records import Measure, Sample


class QualityConfig(StageConfig):
    """When a picture is too bad to learn from. The paper has no such step: all of this is ours.

    Attributes:
        black_exposure, black_contrast: a picture is black when its mean luma is under the first and the spread of its
            luma (95th less 5th percentile) under the second, both 0..1; a small bright thing on black is neither.
        max_black: share of the time that may be black.
        min_sharpness: share of its height that a strong edge must climb within one pixel, at 320 pixels of width.
        max_frozen: longest stretch of identical pictures, as a share of the clip, in a clip that moves elsewhere.
        frozen_seconds: shorter stretches are no fault.
        min_moving: share of the steps outside the stretch that must move; a screen recording rests often.
        max_blockiness: steps across block borders over steps elsewhere.
    """

    black_exposure: float = Field(0.10, ge=0, le=1)
    black_contrast: float = Field(0.10, ge=0, le=1)
    max_black: float = Field(0.5, ge=0, le=1)
    min_sharpness: float = Field(0.2, ge=0, le=1)
    max_frozen: float = Field(0.4, ge=0, le=1)
    frozen_seconds: float = Field(1.0, ge=0)
    min_moving: float = Field(0.7, ge=0, le=1)
    max_blockiness: float = Field(1.55, ge=1)


class Quality:
    """Drops clips that are mostly black, blurred, frozen or broken into blocks."""

    name: ClassVar[str] = "quality"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = QualityConfig
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset({"media"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip"})
    reasons: ClassVar[Mapping[str, str]] = {
        "black": "nearly black for more than `max_black` of the time",
        "blurred": "no edge is sharp",
        "frozen": "the picture stops for more than `max_frozen` of the time",
        "blocky": "heavy compression shows as blocks",
    }
    # What is black is measured with the first two parameters; they are not read again.
    decides: ClassVar[frozenset[str]] = frozenset(QualityConfig.model_fields) - {"black_exposure", "black_contrast"}
    cuts: ClassVar[tuple[Cut, ...]] = (
        Cut("black", (("quality.black", "max_black"),), "below"),
        Cut("frozen", (("quality.frozen", "max_frozen"),), "below"),
        Cut("blocky", (("quality.blockiness", "max_blockiness"),), "below"),
        Cut("blurred", (("quality.sharpness", "min_sharpness"),), "above"),
    )

    def __init__(self, config: QualityConfig | None = None) -> None:
        self.config = config or QualityConfig()

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample, from scan and stills."""
        return [self._judge(sample, ctx) for sample in samples]

    def _judge(self, sample: Sample, ctx: Context) -> Outcome:
        scan = ctx.media.scan(sample)
        if sample.clip is not None:
            scan = scan.within(sample.clip.start, sample.clip.end)
        measures = self.measure(scan, ctx.media.stills(sample))
        drop = self.verdict(measures)
        return replace(drop, measures=measures) if drop else Keep(sample.having(measures=measures))

    def measure(self, scan: Scan, stills: Stills) -> dict[str, Measure]:
        """Return the measures of a clip: over its stills (of sharpness the better ones), and over its scan."""
        # Every second one stands for the whole clip, and is enough.
        looks = [look_at(picture) for picture in stills.rgb[::2]]
        bright = [look for look in looks if look.exposure >= self.config.black_exposure] or looks
        stretch, moving = frozen_stretch(scan.times, scan.luma)
        length = float(scan.times[-1] - scan.times[0]) if len(scan.times) else 0.0
        values = {
            "quality.sharpness": float(np.percentile([look.sharpness for look in bright], 75)),
            "quality.exposure": float(np.median([look.exposure for look in looks])),
            "quality.contrast": float(np.median([look.contrast for look in looks])),
            "quality.black": self._black_share(scan.luma),
            "quality.frozen": stretch / max(1e-6, length),
            "quality.frozen_seconds": stretch,
            "quality.moving": moving,
            "quality.blockiness": float(np.median([look.blockiness for look in bright])),
        }
        return {name: round(value, 5) for name, value in values.items()}

    def _black_share(self, luma: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
        """Return the share of pictures that are nearly black; at most 60 are looked at."""
        some = luma[:: max(1, len(luma) // 60)]
        if len(some) == 0:
            return 0.0
        flat = some.reshape(len(some), -1)
        low, high = np.percentile(flat, (5, 95), axis=1)
        dark = flat.mean(axis=1) < 255 * self.config.black_exposure
        return float((dark & (high - low < 255 * self.config.black_contrast)).mean())

    def verdict(self, measures: Mapping[str, Measure]) -> Drop | None:
        """Return why a clip with these measures is dropped; None for a good one."""
        names = ("black", "frozen", "frozen_seconds", "moving", "blockiness", "sharpness")
        value = {name: float(measures[f"quality.{name}"]) for name in names}
        limits = self.config
        if value["black"] > limits.max_black:
            return Drop("black", f"{value['black']:.0%} of the time")
        stopped = value["frozen"] > limits.max_frozen and value["frozen_seconds"] >= limits.frozen_seconds
        if stopped and value["moving"] >= limits.min_moving:
            return Drop("frozen", f"{value['frozen_seconds']:.1f} s")
        if value["blockiness"] > limits.max_blockiness:
            return Drop("blocky", f"blockiness {value['blockiness']:.2f}")
        if value["sharpness"] < limits.min_sharpness:
            return Drop("blurred", f"sharpness {value['sharpness']:.3f}")
        return None
