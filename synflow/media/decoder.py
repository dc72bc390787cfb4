"""What every decoder promises: one narrow interface, and one conformance suite that holds all of them to it.

A decoder opens one source and gives a `Reader`. The reader knows the `Header`, for which it reads packets but
decodes at most one picture, and yields pictures in three ways: all of them in order, those of a scan in order, or
chosen ones by seeking.

Promises, checked by ``tests/media/test_media_decoders.py`` for each decoder:

- Pictures come in order of presentation; a picture's ``index`` is its place in ``header.times``.
- ``scanned()`` yields exactly the pictures that ``pictures()`` has at the places ``header.scanned``.
- ``chosen(wanted)`` yields exactly the pictures that ``pictures()`` has at these places, or raises `Missed`.
- A damaged packet costs itself and is counted where it is decoded; what decodes is kept.
- A reader never follows a reference to another file, and never uses more than one thread.
- Where a decoder would give wrong pictures it raises `Unsupported` when it opens the source.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synflow.errors import ClipFailure
from synflow.media.source import Source

DECODERS = {
    "pyav": "synflow.media.pyav_decoder:PyAvDecoder",
    "decord": "synflow.media.decord_decoder:DecordDecoder",
}
"""Decoders that a manifest may name; anything else is an import path ``module:Class``."""


class Missed(Exception):
    """Seeking did not arrive at a wanted picture; only a pass over the whole source can tell what is there."""


class Unsupported(ClipFailure):
    """The chosen decoder is known to give wrong pictures for such a source, and refuses it."""

    def __init__(self, decoder: str, what: str) -> None:
        super().__init__("unreadable", f"decoder {decoder} gives wrong pictures for {what}; use decoder pyav")

    def __reduce__(self) -> tuple[type[ClipFailure], tuple[str, str]]:
        """Cross process boundaries as the plain failure that it is."""
        return (ClipFailure, (self.reason, self.detail))


@dataclass(frozen=True)
class Header:
    """What is known of a source before its pictures are decoded.

    Attributes:
        width, height: of the stored picture, before pixel aspect and rotation.
        pixel_aspect: width of a pixel over its height.
        rotation: degrees clockwise that turn the stored picture upright: 0, 90, 180 or 270.
        mirrored: the stored picture is flipped upside down before it is turned.
        times: float64, shape ``[n]``: seconds from the first picture, not decreasing.
        pts: time stamps that belong to ``times``; empty where they are missing or not unique, so that pictures
            can only be told apart by counting.
        end: seconds at which the last picture ends.
        scanned: places of the pictures that a scan looks at (`synflow.media.grid.luma_grid`), increasing.
        missing: pictures that the container announces and that are not there (a truncated file).
    """

    container: str
    codec: str
    pix_fmt: str
    width: int
    height: int
    pixel_aspect: float
    rotation: int
    mirrored: bool
    bit_depth: int
    audio: bool
    times: npt.NDArray[np.float64]
    pts: tuple[int, ...]
    end: float
    scanned: tuple[int, ...]
    missing: int = 0

    @property
    def display(self) -> tuple[int, int]:
        """Width and height in display pixels: pixel aspect applied to the width, then turned upright."""
        width, height = max(1, round(self.width * self.pixel_aspect)), self.height
        return (height, width) if self.rotation in (90, 270) else (width, height)

    @property
    def fps(self) -> float:
        """Average pictures per second; 0 when unknown."""
        return len(self.times) / self.end if self.end > 0 else 0.0


@dataclass
class Tally:
    """Counts what went wrong during one pass over a source."""

    errors: int = 0


@dataclass(frozen=True)
class Decoded:
    """One decoded picture.

    Attributes:
        index: its place in ``header.times``.
        frame: an ``av.VideoFrame``, not yet scaled or turned.
        corrupt: the decoder says that parts of it are guessed.
    """

    index: int
    frame: Any
    corrupt: bool = False


class Reader(Protocol):
    """One opened source. It is used by one thread and closed by whoever opened it."""

    @property
    def header(self) -> Header:
        """What is known of the source before its pictures are decoded."""
        ...

    def pictures(self, tally: Tally) -> Iterator[Decoded]:
        """Yield all pictures from the first to the last, counting damage in ``tally``."""
        ...

    def scanned(self, tally: Tally) -> Iterator[Decoded]:
        """Yield the pictures at ``header.scanned``, counting damage in ``tally``; others need not be decoded."""
        ...

    def chosen(self, wanted: Sequence[int]) -> Iterator[Decoded]:
        """Yield the pictures at the increasing places ``wanted``.

        Raises:
            Missed: one of them cannot be reached by seeking, or comes out damaged.
        """
        ...

    def close(self) -> None:
        """Give back files and memory."""
        ...


class Decoder(Protocol):
    """Opens sources."""

    def open(self, source: Source) -> Reader:
        """Return a reader of ``source``.

        Raises:
            synflow.errors.ClipFailure: ``no-video`` or ``unreadable``.
        """
        ...


def load_decoder(name: str) -> Decoder:
    """Return the decoder ``name``: one of `DECODERS`, or an import path ``module:Class``.

    Raises:
        ImportError: there is no such module or class; the message names it.
    """
    module, _, attribute = DECODERS.get(name, name).partition(":")
    if not attribute:
        raise ImportError(f"unknown decoder {name}: expected {', '.join(DECODERS)} or module:Class")
    found = getattr(importlib.import_module(module), attribute, None)
    if found is None:
        raise ImportError(f"module {module} has no class {attribute}")
    decoder: Decoder = found()
    return decoder
