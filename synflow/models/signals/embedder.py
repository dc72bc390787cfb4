"""An embedder without weights: it places texts by what they claim and pictures by what they lack.

The space has one axis for each claim of `claims.CLAIMS`, one that all vectors share, and one that only pictures use.

* A text is ``(a, b/sqrt(k) on each of its k claims, 0)`` with ``a*a = b*b = 1/2``.
* Pictures are ``(a, -g*lack on each claim, rest)`` with ``g*g = 1/2 / number of claims``; ``lack`` is 0 where the
  pictures support the claim and 1 where they clearly contradict it, and ``rest`` makes the length 1.

So the dot product is ``1/2`` for every text whose claims are all supported, whatever they are, and falls by
``b*g*lack/sqrt(k)`` (0.13 for a text with one claim) for each one that is not. It saturates at 1/2 and not at 1 since
two unit vectors only give 1 when they are equal, and one clip fits many different texts. Colours that a clip has and
a text does not name cost nothing.

A text without any such claim cannot be compared: the embedder abstains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from synflow.asks import Item, Picture, Vector
from synflow.media.colors import Rgb, is_colorless, reduced
from synflow.models.signals.claims import CLAIMS, claims_of

SATURATED = 0.5
"""The dot product of a text and pictures that support all that it claims."""

DIM = len(CLAIMS) + 2

_SHARED = SATURATED**0.5
_TEXT = (1.0 - SATURATED) ** 0.5
_LACK = ((1.0 - SATURATED) / len(CLAIMS)) ** 0.5


class _Look(NamedTuple):
    """Which pixels may be called by a colour: hue in degrees (wrapping), saturation and value in 0..1.

    Wider than `synflow.media.colors`, which names only what is safe to say: here a colour must not be called absent
    while somebody might see it.
    """

    hues: tuple[float, float]
    least_saturation: float
    values: tuple[float, float]


_LOOKS: Mapping[str, _Look] = {
    "red": _Look((335, 18), 0.30, (0.12, 1.0)),
    "orange": _Look((6, 45), 0.35, (0.35, 1.0)),
    "yellow": _Look((36, 75), 0.25, (0.35, 1.0)),
    "green": _Look((58, 178), 0.13, (0.10, 1.0)),
    "blue": _Look((172, 265), 0.15, (0.12, 1.0)),
    "purple": _Look((240, 338), 0.10, (0.12, 1.0)),
    "pink": _Look((285, 20), 0.10, (0.40, 1.0)),
    "brown": _Look((0, 52), 0.18, (0.10, 0.78)),
}
_WATER = _Look((75, 265), 0.10, (0.08, 1.0))
_ENOUGH = 0.005
"""Share of the pixels of one picture that supports a colour wholly: a ball, a hat."""


class SignalsEmbedder:
    """Embeds texts and pictures by measurable claims; needs no weights.

    Pictures of one item count together: a claim is supported when one of them supports it.
    """

    model = "signals-embed/1"

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        """Return one unit vector (float32 ``[DIM]``) for each item; abstain where nothing can be compared.

        An item with text and pictures lies between the two; ``instruction`` is not used.
        """
        seen: dict[str, npt.NDArray[np.float64] | None] = {}
        return [_embedded(item, seen) for item in items]


def _embedded(item: Item, seen: dict[str, npt.NDArray[np.float64] | None]) -> Vector:
    """Return the vector of an item; ``seen`` holds what pictures of the same batch lack, by their digests."""
    bound = tuple(p.digest for p in item.pictures)
    told = _of_text(item.text)
    shown = _of_pictures(item.pictures, seen)
    parts = [v for v in (told, shown) if v is not None]
    if not parts or (item.text is not None and told is None) or (item.pictures and shown is None):
        return Vector(None, bound)
    total = np.sum(parts, axis=0)
    return Vector((total / np.linalg.norm(total)).astype(np.float32), bound)


def _of_text(text: str | None) -> npt.NDArray[np.float64] | None:
    """Return the vector of a text; None where it claims nothing that can be measured."""
    claims = claims_of(text) if text else ()
    if not claims:
        return None
    vector = np.zeros(DIM)
    vector[0] = _SHARED
    for claim in claims:
        vector[1 + CLAIMS.index(claim)] = _TEXT / len(claims) ** 0.5
    return vector


def _of_pictures(
    pictures: Sequence[Picture], seen: dict[str, npt.NDArray[np.float64] | None]
) -> npt.NDArray[np.float64] | None:
    """Return the vector of pictures; None where none can be read."""
    for picture in pictures:
        if picture.digest not in seen:
            rgb = _decoded(picture)
            seen[picture.digest] = None if rgb is None else lacking(rgb)
    lacks = [found for found in (seen[p.digest] for p in pictures) if found is not None]
    if not lacks:
        return None
    vector = np.zeros(DIM)
    vector[0] = _SHARED
    # One picture that supports a claim is enough.
    vector[1:-1] = -_LACK * np.min(lacks, axis=0)
    vector[-1] = max(0.0, 1.0 - float(vector @ vector)) ** 0.5
    return vector


def lacking(rgb: Rgb) -> npt.NDArray[np.float64]:
    """Return how clearly a picture (uint8 ``[h, w, 3]``) contradicts each claim of `CLAIMS`: 0 (not) to 1."""
    small = reduced(rgb)
    shades = _Shades.of(small)
    found = {name: 1.0 - _support(shades.share(look), _ENOUGH) for name, look in _LOOKS.items()}
    found["black"] = 1.0 - _support(float((shades.value < 0.33).mean()), _ENOUGH)
    found["white"] = 1.0 - _support(shades.pale(0.6), _ENOUGH)
    found["colourless"] = 0.0 if is_colorless(small) else shades.tint()
    found["dark"] = _ramp(float(np.median(shades.value)), 0.40, 0.60) * _ramp(0.3 - shades.dim(), 0.0, 0.2)
    found["sunny"] = _ramp(shades.dim(), 0.70, 0.90)
    found["snow"] = 1.0 - _support(shades.pale(0.5), 0.03)
    found["underwater"] = 1.0 - _support(shades.share(_WATER), 0.10)
    return np.array([round(found[claim], 6) for claim in CLAIMS])


class _Shades(NamedTuple):
    """Hue (degrees), saturation and value (0..1) of a picture, each ``[h, w]``."""

    hue: npt.NDArray[np.float32]
    saturation: npt.NDArray[np.float32]
    value: npt.NDArray[np.float32]

    @classmethod
    def of(cls, rgb: Rgb) -> _Shades:
        """Convert a picture."""
        hsv = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2HSV).astype(np.float32)
        return cls(hsv[..., 0] * 2, hsv[..., 1] / 255, hsv[..., 2] / 255)

    def share(self, look: _Look) -> float:
        """Return the share of pixels that may be called by a colour."""
        first, last = look.hues
        inside = (self.hue >= first) & (self.hue <= last) if first <= last else (self.hue >= first) | (self.hue <= last)
        low, high = look.values
        good = inside & (self.saturation >= look.least_saturation) & (self.value >= low) & (self.value <= high)
        return float(good.mean())

    def pale(self, least: float) -> float:
        """Return the share of pixels that may be called white."""
        return float(((self.value >= least) & (self.saturation <= 0.35)).mean())

    def dim(self) -> float:
        """Return the share of pixels that are dark."""
        return float((self.value < 0.25).mean())

    def tint(self) -> float:
        """Return how clearly (0..1) the picture is in colour; a sepia or slightly tinted one is not."""
        return _ramp(float(((self.saturation > 0.3) & (self.value > 0.25)).mean()), 0.05, 0.2)


def _support(share: float, enough: float) -> float:
    return min(1.0, share / enough)


def _ramp(value: float, low: float, high: float) -> float:
    """Return 0 up to ``low``, 1 from ``high``, and what lies between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _decoded(picture: Picture) -> Rgb | None:
    """Return the pixels of a JPEG (uint8 ``[h, w, 3]``); None where it cannot be read."""
    if not picture.jpeg:
        return None
    bgr = cv2.imdecode(np.frombuffer(picture.jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1])
