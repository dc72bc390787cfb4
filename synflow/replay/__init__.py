"""Verdicts under other thresholds, from what a finished run stored; nothing is decoded, no model is asked.

Stages measure and then decide, and what they decide is a pure function of what they measured: ``verdict`` of a stage
that sees each sample by itself, ``settle`` of one that sees the whole corpus. Both are asked again here, with other
parameters, on measures of the index and on rows that the receipts name. A clip that an old threshold dropped was not
measured by the stages after it: where a new threshold lets it pass, it is undecided, and only a run can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synflow.inspect.index import open_index
from synflow.inspect.stored import pairs_of
from synflow.manifest import Manifest, changed_manifest
from synflow.replay.changes import differences
from synflow.replay.fates import End, Fate, Replay
from synflow.replay.walk import Walk

__all__ = ["End", "Fate", "Replay", "replay"]


def replay(root: Path, sets: Sequence[str]) -> Replay:
    """Return what the run in ``root`` would be with ``sets`` (``stage.parameter=value``).

    Raises:
        UsageError: it is no finished run, or ``sets`` names what cannot be replayed.
        Refused: a stage is no longer the one that measured.
    """
    index = open_index(root)
    manifest = Manifest.restored(index.run["manifest"], Path(index.run["folder"]))
    changed = changed_manifest(index.run["manifest"], manifest.folder, sets)
    changes = differences(manifest, changed)
    walk = Walk(index, manifest, changed, {name.partition(".")[0] for name in changes})
    fates = walk.fates()
    gone = {(fate.clip.record_id, fate.clip.clip_id) for fate in fates if fate.was is None and not fate.alive}
    return Replay(changes, fates, walk.split_at, pairs_of(index, gone))
