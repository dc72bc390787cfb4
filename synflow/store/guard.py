"""What the lists of forbidden videos and captions took away from a run, told in ``dataset.json`` and on its card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

REASONS = {"forbidden-video": "videos", "forbidden-caption": "captions"}


class Guard:
    """Counts what each list took away.

    Args:
        configs: parameters of the stages of the run, as its manifest holds them.
    """

    def __init__(self, configs: Sequence[Mapping[str, Any]]) -> None:
        self.lists: dict[str, dict[str, Any]] = {}
        self._captions = 0
        for config in configs:
            for file in config.get("forbidden") or ():
                known = {"sha256": file["sha256"], "entries": max(0, file["lines"] - 1)}
                self.lists[Path(file["path"]).name] = {**known, "videos": 0, "captions": 0}

    def drop(self, reason: str, detail: str) -> None:
        """Count a drop; ``detail`` begins with the name of the list."""
        found = self.lists.get(detail.partition(": ")[0])
        if reason in REASONS and found is not None:
            found[REASONS[reason]] += 1

    def keep(self, measures: Mapping[str, Any]) -> None:
        """Count the captions that a clip lost which stays."""
        self._captions += int(measures.get("dedup.forbidden", 0))

    def watch(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Count rows on their way into the tables of clips and of rejects."""
        for row in rows:
            if row.get("kept"):
                self.keep(dict(row["measures"]))
            elif "kept" not in row:
                self.drop(row["reason"], row["detail"])
            yield row

    def told(self) -> dict[str, Any]:
        """Return what ``dataset.json`` has of it: nothing where no list was held against the run."""
        if not self.lists:
            return {}
        return {"held_against": {"lists": dict(sorted(self.lists.items())), "captions_removed": self._captions}}
