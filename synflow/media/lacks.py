"""What pictures surely do not show: how clearly each of them contradicts a claim on looks (`synflow.claims.CLAIMS`).

`synflow.media.colors` names what is safe to say; here nothing may be called absent while somebody might see it. So the
spans are wide: hues overlap, a faint tint counts where it is large, and what is dark, pale or small counts too. Only
specks and the seams between two colours do not.

Every pixel is looked up in a table of 64 x 64 x 64 colours, which holds one bit for each question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.colors import Rgb

SIDE = 128
"""Pictures are halved while their longer side keeps so many pixels; noise of single pixels is averaged out."""

TRACE, CLEAR = 0.0002, 0.001
"""Shares of a picture up to which a colour counts as absent, and from which as there: 1 and 9 of 9,216 pixels.

Only pixels count that stand in the middle of 3 x 3 like ones, so that 5 x 5 pixels are there.
"""

FAINT = 0.01
"""Share from which a tint that is too weak for a thing counts: a hazy sky, a washed-out wall."""


class _Look(NamedTuple):
    """Which pixels may be called by a colour: hues in degrees (wrapping); least and most saturation, and value."""

    hues: tuple[float, float]
    saturation: tuple[float, float] = (0.0, 1.0)
    values: tuple[float, float] = (0.09, 1.0)


_LOOKS: Mapping[str, tuple[_Look, ...]] = {
    "red": (_Look((330, 14)), _Look((14, 22), (0.45, 1.0))),
    "orange": (_Look((2, 54)),),
    "yellow": (_Look((30, 82)),),
    "green": (_Look((52, 188)),),
    "blue": (_Look((162, 272)),),
    "purple": (_Look((232, 346)),),
    "pink": (_Look((284, 350)), _Look((270, 18), (0.0, 0.75), (0.3, 1.0))),
    "brown": (_Look((0, 60), values=(0.05, 0.9)),),
    "underwater": (_Look((75, 270)),),
}
_STRONG, _WEAK, _LEAST = 14, 7, 5
"""Levels of chroma (of 255) from which a pixel has a colour, a faint one (where it is not dark), a trace of one."""

_TINTS = tuple(_LOOKS)[:7]
_TONES = ("dim", "black", "bright", "pale", "white", "tinted")
_BITS = {
    name: bit
    for bit, name in enumerate(
        (*_LOOKS, *(f"faint {look}" for look in _LOOKS), *(f"trace {look}" for look in _TINTS), *_TONES)
    )
}


@cache
def _table() -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Return the class of each colour (uint16 ``[64 ** 3]``), and which bits of `_BITS` are set in each class.

    The bits are given twice: packed (uint32 ``[classes]``), and apart (0 or 1, int64 ``[bits, classes]``).
    """
    axis = np.arange(64, dtype=np.uint8) * 4 + 2
    rgb = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    hsv = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2HSV).reshape(-1, 3)
    hue, saturation, value = hsv[:, 0].astype(np.int16) * 2, hsv[:, 1] / 255.0, hsv[:, 2] / 255.0
    chroma = (rgb.max(axis=2) - rgb.min(axis=2)).ravel()
    told: dict[str, npt.NDArray[np.bool_]] = {
        "dim": value < 0.25, "black": value < 0.33, "bright": value >= 0.55,
        "pale": (value >= 0.35) & (saturation <= 0.35), "white": (value >= 0.5) & (saturation <= 0.35),
        "tinted": (value > 0.25) & (saturation > 0.3),
    }  # fmt: skip
    for name, looks in _LOOKS.items():
        inside, around = np.zeros(len(hue), dtype=bool), np.zeros(len(hue), dtype=bool)
        for look in looks:
            first, last = look.hues
            hues = (hue >= first) & (hue <= last) if first <= last else (hue >= first) | (hue <= last)
            around |= hues
            inside |= (
                hues
                & (saturation >= look.saturation[0])
                & (saturation <= look.saturation[1])
                & (value >= look.values[0])
                & (value <= look.values[1])
            )
        told[name], told[f"faint {name}"] = inside & (chroma >= _STRONG), inside & (chroma >= _WEAK) & (value >= 0.25)
        told[f"trace {name}"] = around & (chroma >= _LEAST)
    table = np.zeros(len(hue), dtype=np.uint32)
    for name, bit in _BITS.items():
        table |= told[name].astype(np.uint32) << np.uint32(bit)
    bits, classes = np.unique(table, return_inverse=True)
    apart = bits[None, :] >> np.arange(len(_BITS), dtype=np.uint32)[:, None] & np.uint32(1)
    return classes.ravel().astype(np.uint16), bits, apart.astype(np.int64)


