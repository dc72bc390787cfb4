"""Which pictures of a stream no other picture refers to: told by the heads of their packets, before any is decoded.

Such *spare* pictures can be kept from the decoder, and all others still come out bit for bit the same. H.264 marks them
by ``nal_ref_idc`` 0 (ITU-T H.264, 7.4.1), HEVC by the even types under 16 in the highest sub-layer (ITU-T H.265,
7.4.2.2). Of other codecs none is known to be spare.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_START = b"\x00\x00\x01"

_HEAD = 2
"""Bytes at the beginning of a unit that are looked at."""


class References:
    """Notes the packets of one stream, and knows then which of their pictures are spare.

    Args:
        codec: its canonical name.
        extradata: what the container tells the decoder beforehand, or None.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self._judge = {"h264": _h264, "hevc": _hevc}.get(codec)
        self._prefix = _prefix_size(codec, extradata or b"")
        self._spare: list[int] = []
        self._layered = False

    def note(self, packet: Any) -> None:
        """Look at the heads of the units of ``packet``, an ``av.Packet``."""
        if self._judge is None or self._layered or packet.pts is None:
            return
        data = memoryview(packet)
        spare, layered = self._judge(_prefixed(data, self._prefix) if self._prefix else _delimited(bytes(data)))
        self._layered = layered
        if spare:
            self._spare.append(packet.pts)

    @property
    def spare(self) -> frozenset[int]:
        """The time stamps of the spare pictures; none in a stream of several sub-layers, which refer to each other."""
        return frozenset(() if self._layered else self._spare)


def _prefix_size(codec: str, extradata: bytes) -> int:
    """Return how many bytes tell the length of each unit (ISO/IEC 14496-15), or 0 where start codes part them."""
    place = {"h264": 4, "hevc": 21}.get(codec, 0)
    return (extradata[place] & 3) + 1 if extradata[:1] == b"\x01" and len(extradata) > place else 0


def _prefixed(data: memoryview, size: int) -> Iterator[memoryview]:
    """Yield the heads of units with their lengths before them."""
    at = 0
    while at + size < len(data):
        length = int.from_bytes(data[at : at + size], "big")
        yield data[at + size : at + size + _HEAD]
        at += size + length


def _delimited(data: bytes) -> Iterator[memoryview]:
    """Yield the heads of units between start codes."""
    view, at = memoryview(data), data.find(_START)
    while at >= 0:
        yield view[at + len(_START) : at + len(_START) + _HEAD]
        at = data.find(_START, at + len(_START))


def _h264(heads: Iterator[memoryview]) -> tuple[bool, bool]:
    """Tell whether all slices are spare, and that there are no sub-layers."""
    slices = [head[0] for head in heads if len(head) and 1 <= head[0] & 31 <= 5]
    return bool(slices) and not any(first & 0x60 for first in slices), False


def _hevc(heads: Iterator[memoryview]) -> tuple[bool, bool]:
    """Tell whether all slices are spare, and whether one is of a higher sub-layer than the lowest."""
    slices = [(head[0] >> 1 & 63, head[1] & 7) for head in heads if len(head) == _HEAD and head[0] >> 1 & 63 < 32]
    spare = bool(slices) and all(kind < 16 and not kind % 2 for kind, _ in slices)
    return spare, any(layer > 1 for _, layer in slices)
