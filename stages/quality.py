"""Quality: bars are cut off; what cannot be learnt from is dropped, on measures of the scan and of the stills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from synflow.contract import Context, Cut, Drop, Keep, Outcome, Scan, StageConfig
from synflow.media.bars import find_bars, refine
from synflow.media.noise import noise
from synflow.media.picture import blockiness, reduced, sharpness
from synflow.media.ranks import quantile
from synflow.media.screens import paper
from synflow.media.stillness import stillness
from synflow.media.tone import black_share, colour, exposure
from synflow.media.writing import writing
from synflow.records import Crop, Measure, Sample

LOOKS = 4
"""Stills that are looked at, evenly over the clip; the scan tells of the time between them."""

DIM = 0.1
"""Mean luma under which there is too little light to speak of colour."""

WHOLE = Crop()


SMOOTHED = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "vvc"})
"""Codecs that smooth the borders of blocks: what is left of a grid tells heavy compression."""

PLAIN_GRID = 0.25
"""What counts of the grid of other codecs (MPEG-2, MPEG-4 part 2, MJPEG). They show one at any quality: clips of good
MPEG-4 measured up to 1.52, where H.264 measured 1.2 to 1.35 at crf 48 to 51."""


class QualityConfig(StageConfig):
    """When a picture is too bad to learn from. The paper has no such step: all of this is ours.

    Black, blurred, frozen and blocky clips and slide shows are dropped by default: there is little to learn from them
    for anyone. Whether night scenes, grain, text, old films or screen recordings are wanted depends on the data set:
    those limits are off (null), and what they would drop can be tried with `synflow replay`.

    Attributes:
        crop_bars: whether letterbox and pillarbox bars are cut off; models see, and pairs hold, the inner picture.
        black_exposure, black_contrast: a picture is black when its mean luma is under the first and the spread of its
            luma (95th less 5th percentile) under the second, both 0..1; a small bright thing on black is neither.
        max_black: share of the time that may be black.
        min_sharpness: share of its height that a strong edge must climb within one pixel, at 320 pixels of width.
        max_frozen: longest stretch of identical pictures, as a share of the clip, in a clip that moves elsewhere.
        frozen_seconds: shorter stretches are no fault.
        min_moving: share of the steps outside the stretch that must move; a screen recording rests often.
        max_blockiness: steps across block borders over steps elsewhere.
        max_resting: share of the time that pictures may stand in a clip of two or more different standing pictures.
        min_highlights: least luma, 0..1, of the brightest twentieth of the pixels; 0.3 finds darkened scenes, and
            leaves night scenes that have lights in them.
        max_over: share of the pixels that may be blown out; 0.25 finds overexposed scenes, and things shown on white.
        max_noise: standard deviation of the noise in grey levels; 5 finds strong grain.
        max_combing: share of the picture that may be interlaced; 0.002 finds what was not deinterlaced.
        max_text: share of the picture that lines of writing may cover; 0.2 finds pages and terminals, and takes grids
            and lattices for writing.
        max_overlay: share of the picture that marks which stand while it moves may cover; 0.05 finds large ones, only
            under a camera that moves.
        max_screen: share of the picture that may be plain paper with sharp things on it; 0.55 finds screens and slides.
        min_colour: grey levels of colour beyond one tint; 3.5 drops black-and-white and tinted clips.
    """

    crop_bars: bool = True
    black_exposure: float = Field(0.10, ge=0, le=1)
    black_contrast: float = Field(0.10, ge=0, le=1)
    max_black: float = Field(0.5, ge=0, le=1)
    min_sharpness: float = Field(0.31, ge=0, le=1)
    max_frozen: float = Field(0.4, ge=0, le=1)
    frozen_seconds: float = Field(1.0, ge=0)
    min_moving: float = Field(0.7, ge=0, le=1)
    max_blockiness: float = Field(1.2, ge=1)
    max_resting: float | None = Field(0.8, ge=0, le=1)
    min_highlights: float | None = Field(None, ge=0, le=1)
    max_over: float | None = Field(None, ge=0, le=1)
    max_noise: float | None = Field(None, ge=0)
    max_combing: float | None = Field(None, ge=0, le=1)
    max_text: float | None = Field(None, ge=0, le=1)
    max_overlay: float | None = Field(None, ge=0, le=1)
    max_screen: float | None = Field(None, ge=0, le=1)
    min_colour: float | None = Field(None, ge=0)


class Quality:
    """Cuts bars off; drops clips that are black, blurred, frozen, blocky or slides, and what else is asked for."""

    name: ClassVar[str] = "quality"
    version: ClassVar[int] = 6
    Config: ClassVar[type[StageConfig]] = QualityConfig
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset({"media"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip", "crop", "frames"})
    reasons: ClassVar[Mapping[str, str]] = {
        "black": "nearly black for more than `max_black` of the time",
        "frozen": "the picture stops for more than `max_frozen` of the time",
        "slide-show": "standing pictures, one after the other, for more than `max_resting` of the time",
        "blocky": "heavy compression shows as blocks",
        "blurred": "no edge is sharp",
        "under-exposed": "even its brightest parts are darker than `min_highlights`; off by default",
        "over-exposed": "blown out in more than `max_over` of its pixels; off by default",
        "noisy": "more noise than `max_noise`; off by default",
        "interlaced": "two fields in one picture, in more than `max_combing` of it; off by default",
        "text-heavy": "writing covers more than `max_text` of the picture; off by default",
        "overlaid": "marks that stand still cover more than `max_overlay` of the picture; off by default",
        "screen-recording": "plain paper with sharp things on it covers more than `max_screen` of it; off by default",
        "colourless": "black-and-white, or of one tint (`min_colour`); off by default",
    }
    # What is black, and where the bars are, is measured with the others; they are not read again.
    decides: ClassVar[frozenset[str]] = frozenset(QualityConfig.model_fields) - {
        "black_exposure", "black_contrast", "crop_bars",
    }  # fmt: skip
    cuts: ClassVar[tuple[Cut, ...]] = (
        Cut("black", (("quality.black", "max_black"),), "below"),
        Cut("frozen", (("quality.frozen", "max_frozen"),), "below"),
        Cut("blocky", (("quality.blockiness", "max_blockiness"),), "below"),
        Cut("blurred", (("quality.sharpness", "min_sharpness"),), "above"),
        Cut("under-exposed", (("quality.highlights", "min_highlights"),), "above"),
        Cut("over-exposed", (("quality.over", "max_over"),), "below"),
        Cut("noisy", (("quality.noise", "max_noise"),), "below"),
        Cut("interlaced", (("quality.combing", "max_combing"),), "below"),
        Cut("text-heavy", (("quality.text", "max_text"),), "below"),
        Cut("overlaid", (("quality.overlay", "max_overlay"),), "below"),
        Cut("screen-recording", (("quality.screen", "max_screen"),), "below"),
        Cut("colourless", (("quality.colour", "min_colour"),), "above"),
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
        # Frames that are stored already are as they are.
        bars = find_bars(scan.luma) if self.config.crop_bars and not sample.crop and not sample.frames else None
        if bars is not None:
            sample = sample.having(crop=refine(bars, ctx.media.stills(sample).rgb))
            scan = scan.cropped(sample.crop) if sample.crop else scan
        codec = (sample.clip.facts if sample.clip is not None else ctx.media.facts(sample)).codec
        measures = self.measure(scan, ctx.media.glance(sample, LOOKS), sample.crop or WHOLE, codec)
        drop = self.verdict(measures)
        return replace(drop, measures=measures) if drop else Keep(sample.having(measures=measures))

    def measure(
        self, scan: Scan, looks: npt.NDArray[np.uint8], crop: Crop = WHOLE, codec: str = "h264"
    ) -> dict[str, Measure]:
        """Return the measures of a clip, of its inner picture where it has bars: of scan and a few stills, as luma."""
        pictures = list(looks)
        small = [reduced(gray) for gray in pictures]
        # A fade or a flash of black says nothing of how sharp the rest is.
        lit = [k for k, gray in enumerate(small) if cv2.mean(gray)[0] >= 255 * self.config.black_exposure]
        lit = lit or list(range(len(pictures)))
        seen = [pictures[k] for k in lit]
        still, light, tone = stillness(scan.times, scan.luma), exposure(scan.luma), colour(scan.color)
        written = writing(small, scan.luma)
        length = float(scan.times[-1] - scan.times[0]) if len(scan.times) else 0.0
        origin = _origin(crop, pictures[0].shape)
        grid = 1.0 if codec in SMOOTHED else PLAIN_GRID
        values = {
            "quality.sharpness": quantile([sharpness(small[k]) for k in lit], 0.75),
            "quality.exposure": light.mean,
            "quality.contrast": light.contrast,
            "quality.highlights": light.highlights,
            "quality.under": light.under,
            "quality.over": light.over,
            "quality.black": black_share(scan.luma, self.config.black_exposure, self.config.black_contrast),
            "quality.frozen": still.frozen / max(1e-6, length),
            "quality.frozen_seconds": still.frozen,
            "quality.moving": still.moving,
            "quality.resting": still.resting,
            "quality.slides": still.slides,
            # A fade shows its blocks in a few pictures of a good clip; heavy compression shows them in all.
            "quality.blockiness": 1 + grid * (quantile([blockiness(g, origin) for g in seen], 0.25) - 1),
            "quality.noise": median(noise(gray) for gray in seen[::2]),
            "quality.combing": quantile(scan.combing.tolist(), 0.75) if len(scan.combing) else 0.0,
            "quality.text": written.text,
            "quality.text_static": written.static,
            "quality.overlay": written.overlay,
            "quality.screen": median(paper(gray) for gray in pictures[::2]),
            "quality.colour": tone.colour,
            "quality.tint": tone.tint,
            "quality.crop_left": crop.left,
            "quality.crop_top": crop.top,
            "quality.crop_right": crop.right,
            "quality.crop_bottom": crop.bottom,
        }
        return {name: round(value, 5) for name, value in values.items()}

    def verdict(self, measures: Mapping[str, Measure]) -> Drop | None:
        """Return why a clip with these measures is dropped; None for a good one."""
        value = {name.removeprefix("quality."): v for name, v in measures.items() if name.startswith("quality.")}
        number = {name: float(v) for name, v in value.items()}
        limits = self.config
        if number["black"] > limits.max_black:
            return Drop("black", f"{number['black']:.0%} of the time")
        stopped = number["frozen"] > limits.max_frozen and number["frozen_seconds"] >= limits.frozen_seconds
        if stopped and number["moving"] >= limits.min_moving:
            return Drop("frozen", f"{number['frozen_seconds']:.1f} s")
        if number["slides"] >= 2 and _over(number["resting"], limits.max_resting):
            return Drop("slide-show", f"{number['slides']:.0f} pictures stand for {number['resting']:.0%} of the time")
        if number["blockiness"] > limits.max_blockiness:
            return Drop("blocky", f"blockiness {number['blockiness']:.2f}")
        if number["sharpness"] < limits.min_sharpness:
            return Drop("blurred", f"sharpness {number['sharpness']:.3f}")
        return self._unwanted(number)

    def _unwanted(self, number: Mapping[str, float]) -> Drop | None:
        """Return the first of the limits that are off by default which a clip is over."""
        limits = self.config
        if limits.min_highlights is not None and number["highlights"] < limits.min_highlights:
            return Drop("under-exposed", f"brightest parts {number['highlights']:.2f}")
        for reason, name, limit, unit in (
            ("over-exposed", "over", limits.max_over, "of the pixels blown out"),
            ("interlaced", "combing", limits.max_combing, "of the picture combed"),
            ("text-heavy", "text", limits.max_text, "of the picture written on"),
            ("overlaid", "overlay", limits.max_overlay, "of the picture overlaid"),
            ("screen-recording", "screen", limits.max_screen, "of the picture plain paper"),
        ):
            if _over(number[name], limit):
                return Drop(reason, f"{number[name]:.1%} {unit}")
        if _over(number["noise"], limits.max_noise):
            return Drop("noisy", f"noise of {number['noise']:.1f} grey levels")
        if limits.min_colour is not None and number["colour"] < limits.min_colour and number["exposure"] >= DIM:
            return Drop("colourless", f"colour {number['colour']:.1f}, tint {number['tint']:.1f} grey levels")
        return None


def _over(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def _origin(crop: Crop, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the pixel of the uncut still at which a still of this shape begins."""
    rows, columns = shape[0] / (crop.bottom - crop.top), shape[1] / (crop.right - crop.left)
    return round(crop.top * rows), round(crop.left * columns)
