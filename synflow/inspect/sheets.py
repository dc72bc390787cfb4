"""Contact sheets: the frames of a clip beside each other as one JPEG, from a pair's shard or from the source itself.

What was dropped is stored nowhere, so its frames are decoded from the source, if that still lies where the run read
it, by the same guarded child as in the run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from synflow.errors import ClipFailure
from synflow.inspect.films import film_frames
from synflow.inspect.sampler import Stored
from synflow.inspect.strip import Pixels, decode
from synflow.records import Location
from synflow.store.layout import RunLayout

if TYPE_CHECKING:
    from synflow.media.sandbox import Sandbox

HEIGHT = 120
"""Pixels of the height of a frame on a sheet."""

WIDEST = 240
QUALITY = 72
REJECT_FRAMES = 4


@dataclass(frozen=True)
class Sheet:
    """Frames beside each other, or why there are none.

    Attributes:
        jpeg: one picture of ``frames`` frames of ``width`` x ``height``; empty where there is ``trouble``.
        times: seconds in the source, one a frame, where they are known.
    """

    jpeg: bytes
    frames: int
    width: int
    height: int
    times: tuple[float, ...] = ()
    trouble: str = ""


def missing(trouble: str) -> Sheet:
    """Return the tile of a picture that is not there."""
    return Sheet(b"", 0, 0, 0, (), trouble)


def sheet(frames: Sequence[Pixels], times: Sequence[float] = (), height: int = HEIGHT) -> Sheet:
    """Return frames (RGB, ``[h, w, 3]``, any sizes) as one picture; all of them get the shape of the first."""
    if not frames:
        return missing("no picture")
    tall, wide = frames[0].shape[:2]
    width = max(16, min(round(height * wide / max(tall, 1)), WIDEST * height // HEIGHT))
    small = [cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA) for one in frames]
    joined = np.ascontiguousarray(np.concatenate(small, axis=1)[:, :, ::-1])
    done, data = cv2.imencode(".jpg", joined, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        return missing("cannot be encoded")
    return Sheet(bytes(data), len(frames), width, height, tuple(round(float(time), 2) for time in times))


def pair_sheet(pair: Stored, side: str, height: int = HEIGHT, sandbox: Sandbox | None = None) -> Sheet | None:
    """Return the pictures of one side of a pair; None where that side has none."""
    told = pair.record.get(side)
    told = told if isinstance(told, dict) else {}
    video, image = told.get("video"), told.get("image")
    times: list[float] = []
    if isinstance(video, dict):
        times = [float(time) for time in video.get("times", ()) if isinstance(time, (int, float))]
    elif isinstance(image, dict) and isinstance(image.get("time"), (int, float)):
        times = [float(image["time"])]
    if side in pair.films:
        frames, trouble = film_frames(pair.path, *pair.films[side], count=max(len(times), 1), sandbox=sandbox)
        return sheet(frames, times, height) if frames else missing(trouble or "cannot be drawn")
    if side in pair.pictures:
        decoded = [decode(jpeg) for jpeg in pair.pictures[side]]
        sound = [rgb for rgb in decoded if rgb is not None]
        return sheet(sound, times if len(sound) == len(decoded) else (), height) if sound else missing("damaged")
    return missing("is not in the shard") if video or image else None


def planned(root: Path, records: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return some input records as the plan froze them: record id -> record."""
    wanted = set(records)
    found: dict[str, dict[str, Any]] = {}
    try:
        with RunLayout(root).plan.open("rb") as lines:
            for line in lines:
                if len(found) == len(wanted):
                    break
                for record in _inputs(line):
                    if record["record_id"] in wanted:
                        found[str(record["record_id"])] = record
    except FileNotFoundError:
        return {}
    return found


def _inputs(line: bytes) -> Iterable[dict[str, Any]]:
    try:
        inputs = json.loads(line)["inputs"]
    except (ValueError, KeyError, TypeError):
        return ()
    return [one for one in inputs if isinstance(one, dict) and isinstance(one.get("record_id"), str)]


class Sources:
    """Draws sheets of clips from their sources.

    Args:
        frames: pictures of each.
    """

    def __init__(self, frames: int = REJECT_FRAMES) -> None:
        from synflow.media.sandbox import Sandbox

        self.sandbox = Sandbox()
        self._frames = frames

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoding child."""
        self.sandbox.close()

    def sheet(self, record: dict[str, Any] | None, span: tuple[float, float] | None, height: int = HEIGHT) -> Sheet:
        """Return pictures of ``span`` seconds of a source, or of all of it, uniform."""
        place = (record or {}).get("location")
        if not isinstance(place, dict):
            return missing("the plan does not tell where the source is")
        location = Location.model_validate(place)
        if location.url:
            return missing("the source is on the web")
        if not Path(location.path).is_file():
            return missing("the source is no longer where it was")
        try:
            start, end = span or (0.0, self.sandbox.facts(location).duration)
            times, pictures = self.sandbox.stills(location, start, end, self._frames, height)
        except ClipFailure as failure:
            return missing(f"cannot be decoded: {failure.reason}")
        return sheet([np.asarray(picture, np.uint8) for picture in pictures], times, height)
