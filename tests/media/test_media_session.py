"""The media session: every source is read once, failures are remembered, stills are what models will see."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media_barcode import BY_NAME, make, numbers, read

from synflow.contract import Media, Scan
from synflow.errors import ClipFailure
from synflow.ids import digest, digest_of_frames
from synflow.media.light import luma_of
from synflow.media.sandbox import Sandbox
from synflow.media.session import MediaSession
from synflow.records import Clip, Crop, Facts, Frame, Location, Sample, Source


class Counting(Sandbox):
    """A sandbox that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def _ask(self, location: Location, request: dict[str, Any]) -> Any:
        self.asked[request["op"]] += 1
        return super()._ask(location, request)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(BY_NAME["h264-b-frames"], tmp_path_factory.mktemp("session"))


@pytest.fixture
def sandbox():
    with Counting() as sandbox:
        yield sandbox


def sample(record: str, facts: Facts | None = None, start: float = 0.0, end: float = 1.92) -> Sample:
    clip = Clip(id=f"c{start}", start=start, end=end, facts=facts) if facts else None
    return Sample(source=Source(record_id=record, uri="a.mp4"), clip=clip)


def test_it_is_what_stages_ask_for(video: Path, sandbox: Counting) -> None:
    session: Media = MediaSession({"a": Location(path=str(video))}, sandbox, stills=4, short_side=96)
    facts = session.facts(sample("a"))
    assert facts.digest == digest(video.read_bytes())
    assert (facts.bytes, facts.frames, facts.width, facts.height) == (video.stat().st_size, 48, 192, 96)
    assert facts.duration == pytest.approx(1.92)
    scan = session.scan(sample("a"))
    assert isinstance(scan, Scan)
    stills = session.stills(sample("a", facts))
    assert len(stills.pictures) == 4
    assert stills.rgb.shape == (4, 96, 192, 3)
    assert stills.digest == digest_of_frames(digest(p.jpeg) for p in stills.pictures)
    for picture, pixels in zip(stills.pictures, stills.rgb, strict=True):
        seen = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert read(seen) == read(pixels) == round(picture.time * 25)


def test_each_source_is_read_once_until_it_is_released(video: Path, sandbox: Counting) -> None:
    session = MediaSession({"a": Location(path=str(video))}, sandbox, stills=4, short_side=96)
    facts = session.facts(sample("a"))
    for _ in range(3):
        session.facts(sample("a"))
        session.scan(sample("a"))
        first = session.stills(sample("a", facts))
        session.stills(sample("a", facts, 1.0))
    assert sandbox.asked == {"facts": 1, "scan": 1, "stills": 2}
    session.release("a")
    assert session.stills(sample("a", facts)).digest == first.digest
    assert sandbox.asked["stills"] == 3


def test_a_failure_is_remembered(tmp_path: Path, sandbox: Counting) -> None:
    (tmp_path / "bad.mp4").write_text("no video at all")
    session = MediaSession({"a": Location(path=str(tmp_path / "bad.mp4"))}, sandbox)
    told = []
    for ask in (session.facts, session.scan, session.facts):
        with pytest.raises(ClipFailure) as failure:
            ask(sample("a"))
        told.append((failure.value.reason, failure.value.detail))
    assert len(set(told)) == 1
    assert told[0][0] == "unreadable"
    assert sum(sandbox.asked.values()) == 1


def test_a_span_without_pictures_does_not_spoil_the_record(video: Path, sandbox: Counting) -> None:
    session = MediaSession({"a": Location(path=str(video))}, sandbox, stills=4, short_side=96)
    facts = session.facts(sample("a"))
    with pytest.raises(ClipFailure, match="no picture between 5 and 6 s"):
        session.stills(sample("a", facts, 5.0, 6.0))
    assert len(session.stills(sample("a", facts)).pictures) == 4


