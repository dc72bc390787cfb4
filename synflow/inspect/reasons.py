"""What reason codes mean, in the words of the stages that register them."""

from __future__ import annotations

from synflow.chain import ENGINE_REASONS, MEDIA_REASONS
from synflow.errors import UsageError
from synflow.registry import stage_class


def meaning(stage: str, reason: str) -> str:
    """Return what a reason of a stage means; empty where nothing registered it."""
    try:
        words = stage_class(stage).reasons
    except UsageError:
        # A stage that cannot be imported any more is no reason not to look at what it dropped.
        words = {}
    return words.get(reason) or {**MEDIA_REASONS, **ENGINE_REASONS}.get(reason, "")
