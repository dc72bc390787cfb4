"""Checkpoints of the Qwen2.5-VL family by short names, and what a picture costs them in tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Checkpoint:
    """Weights on the Hugging Face hub.

    Attributes:
        id: what is served and recorded.
        gpus: of 80 GB, over which the weights are split so that room for the cache is left; ours.
    """

    id: str
    gpus: int = 1


CHECKPOINTS: Mapping[str, Checkpoint] = {
    "qwen2.5-vl-3b": Checkpoint("Qwen/Qwen2.5-VL-3B-Instruct"),
    "qwen2.5-vl-3b-fp8": Checkpoint("RedHatAI/Qwen2.5-VL-3B-Instruct-FP8-dynamic"),
    "qwen2.5-vl-3b-awq": Checkpoint("Qwen/Qwen2.5-VL-3B-Instruct-AWQ"),
    "qwen2.5-vl-7b": Checkpoint("Qwen/Qwen2.5-VL-7B-Instruct"),
    "qwen2.5-vl-7b-fp8": Checkpoint("RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-Dynamic"),
    "qwen2.5-vl-7b-awq": Checkpoint("Qwen/Qwen2.5-VL-7B-Instruct-AWQ"),
    "qwen2.5-vl-32b": Checkpoint("Qwen/Qwen2.5-VL-32B-Instruct", gpus=2),
    "qwen2.5-vl-32b-fp8": Checkpoint("BCCard/Qwen2.5-VL-32B-Instruct-FP8-Dynamic"),
    "qwen2.5-vl-32b-awq": Checkpoint("Qwen/Qwen2.5-VL-32B-Instruct-AWQ"),
    "qwen2.5-vl-72b": Checkpoint("Qwen/Qwen2.5-VL-72B-Instruct", gpus=4),
    "qwen2.5-vl-72b-fp8": Checkpoint("RedHatAI/Qwen2.5-VL-72B-Instruct-FP8-dynamic", gpus=2),
    "qwen2.5-vl-72b-awq": Checkpoint("Qwen/Qwen2.5-VL-72B-Instruct-AWQ"),
    # Other weights in the same architecture: trained further on events and times in videos.
    "videochat-r1": Checkpoint("OpenGVLab/VideoChat-R1_7B"),
    "time-r1-3b": Checkpoint("Boshenxx/Time-R1-3B"),
    "time-r1-7b": Checkpoint("Boshenxx/Time-R1-7B"),
}
"""Short name -> checkpoint; public repositories load each by that very id. Any other id or folder of the family is
served as well; it is only not known here."""

PATCH = 28
"""Side of what one token shows: 14 x 14 patches, merged 2 x 2 (arXiv 2502.13923, section 2.1)."""
MIN_PIXELS = 4 * PATCH * PATCH
MAX_PIXELS = 256 * PATCH * PATCH
"""Of one picture, as `synflow serve` and `vllm_engine` set them: 4 to 256 tokens."""


def full_name(name: str) -> str:
    """Return the id that a short name stands for; any other name as it is."""
    known = CHECKPOINTS.get(name.lower())
    return known.id if known else name


def gpus_of(model: str) -> int:
    """Return over how many GPUs of 80 GB the weights are split: a known checkpoint's number, else 1."""
    return next((one.gpus for one in CHECKPOINTS.values() if one.id == model), 1)


def seen_size(width: int, height: int, least: int = MIN_PIXELS, most: int = MAX_PIXELS) -> tuple[int, int]:
    """Return the size in pixels to which Qwen2.5-VL scales a picture: both sides multiples of 28, within the limits.

    The rule is that of the processor of Qwen2-VL and Qwen2.5-VL (``smart_resize`` in transformers).

    Raises:
        ValueError: a side is less than 1.
    """
    if width < 1 or height < 1:
        raise ValueError(f"no picture is {width} x {height}")
    wide, high = (max(PATCH, round(side / PATCH) * PATCH) for side in (width, height))
    if wide * high > most:
        scale = math.sqrt(width * height / most)
        wide, high = (max(PATCH, math.floor(side / scale / PATCH) * PATCH) for side in (width, height))
    elif wide * high < least:
        scale = math.sqrt(least / (width * height))
        wide, high = (math.ceil(side * scale / PATCH) * PATCH for side in (width, height))
    return wide, high


def picture_tokens(width: int, height: int, least: int = MIN_PIXELS, most: int = MAX_PIXELS) -> int:
    """Return the visual tokens of one picture."""
    wide, high = seen_size(width, height, least, most)
    return wide * high // (PATCH * PATCH)


def film_tokens(
    frames: int, width: int, height: int, least: int = MIN_PIXELS, most: int = MAX_PIXELS, *, merged: bool = False
) -> int:
    """Return the visual tokens of a clip's frames.

    Args:
        frames: how many are shown.
        width: of each, in pixels.
        height: of each, in pixels.
        least: pixels of one picture.
        most: pixels of one picture.
        merged: sent as a video, of which two frames at a time become one grid of tokens; else as single pictures.
    """
    grids = -(-frames // 2) if merged else frames
    return grids * picture_tokens(width, height, least, most)
