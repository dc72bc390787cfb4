"""`MediaSession`: how the stages of one shard get their pictures, each decoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from synflow.asks import Picture
from synflow.errors import ClipFailure
from synflow.ids import digest, digest_of_frames
from synflow.media.grid import thinned
from synflow.media.light import luma_of
from synflow.media.sandbox import Sandbox
from synflow.pictures import Scan, Stills
from synflow.records import Crop, Facts, Location, Sample

SCAN_BYTES = 256 << 20
"""Most bytes of scans that are kept for stages to come; what is over is decoded again when asked for."""

STILL_BYTES = 256 << 20
"""Most bytes of stills that are kept."""

_Held = TypeVar("_Held")


class Shelf(OrderedDict[Any, _Held]):
    """Keeps what was used last, up to a number of bytes, but always the newest."""

    def __init__(self, limit: int, weigh: Callable[[_Held], int]) -> None:
        super().__init__()
        self._limit, self._weigh = limit, weigh

    def take(self, key: Any) -> _Held | None:
        """Return what is kept under ``key``, as the newest."""
        if key in self:
            self.move_to_end(key)
            return self[key]
        return None

    def put(self, key: Any, value: _Held) -> _Held:
        """Keep ``value``, and let go of the oldest where there is too much."""
        self[key] = value
        while len(self) > 1 and sum(self._weigh(held) for held in self.values()) > self._limit:
            self.popitem(last=False)
        return value


class MediaSession:
    """Pictures of the samples of one shard; implements `synflow.contract.Media`.

    What was read of a record is kept until it is released, and so is its failure: a source that cannot be used
    is not tried again by the next stage.

    Attributes:
        looks: how often pictures were asked for.
        decoded: records of which pictures were decoded from their source.

    Args:
        locations: record id -> where its source lies.
        sandbox: decodes; it is not closed by the session.
        stills: pictures that stand for a clip (twice ``media.frames``).
        short_side: of the stills, in pixels; smaller sources are not enlarged.
        jpeg_quality: 1 to 100.
        stores: whether all pictures of a clip that stays will be asked for, to be stored.
        probed: is told what the probe of each record said.
        stored: returns the JPEGs of ``sample.frames`` that an earlier pass stored; it is asked for samples
            whose ``frames_object`` is set.
    """

    def __init__(
        self,
        locations: Mapping[str, Location],
        sandbox: Sandbox,
        *,
        stills: int = 16,
        short_side: int = 360,
        jpeg_quality: int = 90,
        stores: bool = False,
        stored: Callable[[Sample], Sequence[bytes]] | None = None,
        probed: Callable[[str, Facts], None] | None = None,
    ) -> None:
        self._probed, self._stores = probed, stores
        self._locations, self._sandbox, self._stored = locations, sandbox, stored
        self._count, self._short_side, self._quality = stills, short_side, jpeg_quality
        self._failures: dict[tuple[str, ...], ClipFailure] = {}
        self.looks = 0
        self.decoded: set[str] = set()
        self._facts: dict[str, Facts] = {}
        self._scans: Shelf[Scan] = Shelf(SCAN_BYTES, lambda scan: scan.luma.nbytes + scan.color.nbytes)
        self._stills: Shelf[Stills] = Shelf(STILL_BYTES, lambda stills: stills.rgb.nbytes)

    def facts(self, sample: Sample) -> Facts:
        """Return what probing the source tells."""
        record = sample.record_id
        if record not in self._facts:
            self._facts[record] = self._guarded((record,), lambda: self._sandbox.facts(self._location(record)))
        if self._probed is not None:
            self._probed(record, self._facts[record])
        return self._facts[record]

    def scan(self, sample: Sample) -> Scan:
        """Return the scan of the whole source, without the bars of ``sample``; the first call decodes it."""
        record = sample.record_id
        self.looks += 1
        scan = self._scans.take(record)
        if scan is None:
            self.decoded.add(record)
            scan = self._guarded((record,), lambda: self._sandbox.scan(self._location(record), self._short_side))
            self._scans.put(record, scan)
        return scan.cropped(sample.crop) if sample.crop else scan

    def stills(self, sample: Sample) -> Stills:
        """Return the pictures that stand for the clip of ``sample``, or for its asked span where it has none."""
        self.looks += 1
        if sample.frames_object and self._stored is not None:
            key: tuple[str, ...] = (sample.record_id, sample.frames_object, sample.frames_digest)
            held = self._stills.take(key)
            return held if held is not None else self._stills.put(key, restored(sample, self._stored(sample)))
        start, end = self._span(sample)
        key = (sample.record_id, repr(start), repr(end), repr(sample.crop))
        held = self._stills.take(key)
        return held if held is not None else self._stills.put(key, self._decoded(sample, start, end))

    def glance(self, sample: Sample, count: int) -> npt.NDArray[np.uint8]:
        """Return the brightness of ``count`` of the pictures of `stills`, evenly spread, uint8 ``[count, h, w]``."""
        start, end = self._span(sample)
        key = (sample.record_id, repr(start), repr(end), repr(None))
        if self._stores or sample.frames_object or key in self._stills or (*key[:3], repr(sample.crop)) in self._stills:
            rgb = self.stills(sample).rgb
            return np.stack([luma_of(rgb[place]) for place in thinned(len(rgb), count)])
        self.looks += 1
        self.decoded.add(sample.record_id)
        location = self._location(sample.record_id)
        bright = self._guarded(
            key, lambda: self._sandbox.glance(location, start, end, self._count, self._short_side, count)
        )
        return inner_of(bright, sample.crop) if sample.crop else bright

    def _decoded(self, sample: Sample, start: float, end: float) -> Encoded:
        """Return the stills of a span from the source, without the bars of ``sample``."""
        key = (sample.record_id, repr(start), repr(end), repr(None))
        whole = self._stills.take(key)
        if not isinstance(whole, Encoded):
            self.decoded.add(sample.record_id)
            location = self._location(sample.record_id)
            times, rgb = self._guarded(
                key, lambda: self._sandbox.stills(location, start, end, self._count, self._short_side)
            )
            whole = Encoded(times, rgb, self._quality)
        return whole.cropped(sample.crop) if sample.crop else whole

    def clip(self, sample: Sample, start: float, end: float) -> bytes:
        """Return ``[start, end)`` seconds of the source as H.264 in mp4, at the size of the stills, without bars."""
        location, crop = self._location(sample.record_id), sample.crop
        key = (sample.record_id, "clip", repr(start), repr(end))
        self.decoded.add(sample.record_id)
        return self._guarded(key, lambda: self._sandbox.clip(location, start, end, self._short_side, crop))

    def expect(self, record_id: str, facts: Facts) -> None:
        """Take ``facts`` for what probing the source would tell, until the record is released."""
        self._facts[record_id] = facts

    def unprobed(self) -> list[str]:
        """Return the records of which the source cannot be used at all."""
        return [key[0] for key in self._failures if len(key) == 1]

    def release(self, record_id: str) -> None:
        """Forget what was read of a record; its failure stays known."""
        self._facts.pop(record_id, None)
        self._scans.pop(record_id, None)
        for key in [key for key in self._stills if key[0] == record_id]:
            del self._stills[key]

    def _location(self, record_id: str) -> Location:
        return self._locations[record_id]

    def _span(self, sample: Sample) -> tuple[float, float]:
        if sample.clip is not None:
            return sample.clip.start, sample.clip.end
        return sample.start or 0.0, sample.end if sample.end is not None else self.facts(sample).duration

    def _guarded(self, key: tuple[str, ...], ask: Callable[[], _Held]) -> _Held:
        """Return what ``ask`` gives; remember its failure under ``key``, or for the whole record."""
        known = self._failures.get(key[:1]) or self._failures.get(key)
        if known is not None:
            raise ClipFailure(known.reason, known.detail)
        try:
            return ask()
        except ClipFailure as failure:
            # A source that kills or stalls the decoder is left alone altogether.
            whole = failure.reason.startswith("decode-")
            self._failures[key[:1] if whole else key] = ClipFailure(failure.reason, failure.detail)
            raise


class Encoded(Stills):
    """Stills that are written as JPEG when they are first asked for: a clip that is dropped before never needs them."""

    def __init__(self, times: Sequence[float], rgb: npt.NDArray[np.uint8], quality: int) -> None:
        vars(self).update(rgb=rgb, _times=tuple(float(time) for time in times), _quality=quality)

    def cropped(self, crop: Crop) -> Encoded:
        """Return the same pictures without what lies outside ``crop``."""
        return Encoded(vars(self)["_times"], inner_of(self.rgb, crop), vars(self)["_quality"])

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """The JPEGs with their times."""
        return tuple(_jpeg(*one, vars(self)["_quality"]) for one in zip(vars(self)["_times"], self.rgb, strict=True))

    @cached_property
    def digest(self) -> str:
        """The digest of the digests of the JPEGs."""
        return digest_of_frames(picture.digest for picture in self.pictures)


def inner_of(pictures: npt.NDArray[np.uint8], crop: Crop) -> npt.NDArray[np.uint8]:
    """Return pictures (uint8 ``[n, h, w, 3]`` or ``[n, h, w]``) without what lies outside ``crop``."""
    rows, columns = crop.box(*pictures.shape[1:3])
    return np.ascontiguousarray(pictures[:, rows, columns])


def _jpeg(time: float, rgb: npt.NDArray[np.uint8], quality: int) -> Picture:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ClipFailure("unreadable", f"picture at {time:g} s cannot be written as JPEG")
    jpeg = data.tobytes()
    return Picture(jpeg, digest(jpeg), round(time, 6))


def restored(sample: Sample, jpegs: Sequence[bytes]) -> Stills:
    """Return the stills of ``sample`` from the JPEGs that an earlier pass stored.

    Raises:
        ClipFailure: ``unreadable``: one of them is no picture.
    """
    pictures, rgb = [], []
    for frame, jpeg in zip(sample.frames, jpegs, strict=True):
        pixels = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ClipFailure("unreadable", f"stored frame {frame.index} is no picture")
        pictures.append(Picture(jpeg, frame.digest, frame.time))
        rgb.append(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    return Stills(tuple(pictures), np.stack(rgb), digest_of_frames(p.digest for p in pictures))
