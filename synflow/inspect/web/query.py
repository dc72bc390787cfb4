"""Filters, pages and counts over the index tables, asked of DuckDB; shards are not touched, rows are read by place."""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from synflow.errors import Damage, UsageError
from synflow.inspect.index import TABLES, RunIndex

PAGE = 20
EQUAL = {
    "pairs": ("task", "domain", "style", "emphasis", "licence", "record_id"),
    "rejects": ("stage", "reason", "record_id"),
}
"""Columns that a filter compares as a whole."""

TEXTS = {"pairs": ("query_text", "target_text"), "rejects": ("record_id", "detail")}
"""Columns in which a text is looked for."""

NUMBERS = {"pairs": "scores", "rejects": "measures"}
SORTS = ("stored", "high", "low", "long", "short")
MEMORY = "1GB"


@dataclass(frozen=True)
class Wish:
    """What of a table is asked for.

    Attributes:
        equal: column -> value.
        text: words that must stand in a text, in any case.
        source: part of the address of the source.
        score, least, most: a score (or measure) and its range; a row without it is not in the range.
        sort: one of `SORTS`; by score, or by the length of the text.
        start: rows to pass over.
        ids: only these ids, for marks.
    """

    table: str
    equal: tuple[tuple[str, str], ...] = ()
    text: str = ""
    source: str = ""
    score: str = ""
    least: float | None = None
    most: float | None = None
    sort: str = "stored"
    start: int = 0
    ids: tuple[str, ...] | None = None

    @property
    def narrows(self) -> bool:
        """Whether it asks for less than the whole table."""
        return bool(self.equal or self.text or self.source or self.ids is not None or self.bounded)

    @property
    def bounded(self) -> bool:
        """Whether a range of a score is asked for."""
        return bool(self.score) and (self.least is not None or self.most is not None)


def wish(table: str, given: Mapping[str, str], ids: tuple[str, ...] | None = None) -> Wish:
    """Return what the parameters of an address ask for; what makes no sense is left out."""

    def number(name: str) -> float | None:
        try:
            value = float(given.get(name, ""))
        except ValueError:
            return None
        return value if abs(value) < 1e300 else None

    equal = tuple((name, given[name]) for name in EQUAL[table] if given.get(name))
    start = given.get("start", "")
    return Wish(
        table,
        equal,
        given.get("q", "").strip()[:500],
        given.get("source", "").strip()[:500],
        given.get("score", "")[:200],
        number("least"),
        number("most"),
        given["sort"] if given.get("sort") in SORTS else "stored",
        int(start) if re.fullmatch(r"[0-9]{1,12}", start) else 0,
        ids,
    )


