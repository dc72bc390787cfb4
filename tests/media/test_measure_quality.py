"""Measures of single pictures and of a clip's stillness, on pictures made for them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from synflow.media.noise import noise
from synflow.media.screens import paper
from synflow.media.stillness import stillness
from synflow.media.tone import black_share, colour, exposure
from synflow.media.writing import standing, text_mask, writing

RNG = np.random.default_rng(7)


def view(seed: int = 1, width: int = 640, height: int = 360) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(30, 226, (9, 16)).astype(np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC))


def page(lines: int = 16, ink: int = 0, paper_tone: int = 250) -> np.ndarray:
    picture = np.full((360, 640), paper_tone, np.uint8)
    for line in range(lines):
        cv2.putText(
            picture, "The quick brown fox jumps over a dog", (20, 30 + 20 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, 1
        )
    return picture


@pytest.mark.parametrize("sigma", [4.0, 8.0, 16.0])
def test_noise_is_its_standard_deviation(sigma: float):
    noisy = np.clip(view() + np.random.default_rng(2).normal(0, sigma, (360, 640)), 0, 255).astype(np.uint8)
    assert noise(noisy) == pytest.approx(sigma, rel=0.15)


def test_a_clean_picture_has_no_noise_and_writing_is_none():
    assert noise(view()) < 0.3
    assert noise(page()) < 0.3
    assert noise(np.zeros((8, 8), np.uint8)) == 0.0


def test_paper_is_what_screens_are_made_of():
    assert paper(page()) > 0.6
    assert paper(page(ink=230, paper_tone=12)) > 0.6
    assert paper(view()) < 0.1
    soft = cv2.GaussianBlur(page(4, ink=120, paper_tone=140), (0, 0), 6)
    assert paper(soft) < 0.2


def test_writing_is_found_where_it_stands():
    picture = view()
    cv2.putText(picture, "a subtitle under the picture", (120, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2, cv2.LINE_AA)
    small = cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA)
    mask = text_mask(small)
    assert np.count_nonzero(text_mask(cv2.resize(view(), (320, 180)))) == 0
    rows, columns = np.nonzero(mask)
    assert rows.min() >= 145 and 0.01 < mask.mean() < 0.12
    assert columns.min() < 130 and columns.max() > 150


def test_the_static_part_of_writing():
    films = [[view(seed) for seed in range(4)] for _ in range(2)]
    for place, (same, other) in enumerate(zip(*films, strict=True)):
        cv2.putText(same, "BREAKING NEWS TONIGHT", (60, 320), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3)
        cv2.rectangle(same, (40, 280), (620, 340), 20, -1)
        cv2.putText(same, "BREAKING NEWS TONIGHT", (60, 320), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3)
        text = ("one line of it", "then another one", "and the third", "the end of all")[place]
        cv2.putText(other, text, (60, 320), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3)
    luma = np.zeros((2, 90, 160), np.uint8)
    stays, changes = (writing(film, luma) for film in films)
    assert stays.text > 0.04 and stays.static > 0.6 * stays.text
    assert changes.text > 0.01 and changes.static < 0.4 * changes.text
    assert writing([], luma).text == 0.0


def pan(mark: int = 0, clear: float = 1.0, frames: int = 40) -> np.ndarray:
    rng = np.random.default_rng(4)
    large = cv2.resize(
        rng.integers(20, 235, (24, 80)).astype(np.uint8), (160 + 5 * frames, 90), interpolation=cv2.INTER_CUBIC
    )
    film = np.stack([large[:, 5 * k : 5 * k + 160] for k in range(frames)])
    if mark:
        stamp = np.zeros((90, 160), np.uint8)
        cv2.putText(stamp, "LOGO", (100, 20), cv2.FONT_HERSHEY_PLAIN, 1, 255, mark)
        film = np.where(stamp > 0, (film * (1 - clear) + 255 * clear), film).astype(np.uint8)
    return film


@pytest.mark.parametrize("clear", [1.0, 0.7])
def test_a_mark_stands_while_the_picture_moves(clear: float):
    assert standing(pan()) < 0.003
    assert 0.005 < standing(pan(1, clear)) < 0.06
    # Under a camera that stands nobody can tell a mark from the scene.
    assert standing(np.repeat(pan(1)[:1], 40, axis=0)) == 0.0
    assert standing(pan()[:4]) == 0.0


def test_colour_is_what_a_tint_does_not_explain():
    gray = np.stack([view(seed, 64, 36) for seed in range(6)]).astype(np.float32)
    plain = np.repeat(gray[..., None], 3, axis=3).astype(np.uint8)
    sepia = np.clip(gray[..., None] * np.array([1.07, 0.9, 0.7]), 0, 255).astype(np.uint8)
    scene = np.stack([np.stack([view(3 * s + k, 64, 36) for k in range(3)], axis=2) for s in range(6)])
    assert colour(plain).colour < 0.5 and colour(plain).tint < 0.5
    assert colour(sepia).colour < 2.5 and colour(sepia).tint > 8
    assert colour(scene).colour > 20
    assert colour(np.zeros((0, 0, 0, 3), np.uint8)).colour == 0.0


def test_exposure():
    film = np.stack([view(seed, 160, 90) for seed in range(4)])
    good, dark, bright = (
        exposure(film),
        exposure(film // 8),
        exposure(np.clip(film * 1.6 + 90, 0, 255).astype(np.uint8)),
    )
    assert good.under < 0.05 and good.over < 0.05 and 0.4 < good.mean < 0.6
    assert dark.under > 0.9 and dark.highlights < 0.15
    assert bright.over > 0.5
    assert black_share(np.concatenate([film, film // 30]), 0.1, 0.1) == 0.5
    assert black_share(film[:0], 0.1, 0.1) == 0.0


def slides(count: int, seconds: float = 1.5, fade: int = 0, grain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Standing pictures, 25 a second, blended over ``fade`` pictures, with coding noise that is frozen with each."""
    parts = []
    for place in range(count):
        one, other = view(place, 160, 90).astype(float), view(place + 1, 160, 90).astype(float)
        parts += [one] * round(25 * seconds) + [one + (other - one) * (k + 1) / (fade + 1) for k in range(fade)]
    film = np.stack(parts)
    film = np.clip(film + np.random.default_rng(3).normal(0, grain, film.shape), 0, 255).astype(np.uint8)
    return np.arange(len(film)) / 25, film


@pytest.mark.parametrize("fade", [0, 8])
@pytest.mark.parametrize("grain", [0.0, 1.0])
def test_a_slide_show_stands(fade: int, grain: float):
    found = stillness(*slides(4, fade=fade, grain=grain))
    assert found.slides == 4 and found.resting > 0.8


def test_a_still_picture_is_one_slide_and_a_moving_one_none():
    assert stillness(*slides(1, seconds=4)).slides == 1
    film = pan(frames=60)
    found = stillness(np.arange(60) / 25, film)
    assert found.slides == 0 and found.resting == 0.0 and found.moving == 1.0
    slow = np.stack(
        [cv2.warpAffine(view(1, 160, 90), np.float32([[1, 0, 0.05 * k], [0, 1, 0]]), (160, 90)) for k in range(100)]
    )
    assert stillness(np.arange(100) / 25, slow).slides <= 1
    assert stillness(np.arange(2) / 25, film[:2]).frozen == 0.0


def test_a_frozen_stretch_is_measured():
    film = pan(frames=100)
    film[40:80] = film[40]
    found = stillness(np.arange(100) / 25, film)
    assert found.frozen == pytest.approx(39 / 25, abs=0.05) and found.moving > 0.9
