"""Films of which the motion is known, made of still pictures or of other films: brightness at 160 pixels, 25 fps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO

import av
import cv2
import numpy as np
import numpy.typing as npt

from synflow.ids import rng_of

Gray = npt.NDArray[np.uint8]
FPS = 25
VIEW = (320, 180)
SECONDS = 6.0


@dataclass(frozen=True)
class Film:
    """A film and the truth about it; ``camera`` and ``direction`` are empty where they are not asked for."""

    name: str
    luma: Gray
    static: bool
    camera: str = ""
    direction: str = ""

    @property
    def times(self) -> npt.NDArray[np.float64]:
        return np.arange(len(self.luma)) / FPS


def generator(*salt: object) -> np.random.Generator:
    return np.random.default_rng(rng_of("motion-films", *salt).getrandbits(63))


def view(still: Gray, right: float, down: float, scale: float, turn: float) -> Gray:
    """Return what a camera sees of a picture: centre off by shares of the view's width, magnified, turned (radians)."""
    height, width = still.shape
    wide = 0.6 * width / scale
    step = wide / VIEW[0]
    cos, sin = step * np.cos(turn), step * np.sin(turn)
    x, y = width / 2 + right * wide, height / 2 + down * wide
    cx, cy = VIEW[0] / 2, VIEW[1] / 2
    move = np.array([[cos, -sin, x - cos * cx + sin * cy], [sin, cos, y - sin * cx - cos * cy]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(still, move, VIEW, flags=how, borderMode=cv2.BORDER_REFLECT), np.uint8)


def moves(still: Gray, speed: tuple[float, float, float, float], seconds: float = SECONDS) -> Gray:
    """Return a still picture under a camera: widths right and down, log-zoom and radians, each per second."""
    clock = np.arange(round(seconds * FPS)) / FPS - seconds / 2
    right, down, zoom, roll = speed
    return np.stack([view(still, right * t, down * t, float(np.exp(zoom * t)), roll * t) for t in clock])


def shaken(still: Gray, size: float, salt: object) -> Gray:
    """Return a still picture in an unsteady hand: ``size`` widths of sway."""
    rng, count = generator("shake", salt), round(SECONDS * FPS)
    sway = np.cumsum(rng.normal(size=(count + 12, 3)), 0)
    sway = np.apply_along_axis(lambda a: np.convolve(a, np.ones(5) / 5, "valid"), 0, sway)
    sway -= np.apply_along_axis(lambda a: np.convolve(a, np.ones(9) / 9, "same"), 0, sway)
    sway = sway[4 : count + 4] / sway[4 : count + 4].std(0) * size
    return np.stack([view(still, x, y, 1.0, r / 2) for x, y, r in sway])


def small(film: Gray) -> Gray:
    return np.stack([cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA) for picture in film])


def grainy(film: Gray, sigma: float, salt: object) -> Gray:
    rng = generator("grain", salt)
    return np.clip(film + rng.normal(0, sigma, film.shape).astype(np.float32), 0, 255).astype(np.uint8)


def jpeg(film: Gray, salt: object) -> Gray:
    """Return each picture coded by itself, at a quality that wavers: it flickers."""
    rng = generator("jpeg", salt)
    out = []
    for picture in film:
        quality = int(rng.integers(18, 45))
        done = cv2.imencode(".jpg", np.roll(picture, int(rng.integers(0, 8)), 1), [cv2.IMWRITE_JPEG_QUALITY, quality])
        out.append(cv2.imdecode(done[1], cv2.IMREAD_GRAYSCALE))
    return np.stack([jpeg_aligned(p, f) for p, f in zip(out, film, strict=True)])


def jpeg_aligned(coded: Gray, picture: Gray) -> Gray:
    """Return the coded picture shifted back to where ``picture`` is."""
    errors = [float(cv2.absdiff(np.roll(coded, -k, 1), picture).mean()) for k in range(8)]
    return np.roll(coded, -int(np.argmin(errors)), 1)


