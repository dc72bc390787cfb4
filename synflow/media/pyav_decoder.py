"""The default decoder: PyAV, the one that was exact on every file it was measured on."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from av.error import FFmpegError

from synflow.media.decoder import Decoded, Header, Missed, Tally
from synflow.media.probe import (
    Packets,
    Spool,
    demuxed,
    open_container,
    prepare,
    read_header,
    read_timeline,
    scan_packets,
    video_stream,
)
from synflow.media.source import Source


class PyAvDecoder:
    """Opens sources with PyAV."""

    def open(self, source: Source) -> PyAvReader:
        """Return a reader of ``source``; its packets are read once, at most one picture is decoded."""
        return PyAvReader(source)


@dataclass
class _Begun:
    """A pass over a source of which the first picture is decoded already."""

    early: Tally
    frames: Iterator[tuple[Any, bool]]

    def continued(self, tally: Tally) -> Iterator[tuple[Any, bool]]:
        """Yield the pictures from the first on, counting all damage of the pass in ``tally``."""
        noted = 0
        for found in self.frames:
            tally.errors += self.early.errors - noted
            noted = self.early.errors
            yield found
        tally.errors += self.early.errors - noted


class PyAvReader:
    """Decodes one source, one thread, packet by packet, so that damage costs only itself."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._begun: _Begun | None = None
        self._container: Any = open_container(source)
        try:
            self._stream: Any = video_stream(self._container)
            spool = Spool()
            self.packets: Packets = scan_packets(self._container, self._stream, spool)
            timeline = read_timeline(self._stream, self.packets)
            self._left_out = timeline.left_out
            if spool.found is None:
                self._reopen()
            else:
                prepare(self._stream, {})
            first = self._begin(spool.found) if self.packets.count else None
            self._header = read_header(self._container, self._stream, self.packets, timeline, first)
        except BaseException:
            self.close()
            raise
        self._place = {pts: index for index, pts in enumerate(self._header.pts)}

    @property
    def header(self) -> Header:
        """What is known of the source before its pictures are decoded."""
        return self._header

    def close(self) -> None:
        """Close the container; without this the memory of the process grows with every source."""
        self._begun = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _begin(self, packets: list[Any] | None) -> Any:
        """Decode up to the first picture and return it, or None; a scan that is the first pass goes on from there.

        It takes ``packets``, which the pass over the source left, or reads them again where there are none.
        """
        tally = Tally()
        running = self._frames(tally, packets, self._left_out)
        first = next(running, None)
        self._begun = _Begun(tally, itertools.chain(() if first is None else (first,), running))
        return None if first is None else first[0]

    def _reopen(self) -> None:
        """Start again at the first packet with a fresh decoder: seeking to 0 is not exact in every container."""
        index = self._stream.index if self._container is not None else 0
        self.close()
        self._container = open_container(self._source)
        self._stream = self._container.streams[index]
        prepare(self._stream, {})

    def pictures(self, tally: Tally) -> Iterator[Decoded]:
        """Yield all pictures from the first to the last, counting damage in ``tally``."""
        self._begun = None
        self._reopen()
        return self._placed(self._frames(tally), tally)

    def scanned(self, tally: Tally) -> Iterator[Decoded]:
        """Yield the pictures at ``header.scanned``, counting damage in ``tally``; spare ones beside are not decoded."""
        begun, self._begun = self._begun, None
        if begun is None:
            self._reopen()
        frames = self._frames(tally, None, self._left_out) if begun is None else begun.continued(tally)
        wanted = frozenset(self._header.scanned)
        return (picture for picture in self._placed(frames, tally) if picture.index in wanted)

    def _placed(self, frames: Iterator[tuple[Any, bool]], tally: Tally) -> Iterator[Decoded]:
        last = -1
        for number, (frame, corrupt) in enumerate(frames):
            index = self._place.get(frame.pts, -1) if self._place else number
            if index <= last or index >= len(self._header.times):
                # A picture out of order or out of nowhere: damage, except behind the end of a counted source.
                tally.errors += int(index < len(self._header.times))
                continue
            last = index
            tally.errors += int(corrupt)
            yield Decoded(index, frame, corrupt)

    def _frames(
        self, tally: Tally, packets: Iterable[Any] | None = None, left_out: Collection[int] = ()
    ) -> Iterator[tuple[Any, bool]]:
        started = not self.packets.keys
        for packet in packets if packets is not None else demuxed(self._container, [self._stream]):
            if packet is None:
                tally.errors += 1
                continue
            started = started or packet.is_keyframe
            if not started or packet.pts in left_out:
                continue
            tally.errors += int(packet.is_corrupt)
            yield from self._decoded(packet, tally)
        yield from self._decoded(None, tally)

    def _decoded(self, packet: Any, tally: Tally) -> list[tuple[Any, bool]]:
        try:
            frames = self._stream.decode(packet)
        except MemoryError:
            raise
        except (FFmpegError, ValueError):
            tally.errors += 1
            return []
        return [(frame, bool(frame.is_corrupt)) for frame in frames]

    def chosen(self, wanted: Sequence[int]) -> Iterator[Decoded]:
        """Yield the pictures at the increasing places ``wanted``: seek to the key picture, decode up to each.

        Raises:
            Missed: one of them cannot be reached by seeking, or comes out damaged.
        """
        if not self._header.pts or not self.packets.keys:
            raise Missed
        pts, keys = self._header.pts, self.packets.keys
        running: Iterator[tuple[Any, bool]] | None = None
        seen = -1
        for index in wanted:
            key = max(0, bisect_right(keys, pts[index]) - 1)
            frame = None
            if running is not None and keys[key] <= seen:
                frame, seen = self._forward(running, pts[index], seen)
            # One key picture further back where the nearest does not lead to the picture (open GOP).
            for start in (key, key - 1):
                if frame is None and start >= 0:
                    running = self._from(keys[start])
                    frame, seen = self._forward(running, pts[index], -1)
            if frame is None:
                raise Missed
            yield Decoded(index, frame)

    def _from(self, pts: int) -> Iterator[tuple[Any, bool]]:
        self._begun = None
        with suppress(FFmpegError, ValueError):
            self._container.seek(pts, stream=self._stream, backward=True)
        self._stream.codec_context.flush_buffers()
        tally = Tally()
        for frame in self._frames(tally):
            if tally.errors:
                raise Missed
            yield frame

    @staticmethod
    def _forward(running: Iterator[tuple[Any, bool]], pts: int, seen: int) -> tuple[Any, int]:
        """Decode up to ``pts``; return its picture, or None, and the last time stamp that was seen."""
        for frame, corrupt in running:
            seen = max(seen, frame.pts if frame.pts is not None else seen)
            if frame.pts is not None and frame.pts >= pts:
                return (frame, seen) if frame.pts == pts and not corrupt else (None, seen)
        return None, seen