class Shades:
    """One picture (uint8 ``[h, w, 3]``), as what each of its pixels might be called."""

    def __init__(self, rgb: Rgb) -> None:
        small = _halved(rgb) >> 2
        classes, bits, apart = _table()
        told = classes[(small[..., 0].astype(np.int32) << 12) | (small[..., 1].astype(np.int32) << 6) | small[..., 2]]
        counts = np.bincount(told.ravel(), minlength=len(bits))
        self._all = apart @ counts / told.size
        inner = _eroded(bits[told])
        found = [
            cv2.countNonZero((inner & np.uint32(1 << bit)).view(np.int32)) for bit in range(len(_BITS) - len(_TONES))
        ]
        self._inner = np.array(found) / inner.size

    def share(self, name: str) -> float:
        """Return the share of the pixels of which the bit ``name`` is set."""
        return float(self._all[_BITS[name]])

    def within(self, name: str) -> float:
        """Return the share of the pixels of which all eight neighbours have the bit ``name`` (of a colour) too."""
        return float(self._inner[_BITS[name]])

    def colored(self, name: str) -> float:
        """Return the share that may be called by a colour: of things that have it, or of a large faint tint."""
        faint = self.within(f"faint {name}")
        return max(self.within(name), faint if faint >= FAINT else 0.0)


def _halved(rgb: Rgb) -> Rgb:
    """Return a picture as the means of squares of 2, 4, 8 ... pixels; that is much faster than another scale."""
    small = rgb if rgb.flags.c_contiguous else np.ascontiguousarray(rgb)
    while max(small.shape[:2]) >= 2 * SIDE and min(small.shape[:2]) >= 2:
        small = np.asarray(
            cv2.resize(small, (small.shape[1] // 2, small.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8
        )
    return small


def _eroded(told: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return for each pixel the bits that it shares with all eight around it; the outermost pixels are left out."""
    if min(told.shape) < 3:
        return told
    across = told[:, :-2] & told[:, 1:-1] & told[:, 2:]
    found: npt.NDArray[np.uint32] = across[:-2] & across[1:-1] & across[2:]
    return found


def ramp(value: float, low: float, high: float) -> float:
    """Return 0 up to ``low``, 1 from ``high``, and what lies between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _absent(color: str) -> Callable[[Shades], float]:
    return lambda shades: 1.0 - ramp(shades.colored(color), TRACE, CLEAR)


def _traceless(color: str) -> Callable[[Shades], float]:
    return lambda shades: 1.0 - ramp(shades.within(f"trace {color}"), 0.002, 0.01)


_LACKS: Mapping[str, Callable[[Shades], float]] = {
    **{color: _absent(color) for color in ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")},
    **{f"faint {color}": _traceless(color) for color in _TINTS},
    "black": lambda shades: 1.0 - ramp(shades.share("black"), 0.0, 0.005),
    "white": lambda shades: 1.0 - ramp(shades.share("white"), 0.0, 0.005),
    "colourless": lambda shades: ramp(shades.share("tinted"), 0.05, 0.2),
    "dark": lambda shades: ramp(shades.share("bright"), 0.5, 0.75) * ramp(0.06 - shades.share("dim"), 0.0, 0.05),
    "sunny": lambda shades: ramp(shades.share("dim"), 0.8, 0.92),
    "snow": lambda shades: 1.0 - ramp(shades.share("pale"), 0.0, 0.02),
    "underwater": lambda shades: 1.0 - ramp(shades.colored("underwater"), 0.0, 0.05),
}


def lack(shades: Shades, claim: str) -> float:
    """Return how clearly a picture contradicts a claim: 0 (not) to 1 (surely).

    Args:
        shades: the picture.
        claim: one of `synflow.claims.CLAIMS`, or ``faint blue`` and the like: a dark or pale blue.
    """
    return round(_LACKS[claim](shades), 6)
