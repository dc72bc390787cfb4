"""Edits that make a good clip bad in one known way, and the reason that each deserves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from kit.corpus import HEIGHT, RATE, WIDTH, Picture, write_video

Shown = list[Picture]
Edit = Callable[[Shown, np.random.Generator], Shown]


def noisy(shown: Shown, random: np.random.Generator, sigma: float = 3.0) -> Shown:
    """Add grain that differs from picture to picture."""
    return [np.clip(p + random.normal(0, sigma, p.shape[:2])[..., None], 0, 255).astype(np.uint8) for p in shown]


def still(shown: Shown, random: np.random.Generator) -> Shown:
    """One picture all the time."""
    return [shown[len(shown) // 2]] * len(shown)


def panned(shown: Shown, random: np.random.Generator) -> Shown:
    """A window that glides over one picture."""
    big = cv2.resize(shown[len(shown) // 2], None, fx=1.35, fy=1.35, interpolation=cv2.INTER_CUBIC)
    slack = big.shape[1] - WIDTH
    down = int(random.integers(0, big.shape[0] - HEIGHT))
    sign = int(random.integers(0, 2))
    moved = []
    for k in range(len(shown)):
        share = k / (len(shown) - 1)
        shift = np.float32([[1, 0, -slack * (1 - share if sign else share)], [0, 1, -down]])
        moved.append(cv2.warpAffine(big, shift, (WIDTH, HEIGHT)))
    return moved


def zoomed(shown: Shown, random: np.random.Generator) -> Shown:
    """A window that closes in on the middle of one picture."""
    picture = shown[len(shown) // 2]
    grown = []
    for k in range(len(shown)):
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0, 1 + 0.3 * k / (len(shown) - 1))
        grown.append(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT)))
    return grown


def frozen(shown: Shown, random: np.random.Generator) -> Shown:
    """Moves for a while, then stops on one picture."""
    stop = int(len(shown) * random.uniform(0.2, 0.4))
    return shown[:stop] + [shown[stop]] * (len(shown) - stop)


def black(shown: Shown, random: np.random.Generator) -> Shown:
    """Black with a little grain, all the time or from an early moment on."""
    begin = 0 if random.integers(0, 2) else int(len(shown) * 0.15)
    dark = noisy([np.full_like(shown[0], 8)] * (len(shown) - begin), random, 2.0)
    return shown[:begin] + dark


def blurred(shown: Shown, random: np.random.Generator) -> Shown:
    """Far out of focus."""
    sigma = float(random.uniform(6, 12))
    return [cv2.GaussianBlur(p, (0, 0), sigma) for p in shown]


def cropped(shown: Shown, random: np.random.Generator) -> Shown:
    """The border of 5 % on each side is gone; the rest fills the picture."""
    x, y = WIDTH // 20, HEIGHT // 20
    return [cv2.resize(p[y:-y, x:-x], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for p in shown]


def mirrored(shown: Shown, random: np.random.Generator) -> Shown:
    """Left is right."""
    return [np.fliplr(p) for p in shown]


def boxed(shown: Shown, random: np.random.Generator) -> Shown:
    """Smaller, with black bars above and below, or on all sides."""
    height = int(HEIGHT * 0.75) // 2 * 2
    width = WIDTH if random.integers(0, 2) else int(WIDTH * 0.75) // 2 * 2
    y, x = (HEIGHT - height) // 2, (WIDTH - width) // 2
    out = []
    for picture in shown:
        frame = np.zeros_like(picture)
        frame[y : y + height, x : x + width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        out.append(frame)
    return out


def sped(shown: Shown, random: np.random.Generator) -> Shown:
    """A quarter faster, hence shorter."""
    return [shown[int(k * 1.25)] for k in range(int(len(shown) / 1.25))]


def gray(shown: Shown, random: np.random.Generator) -> Shown:
    """Without colour."""
    return [np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) for p in shown]


def same(shown: Shown, random: np.random.Generator) -> Shown:
    """Unchanged."""
    return shown


def flipped(shown: Shown, random: np.random.Generator) -> Shown:
    """Upside down: other footage as far as copies go, of the same colours and motion."""
    return [np.flipud(p) for p in shown]


def backwards(shown: Shown, random: np.random.Generator) -> Shown:
    """Upside down and from the end to the beginning: other footage again."""
    return [np.flipud(p) for p in reversed(shown)]


def small(shown: Shown, random: np.random.Generator) -> Shown:
    """A quarter of the area."""
    return [cv2.resize(p, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA) for p in shown]


def short(shown: Shown, random: np.random.Generator) -> Shown:
    """Just over a second of it."""
    return shown[: int(RATE * 1.2)]


@dataclass(frozen=True)
class Kind:
    """An edit of pictures: what it does, the reason it deserves, and how it is written."""

    edit: Edit
    reason: str
    copies: bool = False
    settings: tuple[tuple[str, Any], ...] = ()


KINDS: dict[str, Kind] = {
    "static": Kind(still, "static-clip"),
    "static-noise": Kind(lambda s, r: noisy(still(s, r), r), "static-clip"),
    "static-panned": Kind(panned, "static-clip"),
    "static-zoomed": Kind(zoomed, "static-clip"),
    "frozen": Kind(frozen, "frozen"),
    "black": Kind(black, "black"),
    "blurred": Kind(blurred, "blurred"),
    "blocky": Kind(same, "blocky", settings=(("codec", "mpeg4"),)),
    "recoded": Kind(same, "near-duplicate", True, (("crf", 34),)),
    "cropped": Kind(cropped, "near-duplicate", True),
    "mirrored": Kind(mirrored, "near-duplicate", True),
    "boxed": Kind(boxed, "near-duplicate", True),
    "sped": Kind(sped, "near-duplicate", True),
    "gray": Kind(gray, "near-duplicate", True),
    "small": Kind(small, "too-small"),
    "short": Kind(short, "too-short"),
}

OTHER: dict[str, Kind] = {"flipped": Kind(flipped, ""), "backwards": Kind(backwards, "")}
"""Footage for captions that are only judged after copies are gone."""


def moves(shown: Sequence[Picture]) -> bool:
    """Tell whether a clip surely is none of a still scene: much of it changes beyond a shift, for most of the time."""
    little = [cv2.cvtColor(cv2.resize(p, (160, 90), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for p in shown]
    step = RATE // 2
    steps = [_changed(a, b) for a, b in zip(little[::step], little[step::step], strict=False)]
    return float(np.median(steps)) > 0.04


def _changed(one: Picture, other: Picture) -> float:
    """Return the share of pixels that differ, the second picture as it is or shifted back, whichever differs less."""
    window = cv2.createHanningWindow((160, 90), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(one.astype(np.float32), other.astype(np.float32), window)
    back = cv2.warpAffine(other, np.array([[1, 0, -right], [0, 1, -down]], np.float32), (160, 90))
    inner = (slice(10, -10), slice(20, -20))
    return min(float((cv2.absdiff(one, two)[inner] > 24).mean()) for two in (other, back))


def colorful(shown: Sequence[Picture]) -> bool:
    """Tell whether a clip surely shows colours."""
    hsv = cv2.cvtColor(np.ascontiguousarray(shown[len(shown) // 2]), cv2.COLOR_RGB2HSV)
    return float((hsv[..., 1] > 90).mean()) > 0.25


def write_mpeg4(path: Path, shown: Sequence[Picture]) -> None:
    """Write with the coarsest quantizer of MPEG-4 part 2, which has no filter against blocks, then as H.264."""
    rough = path.with_suffix(".rough.avi")
    with av.open(str(rough), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=RATE, options={"qmin": "31", "qmax": "31"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in shown:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(rough)) as container:
        seen = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    rough.unlink()
    write_video(path, seen, crf=20)
