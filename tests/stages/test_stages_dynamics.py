from __future__ import annotations

import cv2
import numpy as np
import pytest
from curation_films import Films, Gray, hold, pan, sample_of, texture, walk

from stages.dynamics import Dynamics, DynamicsConfig
from synflow.contract import Drop, Keep, Stage


def judge(film: Gray, **config: float):
    sample = sample_of("a", clip=True, seconds=len(film) / 25)
    return Dynamics(DynamicsConfig(**config))([sample], Films({"a": film}))[0]


def noisy(film: Gray, strength: float = 5.0) -> Gray:
    rng = np.random.default_rng(1)
    return np.clip(film + rng.normal(0, strength, film.shape), 0, 255).astype(np.uint8)


def ticking(film: Gray) -> Gray:
    film = film.copy()
    for place, picture in enumerate(film):
        cv2.putText(picture, str(place // 25), (140, 12), cv2.FONT_HERSHEY_PLAIN, 0.7, 255, 1)
    return film


def flickering(film: Gray) -> Gray:
    gain = 1 + 0.03 * np.sin(np.arange(len(film)))[:, None, None]
    return np.clip(film * gain, 0, 255).astype(np.uint8)


def test_is_a_stage():
    assert isinstance(Dynamics(), Stage)


@pytest.mark.parametrize(
    "film",
    [
        pytest.param(hold(texture(1), 3), id="still picture"),
        pytest.param(noisy(hold(texture(1), 3)), id="grain"),
        pytest.param(ticking(hold(texture(1), 4)), id="ticking clock"),
        pytest.param(flickering(hold(texture(1), 3)), id="flicker"),
        pytest.param(pan(1, 3, zoom=0.004), id="still picture zoomed"),
        pytest.param(pan(1, 3, right=1.0), id="still picture panned"),
    ],
)
def test_static_clips_are_dropped(film: Gray):
    outcome = judge(film)
    assert isinstance(outcome, Drop), outcome
    assert outcome.reason == "static-clip"
    assert outcome.measures["dynamics.residual"] >= 0


@pytest.mark.parametrize(
    "film",
    [
        pytest.param(walk(texture(1), 3, speed=1.0), id="a thing that walks"),
        pytest.param(noisy(walk(texture(1), 3, speed=1.5)), id="a thing that walks, with grain"),
        pytest.param(walk(texture(1), 6, speed=0.4, size=26), id="a slow thing"),
        pytest.param(np.concatenate([walk(texture(1), 1.2), walk(texture(2), 1.2)]), id="two scenes"),
    ],
)
def test_moving_clips_stay(film: Gray):
    assert isinstance(judge(film), Keep)


@pytest.mark.parametrize(
    ("film", "kind", "direction"),
    [
        (pan(2, 3, right=2.0), "pan", "right"),
        (pan(2, 3, right=-2.0), "pan", "left"),
        (pan(2, 3, down=1.5), "tilt", "down"),
        (pan(2, 3, down=-1.5), "tilt", "up"),
        (pan(2, 3, zoom=0.006), "zoom", "in"),
        (pan(2, 3, zoom=-0.006), "zoom", "out"),
    ],
)
def test_the_camera_is_named(film: Gray, kind: str, direction: str):
    outcome = judge(film, min_residual=0, min_parallax=0)
    assert isinstance(outcome, Keep)
    camera = outcome.sample.facts["camera"]
    assert (camera["motion"], camera["direction"]) == (kind, direction)
    assert outcome.sample.measures["dynamics.camera"] == kind


def test_a_still_camera_is_told_from_a_thing_that_moves():
    outcome = judge(walk(texture(3), 4, speed=1.2))
    assert isinstance(outcome, Keep)
    assert outcome.sample.facts["camera"]["motion"] == "still"
    movers = outcome.sample.facts["movers"]
    assert movers["count"] == 1
    path = movers["paths"][0]
    assert path["from"].startswith("left/")
    assert path["to"].startswith("right/")
    assert path["start"] < path["end"]
    assert 0 < path["share"] < 0.2


def test_shaking_is_named():
    rng = np.random.default_rng(3)
    large = texture(4, 180, 320)
    film = np.stack([large[y : y + 90, x : x + 160] for x, y in rng.integers(60, 66, (200, 2))])
    outcome = judge(film, min_residual=0, min_parallax=0)
    assert isinstance(outcome, Keep)
    assert outcome.sample.facts["camera"]["motion"] == "shake"


def test_only_the_clip_is_looked_at():
    film = np.concatenate([walk(texture(1), 3), hold(texture(2), 3)])
    sample = sample_of("a", clip=True, seconds=6)
    assert sample.clip is not None
    ctx = Films({"a": film})
    early = sample.having(clip=sample.clip.model_copy(update={"end": 3.0}))
    late = sample.having(clip=sample.clip.model_copy(update={"start": 3.0}))
    outcomes = Dynamics()([early, late], ctx)
    assert [type(outcome) for outcome in outcomes] == [Keep, Drop]


def test_thresholds_are_parameters():
    film = walk(texture(1), 3)
    assert isinstance(judge(film), Keep)
    assert isinstance(judge(film, min_residual=9.0, min_changed=1.0, min_busy=1.0), Keep)
    assert isinstance(judge(film, min_residual=9.0, min_changed=1.0, min_busy=1.0, min_travel=2.0), Drop)
