"""Films of numpy arrays and a context that serves them, for tests of the curation stages."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from synflow.asks import Embedder, Picture, Vlm
from synflow.contract import Prompt, Scan, Stills
from synflow.ids import digest, digest_of_frames, rng_of
from synflow.media.light import luma_of
from synflow.media.spans import clip_of
from synflow.records import Caption, Facts, Sample, Source

Gray = npt.NDArray[np.uint8]
FPS = 25


def facts_of(name: str = "a", **changes: object) -> Facts:
    values = {
        "digest": digest(name.encode()), "bytes": 1, "container": "mp4", "codec": "h264", "pix_fmt": "yuv420p",
        "duration": 4.0, "fps": 25.0, "frames": 100, "width": 640, "height": 360,
    }  # fmt: skip
    return Facts.model_validate({**values, **changes})


def sample_of(name: str = "a", *texts: str, clip: bool = False, seconds: float = 4.0, **changes: object) -> Sample:
    sample = Sample(source=Source(record_id=name, uri=name), captions=tuple(Caption(text=text) for text in texts))
    if clip:
        sample = sample.having(clip=clip_of(facts_of(name, duration=seconds), 0.0, seconds))
    return sample.having(**changes) if changes else sample


def texture(seed: int, height: int = 90, width: int = 160, grain: int = 4) -> Gray:
    """A scene: smooth random structure of full contrast, a different one for each seed."""
    rng = np.random.default_rng(seed)
    rough = rng.random((max(2, height // (4 * grain)), max(2, width // (4 * grain)))).astype(np.float32)
    fine = rng.random((height // grain, width // grain)).astype(np.float32)
    mixed = sum(
        cv2.resize(p, (width, height), interpolation=cv2.INTER_CUBIC) * k for p, k in ((rough, 0.7), (fine, 0.3))
    )
    mixed = (mixed - mixed.min()) / (mixed.max() - mixed.min())
    return np.asarray(20 + 215 * mixed, np.uint8)


def hold(picture: Gray, seconds: float) -> Gray:
    """The picture, for so long."""
    return np.repeat(picture[None], round(seconds * FPS), axis=0)


def walk(picture: Gray, seconds: float, speed: float = 1.0, size: int = 22, tone: int = 250, row: int = 30) -> Gray:
    """A square that walks to the right over a picture, ``speed`` pixels a frame."""
    film = hold(picture, seconds).copy()
    for place in range(len(film)):
        left = round(6 + speed * place) % (picture.shape[1] - size)
        film[place, row : row + size, left : left + size] = tone
    return film


def pan(seed: int, seconds: float, right: float = 0.0, down: float = 0.0, zoom: float = 0.0) -> Gray:
    """A view that moves over a larger still picture: pixels a frame, and growth a frame."""
    large = texture(seed, 360, 640)
    out = []
    for place in range(round(seconds * FPS)):
        scale = (1 + zoom) ** -place
        width, height = 160 * scale, 90 * scale
        centre = (320 + right * place, 180 + down * place)
        move = np.array([[scale, 0, centre[0] - width / 2], [0, scale, centre[1] - height / 2]], np.float32)
        out.append(cv2.warpAffine(large, move, (160, 90), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    return np.stack(out)


def dissolve(one: Gray, other: Gray, seconds: float) -> Gray:
    """Two films, the last of the first blended into the first of the second."""
    count = round(seconds * FPS)
    weight = (np.arange(count) + 1)[:, None, None] / (count + 1)
    middle = (1 - weight) * one[-count:] + weight * other[:count]
    return np.concatenate([one[:-count], np.round(middle).astype(np.uint8), other[count:]])


def scan_of(film: Gray, fps: float = FPS) -> Scan:
    times = np.arange(len(film)) / fps
    color = np.repeat(film[:: max(1, round(fps / 4)), ::2, ::2, None], 3, axis=3)
    until = np.arange(1, len(film) + 1) / fps
    return Scan(times, until, film, times[:: max(1, round(fps / 4))], color, 0, len(film) / fps)


def stills_of(film: Gray, count: int = 8, fps: float = FPS, scale: int = 1) -> Stills:
    places = ((np.arange(count) + 0.5) * len(film) / count).astype(int)
    large = [cv2.resize(film[p], None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST) for p in places]
    rgb = np.repeat(np.stack(large)[..., None], 3, axis=3)
    pictures = []
    for place, pixels in zip(places, rgb, strict=True):
        jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
        pictures.append(Picture(jpeg, digest(jpeg), float(place / fps)))
    return Stills(tuple(pictures), rgb, digest_of_frames(p.digest for p in pictures))


@dataclass
class Films:
    """Serves films by record id; implements `synflow.contract.Context` and its media."""

    films: dict[str, Gray] = field(default_factory=dict)
    probes: dict[str, Facts] = field(default_factory=dict)
    embedder: Embedder | None = None
    fps: float = FPS
    seed: int = 0
    frames: int = 8
    scanned: int = 0

    @property
    def media(self) -> Films:
        return self

    @property
    def embed(self) -> Embedder:
        assert self.embedder is not None
        return self.embedder

    @property
    def vlm(self) -> Vlm:
        raise AssertionError("curation asks no model to write")

    def prompt(self, name: str) -> Prompt:
        raise AssertionError(name)

    def rng(self, sample: Sample, *salt: object) -> random.Random:
        return rng_of(self.seed, sample.key, *salt)

    def facts(self, sample: Sample) -> Facts:
        known = self.probes.get(sample.record_id)
        if known is not None:
            return known
        film = self.films[sample.record_id]
        return facts_of(sample.record_id, duration=len(film) / self.fps, frames=len(film), fps=self.fps)

    def scan(self, sample: Sample) -> Scan:
        self.scanned += 1
        return scan_of(self.films[sample.record_id], self.fps)

    def stills(self, sample: Sample) -> Stills:
        return stills_of(self.films[sample.record_id], fps=self.fps)

    def glance(self, sample: Sample, count: int) -> Gray:
        rgb = self.stills(sample).rgb
        return np.stack([luma_of(rgb[k]) for k in np.unique(np.linspace(0, len(rgb) - 1, count).astype(int))])
