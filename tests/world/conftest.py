"""One small world for all tests of this folder: every defect once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from synflow.world.render import render_world

SEED, CLIPS, DEFECTS = 41, 18, 0.5


class World:
    """A rendered world: its folder, the list, the truth, and decoded pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = render_world(folder, clips=CLIPS, seed=SEED, defects=DEFECTS, workers=1)
        self.records = self._lines("videos.jsonl")
        self.truths = self._lines("truth.jsonl")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def of(self, defect: str | None) -> list[dict[str, Any]]:
        return [t for t in self.truths if t["defect"] == defect]

    def pictures(self, truth: dict[str, Any]) -> np.ndarray:
        """Decode a clip, uint8 RGB, shape [n, h, w, 3]."""
        with av.open(str(self.folder / truth["path"])) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world") / "w")
