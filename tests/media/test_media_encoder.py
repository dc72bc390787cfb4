"""Clips as they are written: their bytes depend on the pictures alone."""

from __future__ import annotations

import random

import av
import cv2
import numpy as np

from synflow.media.encoder import Encoder

SIZES = (1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 21)


def soil(rng: random.Random) -> list[bytearray]:
    """Memory full of noise; once it is let go of, it is what the next use of memory finds."""
    return [bytearray(rng.randbytes(rng.choice(SIZES))) for _ in range(60)]


def encoded(pictures: list[np.ndarray]) -> bytes:
    writer = Encoder((320, 180), 0.0, 20.0)
    for place, picture in enumerate(pictures):
        writer.add(av.VideoFrame.from_ndarray(picture, format="yuv420p"), place / 20)
    return writer.finish()


def test_bytes_do_not_depend_on_what_the_memory_held() -> None:
    noise = np.random.default_rng(8).integers(40, 230, (10, 20, 3)).astype(np.uint8)
    large = cv2.resize(noise, (400, 180), interpolation=cv2.INTER_NEAREST)
    shown = [np.ascontiguousarray(large[:, 2 * place : 2 * place + 320]) for place in range(20)]
    pictures = [av.VideoFrame.from_ndarray(one, format="rgb24").to_ndarray(format="yuv420p") for one in shown]
    rng, found = random.Random(1), set()
    for _ in range(20):
        dirt = soil(rng)
        dirt.clear()
        found.add(encoded(pictures))
    assert len(found) == 1
