"""The dataset card: ``README.md`` of a run, with the counts of that run and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synflow.console import clean
from synflow.manifest import Manifest
from synflow.registry import stage_class
from synflow.store.contents import Contents, Origin

TASK_WORDS = {
    "t2v": "text to video",
    "t2i": "text to image",
    "i2v": "image to video",
    "t2t": "text to text",
    "ti2v": "text and image to video",
    "v2v": "video segment to video",
    "tv2v": "text and video segment to video",
}

CHECKS = {
    "rectify": "captions are not repaired or dropped",
    "quality": "bad pictures are not dropped",
    "dynamics": "still clips are not dropped",
    "dedup": "copies are not dropped",
    "consistency": "captions are not compared with pictures",
    "audit": "claims of written captions are not checked",
}
"""Stages whose absence a reader of the card has to know."""


MOST_ORIGINS = 60
"""Origins that are listed by themselves; the card of a million sources is still to be read."""


def in_one_line(text: str, limit: int = 200) -> str:
    """Return strange text on one line, with nothing in it that a reader of Markdown or HTML would obey."""
    shown = clean(text, limit)
    marked = "".join(f"\\{char}" if char in "\\`*_[]|~#" else char for char in shown)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


READ_IT = (
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
    "the sources of each pair stand in `index/pairs.parquet` and in the `.json` member of the pair.",
    "`croissant.json` describes all of it for machines.",
    "",
)


def dataset_card(
    manifest: Manifest,
    value: Mapping[str, Any],
    reasons: Mapping[str, str],
    contents: Contents,
    origins: Mapping[Origin, int],
) -> str:
    """Return the card of a finished run.

    Args:
        manifest: of the run.
        value: what ``dataset.json`` says.
        reasons: what the reasons of the engine mean; those of a stage are its own.
        contents: what was counted of pairs and clips.
        origins: where the kept input records are from, and how many they are.
    """
    lines = [
        *_summary(manifest, value, contents),
        *_pairs(value),
        *_licences(contents, origins),
        *_dropped(manifest, value, reasons),
        *_held_against(value.get("held_against")),
        *_audited(value.get("audit")),
        *_withdrawn(value.get("withdrawn")),
        *_limits(manifest, value, contents),
        *_made_with(manifest),
        *READ_IT,
    ]
    return "\n".join(lines)


def _summary(manifest: Manifest, value: Mapping[str, Any], contents: Contents) -> list[str]:
    records, clips, pairs = value["records"], value["clips"], value["pairs"]
    return [
        f"# {manifest.name}",
        "",
        f"{sum(pairs.values()):,} retrieval pairs from {records['kept']:,} of {records['inputs']:,} input records "
        f"({clips['kept']:,} clips kept, {contents.seconds / 3600:,.2f} hours; {clips['dropped']:,} dropped). "
        f"Seed {manifest.seed}.",
    ]


def _pairs(value: Mapping[str, Any]) -> list[str]:
    lines = ["", "## Pairs", "", "| task | what | pairs | shards | bytes |", "|---|---|---:|---:|---:|"]
    for task, number in value["pairs"].items():
        own = [shard for shard in value["shards"] if shard["task"] == task]
        size = sum(shard["bytes"] for shard in own)
        lines.append(f"| {task} | {TASK_WORDS[task]} | {number:,} | {len(own)} | {size:,} |")
    if not value["pairs"]:
        lines.append("| - | this run makes no pairs | 0 | 0 | 0 |")
    return lines


def _dropped(manifest: Manifest, value: Mapping[str, Any], reasons: Mapping[str, str]) -> list[str]:
    lines = ["", "## Dropped", "", "| stage | reason | clips or records | meaning |", "|---|---|---:|---|"]
    classes = {entry.name: stage_class(entry.name) for entry in manifest.stages}
    for name, number in value["drops"].items():
        stage, reason = name.split("/", 1)
        known = {**reasons, **getattr(classes.get(stage), "reasons", {})}
        lines.append(f"| {stage} | {reason} | {number:,} | {known.get(reason, '')} |")
    return lines


def _made_with(manifest: Manifest) -> list[str]:
    return [
        "",
        "## Made with",
        "",
        *(f"- stage `{entry.name}`" for entry in manifest.stages),
        f"- describing model: `{manifest.models.vlm.use}`, embedder: `{manifest.models.embed.use}`",
    ]


def _licences(contents: Contents, origins: Mapping[Origin, int]) -> list[str]:
    """Return the chapter on licences: those of the pairs, and those of the sources by origin."""
    if not origins:
        return []
    lines = [
        "",
        "## Licences",
        "",
        "A pair has the most restrictive licence of its sources; `unknown` is the most restrictive of all.",
        "",
        "| licence of the pair | pairs |",
        "|---|---:|",
    ]
    ranked = sorted(contents.licences.items(), key=lambda one: (-one[1], one[0]))
    lines += [f"| {in_one_line(name)} | {number:,} |" for name, number in ranked] or ["| - | 0 |"]
    lines += [
        "",
        "Of the sources, as their lists state it:",
        "",
        "| dataset | attribution | licence | input records |",
        "|---|---|---|---:|",
    ]
    listed = sorted(origins.items(), key=lambda one: (-one[1], one[0]))
    for origin, number in listed[:MOST_ORIGINS]:
        cells = " | ".join(in_one_line(part, 120) or "-" for part in origin)
        lines.append(f"| {cells} | {number:,} |")
    if rest := listed[MOST_ORIGINS:]:
        lines.append(f"| {len(rest):,} more | - | - | {sum(number for _, number in rest):,} |")
    return lines


def _withdrawn(found: Mapping[str, Any] | None) -> list[str]:
    """Return the chapter on sources that were withdrawn; nothing where there were none."""
    if not found:
        return []
    gone = sum(found["pairs"].values())
    return [
        "",
        "## Withdrawn",
        "",
        f"{found['records']:,} input records were withdrawn after the run, with {found['clips']:,} clips and {gone:,} "
        "pairs. Copies of",
        "an earlier state of this dataset still hold them.",
    ]


def _limits(manifest: Manifest, value: Mapping[str, Any], contents: Contents) -> list[str]:
    """Return the chapter on what the dataset is not, as far as the run itself can tell."""
    measured = manifest.models.vlm.use == "signals"
    by = "a program that names what it measured of colour, layout, motion and light" if measured else "a model"
    told = [
        f"Texts that did not come with the videos were written by {by}, in English, and nobody read them all.",
        "Nothing looks for persons, faces, violence or nudity: what the sources show, the pairs show.",
        "Sound is not looked at.",
    ]
    if measured:
        told.insert(1, "It names no objects, persons or places, so its texts are poorer than a model's.")
    asked = {entry.name for entry in manifest.stages}
    absent = [f"`{name}` ({what})" for name, what in CHECKS.items() if name not in asked]
    if absent:
        told.append(f"Not done in this run: {', '.join(absent)}.")
    if unknown := contents.licences.get("unknown", 0):
        share = unknown / max(1, contents.licences.total())
        told.append(f"Of {unknown:,} pairs ({share:.1%}) the licence is not known: it has to be found out before use.")
    short = {task: one for task, one in value.get("targets", {}).items() if one["short"]}
    if short:
        gaps = ", ".join(f"{task} {one['made']:,} of {one['target']:,}" for task, one in short.items())
        told.append(f"Fewer pairs than were asked for: {gaps}.")
    return ["", "## Limits", "", *(f"- {line}" for line in told)]


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
