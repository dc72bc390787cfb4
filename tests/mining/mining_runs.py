"""A small finished run with real pictures: one-coloured videos and texts that name their colours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from kit.datasets import Album, write_dataset

COLORS = {"red": (30, 30, 220), "green": (40, 170, 40), "blue": (220, 60, 30), "yellow": (40, 220, 230)}


class Colored(Album):
    """Pictures of one colour each, the colour of a pair by its number."""

    def __init__(self, frames: int) -> None:
        super().__init__(0)
        self.frames = frames
        self._sizes: dict[int, int] = {}

    def picture(self, number: int) -> bytes:
        """Return a JPEG."""
        color = list(COLORS.values())[number // (2 * (self.frames + 1)) % len(COLORS)]
        rgb = np.full((72, 128, 3), color, np.uint8)
        rgb[:8, : 8 + number % 64] = 128
        done, data = cv2.imencode(".jpg", rgb)
        assert done
        return bytes(data)


def made_run(root: Path) -> Path:
    """Write six t2v pairs: four that name a colour, two that claim nothing."""
    texts = [f"A {name} wall." for name in COLORS] + ["Somebody walks.", "Nobody is there."]
    more: dict[Any, Any] = {("t2v", n): {"query": text} for n, text in enumerate(texts)}
    return write_dataset(root, {"t2v": 6}, more=more, album=Colored(2))
