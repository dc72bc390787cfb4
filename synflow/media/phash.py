"""The perceptual hash of one picture, as the index shows it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 32

KEPT = 8
"""Frequencies kept in each direction."""

# DCT-II without scaling: the library for it takes half a second to import, and this is one small matrix.
_WAVES = 2 * np.cos(np.pi * np.arange(KEPT)[:, None] * (2 * np.arange(SIDE) + 1) / (2 * SIDE))


def picture_hash(rgb: npt.NDArray[np.uint8]) -> str:
    """Return the 64-bit phash of a picture (uint8, shape ``[h, w, 3]``) in hexadecimal.

    It is the hash that the ImageHash library calls ``phash``, bit for bit: of the low frequencies of the picture at
    32 x 32, whether each is over their median.
    """
    small = Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    low = _WAVES @ np.asarray(small, np.float64) @ _WAVES.T
    bits = (low > np.median(low)).ravel()
    return np.packbits(bits).tobytes().hex()
