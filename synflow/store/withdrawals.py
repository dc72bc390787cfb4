"""Sources that were withdrawn from a run: nothing made of them is in its dataset, and no later resume brings it back.

``withdrawn.jsonl`` beside the run is the account: a line for each source that was asked for, appended before anything
is rebuilt. Passes are not done again: what they found stays as it was, so that no other clip changes. A dataset shard
leaves out the pairs of which either side comes from a withdrawn record; a shard that had none keeps its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from synflow.errors import UsageError
from synflow.ids import canonical, digest_of
from synflow.store.layout import RunLayout
from synflow.store.lines import read_checked, read_lines
from synflow.store.receipts import Receipt
from synflow.store.rows import flat

STAGE, REASON = "engine", "withdrawn"
"""Under which a withdrawn clip stands among the rejects."""

FEW = 64
"""Withdrawn records up to which lines are searched for their names before they are parsed."""


@dataclass(frozen=True)
class Withdrawals:
    """What was withdrawn from a run, in order: ``asked``, ``records``, ``source_ids``, ``source_uris`` of each."""

    lines: tuple[dict[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lines)

    @cached_property
    def records(self) -> Mapping[str, str]:
        """Ids of all records that were withdrawn, each with what was asked for first."""
        found: dict[str, str] = {}
        for line in self.lines:
            for name in line["records"]:
                found.setdefault(name, line["asked"])
        return found

    def pairs(self, layout: RunLayout, receipts: Sequence[Receipt]) -> frozenset[str]:
        """Return the ids of the pairs of which either side is of a withdrawn record.

        Args:
            layout: of the run.
            receipts: of the pass that the dataset is made from.
        """
        found: set[str] = set()
        needles = [canonical(name) for name in self.records] if len(self.records) <= FEW else [b""]
        for receipt in receipts if self.lines else ():
            ref = receipt.objects.get("pairs")
            for line in read_checked(layout, ref).splitlines() if ref is not None and ref.rows else ():
                if any(needle in line for needle in needles):
                    pair = json.loads(line)["pair"]
                    if pair["record_id"] in self.records or pair["query_record_id"] in self.records:
                        found.add(pair["id"])
        return frozenset(found)

    def rejects(self, layout: RunLayout, receipts: Sequence[Receipt]) -> Iterator[dict[str, Any]]:
        """Yield the clips that the last pass kept and that were withdrawn, as rows of the table of rejects."""
        for receipt in receipts if self.lines else ():
            for row in read_lines(layout, receipt.objects.get("clips")):
                if (asked := self.records.get(row["record_id"])) is not None:
                    yield {**flat(row), "stage": STAGE, "reason": REASON, "detail": f"withdrawn: {asked}"}

    def told(self, value: Mapping[str, Any], clips: int, pairs: Mapping[str, int]) -> dict[str, Any]:
        """Return what ``dataset.json`` says, from what it would say had nothing been withdrawn from the passes.

        Args:
            value: counts as the receipts have them.
            clips: kept by the passes, and withdrawn.
            pairs: withdrawn, by task.
        """
        if not self.lines:
            return dict(value)
        counted = value["clips"]
        drops = {**value["drops"], **({f"{STAGE}/{REASON}": clips} if clips else {})}
        return {
            **value,
            "clips": {"kept": counted["kept"] - clips, "dropped": counted["dropped"] + clips},
            "drops": dict(sorted(drops.items())),
            "withdrawn": {**self.mark(), "records": len(self.records), "clips": clips, "pairs": dict(pairs)},
        }

    def mark(self, number: int | None = None) -> dict[str, Any]:
        """Return how many lines there are, and their digest; of the first ``number`` alone where that is given."""
        lines = self.lines[:number]
        return {"lines": len(lines), "sha256": digest_of(list(lines))}

    def holds(self, dataset: Mapping[str, Any]) -> bool:
        """Tell whether everything is still here that was withdrawn when ``dataset.json`` was written."""
        told = dataset.get("withdrawn")
        return not told or {name: told.get(name) for name in ("lines", "sha256")} == self.mark(told.get("lines"))

    def is_in(self, dataset: Mapping[str, Any]) -> bool:
        """Tell whether ``dataset.json`` was written with exactly these."""
        told = dataset.get("withdrawn") or {"lines": 0, "sha256": digest_of([])}
        return {name: told.get(name) for name in ("lines", "sha256")} == self.mark()


def read_withdrawals(layout: RunLayout) -> Withdrawals:
    """Return what was withdrawn from a run; a line that a crash tore was never finished, and says nothing."""
    try:
        lines = layout.withdrawn.read_bytes().splitlines()
    except FileNotFoundError:
        return Withdrawals()
    found = []
    for line in lines:
        try:
            value = json.loads(line)
            found.append({"asked": str(value["asked"]), **{name: list(map(str, value[name])) for name in LISTS}})
        except (ValueError, KeyError, TypeError):
            continue
    return Withdrawals(tuple(found))


LISTS = ("records", "source_ids", "source_uris")


def find_sources(layout: RunLayout, first: Sequence[Receipt], asked: Sequence[str]) -> list[dict[str, Any]]:
    """Return a line of the account for each source that is asked for.

    Args:
        layout: of the run.
        first: receipts of its first pass, which know the digests of what was read.
        asked: sources by their ``source_id`` (sha256 of the file), address as the list gave it, or record id. The same
            bytes under another name are the same source and go with it.

    Raises:
        UsageError: no record of the run is of that source.
    """
    uris: dict[str, str] = {}
    with layout.plan.open("rb") as lines:
        for line in lines:
            uris.update((one["record_id"], one["uri"]) for one in json.loads(line)["inputs"])
    digests = _digests(layout, first)
    by_digest: dict[str, list[str]] = {}
    for name, found in digests.items():
        by_digest.setdefault(found, []).append(name)
    told = []
    for source in asked:
        records = {name for name, uri in uris.items() if source in (name, uri)} | set(by_digest.get(source, ()))
        if not source or not records:
            raise UsageError(
                f"no record of {layout.root} is of source {source!r}",
                "give a source_id or source_uri of index/pairs.parquet, or the id of a record",
            )
        copies = {copy for name in records if name in digests for copy in by_digest[digests[name]]}
        records |= copies
        ids = {digests[name] for name in records if name in digests}
        sets = {"records": records, "source_ids": ids, "source_uris": {uris.get(name, "") for name in records} - {""}}
        told.append({"asked": source, **{name: sorted(sets[name]) for name in LISTS}})
    return told


def _digests(layout: RunLayout, first: Sequence[Receipt]) -> dict[str, str]:
    """Return record id -> digest of its source, of all records that could be read."""
    found = {}
    for receipt in first:
        for line in read_lines(layout, receipt.objects.get("trail")):
            if line.get("facts"):
                found[line["record"]] = line["facts"]["digest"]
    return found


def missing_pairs(layout: RunLayout, last: Sequence[Receipt], made: Mapping[str, int]) -> dict[str, int]:
    """Return by task how many of the pairs that the last pass left are in no shard."""
    ids: dict[str, set[str]] = {}
    for receipt in last:
        for _, pair_id, task, *_ in read_lines(layout, receipt.objects.get("briefs")):
            ids.setdefault(task, set()).add(pair_id)
    left = {task: len(own) - made.get(task, 0) for task, own in sorted(ids.items())}
    return {task: number for task, number in left.items() if number}
