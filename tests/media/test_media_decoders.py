"""One conformance suite for every decoder: the right pictures at the right times, or a refusal."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_barcode import BY_NAME, CASES, Case, make, numbers, read

from synflow.errors import ClipFailure
from synflow.media.decoder import Tally, Unsupported, load_decoder
from synflow.media.reel import Reel
from synflow.media.source import Place, Source

REFUSED = {
    "h264-open-gop", "h264-transport-stream", "h264-ten-bit", "h264-rotated-90", "h264-rotated-180",
    "h264-rotated-270", "hevc", "hevc-ten-bit", "av1", "mpeg4", "mpeg4-avi", "mpeg2", "gif",
}  # fmt: skip
"""What decord is known to get wrong; PyAV must do all of it."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {case.name: make(case, folder) for case in CASES}


@pytest.fixture(params=["pyav", "decord"])
def decoder(request: pytest.FixtureRequest):
    if request.param == "decord":
        pytest.importorskip("decord")
    return request.param


def opened(decoder: str, path: Path):
    return load_decoder(decoder).open(Source(Place(str(path))))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_picture_has_its_number_and_time(decoder: str, case: Case, videos: dict[str, Path]) -> None:
    if decoder == "decord" and case.name in REFUSED:
        with pytest.raises(Unsupported, match="use decoder pyav"):
            opened(decoder, videos[case.name])
        return
    reader = opened(decoder, videos[case.name])
    assert len(reader.header.times) == case.frames
    reel, tally = Reel(reader, 96), Tally()
    scan = reel.scan()
    places, times = list(reader.header.scanned), np.array(case.times())
    assert [read(luma) for luma in scan.luma] == places
    np.testing.assert_allclose(scan.times, times[places], atol=0.0015)
    np.testing.assert_allclose(scan.until, np.append(times[1:], reader.header.end)[places], atol=0.0015)
    assert scan.errors == 0
    whole = {picture.index: read(reel._renderer.luma(picture.frame)) for picture in reader.pictures(tally)}
    assert whole == {place: place for place in range(case.frames)}
    assert tally.errors == 0
    assert max(scan.luma[0].shape) == 160
    assert max(scan.color[0].shape[:2]) == 64
    reader.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stills_are_the_same_with_and_without_a_scan(decoder: str, case: Case, videos: dict[str, Path]) -> None:
    if decoder == "decord" and case.name in REFUSED:
        return
    reader = opened(decoder, videos[case.name])
    sought, scanned = Reel(reader, 64), Reel(reader, 64)
    scanned.scan()
    end = reader.header.end
    for start, stop, count in ((0.0, end, 8), (end * 0.3, end * 0.7, 4), (0.0, end, 500), (end * 0.9, end, 2)):
        times, pictures = sought.stills(start, stop, count)
        again, same = scanned.stills(start, stop, count)
        assert times == again
        assert [p.tobytes() for p in pictures] == [p.tobytes() for p in same]
        assert all(start - 1e-6 <= t < stop for t in times)
        assert times == sorted(set(times))
        expected = [int(np.argmin(np.abs(np.array(case.times()) - t))) for t in times]
        assert [read(p) for p in pictures] == expected
    reader.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_decoded_does_not_change_by_what_is_left_out(case: Case, videos: dict[str, Path]) -> None:
    reader = opened("pyav", videos[case.name])
    scanned = {picture.index: picture.frame.to_ndarray() for picture in reader.scanned(Tally())}
    assert tuple(scanned) == reader.header.scanned
    for picture in reader.pictures(Tally()):
        if picture.index in scanned:
            assert np.array_equal(picture.frame.to_ndarray(), scanned.pop(picture.index))
    assert not scanned
    again = [picture.index for picture in reader.scanned(Tally())]
    assert tuple(again) == reader.header.scanned
    steady = case.codec in ("libx264", "libx265") and not case.variable
    assert (len(reader._left_out) >= case.frames * 0.3) == steady
    reader.close()


def test_each_picture_can_be_reached_alone(videos: dict[str, Path]) -> None:
    for name in ("h264-b-frames", "h264-open-gop", "hevc", "vp9", "h264-start-offset"):
        reader = opened("pyav", videos[name])
        reel = Reel(reader, 96)
        for place in (40, 1, 13, 12, 11, 47, 0, 23):
            (picture,) = reader.chosen([place])
            assert picture.index == place
            assert read(reel._renderer.luma(picture.frame)) == place
        reader.close()


