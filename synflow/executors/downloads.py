"""Where the sources of a shard are; a URL is fetched when it is first needed, and kept until its record is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from synflow.errors import ClipFailure
from synflow.ids import digest, digest_stream
from synflow.records import Location
from synflow.sources.http import fetch
from synflow.sources.objects import fetch_object, in_bucket


class SourceChanged(Exception):
    """What an earlier run knew of a source is not of what stands at its URL today."""

    def __init__(self, record_id: str) -> None:
        super().__init__(record_id)
        self.record_id = record_id


class Downloads(Mapping[str, Location]):
    """Record id -> location of a local file.

    Args:
        locations: as the plan has them.
        folder: where downloads are kept.
        max_bytes: of one video; more is refused.
        timeout: seconds for one video.
        allow_private: whether addresses of this machine or its networks may be asked.

    Getting an item raises `synflow.errors.ClipFailure` (``unreachable``) where a URL gives no file.
    """

    def __init__(
        self, locations: Mapping[str, Location], folder: Path, *, max_bytes: int, timeout: float, allow_private: bool
    ) -> None:
        self._locations, self._folder = locations, folder
        self._max_bytes, self._timeout, self._allow_private = max_bytes, timeout, allow_private
        self._expected: dict[str, str] = {}

    def expect(self, record_id: str, promised: str) -> None:
        """Let getting this record raise `SourceChanged` where its URL no longer gives bytes of that sha256."""
        self._expected[record_id] = promised

    def __getitem__(self, record_id: str) -> Location:
        location = self._locations[record_id]
        if not location.url:
            return location
        target = self._target(location)
        if not target.exists():
            try:
                self._fetch(location, target)
            except ClipFailure:
                if record_id in self._expected:
                    raise SourceChanged(record_id) from None
                raise
            self._check(record_id, target)
        return Location(path=str(target))

    def _fetch(self, location: Location, target: Path) -> None:
        limit, timeout = self._max_bytes, self._timeout
        if in_bucket(location.url):
            fetch_object(location, target, max_bytes=limit, timeout=timeout)
        else:
            fetch(location.url, target, max_bytes=limit, timeout=timeout, allow_private=self._allow_private)

    def _check(self, record_id: str, target: Path) -> None:
        promised = self._expected.get(record_id)
        if promised is not None:
            with target.open("rb") as stream:
                found, _ = digest_stream(stream)
            if found != promised:
                raise SourceChanged(record_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._locations)

    def __len__(self) -> int:
        return len(self._locations)

    def forget(self, record_id: str) -> None:
        """Remove what was fetched for a record."""
        location = self._locations.get(record_id)
        if location is not None and location.url:
            self._target(location).unlink(missing_ok=True)

    def _target(self, location: Location) -> Path:
        return self._folder / f"source-{digest(f'{location.url}#{location.offset}'.encode())[:16]}"
