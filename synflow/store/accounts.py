"""Reckons up a run: plan, receipts, tables and ``dataset.json`` must tell the same story."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synflow.ids import digest_of
from synflow.records import TASKS
from synflow.store.guard import Guard
from synflow.store.index import TABLES, dataset_value, encode_dataset, read_parquet
from synflow.store.layout import RunLayout
from synflow.store.quotas import targets_told
from synflow.store.rates import Rates
from synflow.store.receipts import ObjectRef, Receipt
from synflow.store.report import Finding, VerifyReport, check_file
from synflow.store.withdrawals import REASON, STAGE, missing_pairs, read_withdrawals


@dataclass(frozen=True)
class Planned:
    """What ``plan.jsonl`` holds: the ids of its records, and by shard the digest of its inputs."""

    records: frozenset[str]
    inputs: Mapping[str, str]


def verify_plan(layout: RunLayout, identity: Mapping[str, Any], report: VerifyReport) -> Planned | None:
    """Check the frozen plan against the fingerprint of the run; return it where it can be read."""
    records: set[str] = set()
    inputs: dict[str, str] = {}
    try:
        for line in layout.plan.read_bytes().splitlines():
            value = json.loads(line)
            records.update(record["record_id"] for record in value["inputs"])
            # Where a file lies on this machine is no part of what a run is.
            told = [{name: part for name, part in one.items() if name != "location"} for one in value["inputs"]]
            inputs[value["shard"]] = digest_of(told)
    except FileNotFoundError:
        report.damage.append(Finding("plan.jsonl", "is missing"))
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        report.damage.append(Finding("plan.jsonl", "is not a plan"))
        return None
    if digest_of(list(inputs.values())) != identity["fingerprint"].get("inputs.digest"):
        report.damage.append(Finding("plan.jsonl", "holds other records than the run was bound to"))
        return None
    return Planned(frozenset(records), inputs)


def verify_flow(
    layout: RunLayout, identity: Mapping[str, Any], planned: Planned, receipts: Sequence[Receipt], report: VerifyReport
) -> None:
    """Check that each shard has its receipts, and that what one pass let through is what the next one took in."""
    flowing = identity["records"]
    for place, one in enumerate(identity["passes"]):
        name = one["name"]
        done = [receipt for receipt in receipts if receipt.pass_name == name]
        if report.complete:
            for shard in sorted(set(planned.inputs) - {receipt.shard for receipt in done}):
                report.damage.append(Finding(f"receipts/{name}/{shard}.json", "is missing"))
            if one["corpus"] and not _is_settlement(layout, name):
                report.damage.append(Finding(f"settled/{name}.json", "is missing or is not a settlement"))
        if place == 0:
            for receipt in done:
                if receipt.inputs != planned.inputs.get(receipt.shard):
                    report.accounts.append(Finding(f"receipts/{name}/{receipt.shard}.json", "is of other inputs"))
        if len(done) < identity["shards"]:
            return
        taken = sum(receipt.counts.inputs for receipt in done)
        if taken != flowing:
            report.accounts.append(Finding(f"receipts/{name}", f"took {taken} inputs of {flowing}"))
        flowing = sum(receipt.counts.survivors for receipt in done)


def _is_settlement(layout: RunLayout, name: str) -> bool:
    try:
        ObjectRef.model_validate(json.loads((layout.settled / f"{name}.json").read_bytes())["object"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
    return True


def verify_dataset(
    layout: RunLayout, identity: Mapping[str, Any], planned: Planned, receipts: Sequence[Receipt], report: VerifyReport
) -> None:
    """Check what ``dataset.json`` promises, file by file, and that the receipts say the same."""
    if not report.complete:
        return
    data = layout.dataset.read_bytes()
    try:
        value: dict[str, Any] = json.loads(data)
        shards = [ObjectRef(name=s["path"], bytes=s["bytes"], sha256=s["sha256"]) for s in value["shards"]]
        tables = {title: ObjectRef(name=title, **value["index"][title]) for title in TABLES}
        names = (("README.md", "card"), ("croissant.json", "croissant"))
        texts = [ObjectRef(name=name, **value[part]) for name, part in names if part == "card" or part in value]
        asserted = {"name", "fingerprint", "records", "pairs", "clips", "drops"} <= set(value)
    except (ValueError, KeyError, TypeError):
        asserted = False
    if not asserted:
        report.damage.append(Finding("dataset.json", "is not what synflow writes"))
        return
    files = [*shards, *(ref.model_copy(update={"name": f"index/{title}"}) for title, ref in tables.items()), *texts]
    broken = set()
    for ref in files:
        if wrong := check_file(layout.root / ref.name, ref):
            report.damage.append(Finding(ref.name, wrong))
            broken.add(ref.name)
    promised = {ref.name for ref in shards}
    for path in sorted(layout.shards.glob("*/*")):
        if str(path.relative_to(layout.root)) not in promised:
            report.litter.append(Finding(str(path.relative_to(layout.root)), "dataset.json does not name it"))
    if any(f"index/{title}" in broken for title in TABLES):
        return
    kept = _verify_records(layout, planned, report)
    _verify_pairs(layout, report)
    if not read_withdrawals(layout).holds(value):
        report.damage.append(Finding("withdrawn.jsonl", "does not tell any more what was withdrawn: put it back"))
    wanted = _reckoned(layout, identity, receipts, tables, kept)
    wanted |= {part: value[part] for _, part in names if part in value}
    unlike = sorted(name for name in {*wanted, *value} if wanted.get(name) != value.get(name))
    for name in unlike:
        report.accounts.append(Finding("dataset.json", f"receipts and tables tell another `{name}`"))
    if not unlike and encode_dataset(wanted) != data:
        report.damage.append(Finding("dataset.json", "has other bytes than synflow writes"))


def _reckoned(
    layout: RunLayout,
    identity: Mapping[str, Any],
    receipts: Sequence[Receipt],
    tables: Mapping[str, ObjectRef],
    kept: int,
) -> dict[str, Any]:
    """Return what ``dataset.json`` has to say, from the receipts and the tables themselves."""
    names = [one["name"] for one in identity["passes"]]
    passes = [[receipt for receipt in receipts if receipt.pass_name == name] for name in names]
    packed = [receipt for receipt in receipts if receipt.pass_name not in names and "tar" in receipt.objects]
    packed.sort(key=lambda receipt: (TASKS.index(receipt.shard.rsplit("-", 1)[0]), receipt.shard))
    rows = {title: pq.read_metadata(layout.index / title).num_rows for title in tables}
    counted = {title: ref.model_copy(update={"rows": rows[title]}) for title, ref in tables.items()}
    wanted = dataset_value(identity["name"], digest_of(identity["fingerprint"]), passes, packed, counted)
    withdrawals = read_withdrawals(layout)
    gone = missing_pairs(layout, passes[-1], wanted["pairs"]) if withdrawals else {}
    wanted = withdrawals.told(wanted, _withdrawn(layout) if withdrawals else 0, gone)
    inputs = wanted["records"]["inputs"]
    records = {"inputs": inputs, "kept": kept, "dropped": inputs - kept}
    targets = targets_told(identity["manifest"]["stages"], passes, wanted["pairs"], gone)
    told = {**_guarded(layout, identity), **_audited(layout, identity), **targets}
    return {**wanted, "records": records, **told}


def _withdrawn(layout: RunLayout) -> int:
    """Return how many clips stand among the rejects because their source was withdrawn."""
    both = zip(*(_column(layout, "rejects", name).to_pylist() for name in ("stage", "reason")), strict=True)
    return sum(one == (STAGE, REASON) for one in both)


def _audited(layout: RunLayout, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the audit of captions found, by the table of clips."""
    rates = Rates()
    if any(entry["name"] == "audit" for entry in identity["manifest"]["stages"]):
        for batch in pq.ParquetFile(layout.index / "clips.parquet").iter_batches(columns=["measures"]):
            for measures in batch.column(0).to_pylist():
                rates.add(measures)
    return rates.told()


