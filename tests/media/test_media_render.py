"""Brightness pictures: halving gives what the general scaler gives, for any range and however the picture is turned."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from synflow.media import render
from synflow.media.render import fit_longer


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
    monkeypatch.setattr(render, "_halved", lambda *_: None)
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
    drawn._luma = render.VideoReformatter()
    return drawn


def test_only_whole_powers_of_two_are_halved() -> None:
    plane = np.zeros((240, 426), np.uint8)
    assert render._halved(plane, 160, 90) is None
    assert render._halved(plane[:180, :320], 160, 90).shape == (90, 160)
    assert render._halved(plane[:90, :160], 160, 90) is None
