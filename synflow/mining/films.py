"""Pictures of pairs that hold an mp4, decoded by the guarded child that decodes all videos."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import cv2

from synflow.asks import Picture
from synflow.durable import Attempt
from synflow.errors import ClipFailure
from synflow.ids import digest
from synflow.records import Location
from synflow.store.layout import RunLayout

SHORT_SIDE, QUALITY = 360, 90


class Films:
    """Decodes films that are given as bytes; a child is started with the first one."""

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout
        self._sandbox: Any = None

    def pictures(self, film: bytes, times: Sequence[float]) -> tuple[Picture, ...]:
        """Return as many pictures as there are ``times``, uniform over a film; none where it cannot be decoded."""
        from synflow.media.sandbox import Sandbox

        if self._sandbox is None:
            self._sandbox = Sandbox()
        with Attempt(self._layout.staging) as attempt:
            draft = attempt.draft("film.mp4")
            draft.write(film)
            draft.flush()
            location = Location(path=str(draft.path))
            try:
                facts = self._sandbox.facts(location)
                _, shown = self._sandbox.stills(location, 0.0, facts.duration, len(times), SHORT_SIDE)
            except ClipFailure:
                return ()
        found = []
        for time, rgb in zip(times, shown, strict=False):
            _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            jpeg = data.tobytes()
            found.append(Picture(jpeg, digest(jpeg), time))
        return tuple(found)

    def __enter__(self) -> Films:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
