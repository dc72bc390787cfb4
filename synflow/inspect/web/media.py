"""Pictures and films of pairs and of sources, read from the bytes that the index names; a hole is a tile."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from html import escape
from typing import Any

from starlette.responses import Response

from synflow.console import clean
from synflow.errors import SynflowError
from synflow.inspect.index import RunIndex
from synflow.inspect.sampler import SIDES, read_pair
from synflow.inspect.sheets import Sheet, Sources, pair_sheet, planned

HELD = 400
"""Sheets that are kept in memory, about 30 KiB each."""

PIECE = 4 << 20
"""Bytes of a film that are sent at once."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Pictures:
    """Makes sheets, each once; sources are decoded by one guarded child."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[Any, ...], Sheet | None] = OrderedDict()
        self._lock, self._decoding = threading.Lock(), threading.Lock()
        self._sources: Sources | None = None

    def _once(self, key: tuple[Any, ...], make: Callable[[], Sheet | None]) -> Sheet | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            self._held[key] = made
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return made

    def pair(self, index: RunIndex, row: dict[str, Any], side: str) -> Sheet | None:
        """Return the pictures of one side of a pair; None where it has none."""

        def make() -> Sheet | None:
            stored = read_pair(index.root, row)
            if side not in stored.films:
                return pair_sheet(stored, side)
            with self._decoding:
                return pair_sheet(stored, side, sandbox=self._decoder().sandbox)

        return self._once(("pair", index.root, row["row"], side), make)

    def _decoder(self) -> Sources:
        """Return the one child that decodes, started when it is first needed; the caller holds the lock."""
        self._sources = self._sources or Sources()
        return self._sources

    def clip(self, index: RunIndex, row: dict[str, Any], span: tuple[float, float] | None) -> Sheet | None:
        """Return pictures of a clip from its source."""

        def make() -> Sheet:
            record = planned(index.root, {row["record_id"]}).get(row["record_id"])
            with self._decoding:
                return self._decoder().sheet(record, span)

        return self._once(("clip", index.root, row["record_id"], row["clip_id"], span), make)

    def close(self) -> None:
        """End the decoding child."""
        if self._sources is not None:
            self._sources.close()


def picture(make: Callable[[], Sheet | None]) -> Response:
    """Return a sheet as a JPEG, or a tile that says why there is none."""
    try:
        found = make()
    except SynflowError as error:
        return tile(error.cause)
    if found is None or not found.jpeg:
        return tile(found.trouble if found else "this side has no picture")
    return Response(found.jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})


def frame(index: RunIndex, row: dict[str, Any], side: str, place: int) -> Response:
    """Return one stored picture of a pair as it lies in the shard."""
    try:
        pair = read_pair(index.root, row)
    except SynflowError as error:
        return tile(error.cause)
    stored = pair.pictures.get(side, [])
    if side not in SIDES or place >= len(stored):
        return tile("there is no such picture")
    return Response(stored[place], media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})


def tile(words: str) -> Response:
    """Return a picture of words, for where a picture should be."""
    said = escape(clean(words, 90))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 120" width="640" height="120">'
        '<rect width="640" height="120" fill="#ece7dc"/><rect x="1" y="1" width="638" height="118" fill="none" '
        'stroke="#8f8b80" stroke-dasharray="6 4"/><text x="320" y="65" text-anchor="middle" fill="#4a4a44" '
        f'font-family="sans-serif" font-size="14">{said}</text></svg>'
    )
    return Response(svg, media_type="image/svg+xml", headers={"X-Synflow-Missing": "1", "Cache-Control": "no-store"})


def film(index: RunIndex, row: dict[str, Any], side: str, asked: str) -> Response:
    """Return an mp4 that lies in a shard, or the part of it that a Range header asks for."""
    try:
        pair = read_pair(index.root, row)
    except SynflowError as error:
        return Response(clean(error.cause), 404, media_type="text/plain")
    if side not in pair.films:
        return Response("this side has no film", 404, media_type="text/plain")
    offset, size = pair.films[side]
    start, end = _span(asked, size)
    if start >= size or end < start:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    end = min(end, start + PIECE - 1) if asked else end
    with pair.path.open("rb") as file:
        file.seek(offset + start)
        data = file.read(end - start + 1)
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=600"}
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Response(data, 206 if asked else 200, headers=headers, media_type="video/mp4")


def _span(asked: str, size: int) -> tuple[int, int]:
    """Return first and last byte that a Range header asks for; everything where it makes no sense."""
    found = _RANGE.fullmatch(asked.strip())
    if not found or not (found[1] or found[2]):
        return 0, size - 1
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    return int(found[1]), min(int(found[2]), size - 1) if found[2] else size - 1
