from __future__ import annotations

import cv2
import numpy as np
import pytest

from synflow.media.signature import compare, hashes, pack, thumbnails, unpack

FPS = 25


def scene(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = cv2.resize(rng.random((7, 12)).astype(np.float32), (160, 90), interpolation=cv2.INTER_CUBIC)
    return np.clip(40 + 170 * rough, 0, 255)


def film(background: int = 1, motion: int = 1, seconds: float = 4.0) -> np.ndarray:
    """Two things that wander over a scene; ``motion`` says how."""
    rng = np.random.default_rng(100 + motion)
    turns = rng.uniform(0.4, 1.6, 4)
    starts = rng.uniform(0, 6, 4)
    pictures = np.repeat(scene(background)[None], round(seconds * FPS), axis=0)
    for place, picture in enumerate(pictures):
        for thing, tone in ((0, 250), (2, 15)):
            x = 70 + 60 * np.sin(turns[thing] * place / FPS + starts[thing])
            y = 40 + 30 * np.sin(turns[thing + 1] * place / FPS + starts[thing + 1])
            cv2.circle(picture, (round(x), round(y)), 13, tone, -1)
    return np.asarray(pictures, np.uint8)


def prints(pictures: np.ndarray, fps: float = FPS) -> np.ndarray:
    return thumbnails(np.arange(len(pictures)) / fps, pictures)


def each(pictures: np.ndarray, change) -> np.ndarray:
    return np.stack([np.clip(change(picture), 0, 255).astype(np.uint8) for picture in pictures])


def logo(picture: np.ndarray) -> np.ndarray:
    picture = picture.copy()
    cv2.putText(picture, "LOGO", (112, 14), cv2.FONT_HERSHEY_PLAIN, 1.0, 255, 2)
    return picture


def letterbox(picture: np.ndarray) -> np.ndarray:
    out = np.full((120, 160), 16, np.uint8)
    out[15:105] = picture
    return out


def squeezed(picture: np.ndarray) -> np.ndarray:
    small = cv2.resize(picture, (80, 46), interpolation=cv2.INTER_AREA)
    return cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_GRAYSCALE)


COPIES = {
    "same": lambda f: f,
    "small and squeezed": lambda f: each(f, squeezed),
    "cropped": lambda f: f[:, 5:-4, 8:-8],
    "mirrored": lambda f: f[:, :, ::-1],
    "mirrored and cropped": lambda f: f[:, 5:-4, 8:-8][:, :, ::-1],
    "letterboxed": lambda f: each(f, letterbox),
    "with a logo": lambda f: each(f, logo),
    "brighter": lambda f: each(f, lambda p: 1.15 * p.astype(float) + 15),
    "faster": lambda f: f[(np.arange(int(len(f) / 1.25)) * 1.25).astype(int)],
    "an excerpt": lambda f: f[35:85],
    "fewer pictures": lambda f: f[::3].repeat(3, axis=0),
    "noisy": lambda f: each(f, lambda p: p + np.random.default_rng(1).normal(0, 8, p.shape)),
}


@pytest.mark.parametrize("edit", COPIES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_copies_are_found(edit: str, seed: int):
    original = film(seed, seed)
    likeness = compare(prints(original), prints(np.ascontiguousarray(COPIES[edit](original))))
    assert likeness.copy, likeness


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_another_take_of_the_same_scene_is_no_copy(seed: int):
    likeness = compare(prints(film(seed, 1)), prints(film(seed, 2)))
    assert not likeness.copy
    assert likeness.change > 0.7


def test_another_scene_is_no_copy():
    assert not compare(prints(film(1, 1)), prints(film(2, 1))).copy


def test_the_same_played_backwards_is_no_copy():
    assert not compare(prints(film(1, 1)), prints(film(1, 1)[::-1])).copy


def test_two_clips_without_motion_are_copies_only_if_they_look_the_same():
    one = np.repeat(scene(1)[None], 60, axis=0).astype(np.uint8)
    other = one.copy()
    other[:, 20:60, 40:90] = 128
    assert compare(prints(one), prints(each(one, squeezed))).copy
    assert not compare(prints(one), prints(other)).copy


def test_a_fingerprint_survives_as_text():
    thumbs = prints(film())
    assert thumbs.shape == (16, 16, 16)
    assert np.array_equal(unpack(pack(thumbs)), thumbs)


def test_the_hash_of_a_mirrored_picture_is_known_from_the_picture():
    plain, turned = prints(film()), prints(np.ascontiguousarray(film()[:, :, ::-1]))
    apart = [int(a ^ b).bit_count() for a, b in zip(hashes(plain, mirrored=True), hashes(turned), strict=True)]
    assert max(apart) <= 6


@pytest.mark.parametrize("count", [1, 2, 7])
def test_clips_of_few_pictures_have_a_fingerprint(count: int):
    assert len(thumbnails(np.arange(count) / 4, film()[:count])) == count
