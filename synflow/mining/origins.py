"""Which clips come from one video, and which videos show the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synflow.store.index import read_parquet
from synflow.store.layout import RunLayout

CLIP = re.compile(r"[0-9a-z]{8,64}")


@dataclass(frozen=True)
class Origin:
    """Where something comes from: the digest of its video, and a number that all videos share which show the same."""

    video: str
    group: int


class Origins:
    """The videos of a run, by clip or by digest.

    `dedup` drops all but one of the clips that show the same, and names the one that it kept. What else two such
    videos hold is likely to be alike as well, so they are one group.
    """

    def __init__(self, layout: RunLayout) -> None:
        clips = _columns(layout.index / "clips.parquet", "clip_id", "record_id", "phash", "kept")
        self._record: dict[str, str] = {clip: record for clip, record, _, _ in clips}
        self._hashes = {clip: int(phash, 16) for clip, _, phash, kept in clips if kept and _is_hash(phash)}
        pairs = _columns(layout.index / "pairs.parquet", "record_id", "source_id")
        self._video: dict[str, str] = {record: video for record, video in pairs}  # noqa: C416
        self._leader: dict[str, str] = {}
        for record, reason, detail in _columns(layout.index / "rejects.parquet", "record_id", "reason", "detail"):
            if reason == "near-duplicate":
                kept = next((self._record[word] for word in CLIP.findall(detail or "") if word in self._record), None)
                if kept is not None:
                    self._join(self._named(kept), self._named(record))
        self._numbers: dict[str, int] = {}

    def _named(self, record: str) -> str:
        return self._video.get(record, f"record {record}")

    def _top(self, video: str) -> str:
        while (above := self._leader.get(video, video)) != video:
            video = above
        return video

    def _join(self, one: str, other: str) -> None:
        first, second = sorted((self._top(one), self._top(other)))
        if first != second:
            self._leader[second] = first

    def of_video(self, video: str) -> Origin:
        """Return the origin of what comes from the video of that digest."""
        return Origin(video, self._numbers.setdefault(self._top(video), len(self._numbers)))

    def of_clip(self, clip: str, video: str) -> Origin:
        """Return the origin of a clip; where the index does not know it, that of ``video``."""
        record = self._record.get(clip)
        return self.of_video(video if record is None else self._named(record))

    def phash(self, clip: str) -> int:
        """Return the hash of the middle picture of a clip; -1 where there is none."""
        return self._hashes.get(clip, -1)


def _columns(path: Path, *names: str) -> list[tuple[Any, ...]]:
    table = read_parquet(path, names)
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def _is_hash(text: str | None) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{16}", text or ""))
