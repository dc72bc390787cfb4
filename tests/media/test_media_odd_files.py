"""Odd and broken real files: each has one sensible outcome, and it is always the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synflow.errors import ClipFailure
from synflow.media.sandbox import Sandbox
from synflow.records import Location

OUTCOMES = {
    "mp4_moov_missing.mp4": "unreadable", "text_named_mp4.mp4": "unreadable", "zero_bytes.webm": "unreadable",
    "media_data_missing.mp4": "unreadable", "zero_timescale_audio.mp4": "unreadable",
    "encrypted_segment.ts": "unreadable", "audio_only.mp4": "no-video", "header_only_init_segment.mp4": "no-video",
    "no_duration.webm": (1280, 720, 74), "-starts-with-dash-.mp4": (1, 1, 5), "corrupted_tail.mp4": (1280, 720, 49),
    "rotated_90.mov": (320, 568, 2), "rotated_180.mov": (568, 320, 2), "rotated_terminal.mp4": (480, 640, 44),
    "non_square_pixels.mp4": (1920, 1080, 46), "undefined_aspect_ratio.mp4": (640, 480, 29),
    "ten_bit_h264.mp4": (200, 200, 15), "av1_in_mkv.mkv": (640, 360, 63), "no_timescale.mp4": (240, 320, 78),
    "single_hevc_frame.mp4": (640, 480, 1),
}  # fmt: skip
"""File -> reason, or (display width, display height, pictures that a scan looks at)."""

DAMAGED = {"corrupted_tail.mp4", "no_timescale.mp4"}


def outcome(sandbox: Sandbox, path: Path) -> tuple[object, str]:
    location = Location(path=str(path))
    try:
        facts = sandbox.facts(location)
        scan = sandbox.scan(location, 360)
        times, rgb = sandbox.stills(location, 0.0, facts.duration, 16, 360)
    except ClipFailure as failure:
        return failure.reason, failure.detail
    assert len(scan.luma) == len(scan.times) == len(scan.until)
    assert min(16, len(scan.times)) <= len(times) == len(rgb) <= 16
    assert (rgb.shape[2] > rgb.shape[1]) == (facts.width > facts.height)
    assert (scan.errors > 0) == (path.name in DAMAGED)
    return (facts.width, facts.height, len(scan.times)), f"{facts.digest} {times}"


def test_each_has_its_one_outcome(shared_data: Path) -> None:
    lines = (shared_data / "broken.jsonl").read_text().splitlines()
    files = {row["id"]: shared_data / row["path"] for row in map(json.loads, lines)}
    assert set(files) == set(OUTCOMES)
    with Sandbox() as sandbox, Sandbox() as other:
        for name, path in files.items():
            found, detail = outcome(sandbox, path)
            assert found == OUTCOMES[name], (name, detail)
            assert str(shared_data) not in detail
            assert "\n" not in detail
        for name in reversed(files):
            assert outcome(other, files[name]) == outcome(sandbox, files[name])
        assert sandbox.starts == 1


def test_a_real_clip_out_of_the_wheel_of_formats(shared_data: Path) -> None:
    expected = {
        "carpenter_bee_ts.ts": 60,
        "flower_webm.webm": 150,
        "rollercoaster.mp4": 70,
        "carphone_pristine.mp4": 120,
    }
    with Sandbox() as sandbox:
        for name, frames in expected.items():
            location = Location(path=str(shared_data / "videos" / name))
            scan = sandbox.scan(location, 360)
            assert (sandbox.facts(location).frames, scan.errors) == (frames, 0), name
            assert np.diff(scan.times).max() < 0.101, name
        with pytest.raises(ClipFailure, match="no picture between"):
            sandbox.stills(location, 100.0, 101.0, 4, 360)
