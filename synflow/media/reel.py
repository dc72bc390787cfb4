"""One opened source in the decoding child: scanned once, its stills then need no further decode."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.boxes import Edges
from synflow.errors import ClipFailure
from synflow.media import grid
from synflow.media.combing import combed_share
from synflow.media.decoder import Decoded, Missed, Reader, Tally
from synflow.media.encoder import Encoder
from synflow.media.render import Pixels, Renderer, cut_to


@dataclass(frozen=True)
class Scanned:
    """What one pass over a source left; see `synflow.contract.Scan` for shapes and units."""

    times: list[float]
    until: list[float]
    luma: Pixels
    color_times: list[float]
    color: list[Pixels]
    errors: int
    end: float
    combing: list[float]


class Reel:
    """The pictures of one source, at one size of stills.

    Which pictures stills are made of is settled by `synflow.media.grid` before any is decoded. `stills`
    takes them from what the scan kept, or else seeks to the very same ones; only where the source is damaged
    there does it go through the whole source.
    """

    def __init__(self, reader: Reader, short_side: int) -> None:
        self.reader = reader
        self.short_side = short_side
        self._renderer = Renderer(reader.header, short_side)
        self._times = reader.header.times
        width, height = self._renderer.still_size
        self._grid = grid.still_grid(self._times, reader.header.scanned, width * height * 3 // 2)
        self._kept: dict[int, Any] | None = None

    def scan(self) -> Scanned:
        """Decode the source once, but for spare pictures between others; keep those of the grid for `stills`.

        Raises:
            ClipFailure: ``unreadable``: nothing decodes.
        """
        header, render = self.reader.header, self._renderer
        tally, wanted = Tally(header.missing), set(self._grid)
        tinted = set(grid.color_grid(self._times, header.scanned))
        places: list[int] = []
        # One array from the start: stacking pictures afterwards would write all of them twice.
        luma = np.empty((len(header.scanned), *render.luma_size[::-1]), np.uint8)
        color_places: list[int] = []
        color: list[Pixels] = []
        combing: list[float] = []
        kept: dict[int, Any] = {}
        for picture in self.reader.scanned(tally):
            render.luma(picture.frame, luma[len(places)])
            places.append(picture.index)
            if picture.index in tinted:
                color_places.append(picture.index)
                color.append(render.color(picture.frame))
                combing.append(combed_share(picture.frame))
            if picture.index in wanted:
                kept[picture.index] = render.still(picture.frame)
        if not places:
            raise ClipFailure("unreadable", f"none of {len(self._times)} pictures can be decoded")
        self._kept = kept
        nexts = np.append(self._times[1:], header.end)
        return Scanned(
            self._times[places].tolist(), nexts[places].tolist(), luma[: len(places)],
            self._times[color_places].tolist(), color, tally.errors, header.end, combing,
        )  # fmt: skip

    def stills(self, start: float, end: float, count: int, few: int | None = None) -> tuple[list[float], list[Pixels]]:
        """Return times and upright RGB pictures of at most ``count`` stills of ``[start, end)``.

        Of them, only ``few`` are returned where that is asked for, evenly spread.

        Raises:
            ClipFailure: ``unreadable``: no picture of the span can be decoded.
        """
        places = grid.candidates(self._times, self._grid, start, end, count)
        wanted = grid.choose(self._times, places, start, end, count)
        found = self._find(wanted)
        if len(found) < len(wanted):
            # Damage: choose again among the pictures of the grid that there are, or keep what was found.
            held = self._held()
            again = grid.choose(self._times, [k for k in places if k in held], start, end, count)
            found = {k: held[k] for k in again} if len(again) > len(found) else found
        if not found:
            raise ClipFailure("unreadable", f"no picture between {start:g} and {end:g} s can be decoded")
        order = sorted(found)
        if few is not None:
            order = [order[place] for place in grid.thinned(len(order), few)]
        return [float(self._times[k]) for k in order], [self._renderer.rgb(found[k]) for k in order]

    def clip(self, start: float, end: float, edges: Edges | None = None) -> bytes:
        """Return ``[start, end)`` as H.264 in mp4, at the size of the stills or of what lies within ``edges``.

        Raises:
            ClipFailure: ``unreadable``: no picture of the span can be decoded.
        """
        places = grid.inside(self._times, range(len(self._times)), start, end)
        try:
            return self._encode(self.reader.chosen(places), set(places), edges)
        except Missed:
            return self._encode(self.reader.pictures(Tally()), set(places), edges)

    def _encode(self, pictures: Iterable[Decoded], places: set[int], edges: Edges | None) -> bytes:
        encoder = None
        for picture in pictures:
            if picture.index in places:
                upright = self._renderer.upright(self._renderer.still(picture.frame))
                upright = cut_to(edges, upright) if edges else upright
                size = upright.width, upright.height
                encoder = encoder or Encoder(size, float(self._times[picture.index]), self.reader.header.fps)
                encoder.add(upright, float(self._times[picture.index]))
        if encoder is None:
            raise ClipFailure("unreadable", "no picture of the span can be decoded")
        return encoder.finish()

    def _find(self, wanted: list[int]) -> dict[int, Any]:
        """Return the pictures at ``wanted``, from what is kept or by seeking; fewer where there is damage."""
        if self._kept is not None and all(place in self._kept for place in wanted):
            return {place: self._kept[place] for place in wanted}
        try:
            return {p.index: self._renderer.still(p.frame) for p in self.reader.chosen(wanted)}
        except Missed:
            there = set(wanted)
            passed = self.reader.pictures(Tally())
            return {p.index: self._renderer.still(p.frame) for p in passed if p.index in there}

    def _held(self) -> dict[int, Any]:
        """Return the pictures of the grid; the first call goes through the whole source."""
        if self._kept is None:
            wanted = set(self._grid)
            passed = self.reader.pictures(Tally())
            self._kept = {p.index: self._renderer.still(p.frame) for p in passed if p.index in wanted}
        return self._kept


def stacked(pictures: list[Pixels]) -> npt.NDArray[np.uint8]:
    """Return equally large ``pictures`` as one array."""
    return np.ascontiguousarray(np.stack(pictures))
