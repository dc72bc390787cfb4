"""The perceptual hash of one picture, as the index shows it."""

from __future__ import annotations

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image


def picture_hash(rgb: npt.NDArray[np.uint8]) -> str:
    """Return the 64-bit phash of a picture (uint8, shape ``[h, w, 3]``) in hexadecimal."""
    return str(imagehash.phash(Image.fromarray(rgb)))
