"""What `flow`, `light`, `steps` and `movers` measure, on pictures of which the motion is known."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stages"))
from curation_films import Gray, hold, texture, walk

from synflow.media.flow import STILL, DenseFlow, joined, matrix_of, shifted
from synflow.media.light import light_between, relit
from synflow.media.motion import measure
from synflow.media.movers import movers_of, travel_of
from synflow.media.steps import flashes, grain, small_stack, stutter, sudden_changes

LARGE = texture(7, 360, 640)


def seen(model: tuple[float, float, float, float]) -> tuple[Gray, Gray]:
    """Two views of a large picture, between which the content moves as ``model`` says."""
    move = matrix_of(np.array(model), (90, 160))
    to_large = np.array([[1, 0, 240], [0, 1, 135]], np.float64)
    one = cv2.warpAffine(LARGE, to_large, (160, 90), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    back = cv2.invertAffineTransform(move)
    back[:, 2] += (240, 135)
    other = cv2.warpAffine(LARGE, back, (160, 90), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return one, other


@pytest.mark.parametrize(
    "model",
    [
        (0, 0, 0, 0), (0.4, -0.2, 0, 0), (3, 1, 0, 0), (24, 0, 0, 0), (0, -18, 0, 0), (0, 0, 0.06, 0), (0, 0, -0.06, 0),
        (0, 0, 0, 0.05), (6, 2, 0.04, -0.04),
    ],
)  # fmt: skip
def test_the_camera_is_found_to_a_fraction_of_a_pixel(model: tuple[float, float, float, float]):
    one, other = seen(model)
    sight = DenseFlow().camera(one, other)
    apart = np.abs(sight.camera - np.array(model)) * (1, 1, 80, 80)
    assert apart.max() < 0.35, sight.camera
    back = shifted(other, sight.camera)
    assert float(cv2.absdiff(one, back)[20:70, 30:130].mean()) < 2.0


def test_a_guess_leads_to_a_camera_that_is_too_fast_to_see():
    model = np.array([0.0, 0.0, 0.0, 0.35])
    one, other = seen((0.0, 0.0, 0.0, 0.35))
    found = DenseFlow().camera(one, other, guess=np.array([0.0, 0.0, 0.0, 0.3])).camera
    assert np.abs(found - model).max() * 80 < 2.0


def test_cameras_are_joined_one_after_the_other():
    first, then = np.array([3.0, -1.0, 0.05, 0.02]), np.array([0.5, 0.2, -0.01, 0.03])
    squared = [np.vstack([matrix_of(model, (90, 160)), (0, 0, 1)]) for model in (first, then)]
    assert matrix_of(joined(first, then), (90, 160)) == pytest.approx((squared[0] @ squared[1])[:2], abs=1e-9)


def test_a_thing_on_plain_ground_is_no_camera():
    film = walk(np.full((90, 160), 90, np.uint8), 1, speed=2.0)
    assert (DenseFlow().camera(film[0], film[5]).camera == STILL).all()


def test_light_is_told_from_things():
    picture = texture(1)
    dim = np.clip(picture * 0.6 + 12, 0, 255).astype(np.uint8)
    dim[10:30, 20:50] = 255
    gain, base = light_between(picture[None], dim[None])[0]
    assert gain == pytest.approx(1 / 0.6, rel=0.03)
    assert base == pytest.approx(-20, abs=3)
    again = cv2.absdiff(relit(picture, dim), picture)
    again[8:32, 18:52] = 0
    assert again.max() <= 6
    other = light_between(picture[None], texture(2)[None])[0]
    assert tuple(other) == (1.0, 0.0)


def test_the_grain_is_measured_whatever_is_seen():
    rng = np.random.default_rng(0)
    film = walk(texture(1), 1, speed=1.0).astype(float)
    for sigma in (1.0, 4.0, 10.0):
        noisy = np.clip(film + rng.normal(0, sigma, film.shape), 0, 255).astype(np.uint8)
        assert grain(noisy[3], noisy[4]) == pytest.approx(sigma, rel=0.15, abs=0.4)


def test_what_changes_at_one_blow_is_found_and_what_moves_is_not():
    film = hold(texture(1), 4).copy()
    film[40:, 60:80, 20:140] = 250
    times = np.arange(len(film)) / 25
    (event,) = sudden_changes(times, small_stack(film), 0.0)
    assert event.before < 40 / 25 <= event.after
    assert event.mask[30:40, 10:70].mean() > 0.95
    assert event.mask.mean() < 0.25
    assert sudden_changes(times, small_stack(walk(texture(1), 4)), 0.0) == []


def test_flashes_and_stutter_are_counted_per_second():
    film = hold(texture(1), 4).copy()
    times = np.arange(len(film)) / 25
    assert flashes(times, film) == 0
    film[5::25] //= 3
    assert flashes(times, film) == pytest.approx(1.0, abs=0.3)
    smooth = walk(texture(1), 4, speed=1.5)
    assert stutter(times, smooth) == 0
    places = np.arange(len(smooth))
    film = smooth[np.where(places % 25 < 6, places - places % 25, places)]
    assert stutter(times, film) == pytest.approx(1.0, abs=0.3)


def test_a_small_thing_is_followed_on_its_way():
    film = walk(texture(1), 5, speed=0.5, size=6)
    motion = measure(np.arange(len(film)) / 25, film)
    assert travel_of(motion.pairs) == pytest.approx(0.5 * 25 * 4.8 / 160, rel=0.15)
    clock = hold(texture(1), 5).copy()
    for place, picture in enumerate(clock):
        cv2.putText(picture, str(place % 10), (130, 14), cv2.FONT_HERSHEY_PLAIN, 0.8, 255, 1)
    motion = measure(np.arange(len(clock)) / 25, clock)
    assert travel_of(motion.pairs) == 0
    assert movers_of(motion.pairs)["count"] == 0
