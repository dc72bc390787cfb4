"""The hard negatives of a pair: what was made with it (texts, its target backward), and what `synflow mine` found."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from synflow.errors import SynflowError
from synflow.inspect.sampler import Stored
from synflow.store.negatives import read_negatives

MOST = 8
"""Negatives of one pair that are shown."""


class Mined:
    """The mined negatives of a run, read when the first pair asks for them.

    Args:
        root: of the run.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def _by_pair(self) -> Mapping[str, Mapping[str, list[dict[str, Any]]]]:
        try:
            return read_negatives(self._root)
        except SynflowError:
            # None, several sets of which nobody said which, or of another state of the run: nothing to be shown.
            return {}

    def of(self, pair: Stored) -> list[dict[str, Any]]:
        """Return the negatives of a pair, those of its own record first."""
        own = [dict(one) for one in pair.record.get("negatives") or () if isinstance(one, dict) and one.get("kind")]
        found = self._by_pair.get(pair.row["task"], {}).get(pair.row["id"], [])
        # `synflow mine` takes the made ones into its tables: shown once, with what it found out of them.
        known = {(one["kind"], one.get("negative_text", "")) for one in found}
        fresh = [one for one in own if (one["kind"], one.get("negative_text", "")) not in known]
        return [*fresh, *found][:MOST]