def test_no_jpeg_is_written_before_it_is_asked_for(
    video: Path, sandbox: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *given: written.append(1) or encode(*given))
    session = MediaSession({"a": Location(path=str(video))}, sandbox, stills=4, short_side=96)
    stills = session.stills(sample("a"))
    assert stills.rgb.shape[0] == 4
    assert not written
    assert session.stills(sample("a")).digest == stills.digest
    assert len(stills.pictures) == len(written) == 4


def test_colours_are_not_swapped(tmp_path: Path, sandbox: Counting) -> None:
    import av

    path = tmp_path / "red.mp4"
    container: Any = av.open(str(path), "w")
    stream: Any = container.add_stream("libx264", rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 220
    for _ in range(5):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
    container.mux(stream.encode(None))
    container.close()
    session = MediaSession({"a": Location(path=str(path))}, sandbox, stills=2)
    assert np.abs(session.scan(sample("a")).color.mean((0, 1, 2)) - (220, 0, 0)).max() < 8
    stills = session.stills(sample("a"))
    assert np.abs(stills.rgb.mean((0, 1, 2)) - (220, 0, 0)).max() < 8
    seen = cv2.imdecode(np.frombuffer(stills.pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(seen.mean((0, 1)) - (0, 0, 220)).max() < 8


def test_later_passes_see_the_stored_pictures(video: Path, sandbox: Counting) -> None:
    first = MediaSession({"a": Location(path=str(video))}, sandbox, stills=4, short_side=96)
    facts = first.facts(sample("a"))
    stills = first.stills(sample("a", facts))
    frames = tuple(
        Frame(index=i, time=p.time, width=192, height=96, digest=p.digest, bytes=len(p.jpeg))
        for i, p in enumerate(stills.pictures)
    )
    kept = sample("a", facts).having(frames=frames, frames_digest=stills.digest, frames_object="frames.bin")
    jpegs = [p.jpeg for p in stills.pictures]
    later = MediaSession({}, sandbox, stored=lambda _: jpegs)
    again = later.stills(kept)
    assert again.pictures == stills.pictures
    assert again.digest == stills.digest
    assert np.abs(again.rgb.astype(int) - stills.rgb).mean() < 6


def test_a_clip_of_the_span(video: Path, sandbox: Counting, tmp_path: Path) -> None:
    session = MediaSession({"a": Location(path=str(video))}, sandbox, short_side=96)
    (tmp_path / "clip.mp4").write_bytes(session.clip(sample("a"), 0.4, 0.8))
    assert numbers(tmp_path / "clip.mp4") == list(range(10, 20))


@pytest.mark.parametrize("crop", [None, Crop(top=0.25, bottom=0.75)])
def test_a_glance_is_a_part_of_the_stills(video: Path, sandbox: Counting, crop: Crop | None) -> None:
    session = MediaSession({"a": Location(path=str(video))}, sandbox, stills=8, short_side=96)
    clip = sample("a", session.facts(sample("a"))).having(crop=crop)
    few = session.glance(clip, 3)
    assert sandbox.asked == {"facts": 1, "glance": 1}
    whole = session.stills(clip).rgb
    assert few.shape == (3, *whole.shape[1:3])
    assert np.array_equal(few, np.stack([luma_of(whole[k]) for k in (0, 3, 7)]))
    assert np.array_equal(session.glance(clip, 3), few)
    assert sandbox.asked == {"facts": 1, "glance": 1, "stills": 1}  # what is held is not asked for again
    assert len(session.glance(clip, 20)) == len(whole)


def test_where_all_are_stored_a_glance_fetches_all(video: Path, sandbox: Counting) -> None:
    session = MediaSession({"a": Location(path=str(video))}, sandbox, stills=8, short_side=96, stores=True)
    clip = sample("a", session.facts(sample("a")))
    few, whole = session.glance(clip, 3), session.stills(clip).rgb
    assert np.array_equal(few, np.stack([luma_of(whole[k]) for k in (0, 3, 7)]))
    assert sandbox.asked == {"facts": 1, "stills": 1}
