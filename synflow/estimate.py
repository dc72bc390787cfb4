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
ANSWER_TOKENS = {"captions": 450, "composed": 60}
GPU_TOKENS_PER_SECOND = {"prompt": 12_000, "answer": 1_200}
BYTES_PER_PIXEL = 0.12
"""Of a JPEG at quality 90."""

PAIRS_PER_CLIP = {"t2v": 1.0, "t2i": 1.0, "i2v": 1.0, "t2t": 1.0, "ti2v": 0.9, "v2v": 0.8, "tv2v": 0.7}
"""Pairs of a kept clip; those that need a segment or a second clip cannot always be made."""


@dataclass(frozen=True)
class Estimate:
    """What a manifest takes and gives.

    Attributes:
        records, faulty, duplicates: lines of the input lists, and those that cannot be used; counted.
        passes: name, stages and corpus stages of each pass.
        pairs: task -> expected number; disk: bytes.
        calls: requests to models that are served; ``tokens`` of prompt (pictures included) and answer.
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
    calls, tokens = _asks(manifest, kept, pairs)
    served = manifest.models.vlm.use != "signals"
    seconds = sum(tokens[kind] / GPU_TOKENS_PER_SECOND[kind] for kind in tokens) if served else 0.0
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
        calls=calls,
        tokens=tokens if served else {},
        vision=vision(manifest) if served else {},
        disk=_disk(manifest, kept, pairs),
        cpu_hours=round(clips * CPU_SECONDS_PER_CLIP / 3600, 3),
        gpu_hours=round(seconds / 3600, 3),
    )


def _pairs(manifest: Manifest, kept: int) -> dict[str, int]:
    config = next((entry.config for entry in manifest.stages if entry.name == "expand"), None)
    if config is None:
        return {}
    found: dict[str, int] = {}
    for task in TASKS:
        if task in config.get("tasks", TASKS):
            each = PAIRS_PER_CLIP[task] * config.get(f"{task}_per_clip", 1)
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


def _asks(manifest: Manifest, kept: int, pairs: dict[str, int]) -> tuple[int, dict[str, int]]:
    """Return calls, and tokens of prompts and answers, of all stages that ask a model."""
    names = [entry.name for entry in manifest.stages]
    frames, each = manifest.media.frames, vision(manifest)["picture"]
    captions = kept if "enrich" in names else 0
    pictures = kept if "enrich" in names else 0
    composed = round(kept * (PAIRS_PER_CLIP["ti2v"] + PAIRS_PER_CLIP["tv2v"])) if pairs else 0
    prompt = captions * (frames * each + PROMPT_TOKENS) + pictures * (each + PROMPT_TOKENS)
    prompt += composed * ((frames + 1) * each + PROMPT_TOKENS)
    answer = (captions + pictures) * ANSWER_TOKENS["captions"] + composed * ANSWER_TOKENS["composed"]
    return captions + pictures + composed, {"prompt": prompt, "answer": answer}


def _disk(manifest: Manifest, kept: int, pairs: dict[str, int]) -> int:
    """Return the bytes of the run directory: stored frames, and the pictures of each pair."""
    media = manifest.media
    picture = media.short_side * media.short_side * 16 / 9 * BYTES_PER_PIXEL
    shown = {"t2v": media.frames, "t2i": 1, "i2v": media.frames + 1, "t2t": 0, "ti2v": media.frames + 1}
    total = sum(number * (shown.get(task, 2 * media.frames) * picture + 4096) for task, number in pairs.items())
    return round(total + kept * (2 * media.frames * picture + 8192))
