"""Which pictures no other refers to, told from the heads of packets."""

from __future__ import annotations

import av
import numpy as np
import pytest

from synflow.media.references import References

AVC, HVC = b"\x01" + bytes(3) + b"\xff", b"\x01" + bytes(20) + b"\xff"
"""Configuration records that tell four bytes of length before each unit."""

IDR, SLICE, SPARE, SEI = b"\x65", b"\x41", b"\x01", b"\x06"
"""First bytes of units of H.264: slices of a key picture, of one that others refer to, of one that none does."""


def hevc(kind: int, layer: int = 0) -> bytes:
    return bytes([kind << 1, layer + 1])


def packet(*heads: bytes, prefixed: bool = True, pts: int | None = 7) -> av.Packet:
    units = [head + bytes(5) + b"\x80" for head in heads]
    parts = [(len(unit).to_bytes(4, "big") if prefixed else b"\x00\x00\x01") + unit for unit in units]
    made = av.Packet(b"".join(parts))
    made.pts = pts
    return made


def spare(codec: str, extradata: bytes | None, *packets: av.Packet) -> set[int]:
    references = References(codec, extradata)
    for one in packets:
        references.note(one)
    return set(references.spare)


@pytest.mark.parametrize(("heads", "told"), [
    ((SPARE,), True), ((SEI, SPARE, SPARE), True), ((SLICE,), False), ((IDR,), False), ((SPARE, SLICE), False),
    ((SLICE, SPARE), False), ((SEI,), False), ((), False),
])  # fmt: skip
@pytest.mark.parametrize("prefixed", [True, False])
def test_h264_is_spare_where_all_slices_are(heads: tuple[bytes, ...], told: bool, prefixed: bool) -> None:
    extradata = AVC if prefixed else b"\x00\x00\x01\x67"
    assert spare("h264", extradata, packet(*heads, prefixed=prefixed)) == ({7} if told else set())


@pytest.mark.parametrize("prefixed", [True, False])
def test_hevc_tells_by_type(prefixed: bool) -> None:
    extradata = HVC if prefixed else None
    kinds = {kind for kind in range(40) if spare("hevc", extradata, packet(hevc(kind), prefixed=prefixed))}
    assert kinds == {0, 2, 4, 6, 8, 10, 12, 14}
    assert spare("hevc", extradata, packet(hevc(39), hevc(0), hevc(1), prefixed=prefixed)) == set()


def test_layers_of_hevc_refer_to_one_another() -> None:
    low, high = packet(hevc(0), pts=1), packet(hevc(0, layer=1), pts=2)
    assert spare("hevc", HVC, low) == {1}
    assert spare("hevc", HVC, low, high) == set()
    assert spare("hevc", HVC, high, low) == set()


def test_other_codecs_and_pictures_without_a_time_stamp_are_never_spare() -> None:
    assert spare("mpeg4", None, packet(SPARE)) == set()
    assert spare("h264", AVC, packet(SPARE, pts=None)) == set()


def test_torn_and_senseless_packets_are_survived() -> None:
    rng = np.random.default_rng(5)
    whole = bytes(packet(SEI, SPARE, SLICE))
    for codec, extradata in (("h264", AVC), ("h264", None), ("hevc", HVC), ("hevc", b"\x01"), ("h264", b"\x01\x00")):
        references = References(codec, extradata)
        for length in range(len(whole)):
            torn = av.Packet(whole[:length])
            torn.pts = length
            references.note(torn)
            noise = av.Packet(rng.bytes(length))
            noise.pts = 1000 + length
            references.note(noise)
        assert references.spare <= {*range(len(whole)), *range(1000, 1000 + len(whole))}
