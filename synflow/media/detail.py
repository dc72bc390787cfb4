"""Whether two clips in which nothing moves show the same, by one picture of each, laid upon one another."""

from __future__ import annotations

import cv2
import numpy as np

from synflow.media.signature import DETAIL, Unit, normal

LEAST = 0.66
"""Share of each side that the copy of a clip without motion must show."""

STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)

CORNER = 0.35
"""Root mean squared difference of a sixteenth of the picture, in spreads of the whole, that copies of a clip without
motion may have at most."""


def same_detail(one: Unit | None, other: Unit | None, turned: bool) -> bool:
    """Tell whether two pictures ``[32, 32]``, one of them mirrored, agree in every corner; they do if one is None."""
    if one is None or other is None:
        return True
    there = np.ascontiguousarray(other[:, ::-1]) if turned else other
    return any(_agree(a, b) for a, b in ((one, there), (there, one)))


def _agree(whole: Unit, part: Unit) -> bool:
    """Tell whether ``part`` shows a part of ``whole``, at least two thirds of each side, and the same in it."""
    best = 9.0
    for share in (1.0, 0.9, 0.8):
        edge = (1 - share) * (DETAIL - 1) / 2
        warp = np.array([[share, 0, edge], [0, share, edge]], np.float32)
        try:
            _, warp = cv2.findTransformECC(part, whole, warp, cv2.MOTION_AFFINE, STOP, None, 1)
        except cv2.error:
            # It found no way to lay them upon one another.
            continue
        if not (LEAST < warp[0, 0] < 1.1 and LEAST < warp[1, 1] < 1.1 and abs(warp[0, 1]) + abs(warp[1, 0]) < 0.1):
            continue
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        laid = cv2.warpAffine(whole, warp, (DETAIL, DETAIL), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        laid = normal(laid.reshape(1, -1)).reshape(DETAIL, DETAIL) * DETAIL
        corner = ((laid - part) ** 2).reshape(4, DETAIL // 4, 4, DETAIL // 4).mean(axis=(1, 3))
        best = min(best, float(np.sqrt(corner.max())))
    return best <= CORNER