def recoded(film: Gray, crf: int, gop: int = 25) -> Gray:
    """Return the film after H.264 at a constant quality of ``crf``."""
    store = BytesIO()
    with av.open(store, "w", format="mp4") as box:
        stream = box.add_stream("libx264", rate=FPS, options={"crf": str(crf), "g": str(gop), "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = film.shape[2], film.shape[1], "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for picture in film:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            box.mux(stream.encode(frame))
        box.mux(stream.encode())
    store.seek(0)
    with av.open(store) as box:
        return np.stack([frame.to_ndarray(format="gray") for frame in box.decode(video=0)])


def written(film: Gray, text: Callable[[float], str], at: tuple[float, float], size: float) -> Gray:
    """Return the film with a text on it that depends on the time; ``at`` is the middle of its base line."""
    out = film.copy()
    height, width = film.shape[1:]
    for place, picture in enumerate(out):
        line = text(place / FPS)
        (wide, _), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        corner = (round(at[0] * width - wide / 2), round(at[1] * height))
        cv2.putText(picture, line, corner, cv2.FONT_HERSHEY_SIMPLEX, size, 0, 3, cv2.LINE_AA)
        cv2.putText(picture, line, corner, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, cv2.LINE_AA)
    return out


LINES = (
    "I never said that to him", "You have to believe me", "We leave before the sun is up", "", "Who is there?",
    "It was raining all night long", "Nobody came to the door", "", "Take the boat and row north",
)  # fmt: skip


def subtitle(every: float) -> Callable[[float], str]:
    return lambda t: LINES[int(t / every) % len(LINES)]


def clock(t: float) -> str:
    return f"12:03:{int(t) + 14:02d}"


def held(still: Gray) -> Gray:
    return moves(still, (0, 0, 0, 0))


def lit(film: Gray, gain: npt.NDArray[np.float64]) -> Gray:
    return np.clip(film * gain[:, None, None], 0, 255).astype(np.uint8)


def clouds(salt: object, wide: int = 640, high: int = 360, finest: int = 16) -> npt.NDArray[np.float32]:
    """Return smooth noise in several octaves, 0 to 1, float32."""
    rng = generator("clouds", salt)
    total = np.zeros((high, wide), np.float32)
    cell, weight = 128, 1.0
    while cell >= finest:
        rough = rng.random((high // cell + 3, wide // cell + 3)).astype(np.float32)
        total += weight * cv2.resize(rough, (wide, high), interpolation=cv2.INTER_CUBIC)
        cell, weight = cell // 2, weight * 0.55
    return (total - total.min()) / (total.max() - total.min())


def blended(film: Gray, tone: float, alpha: Callable[[float], npt.NDArray[np.float32]]) -> Gray:
    """Return the film behind a layer of one tone whose strength (``[h, w]``) depends on the time."""
    out = [(1 - a) * picture + a * tone for place, picture in enumerate(film) for a in [alpha(place / FPS)]]
    return np.clip(np.stack(out), 0, 255).astype(np.uint8)


def drifting(
    salt: object, speed: float, strength: float, upper: float = 0.5
) -> Callable[[float], npt.NDArray[np.float32]]:
    """Return the strength of clouds that drift through the upper part of the picture, widths per second."""
    layer = clouds(salt)
    fall = np.clip((upper * VIEW[1] + 20 - np.arange(VIEW[1], dtype=np.float32)) / 40, 0, 1)[:, None]

    def alpha(t: float) -> npt.NDArray[np.float32]:
        move = np.array([[1, 0, 20 + speed * VIEW[0] * t], [0, 1, 30]], np.float32)
        seen = cv2.warpAffine(layer, move, VIEW, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return np.asarray(strength * fall * np.clip(2 * seen - 0.5, 0, 1), np.float32)

    return alpha


def rising(salt: object, speed: float, strength: float) -> Callable[[float], npt.NDArray[np.float32]]:
    """Return the strength of smoke or flames that rise in the middle third and change as they rise."""
    one, two = clouds((salt, 1), 320, 1400, 8), clouds((salt, 2), 320, 1400, 8)
    x = np.abs(np.arange(VIEW[0]) - VIEW[0] / 2) / (VIEW[0] * 0.17)
    column = np.clip(1.5 - x, 0, 1).astype(np.float32)[None]

    def alpha(t: float) -> npt.NDArray[np.float32]:
        a, b = (layer[int(k * speed * VIEW[0] * t) % 1200 :][: VIEW[1]] for layer, k in ((one, 1.0), (two, 1.6)))
        return np.asarray(strength * column * np.clip(2 * a * b, 0, 1), np.float32)

    return alpha


def rippling(film: Gray, salt: object, size: float = 1.6) -> Gray:
    """Return the film with its lower half under water: waves bend it and glitter."""
    y, x = np.mgrid[0 : VIEW[1], 0 : VIEW[0]].astype(np.float32)
    depth = np.clip((y - VIEW[1] / 2) / 15, 0, 1)
    rng = generator("water", salt)
    waves = [(rng.uniform(0.08, 0.3), rng.uniform(0.1, 0.5), rng.uniform(2, 6), rng.uniform(0, 6)) for _ in range(5)]
    out = []
    for place, picture in enumerate(film):
        swell = sum(np.sin(a * x + b * y + w * place / FPS + p) for a, b, w, p in waves)
        bent = cv2.remap(picture, x, y + size * depth * swell, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        out.append(np.clip(bent + 6 * depth * swell, 0, 255))
    return np.stack(out).astype(np.uint8)


def breathing(film: Gray, size: float = 0.08, radius: float = 0.13) -> Gray:
    """Return the film with something round in it that breathes: it grows by ``size`` and shrinks, twice in 5 s."""
    y, x = np.mgrid[0 : VIEW[1], 0 : VIEW[0]].astype(np.float32)
    cx, cy = np.float32(VIEW[0] * 0.55), np.float32(VIEW[1] * 0.55)
    far = np.hypot(x - cx, y - cy) / (radius * VIEW[0])
    soft = np.clip(2 - far, 0, 1).astype(np.float32)
    out = []
    for place, picture in enumerate(film):
        grow = np.float32(size * np.sin(2 * np.pi * 0.4 * place / FPS)) * soft
        out.append(cv2.remap(picture, x - grow * (x - cx), y - grow * (y - cy), cv2.INTER_LINEAR))
    return np.stack(out)


def crossing(film: Gray, thing: Gray, size: float, speed: float, row: float = 0.35) -> Gray:
    """Return the film with a small thing that moves to the right: a round patch of another picture."""
    side = max(4, round(size * VIEW[0]))
    patch = cv2.resize(thing, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    patch = np.clip(255 - patch, 0, 255)
    y, x = np.mgrid[0:side, 0:side]
    mask = (np.hypot(x - side / 2 + 0.5, y - side / 2 + 0.5) <= side / 2).astype(np.float32)
    out = []
    for place, picture in enumerate(film):
        left = VIEW[0] * 0.2 + speed * VIEW[0] * place / FPS
        move = np.array([[1, 0, left], [0, 1, row * VIEW[1]]])
        a = cv2.warpAffine(mask, move, VIEW)
        out.append(picture * (1 - a) + a * cv2.warpAffine(patch, move, VIEW))
    return np.stack(out).astype(np.uint8)


def sunlit(film: Gray) -> Gray:
    """Return the film as a slow time-lapse: a shadow with a soft edge goes over it."""
    x = np.arange(VIEW[0], dtype=np.float32)[None]
    y = np.arange(VIEW[1], dtype=np.float32)[:, None]
    count = len(film)
    out = [p * (0.45 + 0.55 / (1 + np.exp(-(x + 0.5 * y - 400 * k / count) / 18))) for k, p in enumerate(film)]
    return np.stack(out).astype(np.uint8)


CAMERAS: tuple[tuple[str, str, tuple[float, float, float, float]], ...] = tuple(
    (
        kind,
        way,
        (sign * a * (axis == 0), sign * a * (axis == 1), sign * 2 * a * (axis == 2), sign * 2 * a * (axis == 3)),
    )
    for axis, (kind, ways) in enumerate(
        [
            ("pan", ("right", "left")),
            ("tilt", ("down", "up")),
            ("zoom", ("in", "out")),
            ("roll", ("clockwise", "counterclockwise")),
        ]
    )
    for way, sign in zip(ways, (1, -1), strict=True)
    for a in ((0.01, 0.03, 0.06) if axis < 3 else (0.02, 0.06))
)
"""Kind, direction and motion per second (as `moves` takes it) of the cameras that stills are seen by."""


def films_of(name: str, still: Gray, other: Gray) -> Iterator[Film]:
    """Yield all films of a still picture; ``other`` is what the things that move in it are made of."""
    rest = held(still)
    count = len(rest)
    rng = generator("lamp", name)
    for kind, way, speed in CAMERAS:
        pace = max(map(abs, speed)) / (2 if kind in ("zoom", "roll") else 1)
        yield Film(f"{kind} {way} {pace:g}", small(moves(still, speed)), True, kind, way)
    for size in (0.004, 0.012):
        yield Film(f"shake {size:g}", small(shaken(still, size, name)), True, "shake")
    yield Film("hold", small(rest), True, "still")
    for sigma in (2, 5, 8, 12):
        yield Film(f"grain {sigma}", small(grainy(rest, sigma, name)), True, "still")
    yield Film("pan right, grain 6", small(grainy(moves(still, (0.05, 0, 0, 0)), 6, name)), True, "pan", "right")
    yield Film("zoom in, grain 6", small(grainy(moves(still, (0, 0, 0.08, 0)), 6, name)), True, "zoom", "in")
    yield Film("crf 42", small(recoded(grainy(rest, 3, name), 42)), True, "still")
    yield Film("crf 42, zoom in", small(recoded(moves(still, (0, 0, 0.06, 0)), 42)), True, "zoom", "in")
    yield Film("crf 34, pan right", small(recoded(moves(still, (0.2, 0, 0, 0), 2.6), 34)), True, "pan", "right")
    yield Film("jpeg flicker", small(jpeg(rest, name)), True, "still")
    yield Film("exposure flicker", small(lit(rest, 1 + rng.uniform(-0.12, 0.12, count))), True, "still")
    yield Film("lamp flicker", small(lit(rest, 1 - 0.35 * (rng.random(count) < 0.1))), True, "still")
    yield Film("fade to black", small(lit(rest, np.linspace(1, 0.15, count))), True, "still")
    yield Film("fade in", small(lit(rest, np.clip(np.linspace(0.0, 3, count), 0, 1))), True, "still")
    yield Film("ticking clock", small(written(rest, clock, (0.85, 0.12), 0.45)), True, "still")
    yield Film(
        "time code",
        small(written(rest, lambda t: f"00:{int(t):02d}:{int(t * FPS) % FPS:02d}", (0.85, 0.12), 0.4)),
        True,
        "still",
    )
    yield Film(
        "blinking cursor", small(written(rest, lambda t: "|" if t % 1 < 0.5 else "", (0.4, 0.5), 0.6)), True, "still"
    )
    for every in (1.0, 2.2):
        yield Film(f"subtitles {every:g} s", small(written(rest, subtitle(every), (0.5, 0.92), 0.5)), True, "still")
    yield Film(
        "subtitles, pan",
        small(written(moves(still, (0.04, 0, 0, 0)), subtitle(2.2), (0.5, 0.92), 0.5)),
        True,
        "pan",
        "right",
    )
    yield Film(
        "watermark, zoom",
        small(written(moves(still, (0, 0, 0.1, 0)), lambda t: "CHANNEL 5", (0.85, 0.12), 0.5)),
        True,
        "zoom",
        "in",
    )
    for size, speed in ((0.03, 0.05), (0.05, 0.03), (0.08, 0.1)):
        yield Film(f"mover {size:g} {speed:g}", small(crossing(rest, other, size, speed)), False, "still")
    yield Film("mover, grain 5", small(grainy(crossing(rest, other, 0.06, 0.06), 5, name)), False, "still")
    yield Film("mover, pan", small(crossing(moves(still, (0.05, 0, 0, 0)), other, 0.1, 0.06)), False, "pan", "right")
    tone = 235 if rest[0, :90].mean() < 130 else 40
    yield Film("clouds", small(blended(rest, tone, drifting(name, 0.02, 0.7))), False, "still")
    yield Film("slow clouds", small(blended(rest, tone, drifting(name, 0.008, 0.7))), False, "still")
    yield Film("smoke", small(blended(rest, tone, rising(name, 0.12, 0.8))), False, "still")
    yield Film("fire", small(blended(rest, tone, rising(name, 0.6, 1.0))), False, "still")
    yield Film("water", small(rippling(rest, name)), False, "still")
    yield Film("time-lapse", small(sunlit(rest)), False, "still")
    yield Film("breathing", small(breathing(rest)), False, "still")