@pytest.mark.parametrize(("name", "size"), [
    ("h264-rotated-90", (192, 96)), ("h264-wide-pixels", (384, 96)), ("h264-ten-bit", (192, 96)),
])  # fmt: skip
def test_display_size_and_orientation(name: str, size: tuple[int, int], videos: dict[str, Path]) -> None:
    header = opened("pyav", videos[name]).header
    assert header.display == size
    assert header.rotation == BY_NAME[name].rotation
    assert header.pixel_aspect == float(BY_NAME[name].aspect or Fraction(1))
    assert header.bit_depth == (10 if "ten-bit" in name else 8)


def test_damage_costs_only_itself(videos: dict[str, Path], tmp_path: Path) -> None:
    for name in ("h264-b-frames", "hevc"):
        data = bytearray(videos[name].read_bytes())
        middle = len(data) // 2
        data[middle : middle + 60] = bytes(60)
        path = tmp_path / videos[name].name
        path.write_bytes(data)
        tally = Tally()
        reader = opened("pyav", path)
        there = [picture.index for picture in reader.pictures(tally)]
        assert len(there) >= 36, name
        assert tally.errors > 0 or len(there) == 48, name
        reader.close()


@pytest.mark.parametrize("name", ["vp9", "h264-open-gop"])
def test_a_truncated_matroska_counts_what_is_missing(name: str, videos: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / videos[name].name
    data = videos[name].read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reader = opened("pyav", path)
    scan = Reel(reader, 96).scan()
    there = len(list(reader.pictures(Tally())))
    assert 0 < len(scan.luma) <= there < 48
    assert scan.errors >= 48 - there - 2


def test_a_member_of_a_tar_is_read_in_place(videos: dict[str, Path], tmp_path: Path) -> None:
    data = videos["h264-b-frames"].read_bytes()
    around = tmp_path / "around.tar"
    around.write_bytes(b"\0" * 512 + data + b"\0" * 1024)
    inner = Source(Place(str(around), 512, len(data)))
    alone = Source(Place(str(videos["h264-b-frames"])))
    assert inner.digest() == alone.digest()
    pictures = [Reel(load_decoder("pyav").open(s), 96).stills(0.0, 1.9, 4)[1] for s in (inner, alone)]
    assert all((a == b).all() for a, b in zip(*pictures, strict=True))
    with pytest.raises(ClipFailure, match="ends outside"):
        Source(Place(str(around), 512, len(data) + 4096))


@pytest.mark.parametrize("name", ["h264-b-frames", "mpeg4-avi"])
def test_hashing_a_source_does_not_disturb_its_reader(name: str, videos: dict[str, Path]) -> None:
    plain, hashed = Source(Place(str(videos[name]))), Source(Place(str(videos[name])))
    wanted = Reel(load_decoder("pyav").open(plain), 96).stills(0.0, 1.9, 8)
    reel = Reel(load_decoder("pyav").open(hashed), 96)
    place = hashed.tell()
    assert hashed.digest() == plain.digest()
    assert hashed.tell() == place
    found = reel.stills(0.0, 1.9, 8)
    assert found[0] == wanted[0]
    assert all((a == b).all() for a, b in zip(found[1], wanted[1], strict=True))


def test_clips_have_stable_bytes_and_the_right_pictures(videos: dict[str, Path], tmp_path: Path) -> None:
    for name in ("h264-variable-rate", "h264-rotated-90"):
        reader = opened("pyav", videos[name])
        times = reader.header.times
        start, end = float(times[10]), float(times[30])
        first, again = Reel(reader, 96).clip(start, end), Reel(reader, 96).clip(start, end)
        assert first == again
        (tmp_path / "clip.mp4").write_bytes(first)
        written = opened("pyav", tmp_path / "clip.mp4")
        assert numbers(tmp_path / "clip.mp4") == list(range(10, 30))
        np.testing.assert_allclose(written.header.times, times[10:30] - times[10], atol=1e-4)


def test_the_name_of_a_decoder_must_exist() -> None:
    for name in ("pyavv", "synflow.media.pyav_decoder:Nothing", "no.such.module:Class"):
        with pytest.raises(ImportError):
            load_decoder(name)
