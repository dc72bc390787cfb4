"""Between passes: corpus stages settle over the rows of all shards, and pairs are dealt out to dataset shards."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from typing import Any, overload

from synflow.chain import Bound
from synflow.contract import Decision, Row
from synflow.durable import Attempt, forget, publish
from synflow.ids import canonical, digest_of, unit_of
from synflow.plan import PACK
from synflow.records import TASKS
from synflow.store.layout import RunLayout
from synflow.store.lines import StoredLines, read_lines, seal_lines
from synflow.store.pack import chunked
from synflow.store.receipts import ObjectRef, Receipt

PACKING = 2
"""Raised when the same pairs give other bytes of a dataset shard: shards packed by the old rule are packed again."""

Settled = dict[str, list[tuple[str, Decision]]]
"""Sample key -> what each corpus stage decided of it, in the order of settling."""


class _Chosen(Sequence[Row]):
    """The rows of one stage, for the samples that are left; each is taken from ``rows`` when it is asked for."""

    def __init__(self, rows: Sequence[tuple[str, Mapping[str, Row]]], places: Sequence[int], name: str) -> None:
        self._rows, self._places, self._name = rows, places, name

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Row]:
        # In one pass through all rows, which lie on disk: a read for each would cost more.
        wanted = iter(self._places)
        next_place = next(wanted, None)
        for place, (_, by_stage) in enumerate(self._rows):
            if place == next_place:
                yield by_stage[self._name]
                next_place = next(wanted, None)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return _Chosen(self._rows, self._places[place], self._name)
        return self._rows[self._places[place]][1][self._name]


def decide(
    corpus: Sequence[Bound], rows: Sequence[tuple[str, Mapping[str, Row]]], seed: int,
    spent: dict[str, float] | None = None,
) -> Settled:  # fmt: skip
    """Let corpus stages settle, lowest rank first; one does not see what an earlier one dropped.

    Args:
        corpus: the stages.
        rows: sample key and rows by stage, in the order of the inputs; may be read where they lie.
        seed: of the run.
        spent: gets the seconds of each stage.

    Raises:
        ValueError: a stage broke its contract.
    """
    settled: Settled = {}
    gone: set[str] = set()
    # Who has a row for which stage is asked once: rows may be far more than memory holds.
    kinds: dict[frozenset[str], frozenset[str]] = {}
    held = [(key, kinds.setdefault(names := frozenset(by_stage), names)) for key, by_stage in rows]
    for bound in corpus:
        places = array("Q", (n for n, (key, names) in enumerate(held) if bound.name in names and key not in gone))
        began = time.monotonic()
        decisions = bound.stage.settle(_Chosen(rows, places, bound.name), seed)
        if spent is not None:
            spent[bound.name] = round(time.monotonic() - began, 3)
        if len(decisions) != len(places):
            raise ValueError(f"stage {bound.name} returned {len(decisions)} decisions for {len(places)} rows")
        for place, decision in zip(places, decisions, strict=True):
            key = held[place][0]
            if decision.drop is not None:
                gone.add(key)
            settled.setdefault(key, []).append((bound.name, decision))
    return settled


class _StoredRows(Sequence[tuple[str, Mapping[str, Row]]]):
    """Key and rows of all samples of a pass, in the order of the inputs, read from the objects of its receipts."""

    def __init__(self, layout: RunLayout, receipts: Sequence[Receipt]) -> None:
        self._lines = StoredLines(layout, [receipt.objects.get("rows") for receipt in receipts])

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Row]]]:
        return ((value["key"], value["rows"]) for value in self._lines)

    @overload
    def __getitem__(self, place: int) -> tuple[str, Mapping[str, Row]]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[str, Mapping[str, Row]]]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        value = self._lines[place]
        return value["key"], value["rows"]


def settle_pass(
    layout: RunLayout, name: str, corpus: Sequence[Bound], receipts: Sequence[Receipt], seed: int
) -> dict[str, float]:
    """Settle the corpus stages of a pass and publish the decisions, shard by shard, in one object.

    Returns:
        Seconds by stage.
    """
    spent: dict[str, float] = {}
    settled = decide(corpus, _StoredRows(layout, receipts), seed, spent)
    homes = _homes(layout, receipts, settled)
    with Attempt(layout.staging) as attempt:
        lines = (_settled_line(layout, receipt, settled, homes) for receipt in receipts)
        ref = seal_lines(layout, attempt, "settled", lines)
        data = canonical({"from": basis(receipts), "object": ref.model_dump(mode="json")}) + b"\n"
        publish(data, layout.settled / f"{name}.json", attempt)
    return spent


def basis(receipts: Sequence[Receipt]) -> str:
    """Return the digest of the receipts that a settlement rests on."""
    return digest_of([digest_of(receipt.essence()) for receipt in receipts])


def _settled_line(layout: RunLayout, receipt: Receipt, settled: Settled, homes: Mapping[str, str]) -> dict[str, Any]:
    """Return what is written of a shard: its decisions, and in which shard the samples are that these want at hand."""
    line: dict[str, Any] = {"shard": receipt.shard, "decisions": _of_shard(layout, receipt, settled)}
    wanted = (key for key in line["decisions"] for _, decision in settled[key] for key in decision.beside)
    if beside := {key: homes[key] for key in wanted}:
        line["beside"] = beside
    return line


def _homes(layout: RunLayout, receipts: Sequence[Receipt], settled: Settled) -> dict[str, str]:
    """Return sample key -> shard, of the samples that decisions want at hand.

    Raises:
        ValueError: a stage wants a sample that has no row.
    """
    wanted = {key for decisions in settled.values() for _, decision in decisions for key in decision.beside}
    if not wanted:
        return {}
    found = {
        value["key"]: receipt.shard
        for receipt in receipts
        for value in read_lines(layout, receipt.objects.get("rows"))
        if value["key"] in wanted
    }
    if unknown := wanted - found.keys():
        raise ValueError(f"a corpus stage wants {min(unknown)!r} at hand, which is no sample of its pass")
    return found


def besides(
    layout: RunLayout, ref: ObjectRef | None, receipts: Sequence[Receipt], decisions: Mapping[str, Mapping[str, Any]]
) -> Callable[[str], list[dict[str, Any]]]:
    """Return who tells what a shard wants at hand of others: where their samples lie, and the decisions on them.

    Args:
        layout: of the run.
        ref: the settlement of a pass; None where nothing was settled.
        receipts: of all shards of the pass.
        decisions: on all samples, by shard and key.
    """
    wanted = {value["shard"]: value["beside"] for value in read_lines(layout, ref) if value.get("beside")}
    samples = {receipt.shard: receipt.objects["samples"] for receipt in receipts} if wanted else {}

    def beside_of(shard: str) -> list[dict[str, Any]]:
        homes: dict[str, dict[str, Any]] = {}
        for key, home in sorted(wanted.get(shard, {}).items()):
            homes.setdefault(home, {})[key] = decisions.get(home, {}).get(key, [])
        return [
            {"shard": home, "samples": samples[home].model_dump(mode="json"), "decisions": held}
            for home, held in sorted(homes.items())
        ]

    return beside_of


def _of_shard(layout: RunLayout, receipt: Receipt, settled: Settled) -> dict[str, Any]:
    keys = [value["key"] for value in read_lines(layout, receipt.objects.get("rows"))]
    return {key: [[name, encoded(decision)] for name, decision in settled[key]] for key in keys if key in settled}


def encoded(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON."""
    value: dict[str, Any] = {}
    if decision.drop is not None:
        value["drop"] = {
            "reason": decision.drop.reason, "detail": decision.drop.detail, "measures": dict(decision.drop.measures)
        }  # fmt: skip
    if decision.note is not None:
        value["note"] = decision.note
    if decision.beside:
        value["beside"] = list(decision.beside)
    return value


