"""The dataset card: ``README.md`` of a run, with the counts of that run and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synflow.manifest import Manifest
from synflow.registry import stage_class

TASK_WORDS = {
    "t2v": "text to video",
    "t2i": "text to image",
    "i2v": "image to video",
    "t2t": "text to text",
    "ti2v": "text and image to video",
    "v2v": "video segment to video",
    "tv2v": "text and video segment to video",
}


def dataset_card(manifest: Manifest, value: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    """Return the card of a finished run.

    Args:
        manifest: of the run.
        value: what ``dataset.json`` says.
        reasons: what the reasons of the engine mean; those of a stage are its own.
    """
    records, clips, pairs = value["records"], value["clips"], value["pairs"]
    lines = [
        f"# {manifest.name}",
        "",
        f"{sum(pairs.values()):,} retrieval pairs from {records['kept']:,} of {records['inputs']:,} input records "
        f"({clips['kept']:,} clips kept, {clips['dropped']:,} dropped). Seed {manifest.seed}.",
        "",
        "## Pairs",
        "",
        "| task | what | pairs | shards | bytes |",
        "|---|---|---:|---:|---:|",
    ]
    for task, number in pairs.items():
        own = [shard for shard in value["shards"] if shard["task"] == task]
        size = sum(shard["bytes"] for shard in own)
        lines.append(f"| {task} | {TASK_WORDS[task]} | {number:,} | {len(own)} | {size:,} |")
    if not pairs:
        lines.append("| - | this run makes no pairs | 0 | 0 | 0 |")
    lines += ["", "## Dropped", "", "| stage | reason | clips or records | meaning |", "|---|---|---:|---|"]
    classes = {entry.name: stage_class(entry.name) for entry in manifest.stages}
    for name, number in value["drops"].items():
        stage, reason = name.split("/", 1)
        known = {**reasons, **getattr(classes.get(stage), "reasons", {})}
        meaning = known.get(reason, "")
        lines.append(f"| {stage} | {reason} | {number:,} | {meaning} |")
    lines += _held_against(value.get("held_against"))
    lines += _audited(value.get("audit"))
    lines += [
        "",
        "## Made with",
        "",
        *(f"- stage `{entry.name}`" for entry in manifest.stages),
        f"- describing model: `{manifest.models.vlm.use}`, embedder: `{manifest.models.embed.use}`",
        "",
        "## Read it",
        "",
        "```python",
        "import webdataset as wds",
        "",
        'for pair in wds.WebDataset("shards/t2v/t2v-000000.tar", shardshuffle=False):',
        '    print(pair["__key__"], pair["query.txt"].decode(), len(pair["target.0.jpg"]))',
        "```",
        "",
        "Every shard, its bytes and its sha256 stand in `dataset.json`; `synflow verify` checks them. The licence and",
        "the source of each pair stand in `index/pairs.parquet` and in the `.json` member of the pair.",
        "",
    ]
    return "\n".join(lines)


def _held_against(found: Mapping[str, Any] | None) -> list[str]:
    """Return the chapter on the lists of what must not be in the dataset; nothing where there were none."""
    if not found:
        return []
    lines = [
        "",
        "## Held against",
        "",
        "No kept clip is a copy of a video of these lists, and no caption that came with it is one of theirs.",
        "",
        "| list | entries | clips dropped, a copy | clips dropped, no other caption | sha256 |",
        "|---|---:|---:|---:|---|",
    ]
    for name, one in found["lists"].items():
        lines.append(
            f"| {name} | {one['entries']:,} | {one['videos']:,} | {one['captions']:,} | `{one['sha256'][:16]}` |"
        )
    return [*lines, "", f"Of clips that stay, {found['captions_removed']:,} captions were removed."]


def _audited(found: Mapping[str, Any] | None) -> list[str]:
    """Return the chapter on the audit of captions that a model wrote; nothing where there was none."""
    if not found:
        return []
    lines = [
        "",
        "## Audit",
        "",
        "Claims of the captions that the model wrote, compared with what was measured, or put to the model. A caption",
        "with a contradicted claim does not stand in the dataset, unless the manifest says `contradicted: keep`.",
        "",
        "| captions | checked | removed | claims supported | contradicted | unknown |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    names = ("captions", "removed", "supported", "contradicted", "unknown")
    for kind, groups in found.items():
        for group, counts in groups.items():
            numbers = " | ".join(f"{counts.get(name, 0):,}" for name in names)
            lines.append(f"| {kind} {group} | {numbers} |")
    return lines
