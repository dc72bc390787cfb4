"""What a manifest will take and give, before anything runs: counted where it can be, else estimated from rates.

The rates of decoding and measuring are those of runs on real clips on two cores; those of served models (tokens a
second of one GPU of 80 GB with a 7B model) are assumptions. They tell minutes from days; the first shard tells more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from synflow.checkpoints import MAX_PIXELS, picture_tokens, seen_size
from synflow.manifest import Manifest
from synflow.plan import passes_of
from synflow.records import TASKS, InputRecord
from synflow.registry import stage_class

KEPT_SHARE = 0.6
"""Share of usable records whose clips pass all filters."""

CLIPS_PER_RECORD = 1.2
"""Clips that a source is cut into."""

CPU_SECONDS_PER_CLIP = 0.35
"""Decode, measures and stored frames of one clip."""

PROMPT_TOKENS = 700
ANSWER_TOKENS = {"captions": 450, "composed": 60, "audit": 150, "judge": 60}
RETRIED = 0.25
"""Share of the requests for texts that are asked once more, with the faults named; an assumption."""

OPEN_CAPTIONS = 0.8
"""Share of captions with a claim that is not measured, which `audit: {ask: true}` asks about; an assumption."""

POLARITIES = 2
"""Requests on such a caption: whether its claims are true, and whether they are false."""

FRAME_CAPTIONS = 5
"""Captions of a key frame."""
GPU_TOKENS_PER_SECOND = {"prompt": 12_000, "answer": 1_200}
BYTES_PER_PIXEL = 0.12
"""Of a JPEG at quality 90."""

PAIRS_PER_CLIP = {"t2v": 1.0, "t2i": 1.0, "i2v": 1.0, "t2t": 1.0, "ti2v": 0.9, "v2v": 0.8, "tv2v": 0.7}
"""Pairs of a kept clip; those that need a segment or a second clip cannot always be made."""

COMPOSED = ("ti2v", "tv2v")

FOCUSED = 0.75
"""Further t2v pairs on a part of a caption, of a kept clip; on real clips with one caption each."""

NEEDED = 0.22
"""Share of composed pairs that `need` keeps, as on a made-up world of 300 clips (``benchmarks/need.py``)."""


@dataclass(frozen=True)
class Estimate:
    """What a manifest takes and gives.

    Attributes:
        records, faulty, duplicates: lines of the input lists, and those that cannot be used; counted.
        passes: name, stages and corpus stages of each pass.
        pairs: task -> expected number; disk: bytes.
        calls: requests to models; ``asked``: of them for what; ``tokens``: of prompts (pictures included), what of
            them repeats pictures and so comes from the server's cache (``cached``), and of answers.
        vision: what a picture of 16:9 costs a Qwen2.5-VL: ``frames`` of a clip, ``width`` and ``height`` as the model
            sees them, ``picture`` tokens each, ``clip`` tokens of all.
    """

    name: str
    records: int
    faulty: int
    duplicates: int
    shards: int
    passes: tuple[dict[str, Any], ...]
    clips: int
    kept: int
    pairs: dict[str, int] = field(default_factory=dict)
    model: str = "signals"
    calls: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    vision: dict[str, int] = field(default_factory=dict)
    disk: int = 0
    cpu_hours: float = 0.0
    gpu_hours: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def estimate(manifest: Manifest, records: Iterable[InputRecord]) -> Estimate:
    """Return what running ``manifest`` on ``records`` takes and gives; nothing is decoded or asked."""
    total = faulty = duplicates = 0
    for record in records:
        total += 1
        faulty += bool(record.fault)
        duplicates += bool(record.duplicate_of) and not record.fault
    names = [entry.name for entry in manifest.stages]
    usable = total - faulty - duplicates
    clips = round(usable * (CLIPS_PER_RECORD if "shots" in names else 1.0))
    filters = any(stage_class(name).reasons for name in names if name not in ("validate", "shots", "quota"))
    kept = round(clips * KEPT_SHARE) if filters else clips
    pairs = _pairs(manifest, kept)
    kinds = _asks(manifest, kept, pairs)
    calls = {one.name: one.calls for one in kinds}
    served = manifest.models.vlm.use != "signals"
    tokens = {
        "prompt": sum(one.calls * (one.pictures + PROMPT_TOKENS) for one in kinds),
        "cached": sum(one.calls * one.pictures for one in kinds if one.again),
        "answer": sum(one.calls * one.answer for one in kinds),
    }
    computed = {"prompt": tokens["prompt"] - tokens["cached"], "answer": tokens["answer"]}
    seconds = sum(computed[kind] / GPU_TOKENS_PER_SECOND[kind] for kind in computed) if served else 0.0
    return Estimate(
        name=manifest.name,
        records=total,
        faulty=faulty,
        duplicates=duplicates,
        shards=-(-total // manifest.shard_clips),
        passes=tuple(
            {"name": one.name, "stages": list(one.stages), "corpus": list(one.corpus)}
            for one in passes_of([stage_class(name) for name in names])
        ),
        clips=clips,
        kept=kept,
        pairs=pairs,
        model=str(getattr(manifest.models.vlm, "model", "signals")),
        calls=sum(calls.values()),
        asked=calls,
        tokens=tokens if served else {},
        vision=vision(manifest) if served else {},
        disk=_disk(manifest, kept, pairs),
        cpu_hours=round(clips * CPU_SECONDS_PER_CLIP / 3600, 6),
        gpu_hours=round(seconds / 3600, 6),
    )


def _pairs(manifest: Manifest, kept: int) -> dict[str, int]:
    config = next((entry.config for entry in manifest.stages if entry.name == "expand"), None)
    if config is None:
        return {}
    needed = any(entry.name == "need" for entry in manifest.stages)
    found: dict[str, int] = {}
    for task in TASKS:
        if task in config.get("tasks", TASKS):
            each = PAIRS_PER_CLIP[task] * config.get(f"{task}_per_clip", 1)
            each += FOCUSED * config.get("focus_per_clip", 1) if task == "t2v" else 0.0
            each *= NEEDED if task in COMPOSED and needed else 1.0
            wanted = (manifest.targets or {}).get(task)
            found[task] = min(round(kept * each), kept * 1000 if wanted is None else wanted)
    return found


def vision(manifest: Manifest) -> dict[str, int]:
    """Return what the frames of one clip cost a served model, for pictures of 16:9."""
    short = manifest.media.short_side
    wide = round(short * 16 / 9)
    most = getattr(manifest.models.vlm, "max_pixels", None) or MAX_PIXELS
    width, height = seen_size(wide, short, most=most)
    each = picture_tokens(wide, short, most=most)
    frames = manifest.media.frames
    return {"frames": frames, "width": width, "height": height, "picture": each, "clip": frames * each}


def largest_request(manifest: Manifest) -> int:
    """Return the tokens of the largest request and of its longest answer, for pictures of 16:9."""
    longest = max((int(entry.config.get("max_tokens", 0)) for entry in manifest.stages), default=0)
    # A composed text is asked with a reference clip and its target.
    clips = 2 if any(entry.name == "expand" for entry in manifest.stages) else 1
    return clips * vision(manifest)["clip"] + PROMPT_TOKENS + longest


@dataclass(frozen=True)
class _Asked:
    """Requests of one kind: how many, tokens of the pictures in each and of the answer.

    ``again``: whether its pictures were shown to the server before.
    """

    name: str
    calls: int
    pictures: int
    answer: int
    again: bool = False


def _asks(manifest: Manifest, kept: int, pairs: dict[str, int]) -> list[_Asked]:
    """Return what is asked of a model, in the order in which it is."""
    configs = {entry.name: entry.config for entry in manifest.stages}
    seen, served = vision(manifest), manifest.models.vlm.use != "signals"
    clip, each = seen["clip"], seen["picture"]
    found: list[_Asked] = []
    enrich, audit, expand = (configs.get(name) for name in ("enrich", "audit", "expand"))
    if enrich is not None:
        frames = kept * enrich.get("key_frames", 1) if enrich.get("frame_captions", True) else 0
        found.append(_Asked("captions", kept, clip, ANSWER_TOKENS["captions"]))
        found.append(_Asked("frame captions", frames, each, ANSWER_TOKENS["captions"]))
        found += [_again(one) for one in found] if served and enrich.get("retry", True) else []
        if audit is not None and audit.get("ask", False):
            texts = {clip: kept * enrich.get("captions", 5), each: frames * FRAME_CAPTIONS}
            for size, number in texts.items():
                questions = round(number * OPEN_CAPTIONS) * POLARITIES
                found.append(_Asked("audit questions", questions, size, ANSWER_TOKENS["audit"], again=True))
    if expand is not None:
        tasks = {"ti2v": clip + each, "tv2v": 2 * clip}
        made = [
            _Asked("composed", round(kept * PAIRS_PER_CLIP[task]), size, ANSWER_TOKENS["composed"])
            for task, size in tasks.items()
            if task in pairs
        ]
        found += made + ([_again(one) for one in made] if served and expand.get("retry", True) else [])
        if expand.get("judge", False):
            found += [_Asked("judge", one.calls, one.pictures, ANSWER_TOKENS["judge"], True) for one in made]
    return _summed(found)


def _again(one: _Asked) -> _Asked:
    return _Asked("retries", round(one.calls * RETRIED), one.pictures, one.answer, again=True)


def _summed(found: list[_Asked]) -> list[_Asked]:
    """Return one entry for each name, with the mean tokens of its requests."""
    sums: list[_Asked] = []
    for name in dict.fromkeys(one.name for one in found if one.calls):
        own = [one for one in found if one.name == name]
        calls = sum(one.calls for one in own)
        pictures = round(sum(one.calls * one.pictures for one in own) / calls)
        answer = round(sum(one.calls * one.answer for one in own) / calls)
        sums.append(_Asked(name, calls, pictures, answer, own[0].again))
    return sums


def _disk(manifest: Manifest, kept: int, pairs: dict[str, int]) -> int:
    """Return the bytes of the run directory: stored frames, and the pictures of each pair."""
    media = manifest.media
    picture = media.short_side * media.short_side * 16 / 9 * BYTES_PER_PIXEL
    shown = {"t2v": media.frames, "t2i": 1, "i2v": media.frames + 1, "t2t": 0, "ti2v": media.frames + 1}
    total = sum(number * (shown.get(task, 2 * media.frames) * picture + 4096) for task, number in pairs.items())
    return round(total + kept * (2 * media.frames * picture + 8192))
