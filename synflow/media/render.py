"""Scales decoded pictures and turns them upright: brightness, thumbnails and the pictures that stills come from."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from synflow.boxes import Edges, pixels_within
from synflow.media.decoder import Header

LUMA_SIDE = 160
"""Longer side of the brightness pictures, in pixels."""

COLOR_SIDE = 64
"""Longer side of the colour thumbnails, in pixels."""

HD_HEIGHT = 720
"""Height from which a source that does not name its colour matrix is taken to use BT.709, else BT.601."""

CLOSE = 1.5
"""Scale up to which a plane may be reduced by linear interpolation, which then leaves hardly a pixel out."""

# What `AVFrame.colorspace` holds (AVCOL_SPC_*) against what the scaler wants (SWS_CS_*).
_MATRICES = {
    1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601, 7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020, 10: Colorspace.BT2020,
}  # fmt: skip

# Formats whose first plane is the brightness in single bytes.
_PLANAR = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv440p", "yuv411p", "nv12", "nv21", "gray"}
)

# Looking an enumeration up costs more, for every picture.
_LIMITED, _FULL = int(ColorRange.MPEG), int(ColorRange.JPEG)

Pixels = npt.NDArray[np.uint8]


def fit_longer(size: tuple[int, int], longer: int) -> tuple[int, int]:
    """Return ``size`` (width, height) scaled so that the longer side is ``longer``, each side at least 1."""
    most = max(size)
    return max(1, round(size[0] * longer / most)), max(1, round(size[1] * longer / most))


def fit_shorter(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """Return ``size`` with the shorter side at most ``shorter``, never enlarged, both even, at least 2."""
    least = min(size)
    if least > shorter:
        size = round(size[0] * shorter / least), round(size[1] * shorter / least)
    return max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2)


class Renderer:
    """Renders the pictures of one source.

    It holds one scaler for each kind of picture: setting one up anew costs six times what scaling costs. What halving
    leaves of a picture is shared by its brightness, its thumbnail and its still.

    Args:
        header: of the source; sizes and orientation follow from it, also where the resolution changes midway.
        short_side: of the stills, in pixels.
    """

    def __init__(self, header: Header, short_side: int) -> None:
        self._turns = -header.rotation // 90 % 4
        self._mirrored = header.mirrored
        self.luma_size = fit_longer(header.display, LUMA_SIDE)
        self.color_size = fit_longer(header.display, COLOR_SIDE)
        self.still_size = fit_shorter(header.display, short_side)
        self._luma, self._color, self._still, self._rgb = (VideoReformatter() for _ in range(4))
        self._halves = Halves()

    def luma(self, frame: Any, into: Pixels | None = None) -> Pixels:
        """Return the brightness of ``frame``, full range, shape ``[h, w]``; it is also written ``into`` an array."""
        width, height = self._stored(self.luma_size)
        if frame.format.name in _PLANAR and (small := self._halves.brightness(frame, width, height)) is not None:
            plain = into if into is not None and not self._turns and not self._mirrored else None
            luma = self._upright(_full_range(small, plain) if _range(frame) is ColorRange.MPEG else small.copy())
        else:
            scaled = self._scaled(self._luma, frame, self.luma_size, "gray", Interpolation.AREA)
            luma = self._upright(scaled.to_ndarray())
        if into is not None and luma is not into:
            into[:] = luma
        return luma

    def color(self, frame: Any) -> Pixels:
        """Return a thumbnail of ``frame``, RGB, shape ``[h, w, 3]``."""
        width, height = self._stored(self.color_size)
        # At twice its size: what a halving leaves out at an edge then hardly shows.
        less = self._halves.reduced(frame, 2 * width, 2 * height)
        small = self._scaled(self._color, less, self.color_size, "rgb24", Interpolation.AREA)
        return self._upright(small.to_ndarray())

    def still(self, frame: Any) -> Any:
        """Return ``frame`` at the size of the stills (an ``av.VideoFrame``, yuv420p, not yet turned).

        Where the source has that size already, it is ``frame`` itself and costs nothing.
        """
        less = self._halves.reduced(frame, *self._stored(self.still_size))
        kept = self._scaled(self._still, less, self.still_size, "yuv420p", Interpolation.AREA)
        if kept is not frame:
            kept.colorspace, kept.color_range = int(_matrix(less)), int(ColorRange.MPEG)
        return kept

    def rgb(self, still: Any) -> Pixels:
        """Return what `still` gave as upright RGB, shape ``[h, w, 3]``."""
        # Repeated, not interpolated chroma: 25 times cheaper, and JPEG halves it again.
        plain = Interpolation.BILINEAR
        return self._upright(self._scaled(self._rgb, still, self.still_size, "rgb24", plain).to_ndarray())

    def upright(self, still: Any) -> Any:
        """Return what `still` gave, turned upright: an ``av.VideoFrame``, yuv420p."""
        if not self._turns and not self._mirrored:
            return still
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(self.rgb(still)), format="rgb24")
        frame.colorspace = still.colorspace
        size = frame.width, frame.height
        return self._scaled(VideoReformatter(), frame, size, "yuv420p", Interpolation.AREA, turned=True)

    def _stored(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return an upright ``size`` as pictures are stored: turned back."""
        return (size[1], size[0]) if self._turns % 2 else size

    def _upright(self, pixels: Pixels) -> Pixels:
        if self._mirrored:
            pixels = np.flipud(pixels)
        return np.rot90(pixels, self._turns) if self._turns else pixels

    def _scaled(
        self, scaler: Any, frame: Any, size: tuple[int, int], form: str, how: Any, *, turned: bool = False
    ) -> Any:
        width, height = size if turned else self._stored(size)
        matrix = _matrix(frame)
        return scaler.reformat(
            frame,
            width=width,
            height=height,
            format=form,
            interpolation=how,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_range(frame),
            dst_color_range=ColorRange.MPEG if form == "yuv420p" else ColorRange.JPEG,
            threads=1,
        )


