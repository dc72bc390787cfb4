"""What a dataset holds, counted from the rows of its tables on their way into them; its cards tell it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from synflow.store.layout import RunLayout

Origin = tuple[str, str, str]
"""Dataset, attribution and licence of input records, as their list gave them."""


class Contents:
    """Counts of a finished run.

    Attributes:
        licences, domains, styles: pairs by each; licences are those of the pairs, the strictest of their sources.
        models: pairs by the model whose answer was used last; empty for pairs without one.
        videos: different sources that pairs lead to.
        seconds: length of all clips that are kept.
        kept: ids of the input records of which a clip is kept.
    """

    def __init__(self) -> None:
        self.licences: Counter[str] = Counter()
        self.domains: Counter[str] = Counter()
        self.styles: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self._videos: set[str] = set()
        self.seconds = 0.0
        self.kept: set[str] = set()

    @property
    def videos(self) -> int:
        """How many different sources the targets of pairs are from."""
        return len(self._videos)

    def pairs(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Count the rows of the table of pairs."""
        for row in rows:
            self.licences[row["licence"]] += 1
            self.domains[row["domain"]] += 1
            self.styles[row["style"]] += 1
            self.models[row["model"]] += 1
            self._videos.add(row["source_id"])
            yield row

    def clips(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Count the rows of the table of clips."""
        for row in rows:
            if row["kept"]:
                self.kept.add(row["record_id"])
                self.seconds += (row["end"] or 0.0) - (row["start"] or 0.0)
            yield row

    def origins(self, layout: RunLayout) -> Counter[Origin]:
        """Return how many of the kept input records are of which origin, as the plan has them."""
        found: Counter[Origin] = Counter()
        with layout.plan.open("rb") as lines:
            for line in lines:
                found.update(_origin(one) for one in json.loads(line)["inputs"] if one["record_id"] in self.kept)
        return found


def _origin(record: Mapping[str, Any]) -> Origin:
    return record["dataset"], record["attribution"], record["licence"]
