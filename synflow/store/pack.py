"""From chosen pairs to a dataset shard: members, their exact sizes, and the tar itself.

One sample of a shard is one pair, all pairs of a shard are of one task; the member names are those that plain
`webdataset` groups by key. What a text is bound to is checked here, when the pair is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from synflow.errors import Damage
from synflow.ids import canonical, digest, is_key
from synflow.licences import strictest
from synflow.pairs import faults
from synflow.records import Frame, Pair, Side, Video
from synflow.store.tar import TarWriter, padded

Member = tuple[str, bytes | Frame | Video]
"""Suffix of a member, and its bytes, the stored frame, or the video that they are read from."""


def key_of(pair: Pair) -> str:
    """Return the sample key of a pair in its shard: its id."""
    return pair.id


def described(pair: Pair) -> dict[str, Any]:
    """Return the pair as its ``.json`` member tells it: no positions inside run files.

    ``clip_id`` and ``query_clip_id`` are those of the index: the clip of the target, and that of the query.
    ``digest`` of a video is that of what the shard holds of it (the mp4, or its frames in order); ``frames_digest``
    is what texts are bound to. ``licence`` is the strictest of those of both sides.
    """
    value = pair.model_dump(mode="json", exclude={"query", "target"})
    value["licence"], value["target_licence"] = licence_of(pair), pair.licence
    value["clip_id"], value["query_clip_id"] = _clips(pair)
    value["query"] = _side(pair.query)
    value["target"] = _side(pair.target)
    return value


def licence_of(pair: Pair) -> str:
    """Return the licence of a pair: the strictest of those of its sources; the query may be of the target's own."""
    return strictest([pair.licence, *([pair.query_licence] if pair.query_record_id else [])])


def _side(side: Side) -> dict[str, Any]:
    value: dict[str, Any] = {}
    if side.text:
        value["text"] = side.text.model_dump(mode="json")
    if side.image:
        value["image"] = {
            "clip_id": side.image.clip_id,
            "time": side.image.frame.time,
            "digest": side.image.frame.digest,
        }
    if side.video:
        value["video"] = {
            "clip_id": side.video.clip_id,
            "start": side.video.start,
            "end": side.video.end,
            "times": [frame.time for frame in side.video.frames],
            "digest": side.video.clip_digest or side.video.digest,
            "frames_digest": side.video.digest,
        }
    return value


def members(pair: Pair) -> Iterator[Member]:
    """Yield the members of a pair in the order in which they are written."""
    yield "json", canonical(described(pair))
    for name, side in (("query", pair.query), ("target", pair.target)):
        if side.text:
            yield f"{name}.txt", side.text.text.encode("utf-8")
        if side.image:
            yield f"{name}.jpg", side.image.frame
        if side.video and side.video.clip_object:
            yield f"{name}.mp4", side.video
        elif side.video:
            for place, frame in enumerate(side.video.frames):
                yield f"{name}.{place}.jpg", frame


def size_of(pair: Pair) -> int:
    """Return the bytes that a pair takes in a tar."""
    total = 0
    for _, content in members(pair):
        if isinstance(content, bytes):
            total += padded(len(content))
        else:
            total += padded(content.clip_bytes if isinstance(content, Video) else content.bytes)
    return total


def write_pair(tar: TarWriter, pair: Pair, read: Any) -> tuple[int, int]:
    """Write the members of ``pair``; return where its first header begins and how many bytes it takes.

    Args:
        tar: the open shard.
        pair: the pair.
        read: ``read(object name, offset, size) -> bytes``.

    Raises:
        Damage: a stored picture is not the one that the pair was made from.
        ValueError: the pair breaks the key grammar, or its sides or bindings are wrong.
    """
    key = key_of(pair)
    if not is_key(key):
        raise ValueError(f"pair id {key!r} cannot be a sample key")
    if wrong := faults(pair):
        raise ValueError(f"pair {key}: {'; '.join(wrong)}")
    start = tar.draft.size
    for suffix, content in members(pair):
        tar.add(f"{key}.{suffix}", content if isinstance(content, bytes) else _stored(pair, content, read))
    return start, tar.draft.size - start


def _stored(pair: Pair, content: Frame | Video, read: Any) -> bytes:
    if isinstance(content, Video):
        name, offset, size, promised = content.clip_object, content.clip_offset, content.clip_bytes, content.clip_digest
    else:
        name, offset, size, promised = _frames_object(pair, content), content.offset, content.bytes, content.digest
    data: bytes = read(name, offset, size)
    if digest(data) != promised:
        raise Damage(f"object {name} is damaged", "`synflow resume` makes it again")
    return data


def _frames_object(pair: Pair, frame: Frame) -> str:
    for side in (pair.query, pair.target):
        if side.image and side.image.frame == frame:
            return side.image.frames_object
        if side.video and frame in side.video.frames:
            return side.video.frames_object
    raise ValueError(f"pair {pair.id} does not hold frame {frame.digest}")


def index_row(pair: Pair, shard: str, offset: int, size: int) -> dict[str, Any]:
    """Return the row of ``index/pairs.parquet`` for a pair that was written."""
    use = pair.provenance.models[-1] if pair.provenance.models else None
    clip_id, query_clip_id = _clips(pair)
    return {
        "id": pair.id,
        "record_id": pair.record_id,
        "task": pair.task,
        "domain": pair.domain,
        "style": pair.style or "",
        "emphasis": pair.emphasis or "",
        "query_text": pair.query.text.text if pair.query.text else "",
        "target_text": pair.target.text.text if pair.target.text else "",
        "clip_id": clip_id,
        "query_clip_id": query_clip_id,
        "source_id": pair.source_id,
        "source_uri": pair.source_uri,
        "licence": licence_of(pair),
        "query_source_uri": pair.query_source_uri,
        "query_licence": pair.query_licence,
        "target_licence": pair.licence,
        "relation": pair.relation,
        "kinship": pair.kinship,
        "shard": shard,
        "key": key_of(pair),
        "offset": offset,
        "bytes": size,
        "scores": dict(sorted(pair.scores.items())),
        "model": use.model if use else "",
        "prompt": use.prompt if use else "",
    }


def _clips(pair: Pair) -> tuple[str, str]:
    """Return the clips of target and query; for a target that is a text, the clip that the pair was made for."""
    return _clip(pair.target) or pair.clip_id, _clip(pair.query)


def _clip(side: Side) -> str:
    if side.video:
        return side.video.clip_id
    return side.image.clip_id if side.image else ""


def chunked(briefs: Iterable[Sequence[Any]], max_samples: int, max_bytes: int) -> Iterator[list[Sequence[Any]]]:
    """Cut pairs of one task into shards: at most ``max_samples`` pairs and, but for one large pair, ``max_bytes``.

    Args:
        briefs: sequences whose item 0 is the size of the pair in bytes.
        max_samples: the most pairs of a shard.
        max_bytes: the most bytes of a shard.
    """
    chunk: list[Sequence[Any]] = []
    size = 0
    for brief in briefs:
        if chunk and (len(chunk) == max_samples or size + brief[0] > max_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(brief)
        size += brief[0]
    if chunk:
        yield chunk
