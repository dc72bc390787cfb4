"""Choice of the pictures that show a clip best when nothing is known of its text.

The paper lets the embedder choose them (the stage `consistency` does); this is the choice without one: sharp, well
exposed, apart in time, and not in the middle of a change of shot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from synflow.media.colors import Rgb, reduced


def choose_key_frames(
    rgb: Sequence[Rgb] | npt.NDArray[np.uint8],
    times: Sequence[float],
    most: int = 3,
    apart: float = 1.0,
    cuts: Sequence[float] = (),
    last: Collection[int] = (),
) -> tuple[int, ...]:
    """Return indices of at most ``most`` pictures, best first; none where all are black, blank or blurred.

    Args:
        rgb: uint8 ``[h, w, 3]`` each, in order of time.
        times: seconds of each picture.
        most: how many are wanted at most.
        apart: least seconds between two of them.
        cuts: times in seconds of cuts and dissolves; pictures within 0.25 s of one are not taken.
        last: indices that are taken only where no other picture will do.
    """
    scores = clear(rgb, times, cuts)
    chosen: list[int] = []
    for index in sorted(scores, key=lambda i: (i in last, -scores[i], i)):
        if len(chosen) < most and all(abs(times[index] - times[other]) >= apart for other in chosen):
            chosen.append(index)
    return tuple(chosen)


def clear(
    rgb: Sequence[Rgb] | npt.NDArray[np.uint8], times: Sequence[float], cuts: Sequence[float] = ()
) -> dict[int, float]:
    """Return index -> `score` of the pictures that can stand alone: not black, blank, blurred or next to a cut.

    Blurred is what has less than a quarter of the sharpness of the best picture of the clip: motion smears single
    pictures, and a dissolve is softer than what it leads from and to.

    Args:
        rgb: uint8 ``[h, w, 3]`` each, in order of time.
        times: seconds of each picture.
        cuts: times in seconds of cuts and dissolves; pictures within 0.25 s of one are not clear.
    """
    scores = [score(picture) for picture in rgb]
    best = max(scores, default=0.0)
    return {
        index: value
        for index, value in enumerate(scores)
        if value > 0.25 * best > 0 and all(abs(times[index] - cut) > 0.25 for cut in cuts)
    }


def score(rgb: Rgb) -> float:
    """Return how sharp and how well exposed a picture is; 0 for a black, white or blank one."""
    gray = cv2.cvtColor(np.ascontiguousarray(reduced(rgb, 256)), cv2.COLOR_RGB2GRAY)
    light, contrast = float(gray.mean()), float(gray.std())
    if light < 20 or light > 240 or contrast < 8:
        return 0.0
    edges = cv2.Laplacian(cv2.GaussianBlur(gray, (0, 0), 0.8), cv2.CV_32F)
    sharp = float(np.sqrt(np.mean(np.square(edges))))
    clipped = float(((gray < 8) | (gray > 247)).mean())
    return round(sharp * (1.0 - min(0.9, clipped)), 6)
