from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from curation_films import Films, Gray, hold, sample_of, stills_of, texture, walk

from stages.quality import Quality, QualityConfig
from synflow.contract import Drop, Keep, Stage
from synflow.media.picture import blockiness, look_at, sharpness


def judge(film: Gray, **config: float):
    sample = sample_of("a", clip=True, seconds=len(film) / 25)
    return Quality(QualityConfig(**config))([sample], Films({"a": film}))[0]


def dark(film: Gray, gain: float, floor: int = 16) -> Gray:
    return np.asarray(floor + film * gain, np.uint8)


def blurred(film: Gray, sigma: float) -> Gray:
    return np.stack([cv2.GaussianBlur(picture, (0, 0), sigma) for picture in film])


def scene(seconds: float = 3.0) -> Gray:
    """A scene with crisp edges in which something walks."""
    picture = texture(1, 180, 320).copy()
    for left in range(10, 300, 45):
        cv2.rectangle(picture, (left, 120), (left + 27, 157), 240 if left % 2 else 10, -1)
    return walk(picture, seconds, speed=2.0, size=44, row=40)


def test_is_a_stage():
    assert isinstance(Quality(), Stage)


def test_a_good_clip_stays_with_its_measures():
    outcome = judge(scene())
    assert isinstance(outcome, Keep)
    assert outcome.sample.measures["quality.sharpness"] > 0.25
    assert outcome.sample.measures["quality.black"] == 0.0


@pytest.mark.parametrize(
    ("film", "reason"),
    [
        pytest.param(dark(scene(), 0.03), "black", id="nearly black"),
        pytest.param(hold(np.full((90, 160), 16, np.uint8), 3), "black", id="studio black"),
        pytest.param(blurred(scene(), 5.0), "blurred", id="out of focus"),
        pytest.param(np.concatenate([scene(2.0), hold(scene(2.0)[-1], 3)]), "frozen", id="stops at the end"),
        pytest.param(np.concatenate([hold(scene(2.0)[0], 3), scene(2.0)]), "frozen", id="stops at the start"),
    ],
)
def test_bad_clips_are_dropped(film: Gray, reason: str):
    outcome = judge(film)
    assert isinstance(outcome, Drop), outcome
    assert outcome.reason == reason
    assert reason in Quality.reasons
    assert set(outcome.measures) >= {"quality.sharpness", "quality.black", "quality.frozen", "quality.blockiness"}


def test_heavy_compression_is_blocky():
    film, ctx = scene(), Films({"a": scene()})

    class Squeezed(Films):
        def stills(self, sample):
            plain = stills_of(film)
            quality = [cv2.IMWRITE_JPEG_QUALITY, 4]
            rgb = np.stack([cv2.imdecode(cv2.imencode(".jpg", p, quality)[1], cv2.IMREAD_COLOR) for p in plain.rgb])
            return type(plain)(plain.pictures, rgb, plain.digest)

    sample = sample_of("a", clip=True, seconds=3)
    outcome = Quality()([sample], Squeezed({"a": film}))[0]
    assert isinstance(outcome, Drop)
    assert outcome.reason == "blocky"
    assert isinstance(Quality()([sample], ctx)[0], Keep)


def test_a_small_bright_thing_on_black_is_not_black():
    film = hold(np.full((180, 320), 16, np.uint8), 3)
    for place, picture in enumerate(film):
        picture[60:120, 40 + place : 120 + place] = texture(2, 180, 320)[60:120, 40:120]
    assert isinstance(judge(film), Keep)


def test_a_fade_at_the_end_is_not_black():
    film = scene(4.0).astype(float)
    film[-30:] *= np.linspace(1, 0, 30)[:, None, None]
    assert isinstance(judge(film.astype(np.uint8)), Keep)


def test_a_still_picture_is_not_frozen():
    assert isinstance(judge(hold(scene()[0], 4)), Keep)


