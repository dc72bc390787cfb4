"""What reason codes mean, in the words of the stages that register them."""

from __future__ import annotations

import contextlib

from synflow.chain import ENGINE_REASONS, MEDIA_REASONS
from synflow.errors import UsageError
from synflow.registry import stage_class, stage_names


def meanings() -> dict[str, str]:
    """Return what each reason means: ``stage/reason`` of the registered stages, and the engine's own by reason."""
    words = {**MEDIA_REASONS, **ENGINE_REASONS}
    for name in stage_names():
        # A stage that cannot be imported any more is no reason not to look at what it dropped.
        with contextlib.suppress(UsageError):
            words.update({f"{name}/{reason}": text for reason, text in stage_class(name).reasons.items()})
    return words


def meaning(stage: str, reason: str, words: dict[str, str]) -> str:
    """Return what a reason of a stage means; empty where nothing registered it."""
    return words.get(f"{stage}/{reason}") or words.get(reason, "")
