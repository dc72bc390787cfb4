"""What became of a run's targets, told in ``dataset.json``: how many pairs were asked for, offered and made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synflow.records import TASKS
from synflow.store.receipts import Receipt

CAUSES = {
    "material": "fewer pairs could be made than were asked for",
    "shares": "no more may come from one source or topic",
    "withdrawn": "sources were withdrawn after the run",
    "repeats": "pairs of the same content, which stand once",
}
"""Why a task has fewer pairs than its target."""


def targets_told(
    stages: Sequence[Mapping[str, Any]],
    passes: Sequence[Sequence[Receipt]],
    made: Mapping[str, int],
    withdrawn: Mapping[str, int],
) -> dict[str, Any]:
    """Return what ``dataset.json`` has of the targets; nothing where there are none.

    Args:
        stages: ``name`` and ``config`` of each, as the manifest holds them.
        passes: receipts of all passes but the packing; what the quota decided is applied by the last of them.
        made: pairs by task.
        withdrawn: pairs by task that were made and are not in the dataset any more.
    """
    config: Mapping[str, Any] = next((one["config"] for one in stages if one["name"] == "quota"), {})
    targets = config.get("targets")
    if not targets or len(passes) < 2:
        return {}
    offered: dict[str, int] = {}
    for receipt in passes[-2]:
        for task, number in receipt.pairs.items():
            offered[task] = offered.get(task, 0) + number
    shares = config.get("source_share") is not None or config.get("topic_share") is not None
    told = {}
    for task in (task for task in TASKS if task in targets):
        wanted, had, found = targets[task], offered.get(task, 0), made.get(task, 0)
        short = max(0, wanted - found)
        cause = (
            ""
            if not short
            else "withdrawn"
            if short <= withdrawn.get(task, 0)
            else "material"
            if had < wanted
            else "shares"
            if shares
            else "repeats"
        )
        told[task] = {"target": wanted, "offered": had, "made": found, "short": short, "cause": cause}
    return {"targets": told}
