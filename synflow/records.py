"""The frozen records that walk through a run; a changed record is always a new one.

Times are seconds from the first picture of the source. Sizes are display pixels, that is after rotation and
pixel aspect. Digests are sha256 in hexadecimal.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from synflow.boxes import pixels_within

Task = Literal["t2v", "t2i", "i2v", "t2t", "ti2v", "v2v", "tv2v"]
TASKS: tuple[Task, ...] = ("t2v", "t2i", "i2v", "t2t", "ti2v", "v2v", "tv2v")

Domain = Literal["cg", "s", "t", "pr", "lc", "cmp", "vis"]
"""UVRB's abilities: coarse, spatial, temporal, partially relevant, long context, composed, visual."""

Style = Literal["raw", "summary", "dense", "abstract", "keywords", "partial", "frame", "composed"]
"""``raw`` is the caption as it came; the next five are the styles of the enrichment, in the paper's order."""

Emphasis = Literal["spatial", "temporal", "topical", "stylistic"]


class Record(BaseModel):
    """Base of all records: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Location(Record):
    """Where the bytes of a video are. Only the media layer and the sources look at it.

    Attributes:
        path: absolute path of the file, or of the tar that holds it; empty for a URL.
        url: http(s) address, or of an object in a store; empty for a local file.
        offset, size: the byte range inside ``path``, or inside an object, for a member of a tar.
    """

    path: str = ""
    url: str = ""
    offset: int | None = None
    size: int | None = None


class InputRecord(Record):
    """One line of an input list, as the plan freezes it.

    Attributes:
        record_id: its ``id``, else derived from path and span.
        uri: path or URL as given, credentials removed.
        fault: why the record cannot be used (it becomes a drop ``bad-record``); empty when it can.
        duplicate_of: ``list:line`` of the first record of the same content; empty for the first.
    """

    record_id: str
    uri: str = ""
    location: Location = Location()
    captions: tuple[str, ...] = ()
    licence: str = "unknown"
    attribution: str = ""
    dataset: str = ""
    start: float | None = None
    end: float | None = None
    extra: dict[str, Any] = {}
    list_name: str = ""
    line: int = 0
    fault: str = ""
    duplicate_of: str = ""


class Facts(Record):
    """What probing a source tells before any picture is decoded.

    Attributes:
        duration: seconds from the first to the end of the last picture, from packet times; 0 when unknown.
        fps: average pictures per second; 0 when unknown.
        frames: number of pictures that the packets announce.
        width, height: display size in pixels.
        rotation: degrees clockwise that the header asks for: 0, 90, 180 or 270.
        pixel_aspect: width of a pixel over its height.
        digest, bytes: sha256 and length of the source.
    """

    digest: str
    bytes: int
    container: str
    codec: str
    pix_fmt: str
    duration: float
    fps: float
    frames: int
    width: int
    height: int
    rotation: int = 0
    pixel_aspect: float = 1.0
    bit_depth: int = 8
    audio: bool = False


class Crop(Record):
    """The inner picture of a clip, without bars: where its edges lie, as shares of the display width and height."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def box(self, height: int, width: int) -> tuple[slice, slice]:
        """Return rows and columns of the inner picture in one of ``height`` by ``width`` pixels.

        What is partly bar stays outside. Both begin at even places and are even in number, as coders want it.
        """
        return pixels_within((self.left, self.top, self.right, self.bottom), height, width)


class Source(Record):
    """Where a clip comes from, and what may be done with it."""

    record_id: str
    uri: str
    licence: str = "unknown"
    attribution: str = ""
    dataset: str = ""
    digest: str = ""
    line: int = 0


class Clip(Record):
    """A span of a source, in seconds; the id follows from source digest, span and cut rule.

    Attributes:
        place: 0-based place among the clips of its source; ``of`` is their number.
        cut: the rule that made the span, for example ``whole`` or ``shots/1``.
    """

    id: str
    start: float
    end: float
    cut: str = "whole"
    place: int = 0
    of: int = 1
    facts: Facts

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


class Frame(Record):
    """One stored picture of a clip (JPEG).

    Attributes:
        time: seconds from the first picture of the source.
        digest, bytes: of the JPEG.
        offset: where the JPEG begins in the object that holds the frames of its shard; -1 before it is stored.
    """

    index: int
    time: float
    width: int
    height: int
    digest: str
    bytes: int
    offset: int = -1


class ModelUse(Record):
    """One answer of a model that went into a record."""

    model: str
    revision: str = ""
    prompt: str = ""
    prompt_digest: str = ""
    request: str = ""
    seed: int = 0


class Step(Record):
    """One stage that a sample went through."""

    stage: str
    version: int
    config: str


