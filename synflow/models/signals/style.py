"""What may be said of light, colour mood, sharpness and format."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synflow.media.colors import COLORS, COOL, WARM
from synflow.media.findings import Findings
from synflow.models.signals.said import Said


def stylistic(found: Findings) -> Iterator[Said]:
    """Yield what may be said of the look; it holds in every picture of the clip."""
    yield from _light(found)
    yield from _contrast(found)
    yield from _color(found)
    yield from _tone(found)
    yield from _format(found)


def _light(found: Findings) -> Iterator[Said]:
    lights = [seen.light for seen in found.looks]
    # Strong colours look bright to the eye even where their mean brightness is low.
    if max(lights) <= 0.3 and max(seen.vivid for seen in found.looks) <= 0.3:
        yield Said(
            "stylistic", "light", 0.8,
            (
                "The picture is dark.",
                "Dark tones make up most of the view.",
                "It is a dark scene, low in light.",
            ),
            "in dark tones", "dark", "dark",
        )  # fmt: skip
    elif min(lights) >= 0.62:
        yield Said(
            "stylistic", "light", 0.7,
            (
                "The picture is bright.",
                "Light tones make up most of the view.",
                "It is a bright scene, full of light tones.",
            ),
            "in light tones", "bright", "bright",
        )  # fmt: skip
    elif min(lights) >= 0.36 and max(lights) <= 0.58:
        yield Said(
            "stylistic", "light", 0.2,
            (
                "The overall brightness is moderate.",
                "The scene is lit to a medium level.",
                "Its tones are of medium brightness on the whole.",
            ),
        )  # fmt: skip


def _contrast(found: Findings) -> Iterator[Said]:
    contrasts = [seen.contrast for seen in found.looks]
    if min(contrasts) >= 0.26:
        yield Said(
            "stylistic", "contrast", 0.5,
            (
                "Light and dark areas stand in strong contrast.",
                "The picture holds both deep shadows and light areas.",
                "The contrast between light and dark is strong.",
            ),
            "with strong contrast", "strong contrast",
        )  # fmt: skip
    elif min(contrasts) >= 0.16 and max(contrasts) <= 0.25:
        yield Said(
            "stylistic", "contrast", 0.1,
            (
                "Light and dark differ by a moderate amount.",
                "Its light and dark areas make a moderate contrast.",
                "Its contrast lies in the middle range.",
            ),
        )  # fmt: skip
    elif max(contrasts) <= 0.14:
        yield Said(
            "stylistic", "contrast", 0.5,
            (
                "The contrast is soft, with tones that lie close together.",
                "Its tones are close to each other, which gives a soft contrast.",
                "Soft contrast keeps light and dark near each other.",
            ),
            "in soft contrast", "soft contrast",
        )  # fmt: skip


def _color(found: Findings) -> Iterator[Said]:
    chromas, vivid = [seen.chroma for seen in found.looks], [seen.vivid for seen in found.looks]
    if all(seen.colorless for seen in found.looks):
        yield Said(
            "stylistic", "palette", 1.0,
            (
                "Everything is in black, white and grey.",
                "The picture is in black and white.",
                "It is shown in black and white, in shades of grey.",
            ),
            "in black and white", "black and white", "black-and-white",
        )  # fmt: skip
    elif min(chromas) >= 0.33 or min(vivid) >= 0.4:
        yield Said(
            "stylistic", "palette", 0.6,
            (
                "The colours are strong and full.",
                "Strong, saturated colours mark the picture.",
                "It is rich in strong colour.",
            ),
            "in strong colours", "strong colours", "colourful",
        )  # fmt: skip
    elif max(chromas) <= 0.11 and max(vivid) <= 0.015:
        yield Said(
            "stylistic", "palette", 0.5,
            (
                "The colours are muted.",
                "Its palette is quiet, with little saturation.",
                "Muted colours give it a restrained look.",
            ),
            "in muted colours", "muted colours", "muted",
        )  # fmt: skip
    elif min(chromas) >= 0.12 and max(chromas) <= 0.3:
        yield Said(
            "stylistic", "palette", 0.1,
            (
                "The colours are of moderate strength.",
                "Its colours are of medium strength.",
                "The colours have a medium strength.",
            ),
        )  # fmt: skip


def _tone(found: Findings) -> Iterator[Said]:
    if all(seen.colorless for seen in found.looks):
        return
    for family, other, name in ((WARM, COOL, "warm"), (COOL, WARM, "cool")):
        ours = [sum(seen.colors[color] for color in family) for seen in found.looks]
        theirs = [sum(seen.colors[color] for color in other) for seen in found.looks]
        if min(ours) >= 0.25 and all(a >= 3 * b for a, b in zip(ours, theirs, strict=True)):
            lead = max((color for color in COLORS if color in family), key=found.mean)
            yield Said(
                "stylistic", "tone", 0.55,
                (
                    f"{name.capitalize()} colours, above all {lead}, set the tone.",
                    f"The colour mood is {name}, led by {lead}.",
                    f"Its {name} tones come chiefly from {lead}.",
                ),
                f"in {name} tones", f"{name} tones",
            )  # fmt: skip


def _format(found: Findings) -> Iterator[Said]:
    ratio = float(np.mean([seen.width / seen.height for seen in found.looks]))
    if ratio <= 0.8:
        yield Said(
            "stylistic", "format", 0.7,
            (
                "The picture is upright, taller than it is wide.",
                "It has the upright format of a phone screen.",
                "The format is vertical, higher than wide.",
            ),
            "in upright format", "vertical video",
        )  # fmt: skip
    elif 0.95 <= ratio <= 1.05:
        yield Said(
            "stylistic", "format", 0.3,
            (
                "The picture is square.",
                "The frame is as wide as it is high.",
                "It comes in a square format.",
            ),
            "in square format", "square video",
        )  # fmt: skip
    elif ratio >= 1.2:
        yield Said(
            "stylistic", "format", 0.1,
            (
                "The picture is wider than it is high.",
                "It is framed in landscape format.",
                "The format is horizontal.",
            ),
        )  # fmt: skip
