"""Two runs beside each other: counts, what differs in what they are, and clips and pairs that only one of them has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synflow.inspect.index import DOMAINS, RunIndex, overview
from synflow.inspect.web.query import Tables
from synflow.records import TASKS

SHOWN = 12


@dataclass(frozen=True)
class Changed:
    """A clip that one run kept and the other did not; ``why`` is what the other one says of it."""

    record_id: str
    clip_id: str
    source_uri: str
    why: str


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs, theirs on the left and the other on the right.

    Attributes:
        settings: name in the fingerprint -> both values.
        counts: title -> rows of name and both numbers.
        only_left, only_right: how many clips only one kept, and some of them.
        pairs: how many pairs both have, and only one.
    """

    settings: dict[str, tuple[Any, Any]]
    counts: dict[str, list[tuple[str, int, int]]]
    only_left: tuple[int, list[Changed]]
    only_right: tuple[int, list[Changed]]
    pairs: tuple[int, int, int]


def compare(left: Tables, right: Tables) -> Comparison:
    """Return what differs between two runs."""
    facts = [overview(one.index) for one in (left, right)]
    counts = {
        "Sums": [(name, facts[0][name], facts[1][name]) for name in ("pairs", "clips", "kept", "dropped")],
        "Tasks": _beside(facts, "tasks", TASKS),
        "Abilities": _beside(facts, "domains", tuple(DOMAINS)),
        "Drops": _beside(facts, "drops", ()),
    }
    return Comparison(
        settings(left.index, right.index),
        counts,
        _only(left, right),
        _only(right, left),
        _pairs(left, right),
    )


def settings(left: RunIndex, right: RunIndex) -> dict[str, tuple[Any, Any]]:
    """Return what differs in the fingerprints of two runs, and in the parameters of their stages."""
    told = [_told(one.run) for one in (left, right)]
    names = sorted({*told[0], *told[1]})
    return {name: (told[0].get(name), told[1].get(name)) for name in names if told[0].get(name) != told[1].get(name)}


def _told(run: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(run.get("fingerprint") or {})
    manifest = run.get("manifest") or {}
    for entry in manifest.get("stages", ()):
        found.update({f"{entry.get('name')}.{key}": value for key, value in (entry.get("config") or {}).items()})
    return found


def _beside(facts: list[dict[str, Any]], name: str, order: tuple[str, ...]) -> list[tuple[str, int, int]]:
    keys = [*order, *sorted({*facts[0][name], *facts[1][name]} - set(order))]
    return [(key, facts[0][name].get(key, 0), facts[1][name].get(key, 0)) for key in keys]


def _only(left: Tables, right: Tables) -> tuple[int, list[Changed]]:
    """Return the clips that ``left`` kept and ``right`` did not, by record and span: a clip's id needs its cut rule."""
    there = {
        (str(row[0]), row[1]): str(row[2])
        for row in right.ask("SELECT record_id, round(start, 2), clip_id FROM clips WHERE kept", table="clips")
    }
    why = {
        str(row[0]): f"{row[1]}/{row[2]} {row[3]}".strip()
        for row in right.ask("SELECT record_id, stage, reason, detail FROM rejects", table="rejects")
    }
    sql = "SELECT record_id, round(start, 2), clip_id, source_uri FROM clips WHERE kept ORDER BY record_id, start"
    gone = [row for row in left.ask(sql, table="clips") if (str(row[0]), row[1]) not in there]
    some = [Changed(str(r[0]), str(r[2]), str(r[3]), why.get(str(r[0]), "not there")) for r in gone[:SHOWN]]
    return len(gone), some


def _pairs(left: Tables, right: Tables) -> tuple[int, int, int]:
    path = str(right.index.path("pairs").absolute())
    sums = [int(one.ask("SELECT count(*) FROM pairs")[0][0]) for one in (left, right)]
    sql = "SELECT count(*) FROM pairs SEMI JOIN (SELECT id FROM read_parquet(?)) USING (id)"
    both = int(left.ask(sql, [path])[0][0])
    return both, sums[0] - both, sums[1] - both
