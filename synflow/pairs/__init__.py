"""How pairs are put together: which pictures stand for what, ids, bindings, domains and instructions.

Everything here is pure. The rule which pictures stand for a whole clip (`uniform`, `clip_video`) lives here and
nowhere else: who shows a clip to a model and who pairs a text with that clip must mean the same pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synflow.ids import digest_of_frames, make_id
from synflow.records import Domain, Emphasis, Frame, Image, Pair, Sample, Side, Style, Task, Text, Video

INSTRUCTIONS: Mapping[Task, str] = {
    "t2v": "Find the video that this text describes.",
    "t2i": "Find the picture that this text describes.",
    "i2v": "Find the video that this picture was taken from.",
    "t2t": "Find another description of the same video.",
    "ti2v": "Find the video that fits this picture once it is changed as the text says.",
    "v2v": "Find the whole video that this excerpt belongs to.",
    "tv2v": "Find the video that relates to this clip as the text says.",
}
"""What a query-side embedder is told, per task; in the manner of GVE's instructions, in our own words."""

DIGITS = 3
"""Spans are rounded to milliseconds: finer differences are below the length of a picture."""


def uniform(count: int, n: int) -> tuple[int, ...]:
    """Return the indices of the pictures that stand for a whole of ``count`` pictures: at most ``n``, evenly spread.

    With ``count == 2 * n``, as clips are stored, that is every second one: 0, 2, 4 ...
    """
    taken = min(n, count)
    return tuple(i * count // taken for i in range(taken))


def video_of(sample: Sample, indices: Sequence[int], start: float, end: float) -> Video:
    """Return the video side that shows the stored pictures ``indices`` of a clip, for the span in seconds."""
    if sample.clip is None:
        raise ValueError("a sample without a clip cannot stand in a pair")
    frames = tuple(sample.frames[i] for i in indices)
    return Video(
        clip_id=sample.clip.id,
        start=round(start, DIGITS),
        end=round(end, DIGITS),
        frames=frames,
        digest=digest_of_frames(f.digest for f in frames),
        frames_object=sample.frames_object,
    )


def clip_video(sample: Sample, n: int) -> Video:
    """Return the whole clip as a side of a pair, shown by ``n`` of its stored pictures (``media.frames``)."""
    if sample.clip is None:
        raise ValueError("a sample without a clip cannot stand in a pair")
    return video_of(sample, uniform(len(sample.frames), n), sample.clip.start, sample.clip.end)


def segments(sample: Sample, shortest: float, longest: float, share: float) -> tuple[tuple[int, int], ...]:
    """Return all segments of a clip as ranges ``(first, end)`` of its stored pictures, by start, then length.

    The pictures stand in the middles of equal parts of the clip, so a segment begins and ends between two of them.

    Args:
        sample: a sample with stored pictures.
        shortest: seconds that a segment lasts at least.
        longest: seconds that it lasts at most.
        share: part of the clip that it covers at most.
    """
    if sample.clip is None or not sample.frames:
        return ()
    count, duration = len(sample.frames), sample.clip.duration
    part = duration / count
    found = []
    for first in range(count):
        for length in range(2, count - first + 1):
            seconds = length * part
            if shortest - 1e-6 <= seconds <= min(longest, share * duration) + 1e-6:
                found.append((first, first + length))
    return tuple(found)


def segment_video(sample: Sample, first: int, end: int, n: int) -> Video:
    """Return the pictures ``first .. end - 1`` of a clip as a side of a pair, shown by at most ``n`` of them."""
    if sample.clip is None:
        raise ValueError("a sample without a clip cannot stand in a pair")
    part = sample.clip.duration / len(sample.frames)
    indices = [first + i for i in uniform(end - first, n)]
    return video_of(sample, indices, sample.clip.start + first * part, sample.clip.start + end * part)


def image_of(sample: Sample, index: int) -> Image:
    """Return a stored picture of a clip as a side of a pair."""
    if sample.clip is None:
        raise ValueError("a sample without a clip cannot stand in a pair")
    return Image(clip_id=sample.clip.id, frame=sample.frames[index], frames_object=sample.frames_object)


def image_digest(frame: Frame) -> str:
    """Return what a text about one picture is bound to."""
    return digest_of_frames((frame.digest,))


def shown(*sides: Image | Video) -> tuple[str, ...]:
    """Return the digests of all pictures of ``sides``, in order: what a composed text is made from."""
    return tuple(f.digest for s in sides for f in ((s.frame,) if isinstance(s, Image) else s.frames))


def domain_of(task: Task, style: Style | None, emphasis: Emphasis | None) -> Domain:
    """Return the ability of UVRB that a pair trains, from how the pair was made; who makes those in brackets says so.

    ======================================  ======
    query                                   domain
    ======================================  ======
    a picture or a clip alone               vis
    a composed text with one of them        cmp
    a dense caption                         lc
    keywords, or a text about a part        pr
    a raw or an abstract caption            cg
    a summary or the caption of a frame     s or t by its emphasis, else cg (a frame without one: s)
    (a part of a caption)                   t for an order or the camera, pr for one event or a theme
    (a caption of a whole cut video)        lc
    ======================================  ======
    """
    if task in ("i2v", "v2v"):
        return "vis"
    if task in ("ti2v", "tv2v"):
        return "cmp"
    fixed: dict[Style | None, Domain] = {
        "dense": "lc", "keywords": "pr", "partial": "pr", "raw": "cg", "abstract": "cg"
    }  # fmt: skip
    if style in fixed:
        return fixed[style]
    if style == "frame" and emphasis is None:
        return "s"
    emphases: dict[Emphasis | None, Domain] = {"spatial": "s", "temporal": "t"}
    return emphases.get(emphasis, "cg")


def content_of(side: Side) -> dict[str, Any]:
    """Return what a side says and shows, without where its bytes lie: what the id of a pair follows from."""
    content: dict[str, Any] = {}
    if side.text is not None:
        content["text"] = side.text.text
    if side.image is not None:
        content["image"] = side.image.frame.digest
    if side.video is not None:
        content["video"] = [side.video.start, side.video.end, side.video.digest]
    return content


def pair_id(task: Task, query: Side, target: Side) -> str:
    """Return the id of a pair, from task and content alone."""
    return make_id("pair", task, content_of(query), content_of(target))


SHAPES: Mapping[Task, tuple[frozenset[str], frozenset[str]]] = {
    "t2v": (frozenset({"text"}), frozenset({"video"})),
    "t2i": (frozenset({"text"}), frozenset({"image"})),
    "i2v": (frozenset({"image"}), frozenset({"video"})),
    "t2t": (frozenset({"text"}), frozenset({"text"})),
    "ti2v": (frozenset({"text", "image"}), frozenset({"video"})),
    "v2v": (frozenset({"video"}), frozenset({"video"})),
    "tv2v": (frozenset({"text", "video"}), frozenset({"video"})),
}
"""Which fields the query and the target of each task have."""


def faults(pair: Pair) -> tuple[str, ...]:
    """Return why a pair must not be written: wrong fields, texts bound to other pictures, equal sides. Empty if sound.

    Whoever writes pairs calls this on each, so that no slip on the way can pair a text with another clip's pictures.
    """
    found = []
    for name, side, wanted in zip(("query", "target"), (pair.query, pair.target), SHAPES[pair.task], strict=True):
        fields = {f for f in ("text", "image", "video") if getattr(side, f) is not None}
        if fields != wanted:
            found.append(f"{name} of {pair.task} has {sorted(fields)}, not {sorted(wanted)}")
        if side.text is not None and not side.text.text.strip():
            found.append(f"{name} text is empty")
        if side.video is not None and side.video.digest != digest_of_frames(f.digest for f in side.video.frames):
            found.append(f"{name} video does not match its frames")
    if found:
        return tuple(found)
    if content_of(pair.query) == content_of(pair.target):
        found.append("query and target are the same")
    if pair.id != pair_id(pair.task, pair.query, pair.target):
        found.append("the id does not follow from the content")
    if not _bound(pair):
        found.append("a text is bound to other pictures")
    reference, target = pair.query.image, pair.target.video
    if pair.task == "ti2v" and reference and target and reference.frame.digest in shown(target):
        found.append("the target shows the query's picture")
    if pair.task == "tv2v" and pair.query.video and target and set(shown(pair.query.video)) & set(shown(target)):
        found.append("the target shows pictures of the query")
    return tuple(found)


def _bound(pair: Pair) -> bool:
    """Tell whether each text is bound to the pictures that it stands beside."""
    text, image, video = pair.query.text, pair.query.image, pair.query.video
    goal = pair.target
    if text is None:
        return True
    if goal.text is not None:
        return text.bound == goal.text.bound
    if goal.image is not None:
        return text.bound == image_digest(goal.image.frame)
    if goal.video is None:
        return False
    reference = image or video
    wanted = digest_of_frames(shown(reference, goal.video)) if reference else goal.video.digest
    return text.bound == wanted


def text_side(text: str, style: Style, bound: str) -> Side:
    """Return a side that is a text, bound to the digest of the pictures that it speaks of."""
    return Side(text=Text(text=text, style=style, bound=bound))
