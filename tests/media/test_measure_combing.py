from __future__ import annotations

import av
import cv2
import numpy as np

from synflow.media.combing import combed_share, combing


def moving(frames: int = 12, speed: int = 6) -> np.ndarray:
    rng = np.random.default_rng(3)
    large = cv2.resize(rng.integers(20, 235, (18, 48)).astype(np.uint8), (960, 360), interpolation=cv2.INTER_CUBIC)
    return np.stack([large[:, speed * k : speed * k + 640] for k in range(frames)])


def woven(film: np.ndarray) -> np.ndarray:
    out = film[:-1].copy()
    out[:, 1::2] = film[1:, 1::2]
    return out


def test_woven_fields_are_combed():
    film = moving()
    assert max(combing(picture) for picture in film) < 0.001
    assert min(combing(picture) for picture in woven(film)) > 0.1


def test_noise_text_and_still_fields_are_not():
    film = moving()
    rng = np.random.default_rng(1)
    assert combing(np.clip(film[0] + rng.normal(0, 20, film[0].shape), 0, 255).astype(np.uint8)) < 0.02
    assert combing(woven(np.repeat(film[:1], 2, axis=0))[0]) < 0.001
    page = np.full((360, 640), 255, np.uint8)
    for row in range(20, 350, 16):
        cv2.putText(page, "the quick brown fox jumps over the lazy dog", (5, row), cv2.FONT_HERSHEY_PLAIN, 1, 0, 1)
    assert combing(page) < 0.004
    assert combing(film[0][:4]) == 0.0


def test_a_decoded_picture_is_looked_at_at_its_own_size():
    picture = np.repeat(woven(moving())[0][..., None], 3, axis=2)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    assert combed_share(frame) == 0.0
    assert combed_share(frame.reformat(format="yuv420p")) > 0.1
    assert combed_share(frame.reformat(format="yuv420p10le")) == 0.0
    assert combed_share(frame.reformat(width=640, height=270, format="yuv420p")) < 0.02
