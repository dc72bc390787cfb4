"""The newest pairs of a run under way, from the shards that ended last; nothing is hashed: shown, never believed."""

from __future__ import annotations

import json
from pathlib import Path

from synflow.errors import Damage
from synflow.records import Image, Pair, Video
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef, read_receipt

TAIL = 256 << 10
"""Bytes at the end of an object that are read."""

LOOKED_AT = 40
"""Receipts that are opened at most."""


def newest_pairs(layout: RunLayout, number: int) -> list[Pair]:
    """Return up to ``number`` pairs, the last ones of the shards that ended last."""
    found: list[Pair] = []
    for path in _receipts(layout)[:LOOKED_AT]:
        try:
            receipt = read_receipt(path)
        except (Damage, OSError):
            continue
        if receipt is not None and (ref := receipt.objects.get("pairs")) is not None:
            found += _last(layout, ref, number - len(found))
        if len(found) >= number:
            break
    return found


def _receipts(layout: RunLayout) -> list[Path]:
    """Return the receipts of all passes, the newest first."""
    times = []
    for path in (layout.root / "receipts").glob("*/*.json"):
        try:
            times.append((path.stat().st_mtime_ns, path))
        except OSError:
            continue
    return [path for _, path in sorted(times, reverse=True)]


def _last(layout: RunLayout, ref: ObjectRef, number: int) -> list[Pair]:
    try:
        with layout.object(ref.name).open("rb") as lines:
            start = max(0, ref.bytes - TAIL)
            lines.seek(start)
            whole = lines.read().splitlines()[1 if start else 0 :]
        return [Pair.model_validate(json.loads(line)["pair"]) for line in reversed(whole[-number:])]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def pictures_of(layout: RunLayout, side: Image | Video | None) -> list[bytes]:
    """Return the JPEGs of one side of a pair that is in no shard yet; those that cannot be read are left out."""
    frames = () if side is None else (side.frame,) if isinstance(side, Image) else side.frames
    found = []
    for frame in frames:
        try:
            with layout.object(side.frames_object).open("rb") as data:  # type: ignore[union-attr]
                data.seek(frame.offset)
                found.append(data.read(frame.bytes))
        except (OSError, ValueError):
            continue
    return found
