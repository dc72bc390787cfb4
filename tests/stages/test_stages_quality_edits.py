"""Known edits of real clips, through encoder, decoder and stage: what is found, and that nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from stages.quality import Quality
from synflow.contract import Drop
from synflow.media.encoder import Encoder
from synflow.media.sandbox import Sandbox
from synflow.media.session import MediaSession
from synflow.media.spans import clip_of
from synflow.records import Location, Sample, Source

pytestmark = pytest.mark.slow

FRAMES, RATE, WIDTH, HEIGHT = 24, 12.0, 640, 360
CLIPS = 12
Film = np.ndarray
Found = dict[str, Any]


@pytest.fixture(scope="module")
def films(shared_data: Path) -> list[Film]:
    """Two seconds each of the first real clips that are neither screens, nor dark, nor boxed, nor low in quality."""
    chosen: list[Film] = []
    for line in (shared_data / "facts.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        odd = {
            "screen-recording",
            "dark",
            "pillarbox",
            "letterbox",
            "low-quality",
            "synthetic",
            "soft-focus",
            "watermark",
        }
        if odd & set(record["tags"]) or record["shots"] > 1 or record["duration_s"] < 3 or record["fps"] < 20:
            continue
        pictures: list[Film] = []
        with av.open(str(shared_data / record["path"])) as container:
            for place, frame in enumerate(container.decode(video=0)):
                if place % 2 == 0:
                    pictures.append(frame.reformat(width=WIDTH, height=HEIGHT, format="rgb24").to_ndarray())
                if len(pictures) == FRAMES:
                    break
        chosen.append(np.stack(pictures))
        if len(chosen) == CLIPS:
            break
    return chosen


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def judged(film: Film, sandbox: Sandbox, folder: Path) -> tuple[Found, str, Any]:
    """Measures, reason of the drop and crop of a film, after it was encoded."""
    writer = Encoder((WIDTH, HEIGHT), 0.0, RATE)
    for place, picture in enumerate(film):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")
        writer.add(frame, place / RATE)
    path = folder / "film.mp4"
    path.write_bytes(writer.finish())
    session = MediaSession({"a": Location(path=str(path))}, sandbox)
    sample = Sample(source=Source(record_id="a", uri="a"))
    sample = sample.having(clip=clip_of(session.facts(sample), 0.0, len(film) / RATE))

    class Shard:
        media = session

    (outcome,) = Quality()([sample], Shard())  # type: ignore[arg-type, list-item]
    path.unlink()
    if isinstance(outcome, Drop):
        return dict(outcome.measures), outcome.reason, None
    return dict(outcome.sample.measures), "", outcome.sample.crop  # type: ignore[union-attr]


def blurred(film: Film) -> Film:
    return np.stack([cv2.GaussianBlur(picture, (0, 0), 6) for picture in film])


def grainy(film: Film) -> Film:
    grain = np.random.default_rng(1).normal(0, 18, film.shape[:3])
    return np.clip(film + grain[..., None], 0, 255).astype(np.uint8)


def woven(film: Film) -> Film:
    out = film[:-1].copy()
    out[:, 1::2] = film[1:, 1::2]
    return out


def grey(film: Film) -> Film:
    return np.stack([np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2) for p in film])


def boxed(film: Film, width: int, height: int) -> Film:
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    out = np.zeros_like(film)
    for picture, place in zip(film, out, strict=True):
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        place[top : top + height, left : left + width] = small
        cv2.putText(place, "what they said", (250, 352), cv2.FONT_HERSHEY_PLAIN, 1.2, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def share(films: list[Film], told: Callable[[Film], bool]) -> float:
    return float(np.mean([told(film) for film in films]))


def test_good_clips_stay_whole(films: list[Film], sandbox: Sandbox, tmp_path: Path):
    for film in films:
        measures, reason, crop = judged(film, sandbox, tmp_path)
        assert reason == "" and crop is None
        assert measures["quality.noise"] < 5 and measures["quality.highlights"] > 0.3


def test_blurred_clips_are_dropped(films: list[Film], sandbox: Sandbox, tmp_path: Path):
    assert share(films, lambda film: judged(blurred(film), sandbox, tmp_path)[1] == "blurred") >= 0.9


def test_black_clips_are_dropped(films: list[Film], sandbox: Sandbox, tmp_path: Path):
    def black(film: Film) -> Film:
        return np.concatenate([film[: FRAMES // 3], np.zeros_like(film[FRAMES // 3 :])])

    assert share(films, lambda film: judged(black(film), sandbox, tmp_path)[1] == "black") == 1.0


def test_grain_darkness_and_grey_are_measured(films: list[Film], sandbox: Sandbox, tmp_path: Path):
    some = films[:6]
    assert share(some, lambda film: judged(grainy(film), sandbox, tmp_path)[0]["quality.noise"] > 5) == 1.0
    dark = [(film * 0.2).astype(np.uint8) for film in some]
    assert share(dark, lambda film: judged(film, sandbox, tmp_path)[0]["quality.highlights"] < 0.3) == 1.0
    assert share(some, lambda film: judged(grey(film), sandbox, tmp_path)[0]["quality.colour"] < 1) == 1.0


def test_woven_fields_are_measured_where_things_move(films: list[Film], sandbox: Sandbox, tmp_path: Path):
    moving = [film for film in films if (cv2.absdiff(film[4], film[5]) > 20).mean() > 0.08]
    assert moving
    assert share(moving, lambda film: judged(woven(film), sandbox, tmp_path)[0]["quality.combing"] > 0.002) >= 0.75
    assert share(moving, lambda film: judged(film, sandbox, tmp_path)[0]["quality.combing"] > 0.002) <= 0.1


@pytest.mark.parametrize(("width", "height"), [(640, 272), (480, 360), (202, 360), (480, 270)])
def test_bars_are_cut_off(width: int, height: int, films: list[Film], sandbox: Sandbox, tmp_path: Path):
    def right(film: Film) -> bool:
        _, _, crop = judged(boxed(film, width, height), sandbox, tmp_path)
        if crop is None:
            return False
        rows, columns = crop.box(HEIGHT, WIDTH)
        top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
        lost = (rows.start - top, columns.start - left, top + height - rows.stop, left + width - columns.stop)
        return min(lost) >= -1 and max(lost) <= 8

    assert share(films[:8], right) >= 0.85
