"""Brightness pictures: halving gives what the general scaler gives, for any range and however the picture is turned."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from synflow.media import render
from synflow.media.render import fit_longer, fit_shorter


@pytest.mark.parametrize("size", [(640, 360), (320, 240), (1280, 720)])
@pytest.mark.parametrize("color_range", [1, 2])
def test_halving_is_as_exact_as_the_scaler(
    size: tuple[int, int], color_range: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = fit_longer(size, render.LUMA_SIDE)
    coarse = np.random.default_rng(size[0]).integers(20, 230, (9, 16), np.uint8)
    gray = np.kron(coarse, np.ones((size[1] // 9, size[0] // 16), np.uint8))
    gray = np.pad(gray, ((0, size[1] - gray.shape[0]), (0, size[0] - gray.shape[1])), mode="edge")
    frame: Any = av.VideoFrame.from_ndarray(np.repeat(gray[..., None], 3, 2), format="rgb24").reformat(
        format="yuv420p", dst_color_range=color_range
    )
    frame.color_range = color_range
    drawn = renderer(size)
    halved = drawn.luma(frame)
    monkeypatch.setattr(render.Halves, "brightness", lambda *_: None)
    scaled = drawn.luma(frame)
    assert halved.shape == scaled.shape == small[::-1]
    # Where a step falls inside a pixel, the two weigh its sides a little differently.
    difference = np.abs(halved.astype(int) - scaled)
    assert difference.mean() < 1.0
    assert np.percentile(difference, 90) <= 2


def renderer(size: tuple[int, int]) -> render.Renderer:
    drawn = render.Renderer.__new__(render.Renderer)
    drawn._turns, drawn._mirrored = 0, False
    drawn.luma_size = fit_longer(size, render.LUMA_SIDE)
    drawn._luma, drawn._halves = render.VideoReformatter(), render.Halves()
    return drawn


def test_what_halves_nearly_is_halved() -> None:
    for size, halves in (((426, 240), True), ((596, 336), False), ((320, 180), True), ((160, 90), False)):
        small = render.Halves().brightness(av.VideoFrame(*size, "yuv420p"), 160, 90)
        assert (small is not None) == halves
        assert small is None or small.shape == (90, 160)


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (1282, 726)])
@pytest.mark.parametrize("matrix", [1, 5, 2])
def test_stills_of_large_pictures_are_halved_first(size: tuple[int, int], matrix: int) -> None:
    rng = np.random.default_rng(size[0])
    coarse = np.kron(rng.integers(20, 230, (18, 32, 3), np.uint8), np.ones((-(-size[1] // 18), -(-size[0] // 32), 1)))
    rgb = np.ascontiguousarray(coarse[: size[1], : size[0]].astype(np.uint8))
    frame: Any = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p", dst_colorspace=1)
    frame.colorspace, frame.color_range = matrix, 1
    drawn = renderer(size)
    drawn.still_size = fit_shorter(size, 360)
    drawn._still, drawn._rgb = render.VideoReformatter(), render.VideoReformatter()
    still = drawn.still(frame)
    assert (still.width, still.height) == drawn.still_size
    plain = frame.reformat(
        *drawn.still_size, "yuv420p", interpolation="AREA", src_colorspace=1, dst_colorspace=1, src_color_range=1,
        dst_color_range=1,
    )  # fmt: skip
    # What is not named is taken for BT.709 from the height of the source, not of the still.
    assert still.colorspace == (5 if matrix == 5 else 1)
    # Sides that are not divisible by four lose a pixel at the edge.
    assert np.abs(still.to_ndarray().astype(int) - plain.to_ndarray()).mean() < (2.5 if size[0] % 4 else 2.0)


@pytest.mark.parametrize("size", [(1280, 720), (642, 362), (1366, 768), (2048, 1810)])
def test_full_range_comes_out_limited_and_planes_fit_each_other(size: tuple[int, int]) -> None:
    frame: Any = av.VideoFrame(*size, "yuv420p")
    frame.color_range = 2
    for plane, value in zip(frame.planes, (255, 128, 128), strict=True):
        plane.update(np.full(plane.buffer_size, value, np.uint8))
    drawn = renderer(size)
    drawn.still_size, drawn.color_size = fit_shorter(size, 180), fit_longer(size, render.COLOR_SIDE)
    drawn._still, drawn._color = render.VideoReformatter(), render.VideoReformatter()
    still = drawn.still(frame)
    assert (still.width, still.height) == drawn.still_size
    white = still.to_ndarray()[: still.height]
    assert (white.min(), white.max(), still.color_range) == (235, 235, 1)
    assert drawn.color(frame).min() >= 254


def test_halves_of_one_picture_are_not_those_of_the_next() -> None:
    halves, small = render.Halves(), []
    for value in (40, 200, 40):
        frame: Any = av.VideoFrame(640, 360, "yuv420p")
        for plane in frame.planes:
            plane.update(np.full(plane.buffer_size, value, np.uint8))
        half = halves.reduced(frame, 160, 90).to_ndarray()
        small.append((int(half.min()), int(half.max()), int(halves.brightness(frame, 160, 90).max())))
    assert small == [(40, 40, 40), (200, 200, 200), (40, 40, 40)]
