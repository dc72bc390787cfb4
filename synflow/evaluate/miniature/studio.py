"""Renders what the tasks ask for: each clip once, as a folder of frames that datasets share by links."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from synflow.evaluate.media import uniform
from synflow.ids import digest_of, rng_of, seed_of
from synflow.world.film import pictures
from synflow.world.script import Script

FRAMES = 8
PART = 4
"""Frames of a clip that is asked with."""

QUALITY = 90
GRAIN = 13.0

Pixels = npt.NDArray[np.uint8]


class Studio:
    """Draws pictures of scripts into files.

    Args:
        store: folder where each picture is kept once.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._place = store
        if store.is_dir():
            shutil.rmtree(store)
        store.mkdir(parents=True)

    def begin(self, place: Path) -> None:
        """Begin a dataset in a folder; what stood there before is taken away."""
        if place.is_dir():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        self._place = place

    def video(self, name: str, script: Script, *, backwards: bool = False) -> str:
        """Put a video into the dataset; return what a list calls it."""
        files = self._drawn(script, uniform(script.frames, FRAMES))
        return self._film(name, files[::-1] if backwards else files)

    def part(self, name: str, script: Script) -> str:
        """Put a part of a video into the dataset: from its middle, at other moments than the whole."""
        third = script.frames // 3
        return self._film(name, self._drawn(script, [third + place for place in uniform(third, PART)]))

    def image(self, name: str, script: Script) -> str:
        """Put one picture of a video into the dataset, of a moment that its frames do not show."""
        shown = set(uniform(script.frames, FRAMES))
        low, high = script.frames // 5, 4 * script.frames // 5
        moment = rng_of("moment", script.seed, script.index).choice([i for i in range(low, high) if i not in shown])
        self._linked(self._drawn(script, [moment])[0], self._place / "images" / f"{name}.jpg")
        return f"images/{name}.jpg"

    def _film(self, name: str, files: Sequence[Path]) -> str:
        for number, path in enumerate(files):
            self._linked(path, self._place / "videos_frames" / name / f"{number}.jpg")
        return f"videos/{name}.mp4"

    def _drawn(self, script: Script, wanted: Sequence[int]) -> list[Path]:
        own = digest_of(script.record())[:24]
        paths = [self._store / f"{own}-{number}.jpg" for number in wanted]
        missing = [number for number, path in zip(wanted, paths, strict=True) if not path.is_file()]
        for number, rgb in zip(sorted(missing), pictures(script, frozenset(missing)), strict=True):
            shown = _grainy(rgb, script, number) if script.style == "noise" else rgb
            _, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            (self._store / f"{own}-{number}.jpg").write_bytes(data.tobytes())
        return paths

    def _linked(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def _grainy(rgb: Pixels, script: Script, number: int) -> Pixels:
    rng = np.random.Generator(np.random.PCG64(seed_of("grain", script.seed, script.index, number)))
    grain = rng.normal(0, GRAIN, rgb.shape[:2])[..., None]
    return np.clip(rgb + grain, 0, 255).astype(np.uint8)