def read_settled(layout: RunLayout, ref: ObjectRef) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield shard id and decisions by sample key."""
    for value in read_lines(layout, ref):
        yield value["shard"], value["decisions"]


def deal_pairs(
    layout: RunLayout,
    receipts: Sequence[Receipt],
    seed: int,
    max_samples: int,
    max_bytes: int,
    without: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Deal the chosen pairs out to dataset shards: by task, in hash order, each id once.

    Hash order makes every shard a fair sample of its task, and does not depend on the order of arrival. The pairs of
    ``without`` are left out last, so that no other pair changes its place: a shard that had none of them stays as it
    was, and one that had nothing else is not made.

    Returns:
        Units of the pack pass, without ``kind``.
    """
    units = []
    briefs = _briefs(layout, receipts)
    for task in TASKS:
        chosen: dict[str, list[Any]] = {}
        for brief in briefs.get(task, ()):
            chosen.setdefault(brief[1], brief)
        ordered = sorted(chosen.values(), key=lambda brief: (unit_of(seed, brief[1]), brief[1]))
        for number, refs in enumerate(chunked(ordered, max_samples, max_bytes)):
            left = [list(ref) for ref in refs if ref[1] not in without]
            if not left:
                continue
            unit = {"shard": f"{task}-{number:06d}", "task": task, "refs": left}
            units.append({**unit, "inputs": digest_of({**unit, "packing": PACKING})})
    return units


def forget_packed(layout: RunLayout, wanted: Set[str]) -> None:
    """Forget the receipts of dataset shards that are not wanted any more: all their pairs were withdrawn."""
    for path in layout.receipts(PACK).glob("*.json"):
        if path.stem not in wanted:
            forget(path)


def _briefs(layout: RunLayout, receipts: Sequence[Receipt]) -> dict[str, list[list[Any]]]:
    """Return ``[size, id, object, offset, length]`` of all pairs by task, in the order of the inputs."""
    found: dict[str, list[list[Any]]] = {}
    for receipt in receipts:
        home = receipt.objects.get("pairs")
        for size, pair_id, task, offset, length in read_lines(layout, receipt.objects.get("briefs")):
            if home is not None:
                found.setdefault(task, []).append([size, pair_id, home.name, offset, length])
    return found
