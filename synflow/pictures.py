"""The pictures of a source as stages see them: the scan of all of it, and the stills that stand for a clip."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from synflow.asks import Picture
from synflow.records import Crop


@dataclass(frozen=True)
class Scan:
    """What one decode of a whole source left for all stages of the pass.

    Attributes:
        times: float64, shape ``[n]``: seconds from the first picture, increasing. Pictures to which no other of the
            source refers are left out where others lie within a tenth of a second; a source of more than 30 pictures a
            second is thinned to as many, a long one evenly so that ``n <= 9000``.
        until: float64, shape ``[n]``: seconds at which the next picture of the source begins, left out or not.
        luma: uint8, shape ``[n, h, w]``: brightness of each of those pictures, ``max(h, w) == 160``.
        color: uint8, shape ``[m, h2, w2, 3]``: small RGB pictures (``max(h2, w2) == 64``) at ``color_times``.
        errors: packets that would not decode or pictures marked corrupt.
        end: seconds at which the last picture ends.
        combing: float64, shape ``[m]``: share of each picture of ``color_times``, at its own size, in which two fields
            stand interlaced (see `synflow.media.combing`); empty where nobody looked.
    """

    times: npt.NDArray[np.float64]
    until: npt.NDArray[np.float64]
    luma: npt.NDArray[np.uint8]
    color_times: npt.NDArray[np.float64]
    color: npt.NDArray[np.uint8]
    errors: int
    end: float
    combing: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def within(self, start: float, end: float) -> Scan:
        """Return the part with ``start <= time < end``; times stay those of the source."""
        # Times increase: what lies inside is one stretch, and a view of it costs nothing.
        inside, tinted = _stretch(self.times, start, end), _stretch(self.color_times, start, end)
        return Scan(
            times=self.times[inside],
            until=np.minimum(self.until[inside], end),
            luma=self.luma[inside],
            color_times=self.color_times[tinted],
            color=self.color[tinted],
            errors=self.errors,
            end=min(end, self.end),
            combing=self.combing[tinted],
        )

    def cropped(self, crop: Crop) -> Scan:
        """Return the inner pictures; their longer side is then shorter than 160 and 64."""
        if not len(self.luma):
            return self
        rows, columns = crop.box(*self.luma.shape[1:3])
        luma, color = np.ascontiguousarray(self.luma[:, rows, columns]), self.color
        if len(color):
            rows, columns = crop.box(*color.shape[1:3])
            color = np.ascontiguousarray(color[:, rows, columns])
        return replace(self, luma=luma, color=color)


def _stretch(times: npt.NDArray[np.float64], start: float, end: float) -> slice:
    """Return the places of the times in ``[start, end)``."""
    first, last = np.searchsorted(times, (start - 1e-6, end - 1e-6))
    return slice(int(first), int(last))


@dataclass(frozen=True)
class Stills:
    """The pictures that stand for a clip: ``2 * media.frames`` of them, uniform over its span.

    A clip with fewer pictures than that yields each of them once, so ``n`` may be smaller, never 0.

    Attributes:
        pictures: the JPEGs with their times, as they will be stored and as models see them.
        rgb: uint8, shape ``[n, h, w, 3]``: the pixels that were encoded.
        digest: `synflow.ids.digest_of_frames` of the JPEG digests.
    """

    pictures: tuple[Picture, ...]
    rgb: npt.NDArray[np.uint8]
    digest: str
