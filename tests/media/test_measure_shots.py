from __future__ import annotations

import cv2
import numpy as np
import pytest

from synflow.media import film as films
from synflow.media.film import Film
from synflow.media.shots import find_cuts

FPS = 25


def scene(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = cv2.resize(rng.random((6, 9)).astype(np.float32), (160, 90), interpolation=cv2.INTER_CUBIC)
    return np.clip(30 + 200 * rough, 0, 255).astype(np.uint8)


def film(seed: int, seconds: float, speed: int = 1) -> np.ndarray:
    """A scene in which a bright square walks."""
    pictures = np.repeat(scene(seed)[None], round(seconds * FPS), axis=0).copy()
    for place, picture in enumerate(pictures):
        left = (10 + speed * place) % 130
        picture[40:70, left : left + 25] = 250
    return pictures


def cuts_of(pictures: np.ndarray) -> list[float]:
    return [round(cut.time, 2) for cut in find_cuts(np.arange(len(pictures)) / FPS, pictures)]


def blend(one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
    weight = (np.arange(count) + 1)[:, None, None] / (count + 1)
    middle = ((1 - weight) * one[-count:] + weight * other[:count]).astype(np.uint8)
    return np.concatenate([one[:-count], middle, other[count:]])


def test_one_shot_has_no_cut():
    assert cuts_of(film(1, 4)) == []


def test_hard_cuts_are_found_to_the_picture():
    assert cuts_of(np.concatenate([film(1, 3), film(2, 2), film(3, 3)])) == [3.0, 5.0]


@pytest.mark.parametrize("count", [8, 15, 30])
def test_a_dissolve_is_one_cut_at_its_middle(count: int):
    pictures = blend(film(1, 4), film(2, 4), count)
    cuts = find_cuts(np.arange(len(pictures)) / FPS, pictures)
    assert len(cuts) == 1
    assert cuts[0].kind == "gradual"
    assert cuts[0].time == pytest.approx(4 - count / 2 / FPS, abs=0.3)


def test_a_fade_through_black_is_one_cut():
    one, other = film(1, 3).astype(float), film(2, 3).astype(float)
    one[-12:] *= np.linspace(1, 0, 12)[:, None, None]
    other[:12] *= np.linspace(0, 1, 12)[:, None, None]
    assert cuts_of(np.concatenate([one, other]).astype(np.uint8)) == pytest.approx([3.0], abs=0.2)


def test_black_at_either_end_is_no_cut():
    pictures = film(1, 4).astype(float)
    pictures[:20] *= np.linspace(0, 1, 20)[:, None, None]
    pictures[-20:] *= np.linspace(1, 0, 20)[:, None, None]
    assert cuts_of(pictures.astype(np.uint8)) == []


@pytest.mark.parametrize("length", [1, 3, 6])
def test_a_flash_is_no_cut(length: int):
    pictures = film(1, 4).copy()
    pictures[50 : 50 + length] = 235 + pictures[50 : 50 + length] // 16
    assert cuts_of(pictures) == []


def test_shaking_is_no_cut():
    rng = np.random.default_rng(5)
    shaken = [
        cv2.warpAffine(p, np.array([[1, 0, rng.uniform(-6, 6)], [0, 1, rng.uniform(-5, 5)]], np.float32), (160, 90),
                       borderMode=cv2.BORDER_REFLECT)
        for p in film(1, 4)
    ]  # fmt: skip
    assert cuts_of(np.stack(shaken)) == []


def test_a_light_that_is_switched_on_is_no_cut():
    pictures = film(1, 4).astype(float)
    pictures[:50] *= 0.5
    assert cuts_of(pictures.astype(np.uint8)) == []


def test_a_fast_pan_is_no_cut():
    wide = cv2.resize(np.random.default_rng(3).random((6, 90)).astype(np.float32), (1800, 90)) * 255
    pictures = np.stack([wide[:, 12 * k : 12 * k + 160] for k in range(100)]).astype(np.uint8)
    assert cuts_of(pictures) == []


def test_a_window_on_an_unchanged_desktop_is_no_cut():
    pictures = np.full((100, 90, 160), 240, np.uint8)
    pictures[:, 80:, :] = 120
    pictures[50:, 10:40, 20:60] = scene(4)[:30, :40]
    assert cuts_of(pictures) == []


def test_bars_do_not_hide_a_cut():
    pictures = np.zeros((150, 90, 160), np.uint8)
    pictures[:75, 22:68], pictures[75:, 22:68] = film(1, 3)[:, 22:68], film(2, 3)[:, 22:68]
    assert cuts_of(pictures) == [3.0]


@pytest.mark.parametrize("length", [3, 6, 12])
def test_a_card_after_which_the_scene_goes_on_is_no_cut(length: int):
    pictures = film(1, 4).copy()
    pictures[50 : 50 + length] = scene(9)
    assert cuts_of(pictures) == []


@pytest.mark.parametrize("length", [5, 8, 12])
def test_a_short_shot_between_two_others_has_two_cuts(length: int):
    pictures = np.concatenate([film(1, 2), film(2, 2)[:length], film(3, 2)])
    assert cuts_of(pictures) == [2.0, round(2 + length / FPS, 2)]


@pytest.mark.parametrize("length", [3, 5, 7])
def test_cuts_close_to_either_end_are_found(length: int):
    pictures = np.concatenate([film(1, 1)[:length], film(2, 3), film(3, 1)[:length]])
    assert cuts_of(pictures) == [round(length / FPS, 2), round(3 + length / FPS, 2)]


@pytest.mark.parametrize("axis", [1, 2])
def test_a_wipe_is_one_cut(axis: int):
    one, other = film(1, 3), film(2, 3)
    middle = one[-15:].copy()
    for place, picture in enumerate(middle):
        edge = round((place + 1) / 16 * middle.shape[axis])
        part = (slice(0, edge),) if axis == 1 else (slice(None), slice(0, edge))
        picture[part] = other[place][part]
    cuts = find_cuts(np.arange(150 - 15) / FPS, np.concatenate([one[:-15], middle, other[15:]]))
    assert [cut.kind for cut in cuts] == ["gradual"]
    assert cuts[0].time == pytest.approx(2.7, abs=0.2)


def test_what_slides_over_half_of_the_picture_is_no_wipe():
    pictures = film(1, 4).copy()
    card = scene(2)
    for place in range(40, 100):
        edge = min(80, 4 * (place - 40))
        pictures[place, :, :edge] = card[:, 80 - edge : 80]
    assert cuts_of(pictures) == []


def test_exposure_that_jumps_and_clips_is_no_cut():
    pictures = film(1, 4).astype(float)
    pictures[50:] = np.clip(2.2 * pictures[50:], 0, 255)
    assert cuts_of(pictures.astype(np.uint8)) == []


@pytest.mark.parametrize("period", [4, 6])
def test_a_strobe_is_no_cut(period: int):
    pictures = film(1, 4).astype(float)
    pictures[np.arange(100) % period < period // 2] *= 0.1
    assert cuts_of(pictures.astype(np.uint8)) == []


def test_a_whip_pan_is_no_cut():
    wide = cv2.resize(np.random.default_rng(3).random((6, 20)).astype(np.float32), (480, 90)) * 255
    left = np.interp(np.arange(100), [45, 57], [0, 310])
    pictures = [
        np.mean([wide[:, (x := round(left[k] + (left[min(99, k + 1)] - left[k]) * part / 8)) : x + 160]
                 for part in range(8)], axis=0)
        for k in range(100)
    ]  # fmt: skip
    assert cuts_of(np.stack(pictures).astype(np.uint8)) == []


def test_a_fast_zoom_is_no_cut():
    pictures = film(1, 4, speed=0)
    for place in range(50, 100):
        zoom = 1 + min(1.0, (place - 50) / 10)
        move = np.array([[zoom, 0, 80 - zoom * 80], [0, zoom, 45 - zoom * 45]], np.float32)
        pictures[place] = cv2.warpAffine(pictures[place], move, (160, 90))
    assert cuts_of(pictures) == []


def test_noise_in_low_light_hides_no_cut_and_makes_none():
    pictures = np.concatenate([film(1, 3), film(2, 3)]) * 0.25
    noisy = pictures + np.random.default_rng(1).normal(8, 8, pictures.shape)
    assert cuts_of(np.clip(noisy, 0, 255).astype(np.uint8)) == [3.0]


def test_animation_on_twos_and_fives_is_no_cut():
    pictures = film(1, 4, speed=3)
    for hold in (2, 5):
        assert cuts_of(pictures[np.arange(100) // hold * hold]) == []


@pytest.mark.parametrize("tone", [0, 255])
def test_a_scene_that_goes_on_after_a_second_of_black_or_white_is_one_shot(tone: int):
    pictures = film(1, 4).copy()
    pictures[40:62] = tone
    assert cuts_of(pictures) == []


def test_fading_to_black_and_back_to_the_same_scene_is_no_cut():
    pictures = film(1, 4).astype(float)
    pictures[40:60] *= np.concatenate([np.linspace(1, 0, 10), np.linspace(0, 1, 10)])[:, None, None]
    assert cuts_of(pictures.astype(np.uint8)) == []


@pytest.mark.parametrize("shape", [(160, 90), (120, 160), (160, 160), (20, 160), (2, 160), (1, 160), (160, 1)])
def test_any_shape_of_picture_is_taken(shape: tuple[int, int]):
    one, other = (np.repeat(cv2.resize(scene(k), shape[::-1])[None], 50, axis=0) for k in (1, 2))
    assert cuts_of(np.concatenate([one, other])) in ([[2.0]] if min(shape) >= 90 else [[2.0], []])


def test_a_quiet_video_is_told_from_mean_differences_alone(monkeypatch: pytest.MonkeyPatch):
    def matched(*args: object) -> list[float]:
        raise AssertionError("patches were matched")

    monkeypatch.setattr(films, "newness", matched)
    assert cuts_of(film(1, 8)) == []


def test_newness_is_low_for_a_moved_scene_and_high_for_another():
    pictures = np.stack([scene(1), np.roll(scene(1), 6, axis=1), scene(2)])
    moved, other = Film(np.arange(3.0), pictures).between([(0, 1), (0, 2)])
    assert moved < 0.12
    assert other > 0.4


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_pictures_have_no_cuts(count: int):
    assert find_cuts(np.arange(count) / FPS, np.zeros((count, 90, 160), np.uint8)) == []
