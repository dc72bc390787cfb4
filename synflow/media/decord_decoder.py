"""decord as an optional decoder, for those who know it; PyAV is the default.

decord 0.6 gives wrong pictures for a number of sources (measured against ffmpeg: 29 of 41 files right). These are
recognised from the packets and refused; what is left it decodes exactly. Probing is PyAV's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import av
import decord

from synflow.errors import ClipFailure
from synflow.media.decoder import Decoded, Header, Missed, Tally, Unsupported
from synflow.media.pyav_decoder import PyAvDecoder, PyAvReader
from synflow.media.source import Source

WRONG_CODECS = {
    "mpeg1video": "MPEG-1", "mpeg2video": "MPEG-2", "mpeg4": "MPEG-4 part 2", "msmpeg4v3": "MPEG-4 part 2",
    "av1": "AV1", "gif": "GIF",
}  # fmt: skip

WRONG_CONTAINERS = {"mpegts": "MPEG transport streams", "mpeg": "MPEG program streams", "gif": "GIF"}


class DecordDecoder:
    """Opens sources with decord where it can be trusted."""

    def open(self, source: Source) -> DecordReader:
        """Return a reader of ``source``.

        Raises:
            Unsupported: decord would give wrong pictures.
        """
        return DecordReader(source)


def refusal(probe: PyAvReader) -> str:
    """Return why decord cannot be trusted with a source; empty where it can."""
    header, packets = probe.header, probe.packets
    wrong = WRONG_CODECS.get(header.codec) or WRONG_CONTAINERS.get(header.container)
    if wrong:
        return wrong
    if header.rotation or header.mirrored:
        return "rotated pictures"
    if packets.discards:
        return "edit lists"
    if packets.leading:
        return "open groups of pictures"
    if not header.pts:
        return "missing or repeated time stamps"
    if header.bit_depth > 8:
        return "more than 8 bits"
    return "truncated files" if header.missing else ""


class DecordReader:
    """Decodes one source with decord."""

    def __init__(self, source: Source) -> None:
        probe = PyAvDecoder().open(source)
        try:
            wrong = refusal(probe)
            self._header = probe.header
        finally:
            probe.close()
        if wrong:
            raise Unsupported("decord", wrong)
        source.seek(0)
        try:
            # It is given the bytes, not a path: so there is nothing that it could open besides.
            self._video: Any = decord.VideoReader(_Bytes(source.read()), num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise ClipFailure("unreadable", "decord cannot open it") from error
        if len(self._video) != len(self._header.times):
            raise Unsupported("decord", "sources of which it sees another number of pictures")
        if tuple(self._video[0].shape) != (self._header.height, self._header.width, 3):
            raise Unsupported("decord", "pictures of this size")

    @property
    def header(self) -> Header:
        """What is known of the source before its pictures are decoded."""
        return self._header

    def pictures(self, tally: Tally) -> Iterator[Decoded]:
        """Yield all pictures from the first to the last, counting damage in ``tally``."""
        return self._there(range(len(self._header.times)), tally)

    def scanned(self, tally: Tally) -> Iterator[Decoded]:
        """Yield the pictures at ``header.scanned``, counting damage in ``tally``."""
        return self._there(self._header.scanned, tally)

    def _there(self, places: Sequence[int], tally: Tally) -> Iterator[Decoded]:
        for index in places:
            try:
                yield Decoded(index, self._frame(index))
            except (decord.DECORDError, RuntimeError):
                tally.errors += 1

    def chosen(self, wanted: Sequence[int]) -> Iterator[Decoded]:
        """Yield the pictures at the increasing places ``wanted``.

        Raises:
            Missed: one of them does not decode.
        """
        for index in wanted:
            try:
                yield Decoded(index, self._frame(index))
            except (decord.DECORDError, RuntimeError):
                raise Missed from None

    def close(self) -> None:
        """Give back files and memory."""
        self._video = None

    def _frame(self, index: int) -> Any:
        frame = av.VideoFrame.from_ndarray(self._video[index].asnumpy(), format="rgb24")
        frame.pts = self._header.pts[index]
        return frame


class _Bytes:
    """What decord takes for a file: it reads all of it at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        """Return all bytes."""
        return self._data
