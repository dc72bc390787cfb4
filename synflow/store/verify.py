"""Re-hashes a run against its receipts: damage, litter, duplicates, accounts that do not add up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from synflow.durable import forget
from synflow.errors import Damage, UsageError
from synflow.store.accounts import verify_dataset, verify_flow, verify_plan
from synflow.store.index import TABLES
from synflow.store.layout import RunLayout
from synflow.store.negatives import verify_negatives
from synflow.store.receipts import ObjectRef, Receipt, read_receipt
from synflow.store.report import Finding, VerifyReport, check_file, names_in


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
    public = {
        path.stat().st_ino for path in (*layout.index.glob("*.parquet"), layout.card, layout.croissant) if path.exists()
    }
    names.update(path.name for path in names_in(layout.objects) if path.stat().st_ino in public)
    return names


def verify(root: Path) -> VerifyReport:
    """Re-hash everything that receipts and ``dataset.json`` promise, and reckon up what they count.

    Raises:
        UsageError: there is no run in ``root``.
    """
    layout = RunLayout(root.resolve())
    if not layout.identity.exists() and not layout.dataset.exists():
        raise UsageError(f"{root} holds no run", "give the folder that --out or `output` named")
    report = VerifyReport(complete=layout.dataset.exists())
    receipts = _verify_receipts(layout, report)
    identity = _verify_identity(layout, report)
    planned = verify_plan(layout, identity, report) if identity is not None else None
    if identity is not None and planned is not None:
        verify_flow(layout, identity, planned, receipts, report)
        verify_dataset(layout, identity, planned, receipts, report)
    verify_negatives(layout, report)
    _verify_litter(layout, referenced(layout, receipts) | _public(layout), report)
    return report


def _public(layout: RunLayout) -> set[str]:
    """Return the names under which tables and card are objects too, also in a copy that has lost its hard links."""
    try:
        value = json.loads(layout.dataset.read_bytes())
        tables = {f"{table['sha256']}.parquet" for table in value["index"].values()}
        texts = {
            f"{value[name]['sha256']}{end}" for name, end in (("card", ".md"), ("croissant", ".json")) if name in value
        }
        return tables | texts
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def _verify_identity(layout: RunLayout, report: VerifyReport) -> dict[str, Any] | None:
    """Return ``run.json`` where it can be read."""
    try:
        value: dict[str, Any] = json.loads(layout.identity.read_bytes())
        sound = {"name", "passes", "shards", "records", "fingerprint", "manifest"} <= set(value)
    except FileNotFoundError:
        report.damage.append(Finding("run.json", "is missing"))
        return None
    except (ValueError, TypeError):
        sound = False
    if not sound:
        report.damage.append(Finding("run.json", "is not a run's identity"))
    return value if sound else None


def _verify_litter(layout: RunLayout, named: set[str], report: VerifyReport) -> None:
    """Find what nothing refers to."""
    for path in names_in(layout.objects):
        if path.name not in named:
            report.litter.append(Finding(f"objects/{path.name}", "no receipt refers to it"))
    for path in names_in(layout.staging):
        report.litter.append(Finding(f"staging/{path.name}", "left by an attempt that did not end"))
    for path in names_in(layout.index):
        if path.name not in TABLES:
            report.litter.append(Finding(f"index/{path.name}", "no table of a run"))


def _verify_receipts(layout: RunLayout, report: VerifyReport) -> list[Receipt]:
    receipts = []
    for path, receipt in all_receipts(layout):
        where = str(path.relative_to(layout.root))
        if receipt is None:
            report.damage.append(Finding(where, "is not a receipt"))
            continue
        if where != f"receipts/{receipt.pass_name}/{receipt.shard}.json":
            report.damage.append(Finding(where, f"is the receipt of {receipt.pass_name}/{receipt.shard}"))
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


def forget_damaged(layout: RunLayout, suspects: Sequence[str] | None) -> bool:
    """Forget the receipts of objects that are not as promised, so that their shards are pending again.

    Args:
        layout: of the run.
        suspects: what to look at: objects, public paths, receipts or their folders, as `verify` reports them;
            None for all. A receipt that is named itself is forgotten whatever its objects are.

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
        where = str(path.relative_to(layout.root))
        named = any(where == name or where.startswith(f"{name}/") for name in suspects or ())
        if wanted is not None and not named and receipt and not wanted & ({ref.name for ref in refs} | public):
            continue
        if named or receipt is None or any(check_file(layout.object(ref.name), ref) for ref in refs):
            forget(path)
            found = True
    for name, ref in settled_refs(layout).items():
        if (wanted is None or ref.name in wanted) and check_file(layout.object(ref.name), ref):
            forget(layout.settled / f"{name}.json")
            found = True
    return found
