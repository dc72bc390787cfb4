"""Pictures of queries and items: folders of frames, picture files, videos, and what lies in the shards of a run."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import cv2
import numpy as np

from synflow.asks import Item, Picture
from synflow.errors import ClipFailure
from synflow.evaluate.collection import Entry
from synflow.ids import digest, digest_of, digest_stream
from synflow.records import Location
from synflow.store.reader import Dataset, StoredSide

if TYPE_CHECKING:
    from synflow.media.sandbox import Sandbox

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SHORT_SIDE = 360
QUALITY = 95


class Decoder:
    """The guarded child that decodes videos; started with the first one."""

    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None

    def pictures(self, path: Path, frames: int) -> tuple[Picture, ...]:
        """Return pictures of a video, uniform over its whole length.

        Raises:
            ClipFailure: it cannot be decoded.
        """
        from synflow.media.sandbox import Sandbox

        if self._sandbox is None:
            self._sandbox = Sandbox()
        location = Location(path=str(path.resolve()))
        facts = self._sandbox.facts(location)
        times, shown = self._sandbox.stills(location, 0.0, facts.duration, frames, SHORT_SIDE)
        return tuple(
            _encoded(np.asarray(rgb, np.uint8)[..., ::-1], time) for rgb, time in zip(shown, times, strict=True)
        )

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None


@dataclass(frozen=True, slots=True)
class FrameFiles:
    """A video as picture files, or a single picture.

    Attributes:
        folder: whose pictures, in the order of the numbers in their names, are the video; None: ``files`` are.
        seconds: from one file to the next, as nothing in the layout tells it.
    """

    folder: Path | None
    files: tuple[Path, ...] = ()
    seconds: float = 1.0

    def _chosen(self, frames: int) -> list[tuple[Path, float]]:
        files = list(self.files) if self.folder is None else picture_files(self.folder)
        if not files:
            raise ClipFailure("unreadable", f"no pictures in {self.folder}")
        return [(files[place], place * self.seconds) for place in uniform(len(files), frames)]

    def digest(self, frames: int) -> str:
        """Return the digest of the files that are shown."""
        return digest_of([digest(_read(path)) for path, _ in self._chosen(frames)])

    def pictures(self, frames: int) -> tuple[Picture, ...]:
        """Return the pictures; other formats are turned into JPEG."""
        return tuple(_as_jpeg(_read(path), time, path) for path, time in self._chosen(frames))


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video that is decoded."""

    path: Path
    decoder: Decoder

    def digest(self, frames: int) -> str:
        """Return the digest of the file and of how it is sampled."""
        try:
            with self.path.open("rb") as stream:
                return digest_of([digest_stream(stream)[0], frames, SHORT_SIDE])
        except OSError as error:
            raise ClipFailure("unreadable", f"{self.path}: {error.strerror}") from error

    def pictures(self, frames: int) -> tuple[Picture, ...]:
        """Return pictures, uniform over the video."""
        return self.decoder.pictures(self.path, frames)


@dataclass(frozen=True, slots=True)
class Stored:
    """The pictures of one side of a pair, as its shard holds them."""

    dataset: Dataset
    place: int
    side: str
    known: str
    decoder: Decoder

    def digest(self, frames: int) -> str:
        """Return the digest that the pair names."""
        return digest_of([self.known, frames])

    def pictures(self, frames: int) -> tuple[Picture, ...]:
        """Return the picture, or those of the video, thinned to ``frames``."""
        pair = self.dataset[self.place]
        side: StoredSide = pair.query if self.side == "query" else pair.target
        if side.clip is not None:
            with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
                file.write(side.clip)
                file.flush()
                return self.decoder.pictures(Path(file.name), frames)
        if side.image is not None:
            return (Picture(side.image, digest(side.image), 0.0),)
        return tuple(
            Picture(side.frames[i], digest(side.frames[i]), side.times[i]) for i in uniform(len(side.frames), frames)
        )


@dataclass(frozen=True, slots=True)
class Backwards:
    """A video played from its end to its beginning: the same pictures, at the times of the others."""

    video: FrameFiles | VideoFile | Stored

    def digest(self, frames: int) -> str:
        """Return the digest of the video, and that it is turned."""
        return digest_of(["backwards", self.video.digest(frames)])

    def pictures(self, frames: int) -> tuple[Picture, ...]:
        """Return the pictures, the last one first."""
        shown = self.video.pictures(frames)
        return tuple(replace(one, time=other.time) for one, other in zip(shown[::-1], shown, strict=True))


@dataclass(frozen=True)
class Loader:
    """Turns entries into what an embedder gets.

    Attributes:
        frames: of a video, uniform over it.
    """

    frames: int = 8

    def item(self, entry: Entry) -> Item | None:
        """Return an entry ready to be embedded; None where its pictures cannot be read, or there is nothing."""
        try:
            pictures = entry.media.pictures(self.frames) if entry.media is not None else ()
        except ClipFailure:
            return None
        if (entry.media is not None and not pictures) or not (entry.text or pictures):
            return None
        return Item(entry.text, pictures, entry.instruction)

    def keys(self, entries: Sequence[Entry]) -> tuple[list[str], list[str]]:
        """Return what the vectors of entries are known by, and the ids of those whose pictures cannot be read.

        A key is the digest of text, instruction and the bytes of what is shown.
        """
        keys, unreadable = [], []
        for entry in entries:
            shown = ""
            try:
                shown = entry.media.digest(self.frames) if entry.media is not None else ""
            except ClipFailure:
                shown = "nothing"
                unreadable.append(entry.id)
            keys.append(digest_of([entry.text or "", entry.instruction, shown]))
        return keys, unreadable


def uniform(count: int, wanted: int) -> list[int]:
    """Return the places of ``wanted`` of ``count`` things: the middles of equal parts; all where there are fewer."""
    if count <= wanted:
        return list(range(count))
    return [int((2 * i + 1) * count / (2 * wanted)) for i in range(wanted)]


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of the numbers in their names: ``2.jpg`` before ``10.jpg``."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES]
    except OSError:
        return []
    return sorted(found, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts: Sequence[str] = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClipFailure("unreadable", f"{path}: {error.strerror}") from error


def _as_jpeg(data: bytes, time: float, path: Path) -> Picture:
    if data.startswith(b"\xff\xd8"):
        return Picture(data, digest(data), time)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise ClipFailure("unreadable", f"{path} is no picture")
    return _encoded(np.asarray(bgr, np.uint8), time)


def _encoded(bgr: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], time: float) -> Picture:
    _, made = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    jpeg = made.tobytes()
    return Picture(jpeg, digest(jpeg), time)
