"""What a run is: the fingerprint that a directory is bound to, and the difference to another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from synflow.durable import told
from synflow.errors import Damage, Refused
from synflow.ids import digest_of
from synflow.plan import Shard
from synflow.prompts import load, names
from synflow.store.layout import RunLayout

FORMAT = 1
"""Raised when run files of an older synflow can no longer be continued."""


def fingerprint(
    identity: Mapping[str, Any], versions: Mapping[str, int], shards: Sequence[Shard], asks: bool
) -> dict[str, Any]:
    """Return all that determines the bytes of a run, flat, by key path.

    Args:
        identity: of the manifest (no folders, endpoints or executor).
        versions: stage name -> version.
        shards: the frozen inputs.
        asks: whether any stage asks a model, so that prompts count.
    """
    parts: dict[str, Any] = {"format": FORMAT, "inputs.records": sum(shard.records for shard in shards)}
    parts["inputs.digest"] = digest_of([shard.inputs for shard in shards])
    parts.update({f"stage version.{name}": number for name, number in versions.items()})
    if asks:
        parts.update({f"prompt.{name}": load(name, None).digest for name in names()})
    _flatten("", identity, parts)
    return dict(sorted(parts.items()))


def _flatten(prefix: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            _flatten(f"{prefix}.{name}" if prefix else str(name), inner, into)
    elif isinstance(value, (list, tuple)) and value:
        for place, inner in enumerate(value):
            _flatten(f"{prefix}[{place}]", inner, into)
    else:
        into[prefix] = value


def differences(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return what differs, one line each."""
    lines = []
    for name in sorted({*held, *wanted}):
        before, after = held.get(name, "(absent)"), wanted.get(name, "(absent)")
        if before != after:
            lines.append(f"{name}: {before} there, {after} here")
    return lines


def read_identity(layout: RunLayout) -> dict[str, Any] | None:
    """Return ``run.json``, or None where there is none.

    Raises:
        Damage: it is there but cannot be read.
    """
    try:
        value: dict[str, Any] = json.loads(layout.identity.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Damage(f"{layout.identity} is not a run's identity", "choose another folder") from error
    return value


def check_vacant(layout: RunLayout) -> None:
    """Refuse to begin a run among files of somebody else that have the names of its own.

    Raises:
        Refused: there are such files, and neither a run nor the lock that any beginning of one leaves first.
    """
    with told(layout.root):
        if layout.identity.exists() or layout.lock.exists() or not layout.root.is_dir():
            return
    own = (
        layout.plan, layout.objects, layout.staging, layout.settled, layout.log, layout.shards, layout.index,
        layout.dataset, layout.card, layout.root / "receipts", layout.root / "journal",
    )  # fmt: skip
    taken = [path.name for path in own if path.exists() and not (path.is_dir() and not any(path.iterdir()))]
    if taken:
        raise Refused(
            f"{layout.root} is no run, but holds {', '.join(taken)}, which a run would overwrite",
            "choose another --out, best an empty or a new folder",
        )


def check_identity(layout: RunLayout, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to continue a run as another one.

    Raises:
        Refused: the fingerprints differ; the cause shows how.
    """
    lines = differences(held["fingerprint"], wanted)
    if lines:
        shown = "; ".join(lines[:6]) + (f"; and {len(lines) - 6} more" if len(lines) > 6 else "")
        raise Refused(
            f"{layout.root} holds another run ({shown})",
            f"`--out NEW --reuse {layout.root}` makes yours from what still holds of it, or undo the change",
        )
