"""The pictures of a shard's clips: written once, in the first pass, and read back by the later ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from synflow.durable import Attempt, Draft, seal
from synflow.errors import Damage
from synflow.ids import digest, digest_of_frames
from synflow.media.phash import picture_hash
from synflow.pictures import Stills
from synflow.records import Frame, Image, Pair, Provenance, Sample, Side, Video
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef
from synflow.store.tar import TarWriter


class FrameStore:
    """Stores and reads the frames of clips.

    Args:
        layout: of the run.
        attempt: where a new tar of frames is drafted; None in passes that store none.
    """

    OPEN: ClassVar[str] = "@"
    """Stands for the name of the tar that is still being written."""

    def __init__(self, layout: RunLayout, attempt: Attempt | None) -> None:
        self.layout = layout
        self._draft: Draft | None = attempt.draft("frames.tar") if attempt else None
        self._tar = TarWriter(self._draft) if self._draft else None
        self._name = ""

    def keep(self, sample: Sample, stills: Stills) -> Sample:
        """Store the pictures of a clip; return the sample that refers to them."""
        if self._tar is None or sample.clip is None:
            raise ValueError("this pass stores no frames")
        frames = []
        for index, (picture, rgb) in enumerate(zip(stills.pictures, stills.rgb, strict=True)):
            offset = self._tar.add(f"{sample.clip.id}/{index:03d}.jpg", picture.jpeg)
            frames.append(
                Frame(
                    index=index,
                    time=round(picture.time, 6),
                    width=rgb.shape[1],
                    height=rgb.shape[0],
                    digest=picture.digest,
                    bytes=len(picture.jpeg),
                    offset=offset,
                )
            )
        middle = stills.rgb[len(stills.rgb) // 2]
        return sample.having(
            frames=tuple(frames),
            frames_digest=digest_of_frames(frame.digest for frame in frames),
            frames_object=self.OPEN,
            facts={"phash": picture_hash(middle)},
        )

    def adopt(self, sample: Sample, earlier: Sample, jpegs: Sequence[bytes]) -> Sample:
        """Store the pictures that another run stored of the same clip; return the sample that refers to them."""
        if self._tar is None or sample.clip is None:
            raise ValueError("this pass stores no frames")
        frames = tuple(
            frame.model_copy(update={"offset": self._tar.add(f"{sample.clip.id}/{frame.index:03d}.jpg", jpeg)})
            for frame, jpeg in zip(earlier.frames, jpegs, strict=True)
        )
        return sample.having(
            frames=frames,
            frames_digest=earlier.frames_digest,
            frames_object=self.OPEN,
            facts={"phash": earlier.facts["phash"]},
        )

    def read(self, sample: Sample) -> list[bytes]:
        """Return the JPEGs of a sample's stored frames.

        Raises:
            Damage: the object is missing or a picture is not what the sample says.
        """
        path = self.layout.object(sample.frames_object)
        if sample.frames_object == self.OPEN:
            if self._draft is None:
                raise ValueError("this pass stores no frames")
            self._draft.flush()
            path = self._draft.path
        return [read_range(self.layout, path.name, f.offset, f.bytes, f.digest, path) for f in sample.frames]

    def seal(self) -> ObjectRef | None:
        """Finish the tar of frames; None where the pass stores none."""
        if self._tar is None or self._draft is None:
            return None
        self._tar.finish()
        self._name = seal(self._draft, self.layout.objects, ".tar")
        return ObjectRef(name=self._name, bytes=self._draft.size, sha256=self._draft.digest)

    def finish_pair(self, pair: Pair, sample: Sample) -> Pair:
        """Return ``pair`` with steps, clip, and the name of the object that holds its frames."""
        if pair.provenance.steps:
            return pair
        home = self._name if sample.frames_object in ("", self.OPEN) else sample.frames_object
        return pair.model_copy(
            update={
                "query": _housed(pair.query, home),
                "target": _housed(pair.target, home),
                "clip_id": pair.clip_id or (sample.clip.id if sample.clip else ""),
                "provenance": Provenance(steps=sample.trace, models=pair.provenance.models),
            }
        )


def _housed(side: Side, home: str) -> Side:
    changes: dict[str, Image | Video] = {}
    if side.image and side.image.frames_object in ("", FrameStore.OPEN):
        changes["image"] = side.image.model_copy(update={"frames_object": home})
    if side.video and side.video.frames_object in ("", FrameStore.OPEN):
        changes["video"] = side.video.model_copy(update={"frames_object": home})
    return side.model_copy(update=changes)


def read_range(layout: RunLayout, name: str, offset: int, size: int, promised: str, path: os.PathLike[str]) -> bytes:
    """Return a byte range of an object.

    Raises:
        Damage: the object is missing or the range is not what was promised.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise Damage(f"object {name} is missing", f"`synflow resume {layout.root}` makes it again") from error
    try:
        data = os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
    if digest(data) != promised:
        raise Damage(f"object {name} is damaged", f"`synflow resume {layout.root}` makes it again")
    return data