def test_a_screen_that_rests_is_not_frozen():
    film = hold(scene()[0], 6).copy()
    for place in range(0, 150, 30):
        film[place:, 20 : 28 + place // 5, 20:300] = 30
    assert isinstance(judge(film), Keep)


def test_thresholds_are_parameters():
    assert isinstance(judge(scene(), min_sharpness=1.0), Drop)
    assert isinstance(judge(blurred(scene(), 5.0), min_sharpness=0.0), Keep)


def test_sharpness_does_not_depend_on_contrast_or_size():
    picture = cv2.GaussianBlur(np.kron(np.eye(9, 16), np.full((20, 20), 200)).astype(np.uint8), (0, 0), 1.2)
    faint = (100 + picture // 3).astype(np.uint8)
    assert sharpness(picture) == pytest.approx(sharpness(faint), abs=0.1)
    double = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert sharpness(picture) == pytest.approx(sharpness(double), abs=0.1)


def test_a_picture_without_edges_is_not_blurred():
    assert sharpness(np.full((180, 320), 90, np.uint8)) == 1.0


def test_blockiness_finds_the_grid_of_the_coder():
    rng = np.random.default_rng(1)
    blocks = np.kron(rng.integers(90, 130, (24, 42)), np.ones((8, 8))).astype(np.uint8)
    assert blockiness(blocks[:180, :320]) > 3
    assert blockiness(blocks[3:180, 5:320]) < 1.2
    assert blockiness(texture(1, 180, 320)) < 1.2


def test_look_at_takes_colour_or_luma():
    picture = texture(1, 180, 320)
    assert look_at(picture) == look_at(np.repeat(picture[..., None], 3, axis=2))


def coloured(film: Gray) -> np.ndarray:
    """The film in colours that its brightness does not tell."""
    turned = film[:, ::-1]
    return np.stack([film, turned, 255 - film], axis=-1)


class Seen(Films):
    """Films whose thumbnails are in colour unless asked otherwise, with a given combing."""

    tint: bool = True
    comb: float = 0.0

    def scan(self, sample):
        scan = super().scan(sample)
        color = coloured(scan.color[..., 0]) if self.tint else scan.color
        return replace(scan, color=color, combing=np.full(len(scan.color_times), self.comb))


def noisy(film: Gray, sigma: float) -> Gray:
    grain = np.random.default_rng(3).normal(0, sigma, film.shape)
    return np.clip(film + grain, 0, 255).astype(np.uint8)


def bright(film: Gray) -> Gray:
    return np.clip(film * 1.5 + 120.0, 0, 255).astype(np.uint8)


def page() -> Gray:
    picture = np.full((360, 640), 250, np.uint8)
    for line in range(12):
        cv2.putText(picture, "what is written here", (30, 40 + 26 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 10, 2)
    film = hold(picture, 3).copy()
    film[40:, 345:, :] = 90
    return film


@pytest.mark.parametrize(
    ("film", "limit", "reason"),
    [
        pytest.param(dark(scene(), 0.13, floor=0), {"min_highlights": 0.3}, "under-exposed", id="dark"),
        pytest.param(bright(scene()), {"max_over": 0.25}, "over-exposed", id="bright"),
        pytest.param(noisy(scene(), 14), {"max_noise": 5.0}, "noisy", id="grain"),
        pytest.param(page(), {"max_screen": 0.55}, "screen-recording", id="page as a screen"),
        pytest.param(page(), {"max_text": 0.2}, "text-heavy", id="page as text"),
    ],
)  # fmt: skip
def test_what_is_off_by_default_drops_when_asked(film: Gray, limit: dict[str, float], reason: str):
    def outcome(film: Gray, **config: float):
        ctx = Seen({"a": film})
        return Quality(QualityConfig(**config))([sample_of("a", clip=True, seconds=len(film) / 25)], ctx)[0]

    assert isinstance(outcome(film), Keep)
    asked = outcome(film, **limit)
    assert isinstance(asked, Drop) and asked.reason == reason and reason in Quality.reasons
    assert isinstance(outcome(scene(), **limit), Keep)


def test_colour_and_combing_are_read_off_the_scan():
    sample = sample_of("a", clip=True, seconds=3)
    ctx = Seen({"a": scene()})
    limits = QualityConfig(min_colour=3.0, max_combing=0.002)
    assert isinstance(Quality(limits)([sample], ctx)[0], Keep)
    ctx.tint = False
    grey = Quality(limits)([sample], ctx)[0]
    assert isinstance(grey, Drop) and grey.reason == "colourless"
    ctx.tint, ctx.comb = True, 0.02
    combed = Quality(limits)([sample], ctx)[0]
    assert isinstance(combed, Drop) and combed.reason == "interlaced"
    assert isinstance(Quality()([sample], ctx)[0], Keep)


def test_a_mark_that_stands_over_a_moving_scene():
    large = texture(4, 180, 700)
    film = np.stack([large[:, 5 * k : 5 * k + 320] for k in range(75)])
    marked = film.copy()
    for picture in marked:
        cv2.putText(picture, "CHANNEL 5", (20, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 4)
    assert isinstance(judge(film, max_overlay=0.01, min_sharpness=0.0), Keep)
    outcome = judge(marked, max_overlay=0.01, min_sharpness=0.0)
    assert isinstance(outcome, Drop) and outcome.reason == "overlaid"


def test_a_slide_show_is_dropped_unless_it_may_stay():
    film = np.concatenate([hold(scene(1.0)[0] if k == 0 else texture(k, 180, 320), 1.2) for k in range(4)])
    outcome = judge(film, min_sharpness=0.0)
    assert isinstance(outcome, Drop) and outcome.reason == "slide-show"
    assert "pictures stand for 97% of the time" in outcome.detail
    kept = Quality(QualityConfig(max_resting=None, min_sharpness=0.0))
    assert isinstance(kept([sample_of("a", clip=True, seconds=len(film) / 25)], Films({"a": film}))[0], Keep)


def test_a_letterboxed_clip_is_cropped_not_dropped():
    film = np.zeros((75, 180, 320), np.uint8)
    film[:, 24:156] = scene()[:, :132]
    outcome = judge(film)
    assert isinstance(outcome, Keep) and outcome.sample.crop is not None
    assert outcome.sample.measures["quality.crop_top"] == pytest.approx(24 / 180, abs=0.02)
    assert outcome.sample.measures["quality.crop_bottom"] == pytest.approx(156 / 180, abs=0.02)
    assert judge(film, crop_bars=False).sample.crop is None
