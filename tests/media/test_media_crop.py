"""A letterboxed video through decoder, session and stage: everything that comes after shows the inner picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stages.quality import Quality, QualityConfig
from synflow.contract import Keep
from synflow.media.encoder import Encoder
from synflow.media.sandbox import Sandbox
from synflow.media.session import MediaSession
from synflow.media.spans import clip_of
from synflow.records import Crop, Frame, Location, Sample, Source

WIDTH, HEIGHT, TOP, BOTTOM = 480, 270, 36, 234


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(8)
    large = cv2.resize(rng.integers(40, 230, (10, 20, 3)).astype(np.uint8), (600, 198), interpolation=cv2.INTER_NEAREST)
    writer = Encoder((WIDTH, HEIGHT), 0.0, 20.0)
    for place in range(50):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[TOP:BOTTOM] = large[:, 2 * place : 2 * place + WIDTH]
        cv2.putText(picture, "subtitle", (180, 258), cv2.FONT_HERSHEY_PLAIN, 1, (255, 255, 255), 1)
        writer.add(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p"), place / 20)
    path = tmp_path_factory.mktemp("boxed") / "boxed.mp4"
    path.write_bytes(writer.finish())
    return path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


class Shard:
    """A context that has only pictures."""

    def __init__(self, media: MediaSession) -> None:
        self.media = media


def session_of(video: Path, sandbox: Sandbox, **more: object) -> MediaSession:
    return MediaSession({"a": Location(path=str(video))}, sandbox, stills=6, short_side=180, **more)  # type: ignore[arg-type]


def judged(session: MediaSession, **config: object) -> Sample:
    sample = Sample(source=Source(record_id="a", uri="a.mp4"))
    sample = sample.having(clip=clip_of(session.facts(sample), 0.0, 2.5))
    limits = QualityConfig(max_blockiness=9.0, **config)  # the scene is made of blocks
    (outcome,) = Quality(limits)([sample], Shard(session))  # type: ignore[arg-type]
    assert isinstance(outcome, Keep), outcome
    return outcome.sample


def test_bars_are_cut_off_and_told(video: Path, sandbox: Sandbox) -> None:
    session = session_of(video, sandbox)
    sample = judged(session)
    assert sample.crop is not None
    top, bottom = sample.crop.top * HEIGHT, sample.crop.bottom * HEIGHT
    assert TOP <= top <= TOP + 5 and BOTTOM - 5 <= bottom <= BOTTOM
    assert sample.measures["quality.crop_top"] == pytest.approx(sample.crop.top, abs=1e-4)
    assert (sample.measures["quality.crop_left"], sample.measures["quality.crop_right"]) == (0.0, 1.0)
    stills = session.stills(sample)
    assert stills.rgb.shape[2] == 320 and 124 <= stills.rgb.shape[1] <= 132
    assert stills.rgb.min(axis=(0, 2, 3)).max() > 0 and stills.rgb.mean(axis=(0, 2, 3)).min() > 60
    decoded = cv2.imdecode(np.frombuffer(stills.pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == stills.rgb.shape[1:]
    scan = session.scan(sample)
    assert scan.luma.shape[2] == 160 and 60 <= scan.luma.shape[1] <= 66
    assert scan.luma.mean(axis=(0, 2)).min() > 60 and scan.color.mean(axis=(0, 2, 3)).min() > 60


def test_the_same_bytes_however_they_are_reached(video: Path, sandbox: Sandbox) -> None:
    session = session_of(video, sandbox)
    sample = judged(session)
    first = session.stills(sample)
    with Sandbox() as other:
        assert session_of(video, other).stills(sample).digest == first.digest
    # A later pass reads what was stored, and cuts nothing off a second time.
    frames = tuple(
        Frame(index=k, time=p.time, width=320, height=first.rgb.shape[1], digest=p.digest, bytes=len(p.jpeg))
        for k, p in enumerate(first.pictures)
    )
    later = sample.having(frames=frames, frames_object="x", frames_digest=first.digest)
    stored = session_of(video, sandbox, stored=lambda _: [p.jpeg for p in first.pictures])
    assert stored.stills(later).digest == first.digest
    assert stored.stills(later).rgb.shape == first.rgb.shape
    (again,) = Quality(QualityConfig(max_blockiness=9.0))([later], Shard(stored))  # type: ignore[list-item]
    assert isinstance(again, Keep) and again.sample.crop == sample.crop


def test_a_clip_is_cut_too(video: Path, sandbox: Sandbox) -> None:
    session = session_of(video, sandbox)
    sample = judged(session)
    data = session.clip(sample, 0.5, 1.5)
    with av.open(io.BytesIO(data)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == 20
    assert pictures[0].shape == session.stills(sample).rgb.shape[1:3]
    assert min(picture.mean(axis=1).min() for picture in pictures) > 60
    whole = session.clip(sample.having(crop=None), 0.5, 1.5)
    with av.open(io.BytesIO(whole)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (320, 180)


def test_bars_may_stay(video: Path, sandbox: Sandbox) -> None:
    session = session_of(video, sandbox)
    sample = judged(session, crop_bars=False)
    assert sample.crop is None and sample.measures["quality.crop_top"] == 0.0
    assert session.stills(sample).rgb.shape[1:3] == (180, 320)


def test_a_crop_of_a_scan_leaves_no_half_bars(video: Path, sandbox: Sandbox) -> None:
    scan = session_of(video, sandbox).scan(Sample(source=Source(record_id="a", uri="a.mp4")))
    inner = scan.cropped(Crop(top=TOP / HEIGHT, bottom=BOTTOM / HEIGHT))
    assert len(inner.times) == len(scan.times) and len(scan.combing) == len(scan.color_times)
    assert inner.luma.mean(axis=(0, 2)).min() > 60
    assert len(scan.within(0.0, 1.0).combing) == len(scan.within(0.0, 1.0).color_times)
