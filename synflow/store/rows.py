"""Rows of the clip and reject tables, as the passes leave them for the index."""

from __future__ import annotations

from typing import Any

from synflow.records import Sample


def clip_row(sample: Sample) -> dict[str, Any]:
    """Return what the index tells of a clip."""
    clip = sample.clip
    return {
        "record_id": sample.record_id,
        "clip_id": clip.id if clip else "",
        "source_uri": sample.source.uri,
        "start": round(clip.start, 6) if clip else None,
        "end": round(clip.end, 6) if clip else None,
        "width": clip.facts.width if clip else None,
        "height": clip.facts.height if clip else None,
        "fps": clip.facts.fps if clip else None,
        "codec": clip.facts.codec if clip else "",
        "measures": dict(sorted(sample.measures.items())),
        "phash": str(sample.facts.get("phash", "")),
    }


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Part measures into numbers (true is 1) and words: a column of a table has one type."""
    measures = sorted(row["measures"].items())
    return {
        **row,
        "measures": [(name, float(value)) for name, value in measures if not isinstance(value, str)],
        "labels": [(name, value) for name, value in measures if isinstance(value, str)],
    }


def drop_row(dropped: Any) -> dict[str, Any]:
    """Return what the index tells of a `synflow.chain.Dropped`."""
    row = clip_row(dropped.sample)
    row["measures"] = dict(sorted(dropped.drop.measures.items()))
    return {**row, "stage": dropped.stage, "reason": dropped.drop.reason, "detail": dropped.drop.detail}
