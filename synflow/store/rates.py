"""What `audit` and `need` found over a whole run, summed from the measures of clips on their way into the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

_GROUPS = ("prompt", "style", "axis")


class Rates:
    """Sums what `audit` measured of captions, by prompt, style and axis, and what `need` did with composed pairs."""

    def __init__(self) -> None:
        self._sums: Counter[tuple[str, str, str]] = Counter()
        self._needed: Counter[str] = Counter()

    def add(self, measures: Iterable[tuple[str, float]]) -> None:
        """Count the measures of one clip."""
        for name, value in measures:
            if name.startswith("need."):
                self._needed[name.removeprefix("need.")] += int(value)
            if not name.startswith("audit."):
                continue
            kind, _, rest = name.removeprefix("audit.").partition(".")
            if kind in _GROUPS:
                group, _, what = rest.rpartition(".")
                self._sums[kind, group, what] += int(value)

    def watch(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Count the rows of the table of clips on their way into it."""
        for row in rows:
            self.add(row["measures"])
            yield row

    def told(self) -> dict[str, Any]:
        """Return ``{"audit": {kind: {group: {what: number}}}, "need": {what: pairs}}``; nothing that did not happen."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for kind, group, what in sorted(self._sums, key=lambda key: (_GROUPS.index(key[0]), key[1:])):
            found.setdefault(kind, {}).setdefault(group, {})[what] = self._sums[kind, group, what]
        needed = {"need": dict(sorted(self._needed.items()))} if self._needed else {}
        return {**({"audit": found} if found else {}), **needed}