def _guarded(layout: RunLayout, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the lists of forbidden videos and captions took away, by the tables."""
    guard = Guard([entry["config"] for entry in identity["manifest"]["stages"]])
    if guard.lists:
        for reason, detail in zip(
            *(_column(layout, "rejects", one).to_pylist() for one in ("reason", "detail")), strict=True
        ):
            guard.drop(reason, detail)
        for stays, measures in zip(
            *(_column(layout, "clips", one).to_pylist() for one in ("kept", "measures")), strict=True
        ):
            if stays:
                guard.keep(dict(measures))
    return guard.told()


def _verify_pairs(layout: RunLayout, report: VerifyReport) -> None:
    """Check that every pair stands once."""
    ids = _column(layout, "pairs", "id").to_pylist()
    if len(set(ids)) != len(ids):
        report.accounts.append(Finding("index/pairs.parquet", f"{len(ids) - len(set(ids))} pairs stand twice"))


def _verify_records(layout: RunLayout, planned: Planned, report: VerifyReport) -> int:
    """Check that every input record was kept or dropped; return how many were kept."""
    names, stays = _column(layout, "clips", "record_id").to_pylist(), _column(layout, "clips", "kept").to_pylist()
    kept = {name for name, stay in zip(names, stays, strict=True) if stay}
    rejected = set(_column(layout, "rejects", "record_id").to_pylist())
    if lost := planned.records - kept - rejected:
        report.accounts.append(Finding("index", f"{len(lost)} input records are nowhere, first {min(lost)!r}"))
    if strange := (kept | rejected) - planned.records:
        report.accounts.append(Finding("index", f"{len(strange)} records that were no input, first {min(strange)!r}"))
    return len(kept)


def _column(layout: RunLayout, table: str, name: str) -> pa.ChunkedArray:
    return read_parquet(layout.index / f"{table}.parquet", [name]).column(0)
