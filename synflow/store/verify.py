"""Re-hashes a run against its receipts: damage, litter, duplicates, accounts that do not add up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from synflow.durable import forget
from synflow.errors import Damage, UsageError
from synflow.ids import digest_stream
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef, Receipt, read_receipt


@dataclass(frozen=True)
class Finding:
    """One thing found: where, and what is wrong with it."""

    path: str
    what: str


@dataclass
class VerifyReport:
    """What a verification found.

    Attributes:
        damage: bytes that are missing or not as promised; accounts: numbers that do not add up, pairs that stand
            twice. Either makes the run unsound.
        litter: files that nothing refers to; harmless.
        objects, bytes: how much was re-hashed.
        complete: whether the run has its ``dataset.json``.
    """

    damage: list[Finding] = field(default_factory=list)
    litter: list[Finding] = field(default_factory=list)
    accounts: list[Finding] = field(default_factory=list)
    objects: int = 0
    bytes: int = 0
    complete: bool = False

    @property
    def sound(self) -> bool:
        """Whether all that readers believe is as promised."""
        return not self.damage and not self.accounts


def all_receipts(layout: RunLayout) -> Iterator[tuple[Path, Receipt | None]]:
    """Yield the receipts of all passes; None where the file is not one."""
    for path in sorted((layout.root / "receipts").glob("*/*.json")):
        try:
            yield path, read_receipt(path)
        except Damage:
            yield path, None


def settled_refs(layout: RunLayout) -> dict[str, ObjectRef]:
    """Return the objects of decisions by pass."""
    found = {}
    for path in sorted(layout.settled.glob("*.json")):
        try:
            found[path.stem] = ObjectRef.model_validate(json.loads(path.read_bytes())["object"])
        except (ValueError, KeyError):
            continue
    return found


def referenced(layout: RunLayout, receipts: Iterable[Receipt]) -> set[str]:
    """Return the names of objects that receipts, settlements or public files refer to."""
    names = {ref.name for receipt in receipts for ref in receipt.objects.values()}
    names.update(ref.name for ref in settled_refs(layout).values())
    public = {path.stat().st_ino for path in (*layout.index.glob("*.parquet"), layout.card) if path.exists()}
    names.update(path.name for path in layout.objects.iterdir() if path.stat().st_ino in public)
    return names


def check_file(path: Path, ref: ObjectRef) -> str:
    """Return what is wrong with a file that should be as ``ref`` says; empty when nothing is."""
    try:
        with path.open("rb") as stream:
            found, size = digest_stream(stream)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if size != ref.bytes:
        return f"has {size} bytes, promised {ref.bytes}"
    return "" if found == ref.sha256 else "has other bytes than promised"


def verify(root: Path) -> VerifyReport:
    """Re-hash everything that receipts and ``dataset.json`` promise.

    Raises:
        UsageError: there is no run in ``root``.
    """
    layout = RunLayout(root.resolve())
    if not layout.identity.exists():
        raise UsageError(f"{root} holds no run", "give the folder that --out or `output` named")
    report = VerifyReport()
    receipts = _verify_receipts(layout, report)
    _verify_flow(layout, receipts, report)
    _verify_dataset(layout, receipts, report)
    named = referenced(layout, receipts)
    for path in sorted(layout.objects.iterdir()):
        if path.name not in named:
            report.litter.append(Finding(f"objects/{path.name}", "no receipt refers to it"))
    for path in sorted(layout.staging.iterdir()):
        report.litter.append(Finding(f"staging/{path.name}", "left by an attempt that did not end"))
    return report


def _verify_receipts(layout: RunLayout, report: VerifyReport) -> list[Receipt]:
    receipts = []
    for path, receipt in all_receipts(layout):
        where = str(path.relative_to(layout.root))
        if receipt is None:
            report.damage.append(Finding(where, "is not a receipt"))
            continue
        receipts.append(receipt)
        if not receipt.counts.adds_up:
            report.accounts.append(Finding(where, f"does not add up: {receipt.counts}"))
        if sum(receipt.drops.values()) != receipt.counts.dropped + receipt.counts.made_dropped:
            report.accounts.append(Finding(where, "its reasons do not sum up to its drops"))
        for ref in receipt.objects.values():
            _verify_object(layout, ref, report)
    for ref in settled_refs(layout).values():
        _verify_object(layout, ref, report)
    return receipts


def _verify_object(layout: RunLayout, ref: ObjectRef, report: VerifyReport) -> None:
    report.objects += 1
    report.bytes += ref.bytes
    if wrong := check_file(layout.object(ref.name), ref):
        report.damage.append(Finding(f"objects/{ref.name}", wrong))


def _verify_flow(layout: RunLayout, receipts: Sequence[Receipt], report: VerifyReport) -> None:
    """Check that what one pass let through is what the next one took in."""
    identity = json.loads(layout.identity.read_bytes())
    flowing = identity["records"]
    for one in identity["passes"]:
        done = [receipt for receipt in receipts if receipt.pass_name == one["name"]]
        if len(done) < identity["shards"]:
            return
        taken = sum(receipt.counts.inputs for receipt in done)
        if taken != flowing:
            report.accounts.append(Finding(f"receipts/{one['name']}", f"took {taken} inputs of {flowing}"))
        flowing = sum(receipt.counts.survivors for receipt in done)


def _verify_dataset(layout: RunLayout, receipts: Sequence[Receipt], report: VerifyReport) -> None:
    try:
        value: dict[str, Any] = json.loads(layout.dataset.read_bytes())
    except FileNotFoundError:
        return
    except ValueError:
        report.damage.append(Finding("dataset.json", "cannot be read"))
        return
    report.complete = True
    for shard in value["shards"]:
        ref = ObjectRef(name=shard["path"], bytes=shard["bytes"], sha256=shard["sha256"])
        if wrong := check_file(layout.root / shard["path"], ref):
            report.damage.append(Finding(shard["path"], wrong))
    for title, table in value["index"].items():
        ref = ObjectRef(name=title, bytes=table["bytes"], sha256=table["sha256"])
        if wrong := check_file(layout.index / title, ref):
            report.damage.append(Finding(f"index/{title}", wrong))
            return
    promised = {shard["path"] for shard in value["shards"]}
    for path in sorted(layout.shards.glob("*/*")):
        if str(path.relative_to(layout.root)) not in promised:
            report.litter.append(Finding(str(path.relative_to(layout.root)), "dataset.json does not name it"))
    _verify_pairs(layout, value, report)
    _verify_records(layout, value, report)


def _verify_pairs(layout: RunLayout, value: dict[str, Any], report: VerifyReport) -> None:
    """Every pair stands once, and each shard holds what the index says."""
    table = pq.read_table(layout.index / "pairs.parquet", columns=["id", "shard"])
    ids = table.column("id").to_pylist()
    if len(set(ids)) != len(ids):
        report.accounts.append(Finding("index/pairs.parquet", f"{len(ids) - len(set(ids))} pairs stand twice"))
    if len(ids) != sum(value["pairs"].values()):
        report.accounts.append(Finding("index/pairs.parquet", f"{len(ids)} rows for {value['pairs']}"))


def _verify_records(layout: RunLayout, value: dict[str, Any], report: VerifyReport) -> None:
    """Every input record was kept or dropped."""
    clips = pq.read_table(layout.index / "clips.parquet", columns=["record_id", "kept"]).to_pydict()
    kept = {name for name, stays in zip(clips["record_id"], clips["kept"], strict=True) if stays}
    rejected = set(pq.read_table(layout.index / "rejects.parquet", columns=["record_id"]).column(0).to_pylist())
    planned = {
        record["record_id"] for line in layout.plan.read_bytes().splitlines() for record in json.loads(line)["inputs"]
    }
    if lost := planned - kept - rejected:
        report.accounts.append(Finding("index", f"{len(lost)} input records are nowhere, first {min(lost)!r}"))
    if strange := (kept | rejected) - planned:
        report.accounts.append(Finding("index", f"{len(strange)} records that were no input, first {min(strange)!r}"))


def forget_damaged(layout: RunLayout, suspects: Sequence[str] | None) -> bool:
    """Forget the receipts of objects that are not as promised, so that their shards are pending again.

    Args:
        layout: of the run.
        suspects: names of objects to look at (``objects/`` or public paths as `verify` reports them); None for all.

    Returns:
        Whether a receipt was forgotten.
    """
    if suspects is not None and not suspects:
        return False
    wanted = None if suspects is None else {Path(name).name for name in suspects}
    found = False
    for path, receipt in all_receipts(layout):
        refs = list(receipt.objects.values()) if receipt else []
        public = {Path(f"{receipt.shard}.tar").name} if receipt else set()
        if wanted is not None and receipt is not None and not wanted & ({ref.name for ref in refs} | public):
            continue
        if receipt is None or any(check_file(layout.object(ref.name), ref) for ref in refs):
            forget(path)
            found = True
    for name, ref in settled_refs(layout).items():
        if (wanted is None or ref.name in wanted) and check_file(layout.object(ref.name), ref):
            forget(layout.settled / f"{name}.json")
            found = True
    return found
