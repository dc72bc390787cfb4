"""What can be told of a source from its container and packets, before its pictures are decoded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from synflow.errors import ClipFailure
from synflow.media.decoder import Header
from synflow.media.grid import luma_grid
from synflow.media.references import References
from synflow.media.source import Source

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif"
"""Containers that hold their own pictures. No playlist, no concat, no image sequence: those open other files."""

PROTOCOLS = "none"
"""The library reads through a `Source`; no protocol of its own may open anything."""

OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": PROTOCOLS}

PATIENCE = 64
"""Failures of the demuxer in a row after which the rest of a source is given up."""

HELD = 64 << 20
"""Most bytes of packets that are kept from the first pass over a source for its first decode."""

SLACK = 0.5
"""Seconds by which pictures may end before the length that the container announces."""

FALLBACK_RATE = 25.0
"""Pictures per second assumed where neither packets nor header tell."""


@dataclass(frozen=True)
class Packets:
    """What the packets of the video stream tell.

    Attributes:
        pts: of the packets that will be shown, in order of presentation; empty unless complete and unique.
        keys: pts of the packets where decoding can start.
        count: packets that will be shown. ``last``: seconds at which the last packet of any stream ends.
        discards: packets that are decoded but not shown (an edit list cuts them off).
        leading: packets shown before the key picture that precedes them in the file (open GOP).
        spare: pts of the pictures that no other refers to.
    """

    pts: tuple[int, ...]
    keys: tuple[int, ...]
    durations: dict[int, int]
    count: int
    last: float
    discards: int
    leading: int
    spare: frozenset[int]


def open_container(source: Source) -> Any:
    """Return the opened ``av`` input container of ``source``.

    Raises:
        ClipFailure: ``unreadable``.
    """
    source.seek(0)
    try:
        return av.open(source, "r", options=dict(OPTIONS), metadata_errors="ignore", buffer_size=1 << 16)
    except MemoryError:
        raise
    except (FFmpegError, ValueError) as error:
        raise ClipFailure("unreadable", f"cannot be probed: {said(error)}") from error


def said(error: Exception) -> str:
    """Return what the library says of ``error``, without names of files and numbers of lines."""
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(told).splitlines()[0].lower()


def video_stream(container: Any) -> Any:
    """Return the video stream to use: the best one, but no cover picture.

    Raises:
        ClipFailure: ``no-video``.
    """
    streams = [s for s in container.streams.video if s.codec_context is not None and not _is_cover(s)]
    best = container.streams.best("video")
    if best is not None and any(s.index == best.index for s in streams):
        return best
    if streams:
        return streams[0]
    if container.streams.video and any(s.codec_context is None for s in container.streams.video):
        raise ClipFailure("unreadable", "no decoder for its video codec")
    raise ClipFailure("no-video", "no video stream")


def _is_cover(stream: Any) -> bool:
    return "attached_pic" in str(stream.disposition).lower()


def demuxed(container: Any, streams: Any) -> Iterator[Any]:
    """Yield packets, going on behind damage until `PATIENCE` is lost; ``None`` stands for a failure."""
    failures = 0
    while failures < PATIENCE:
        try:
            for packet in container.demux(streams):
                if packet.size or packet.pts is not None:
                    failures = 0
                    yield packet
        except MemoryError:
            raise
        except (FFmpegError, ValueError):
            failures += 1
            yield None
        else:
            return


class Spool:
    """What a pass over the packets of a stream came to, in order: decoding then needs no second pass.

    Attributes:
        found: packets, and None for each failure of the demuxer; None once they are too large to be kept.
    """

    def __init__(self, most: int = HELD) -> None:
        self.found: list[Any] | None = []
        self._left = most

    def add(self, packet: Any) -> None:
        """Keep ``packet``, or None for a failure."""
        if self.found is None:
            return
        self._left -= packet.size if packet is not None else 0
        if self._left < 0:
            self.found = None
        else:
            self.found.append(packet)


def scan_packets(container: Any, stream: Any, spool: Spool | None = None) -> Packets:
    """Read all packets of ``container`` and return what those of ``stream`` tell; keep them in ``spool``."""
    spool = spool or Spool(0)
    shown: list[int | None] = []
    keys: list[int] = []
    durations: dict[int, int] = {}
    discards = leading = 0
    ends: dict[int, int] = {}
    key: int | None = None
    stream_index = stream.index
    context = stream.codec_context
    references = References(context.codec.canonical_name, context.extradata)
    for packet in demuxed(container, [s for s in container.streams if s.type in ("video", "audio")]):
        if packet is None:
            spool.add(None)
            continue
        pts, place = packet.pts, packet.stream_index
        if place == stream_index:
            spool.add(packet)
        if pts is not None:
            ends[place] = max(ends.get(place, 0), pts + (packet.duration or 0))
        if place != stream_index or not packet.size:
            continue
        if packet.is_keyframe and pts is not None:
            key = pts
            keys.append(key)
        if packet.is_discard:
            discards += 1
            continue
        if key is not None and pts is not None and pts < key:
            leading += 1
        references.note(packet)
        shown.append(pts)
        if pts is not None:
            durations[pts] = packet.duration or 0
    if keys:
        # What comes before the first key picture cannot be decoded; nor can what leads it in an open GOP.
        shown = [pts for pts in shown if pts is None or pts >= keys[0]]
    known = [pts for pts in shown if pts is not None]
    exact = len(known) == len(shown) and len(set(known)) == len(known)
    return Packets(
        pts=tuple(sorted(known)) if exact else (),
        keys=tuple(sorted(set(keys))),
        durations=durations,
        count=len(shown),
        last=max(
            (ticks * float(container.streams[place].time_base or 0) for place, ticks in ends.items()), default=0.0
        ),
        discards=discards,
        leading=leading,
        spare=references.spare,
    )


def read_header(container: Any, stream: Any, packets: Packets, timeline: Timeline, first: Any) -> Header:
    """Return the header that container, packets, their timeline and ``first`` decoded picture (or None) make.

    Raises:
        ClipFailure: ``no-video``: no picture is announced; ``unreadable``: none has a size.
    """
    if not packets.count:
        if stream.frames > 1:
            raise ClipFailure("unreadable", f"{stream.frames} pictures announced, none is there")
        raise ClipFailure("no-video", "no picture announced")
    if first is None:
        raise ClipFailure("unreadable", "no picture can be decoded")
    rotation, mirrored = orientation(first)
    pix_fmt = first.format.name
    return Header(
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        pix_fmt=pix_fmt,
        width=first.width,
        height=first.height,
        pixel_aspect=_aspect(stream.sample_aspect_ratio),
        rotation=rotation,
        mirrored=mirrored,
        bit_depth=max((c.bits for c in first.format.components), default=8),
        audio=bool(container.streams.audio),
        times=timeline.times,
        pts=packets.pts,
        end=timeline.end,
        scanned=timeline.scanned,
        missing=_missing(container, stream, packets, timeline.end),
    )


@dataclass(frozen=True)
class Timeline:
    """When the pictures of a source are shown; see `synflow.media.decoder.Header` for units.

    Attributes:
        left_out: pts of the spare pictures that a scan does without.
    """

    times: npt.NDArray[np.float64]
    end: float
    scanned: tuple[int, ...]
    left_out: frozenset[int]


def read_timeline(stream: Any, packets: Packets) -> Timeline:
    """Return when the pictures are shown; none is left out of a scan where they have no time stamps of their own."""
    times, end = _clock(stream, packets)
    spare = [place for place, pts in enumerate(packets.pts) if pts in packets.spare]
    scanned = tuple(luma_grid(times, spare))
    left_out = frozenset(packets.pts[place] for place in set(spare).difference(scanned))
    return Timeline(times, end, scanned, left_out)


def _clock(stream: Any, packets: Packets) -> tuple[Any, float]:
    """Return the times of the pictures and the end of the last one, in seconds."""
    if packets.pts:
        base, first = float(stream.time_base), packets.pts[0]
        times = np.round((np.asarray(packets.pts, dtype=np.float64) - first) * base, 6)
        last = packets.durations.get(packets.pts[-1], 0) * base
        if last <= 0:
            last = float(np.median(np.diff(times))) if len(times) > 1 else 1 / _rate(stream)
        return times, round(float(times[-1]) + last, 6)
    rate = _rate(stream)
    return np.round(np.arange(packets.count, dtype=np.float64) / rate, 6), round(packets.count / rate, 6)


def _rate(stream: Any) -> float:
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and 0.01 <= float(rate) <= 1000 else FALLBACK_RATE


def _aspect(ratio: Fraction | None) -> float:
    """Return the pixel aspect, or 1 where it is missing or absurd (damage in the header)."""
    value = float(ratio) if ratio else 1.0
    return round(value, 6) if 1 / 8 <= value <= 8 else 1.0


def _missing(container: Any, stream: Any, packets: Packets, end: float) -> int:
    """Return how many pictures the container announces beyond its last packet; 0 for a whole file."""
    gap = 0.0
    if "matroska" in container.format.name and container.duration:
        # The length covers all streams, so a sound track that goes on is no damage.
        gap = container.duration / 1e6 - packets.last
    elif "mp4" in container.format.name and stream.duration and stream.time_base:
        gap = float(stream.duration * stream.time_base) - end
    if gap <= max(SLACK, 2 * end / packets.count):
        return 0
    return max(1, round(gap * packets.count / end)) if end > 0 else 1


def orientation(frame: Any) -> tuple[int, bool]:
    """Return (degrees clockwise, mirrored) that make ``frame`` upright; see `Header`."""
    clockwise = round(-frame.rotation / 90) * 90 % 360
    mirrored = False
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX" and data.buffer_size >= 36:
            a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].astype(np.int64)
            mirrored = bool(a * d - b * c < 0)
    return clockwise, mirrored


def first_picture(container: Any, stream: Any, options: dict[str, str]) -> Any:
    """Return the first picture that decodes, or None. It is needed for orientation and pixel format only."""
    prepare(stream, options)
    for packet in itertools.chain(itertools.islice(demuxed(container, [stream]), 256), (None,)):
        try:
            frames = stream.decode(packet)
        except MemoryError:
            raise
        except (FFmpegError, ValueError):
            continue
        if frames:
            return frames[0]
    return None


def prepare(stream: Any, options: dict[str, str]) -> None:
    """Set what must be set before the decoder of ``stream`` starts."""
    context = stream.codec_context
    context.thread_type = "NONE"
    context.thread_count = 1
    # Damage in HEVC shows only this way; elsewhere it would throw away pictures that can be concealed.
    wanted = {"err_detect": "explode"} if context.codec.canonical_name == "hevc" else {}
    context.options = {**wanted, **options}
