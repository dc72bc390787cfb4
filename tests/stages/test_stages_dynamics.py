from __future__ import annotations

import cv2
import numpy as np
import pytest
from curation_films import Films, Gray, hold, pan, sample_of, texture, walk

from stages.dynamics import Dynamics, DynamicsConfig, looked_at
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


LINES = ("I never said that", "You have to believe me", "", "We leave at dawn", "Who is there?")


def subtitled(film: Gray, every: float = 1.6) -> Gray:
    film = film.copy()
    for place, picture in enumerate(film):
        line = LINES[int(place / 25 / every) % len(LINES)]
        cv2.putText(picture, line, (10, 82), cv2.FONT_HERSHEY_PLAIN, 0.7, 255, 1)
    return film


def blinking(film: Gray) -> Gray:
    film = film.copy()
    for place, picture in enumerate(film):
        if place % 25 < 12:
            picture[40:50, 60:62] = 250
    return film


def fading(film: Gray) -> Gray:
    return (film * np.linspace(1, 0.2, len(film))[:, None, None]).astype(np.uint8)


def turned(seed: int, seconds: float, step: float) -> Gray:
    """A still picture that the camera turns over, ``step`` degrees a frame; above 0 the content turns clockwise."""
    large = texture(seed, 360, 640)
    out = []
    for place in range(round(seconds * 25)):
        move = cv2.getRotationMatrix2D((320, 180), -step * place, 1.0)
        out.append(cv2.warpAffine(large, move, (640, 360))[135:225, 240:400])
    return np.stack(out)


def clouded(film: Gray, speed: float) -> Gray:
    """Soft bright clouds drift over the upper half, pixels a frame."""
    rng = np.random.default_rng(8)
    layer = cv2.resize(rng.random((8, 30)).astype(np.float32), (480, 50), interpolation=cv2.INTER_CUBIC)
    out = film.astype(np.float32)
    for place, picture in enumerate(out):
        move = np.array([[1, 0, 20 + speed * place], [0, 1, 0]], np.float32)
        seen = cv2.warpAffine(layer, move, (160, 45), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        weight = 0.6 * np.clip(seen, 0, 1)
        picture[:45] = (1 - weight) * picture[:45] + weight * 250
    return out.astype(np.uint8)


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
        pytest.param(turned(1, 3, 0.15), id="still picture turned"),
        pytest.param(noisy(hold(texture(1), 3), 12.0), id="heavy grain"),
        pytest.param(noisy(pan(1, 3, right=0.6), 6.0), id="still picture panned, with grain"),
        pytest.param(subtitled(hold(texture(1), 6)), id="subtitles over a still picture"),
        pytest.param(subtitled(pan(1, 6, right=0.25)), id="subtitles over a picture panned"),
        pytest.param(blinking(hold(texture(1), 4)), id="blinking cursor"),
        pytest.param(fading(hold(texture(1), 4)), id="slow fade"),
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
        pytest.param(walk(texture(1), 6, speed=0.3, size=5), id="a small thing far away"),
        pytest.param(subtitled(walk(texture(1), 4, speed=1.0)), id="a thing that walks, with subtitles"),
        pytest.param(clouded(hold(texture(1), 6), 0.12), id="slow clouds"),
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
        (pan(2, 5, right=0.06), "pan", "right"),
        (pan(2, 5, zoom=0.0008), "zoom", "in"),
        (turned(2, 3, 0.2), "roll", "counterclockwise"),
        (turned(2, 3, -0.2), "roll", "clockwise"),
    ],
)
def test_the_camera_is_named(film: Gray, kind: str, direction: str):
    outcome = judge(film, min_residual=0, min_parallax=0)
    assert isinstance(outcome, Keep)
    camera = outcome.sample.facts["camera"]
    assert (camera["motion"], camera["direction"]) == (kind, direction)
    assert outcome.sample.measures["dynamics.camera"] == kind
    assert outcome.sample.measures["dynamics.camera_direction"] == direction


def test_the_speed_of_the_camera_is_in_widths_per_second():
    measures, _ = looked_at(np.arange(75) / 25, pan(2, 3, right=1.6))
    assert float(measures["dynamics.camera_speed"]) == pytest.approx(1.6 * 25 / 160, rel=0.05)


def test_a_camera_that_does_two_things_is_told_with_both():
    film = pan(2, 3, right=0.7, zoom=0.012)
    measures, facts = looked_at(np.arange(len(film)) / 25, film)
    assert set(str(measures["dynamics.camera"]).split("+")) == {"pan", "zoom"}
    assert set(str(measures["dynamics.camera_direction"]).split("+")) == {"right", "in"}
    assert [part["motion"] for part in facts["camera"]["parts"]] == str(measures["dynamics.camera"]).split("+")


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


def jumping(seconds: float) -> Gray:
    """Other views of other places, five times a second: a hyperlapse that nobody steadied."""
    rng = np.random.default_rng(5)
    views = [texture(int(seed)) for seed in rng.integers(0, 999, round(seconds * 5))]
    return np.repeat(np.stack(views), 5, axis=0)


def strobing(seconds: float) -> Gray:
    film = walk(texture(1), seconds).astype(np.float32)
    film *= np.where(np.arange(len(film)) % 6 < 3, 1.0, 0.3)[:, None, None]
    return film.astype(np.uint8)


def stuttering(seconds: float) -> Gray:
    """A pan of which every second picture but 8 of 24 is lost: it stands, then it jumps."""
    film = pan(1, seconds, right=1.0)
    places = np.arange(len(film))
    return film[np.where(places % 24 < 8, places - places % 24, places)]


@pytest.mark.parametrize(
    ("film", "name", "most"),
    [(jumping(3), "jumps", 0.5), (strobing(3), "flashes", 2.0), (stuttering(4), "stutter", 0.5)],
)
def test_films_that_jump_are_dropped_on_request(film: Gray, name: str, most: float):
    calm = judge(film, min_residual=0)
    assert isinstance(calm, Keep)
    assert name in str(calm.sample.measures["dynamics.flags"]).split("+")
    outcome = judge(film, **{"min_residual": 0, f"max_{name}": most})
    assert isinstance(outcome, Drop)
    assert outcome.reason == "jumpy"
    smooth = judge(walk(texture(1), 4), **{f"max_{name}": most})
    assert isinstance(smooth, Keep)
    assert smooth.sample.measures[f"dynamics.{name}"] == 0
    assert smooth.sample.measures["dynamics.flags"] == ""


def test_what_is_measured_does_not_depend_on_threads():
    film = noisy(walk(pan(3, 3, right=0.8)[0], 3))
    times = np.arange(len(film)) / 25
    before = cv2.getNumThreads()
    try:
        told = []
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            told.append(looked_at(times, film))
    finally:
        cv2.setNumThreads(before)
    assert told[0] == told[1]


@pytest.mark.parametrize("film", [hold(texture(1), 0.04), hold(texture(1), 0.2), np.zeros((50, 90, 160), np.uint8)])
def test_short_and_empty_films_are_static(film: Gray):
    outcome = judge(film)
    assert isinstance(outcome, Drop)
    assert outcome.measures["dynamics.camera"] == "still"


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