class Halves:
    """The planes of one picture at half its size, a quarter and so on, each made once, when it is first asked for.

    Halving is vectorized: it costs half of what the scaler takes for the common sizes, 640 x 360 and 1280 x 720, and a
    fifth for large ones. A last odd row or column is left out. The arrays are written to again for the next picture:
    memory that is warm already costs less than fresh one.
    """

    def __init__(self) -> None:
        self._frame: Any = None
        self._levels: dict[int, list[Pixels]] = {}
        self._scratch: dict[tuple[int, int, int], Pixels] = {}

    def brightness(self, frame: Any, width: int, height: int) -> Pixels | None:
        """Return the brightness of ``frame`` at ``width`` x ``height``, None where halving does not lead there or near.

        Its first plane must be the brightness, in bytes. The result holds until the next call.
        """
        times, how = _halvings(frame.height, frame.width, width, height)
        if not times:
            return None
        plane = self._plane(frame, 0, times)
        return plane if plane.shape == (height, width) else self._resized(plane, (-1, width, height), how)

    def reduced(self, frame: Any, width: int, height: int) -> Any:
        """Return ``frame`` halved as often as that leaves ``width`` x ``height`` or more: itself where that is never.

        Only pictures in yuv420p are halved: fifteen times cheaper than the scaler. The range of brightness stays.
        """
        times = min(frame.width // width, frame.height // height).bit_length() - 1
        if times < 1 or frame.format.name not in ("yuv420p", "yuvj420p"):
            return frame
        planes = [self._plane(frame, number, times) for number in range(3)]
        # Brightness must be twice as large as colour, to the pixel.
        rows, columns = (min(planes[0].shape[k] // 2, planes[1].shape[k]) for k in (0, 1))
        small = av.VideoFrame(2 * columns, 2 * rows, "yuv420p")
        small.colorspace, small.color_range = int(_matrix(frame)), int(_range(frame))
        for number, (plane, target) in enumerate(zip(planes, small.planes, strict=True)):
            size = (2 * rows, 2 * columns) if number == 0 else (rows, columns)
            _rows(target)[: size[0], : size[1]] = plane[: size[0], : size[1]]
        return small

    def _plane(self, frame: Any, number: int, times: int) -> Pixels:
        """Return a plane of ``frame``, halved ``times`` times."""
        if frame is not self._frame:
            self._frame, self._levels = frame, {}
        levels = self._levels.get(number)
        if levels is None:
            whole = frame.planes[number]
            levels = self._levels[number] = [_rows(whole)[:, : whole.width]]
        while len(levels) <= times:
            rows, columns = levels[-1].shape[0] // 2, levels[-1].shape[1] // 2
            even = levels[-1][: 2 * rows, : 2 * columns]
            levels.append(self._resized(even, (number, columns, rows), cv2.INTER_AREA))
        return levels[times]

    def _resized(self, plane: Pixels, key: tuple[int, int, int], how: int) -> Pixels:
        into = self._scratch.get(key)
        if into is None:
            into = self._scratch[key] = np.empty(key[:0:-1], np.uint8)
        cv2.resize(plane, key[1:], into, interpolation=how)
        return into


def _full_range(limited: Pixels, into: Pixels | None) -> Pixels:
    """Return limited-range brightness (16..235) as full range, rounded to the nearest."""
    return np.asarray(cv2.addWeighted(limited, 255 / 219, limited, 0.0, -16 * 255 / 219, into), np.uint8)


@lru_cache(maxsize=64)
def _halvings(rows: int, columns: int, width: int, height: int) -> tuple[int, int]:
    """Return how often to halve a plane, 0 for not at all, and how to interpolate what is left to do."""
    times = min(columns // width, rows // height).bit_length() - 1
    left = max(columns / (width << max(0, times)), rows / (height << max(0, times)))
    if times < 1 or (left > CLOSE and times == 1):
        return 0, cv2.INTER_AREA
    return times, cv2.INTER_LINEAR if left <= CLOSE else cv2.INTER_AREA


def _rows(plane: Any) -> Pixels:
    """Return a view of the bytes of a plane, shape ``[h, line_size]``."""
    height, stride = plane.height, plane.line_size
    pixels: Pixels = np.frombuffer(plane, np.uint8, height * stride)
    return pixels.reshape(height, stride)


def cut_to(edges: Edges, frame: Any) -> Any:
    """Return the inner picture of ``frame``, both ``av.VideoFrame`` in yuv420p of even sides."""
    height, width = frame.height, frame.width
    rows, columns = pixels_within(edges, height, width)
    planes = frame.to_ndarray().ravel()
    luma = planes[: height * width].reshape(height, width)[rows, columns]
    chroma = planes[height * width :].reshape(2, height // 2, width // 2)
    chroma = chroma[:, rows.start // 2 : rows.stop // 2, columns.start // 2 : columns.stop // 2]
    whole = np.concatenate([luma.ravel(), chroma.ravel()]).reshape(-1, luma.shape[1])
    inner = av.VideoFrame.from_ndarray(whole, format="yuv420p")
    inner.colorspace, inner.color_range = frame.colorspace, frame.color_range
    return inner


def _matrix(frame: Any) -> Any:
    guess = Colorspace.ITU709 if min(frame.width, frame.height) >= HD_HEIGHT else Colorspace.ITU601
    return _MATRICES.get(frame.colorspace, guess)


def _range(frame: Any) -> Any:
    told = frame.color_range
    if told == _LIMITED:
        return ColorRange.MPEG
    if told == _FULL:
        return ColorRange.JPEG
    full = frame.format.name.startswith("yuvj") or frame.format.is_rgb or frame.format.name in ("gray", "pal8")
    return ColorRange.JPEG if full else ColorRange.MPEG
