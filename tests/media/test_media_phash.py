"""The perceptual hash is that of the library of that name, which takes half a second to import."""

from __future__ import annotations

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from synflow.media.phash import picture_hash


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_phash_of_imagehash(seed: int) -> None:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (*random.integers(2, 20, 2), 3), dtype=np.uint8)
    rgb = cv2.resize(coarse, tuple(int(side) for side in random.integers(40, 700, 2)))
    assert picture_hash(rgb) == str(imagehash.phash(Image.fromarray(rgb)))