class Caption(Record):
    """A text about a clip or about one of its frames.

    Attributes:
        before: the text as it came, where a repair changed it.
        frame: index of the frame that it describes; None for the clip.
        bound: digest of the frames that it was made from; empty for a text that came with the source.
        verdicts: what the audit found, claim by claim: ``supported | contradicted | unknown``.
    """

    text: str
    origin: Literal["human", "scraped", "model"] = "scraped"
    style: Style = "raw"
    emphasis: Emphasis | None = None
    language: str = ""
    before: str = ""
    frame: int | None = None
    bound: str = ""
    use: ModelUse | None = None
    verdicts: dict[str, str] = {}


class Text(Record):
    """The text of one side of a pair; ``bound`` is the digest of the frames that it speaks of."""

    text: str
    style: Style = "raw"
    bound: str = ""


class Image(Record):
    """The picture of one side of a pair."""

    clip_id: str
    frame: Frame
    frames_object: str = ""


class Video(Record):
    """The video of one side of a pair: a span of a clip and the frames that stand for it.

    Attributes:
        digest: digest of its frames in order (`synflow.ids.digest_of_frames`).
        clip_object, clip_offset, clip_bytes, clip_digest: where the span stands as mp4, if the run cuts clips.
    """

    clip_id: str
    start: float
    end: float
    frames: tuple[Frame, ...]
    digest: str
    frames_object: str = ""
    clip_object: str = ""
    clip_offset: int = -1
    clip_bytes: int = 0
    clip_digest: str = ""


class Side(Record):
    """Query or target of a pair: any of a text, a picture, a video."""

    text: Text | None = None
    image: Image | None = None
    video: Video | None = None


Kinship = Literal["", "part", "shot", "scene", "subject", "attribute"]
"""What a target is to its reference; the last three are other videos."""


class Provenance(Record):
    """How a pair came to be: the stages of its clip, and every model answer used."""

    steps: tuple[Step, ...] = ()
    models: tuple[ModelUse, ...] = ()


class Pair(Record):
    """One training pair; the id follows from task, query and target alone.

    Attributes:
        clip_id: the clip that the pair was made for, also where both sides are texts.
        relation: how query and target of a composed pair relate; ``drawn``: the relation that was asked for.
        kinship: what the target of a composed pair is to its reference.
        record_id, source_id, source_uri, licence: of the target's source, of which source_id is the digest.
        query_record_id, query_source_id, query_source_uri, query_licence: of that of the query's picture or clip.
        negatives: made with it: ``kind``, and a false ``negative_text`` or the ``negative_clip_id`` played backward.
    """

    id: str
    task: Task
    query: Side
    target: Side
    instruction: str
    domain: Domain
    style: Style | None = None
    emphasis: Emphasis | None = None
    relation: str = ""
    drawn: str = ""
    kinship: Kinship = ""
    record_id: str
    clip_id: str = ""
    source_id: str
    source_uri: str
    licence: str
    query_record_id: str = ""
    query_source_id: str = ""
    query_source_uri: str = ""
    query_licence: str = ""
    scores: dict[str, float] = {}
    negatives: tuple[dict[str, str], ...] = ()
    provenance: Provenance = Provenance()


Measure = float | int | str | bool


class Sample(Record):
    """What walks through the chain: one clip (or a record before it has clips) and all that is known of it.

    Attributes:
        captions: source captions first, then what models wrote.
        frames: the stored pictures, uniform over the clip; twice ``media.frames``; ``frames_digest``: of all of them.
        key_frames: indices into ``frames``, best first, at most 3.
        measures: named findings; units are in the docs of the stage that writes them.
        crop: the inner picture where the clip has bars; from then on `Media` gives nothing but that.
        beside: other samples that a corpus stage wanted at hand (`Decision.beside`).
    """

    source: Source
    clip: Clip | None = None
    start: float | None = None
    end: float | None = None
    captions: tuple[Caption, ...] = ()
    frames: tuple[Frame, ...] = ()
    frames_digest: str = ""
    frames_object: str = ""
    key_frames: tuple[int, ...] = ()
    measures: dict[str, Measure] = {}
    facts: dict[str, Any] = {}
    crop: Crop | None = None
    pairs: tuple[Pair, ...] = ()
    trace: tuple[Step, ...] = ()
    beside: tuple[Sample, ...] = ()

    @property
    def record_id(self) -> str:
        """Id of the input record that it came from."""
        return self.source.record_id

    @property
    def key(self) -> str:
        """What tells this sample from all others of the run."""
        return f"{self.record_id}\n{self.clip.id if self.clip else ''}"

    def having(self, **changes: Any) -> Sample:
        """Return a copy with ``changes``; new ``measures`` and ``facts`` are added to the old ones."""
        for name in ("measures", "facts"):
            if name in changes:
                changes[name] = {**getattr(self, name), **changes[name]}
        return self.model_copy(update=changes)
