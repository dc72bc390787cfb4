"""The spans that stand for videos as mp4, where a manifest asks for ``media: {video: clip}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from synflow.durable import Attempt, seal
from synflow.errors import ClipFailure
from synflow.ids import digest
from synflow.records import Pair, Sample, Side, Video
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef
from synflow.store.tar import TarWriter

Cut = Callable[[Sample, float, float], bytes]
"""Returns a span of a sample's source as mp4."""


class ClipStore:
    """Cuts each span of the pairs of a shard once, and tells pairs where it stands.

    Args:
        layout: of the run.
        attempt: where the tar of clips is drafted.
        cut: cuts a span.
        others: clip id -> sample, of the clips of other videos that pairs may show.
    """

    def __init__(
        self, layout: RunLayout, attempt: Attempt, cut: Cut, others: Mapping[str, Sample] | None = None
    ) -> None:
        self.layout = layout
        self._cut = cut
        self._others = others or {}
        self._draft = attempt.draft("clips.tar")
        self._tar = TarWriter(self._draft)
        self._spans: dict[tuple[str, float, float], tuple[int, int, str] | None] = {}
        self._name = ""

    def keep(self, sample: Sample) -> Sample:
        """Cut the spans of a sample's pairs; a pair whose span cannot be cut is left out."""
        return sample.having(pairs=tuple(pair for pair in sample.pairs if self._has_all(sample, pair)))

    def _has_all(self, sample: Sample, pair: Pair) -> bool:
        videos = [side.video for side in (pair.query, pair.target) if side.video]
        return all(self._span(sample, video) is not None for video in videos)

    def _span(self, sample: Sample, video: Video) -> tuple[int, int, str] | None:
        key = _key(video)
        if key not in self._spans:
            try:
                data = self._cut(self._others.get(video.clip_id, sample), video.start, video.end)
            except ClipFailure:
                self._spans[key] = None
            else:
                offset = self._tar.add(f"{video.clip_id}/{len(self._spans):06d}.mp4", data)
                self._spans[key] = (offset, len(data), digest(data))
        return self._spans[key]

    def seal(self) -> ObjectRef:
        """Finish the tar of clips."""
        self._tar.finish()
        self._name = seal(self._draft, self.layout.objects, ".tar")
        return ObjectRef(name=self._name, bytes=self._draft.size, sha256=self._draft.digest, rows=len(self._spans))

    def finish_pair(self, pair: Pair) -> Pair:
        """Return ``pair`` with the places of its videos."""
        return pair.model_copy(update={"query": self._placed(pair.query), "target": self._placed(pair.target)})

    def _placed(self, side: Side) -> Side:
        found = self._spans.get(_key(side.video)) if side.video else None
        if side.video is None or found is None:
            return side
        offset, size, promised = found
        video = side.video.model_copy(
            update={"clip_object": self._name, "clip_offset": offset, "clip_bytes": size, "clip_digest": promised}
        )
        return side.model_copy(update={"video": video})


def _key(video: Video) -> tuple[str, float, float]:
    return video.clip_id, video.start, video.end