class Tables:
    """The index tables of a run, opened for questions. Safe to be asked from several threads."""

    def __init__(self, index: RunIndex) -> None:
        self.index = index
        self._base = duckdb.connect(":memory:")
        self._base.execute(f"SET memory_limit='{MEMORY}'")
        self._base.execute("SET autoinstall_known_extensions=false")
        self._lock = threading.Lock()
        self._metadata: dict[str, tuple[Any, list[int]]] = {}
        for name in TABLES:
            # In a name, these would be a pattern.
            path = re.sub(r"([*?\[])", r"[\1]", str(index.path(name).absolute()))
            with self._told(name):
                self._base.read_parquet(path, file_row_number=True).create_view(name)

    def ask(self, sql: str, values: Sequence[Any] = (), table: str = "pairs") -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises:
            Damage: a table cannot be read.
        """
        with self._lock:
            cursor = self._base.cursor()
        with self._told(table):
            return cursor.execute(sql, list(values)).fetchall()

    def _told(self, table: str) -> _Told:
        return _Told(self.index, table)

    def places(self, asked: Wish, size: int = PAGE) -> list[int]:
        """Return the rows of a page; one more than ``size`` where there is another page."""
        last = asked.start + size + 1
        if asked.sort == "stored" and not asked.narrows:
            return list(range(asked.start, min(last, self.count(asked))))
        if asked.sort == "stored":
            return [int(place) for place in self._matches(_bare(asked))[asked.start : last]]
        where, values = _where(asked)
        text = TEXTS[asked.table][0]
        order = {
            "high": f"{_score(asked)} DESC NULLS LAST",
            "low": f"{_score(asked)} ASC NULLS LAST",
            "long": f"strlen({text}) DESC NULLS LAST",
            "short": f"strlen({text}) ASC NULLS LAST",
        }[asked.sort]
        if asked.sort in ("high", "low"):
            values = [*values, asked.score]
        sql = f"SELECT file_row_number FROM {asked.table}{where} ORDER BY {order}, file_row_number"
        sql += f" LIMIT {size + 1} OFFSET {asked.start}"
        return [int(row[0]) for row in self.ask(sql, values, asked.table)]

    def count(self, asked: Wish) -> int:
        """Return how many rows a wish finds, wherever the page begins."""
        if asked.narrows:
            return len(self._matches(_bare(asked)))
        ends = self._groups(asked.table)[1]
        return ends[-1] if ends else 0

    @lru_cache(maxsize=16)  # noqa: B019  lives as long as the server; 8 bytes a row that is found
    def _matches(self, asked: Wish) -> npt.NDArray[np.int64]:
        """Return all rows that a wish finds, int64 ``[n]`` in order: one reading serves the count and every page."""
        where, values = _where(asked)
        with self._lock:
            cursor = self._base.cursor()
        with self._told(asked.table):
            sql = f"SELECT file_row_number AS place FROM {asked.table}{where}"
            found: Any = cursor.execute(sql, values).fetchnumpy()["place"]
            return np.sort(np.asarray(found, np.int64))

    def rows(self, table: str, places: Sequence[int]) -> list[dict[str, Any]]:
        """Return whole rows by their places, in that order; only their row groups are read."""
        metadata, ends = self._groups(table)
        with self._told(table):
            file = pq.ParquetFile(self.index.path(table), metadata=metadata)
            found: dict[int, dict[str, Any]] = {}
            groups: dict[int, list[int]] = {}
            for place in places:
                group = bisect.bisect_right(ends, place)
                if group < len(ends):
                    groups.setdefault(group, []).append(place)
            for group, mine in groups.items():
                first = ends[group - 1] if group else 0
                read = file.read_row_group(group).take(pa.array([place - first for place in mine]))
                found.update(zip(mine, map(_plain, read.to_pylist()), strict=True))
            return [{**found[place], "row": place} for place in places if place in found]

    def _groups(self, table: str) -> tuple[Any, list[int]]:
        with self._lock, self._told(table):
            if table not in self._metadata:
                metadata = pq.read_metadata(self.index.path(table))
                ends, total = [], 0
                for group in range(metadata.num_row_groups):
                    total += metadata.row_group(group).num_rows
                    ends.append(total)
                self._metadata[table] = metadata, ends
            return self._metadata[table]

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """What the filters offer: values of columns, and names of scores."""
        found: dict[str, list[str]] = {}
        for table, columns in (("pairs", ("task", "domain", "style", "emphasis")), ("rejects", ("stage", "reason"))):
            for column in columns:
                sql = f"SELECT {column} FROM {table} WHERE {column} <> '' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 60"
                found[column] = [str(row[0]) for row in self.ask(sql, table=table)]
        for table, column in NUMBERS.items():
            # Names of the first rows stand for all: a map is slow to take apart, and tasks differ little in them.
            sql = (
                f"SELECT DISTINCT unnest(map_keys({column})) AS name FROM "
                f"(SELECT {column} FROM {table} USING SAMPLE reservoir(20000 ROWS) REPEATABLE (1)) ORDER BY name"
            )
            found[column] = [str(row[0]) for row in self.ask(sql, table=table)]
        return found

    def find(self, pair: str) -> dict[str, Any]:
        """Return the row of the pair whose id is or begins with ``pair``.

        Raises:
            UsageError: there is none, or several.
        """
        sql = "SELECT file_row_number FROM pairs WHERE starts_with(id, ?) LIMIT 2"
        places = self.ask(sql, [pair]) if pair else []
        if len(places) != 1:
            cause = (
                f"no pair has an id that begins with {pair!r}" if not places else f"several pairs begin with {pair!r}"
            )
            raise UsageError(cause, "go back and choose one from the list")
        return self.rows("pairs", [int(places[0][0])])[0]


class _Told:
    """Turns what DuckDB and Arrow say of a broken table into a failure with a remedy."""

    def __init__(self, index: RunIndex, table: str) -> None:
        self._index, self._table = index, table

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, (duckdb.Error, pa.ArrowException, OSError)):
            cause = f"{self._index.path(self._table)} cannot be read"
            raise Damage(cause, f"`synflow verify {self._index.root}` tells the damage") from error


def _where(asked: Wish) -> tuple[str, list[Any]]:
    parts, values = [f"{name} = ?" for name, _ in asked.equal], [value for _, value in asked.equal]
    told: list[Any] = list(values)
    if asked.text:
        parts.append("(" + " OR ".join(f"contains(lower({name}), ?)" for name in TEXTS[asked.table]) + ")")
        told += [asked.text.lower()] * len(TEXTS[asked.table])
    if asked.source:
        parts.append("contains(source_uri, ?)")
        told.append(asked.source)
    if asked.bounded:
        low, high = asked.least, asked.most
        parts.append(f"{NUMBERS[asked.table]}[?] BETWEEN ? AND ?")
        told += [asked.score, -1e308 if low is None else low, 1e308 if high is None else high]
    if asked.ids is not None:
        parts.append("id IN (SELECT unnest(?::VARCHAR[]))")
        told.append(list(asked.ids))
    return (" WHERE " + " AND ".join(parts) if parts else ""), told


def _bare(asked: Wish) -> Wish:
    return replace(asked, start=0, sort="stored", score=asked.score if asked.bounded else "")


def _score(asked: Wish) -> str:
    return f"{NUMBERS[asked.table]}[?]"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(value or ()) if name in ("scores", "measures") else value for name, value in row.items()}
