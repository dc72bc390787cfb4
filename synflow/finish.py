"""The end of a run: tables, shards under their public names, cards, and last of all ``dataset.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synflow.card import dataset_card
from synflow.chain import ENGINE_REASONS, MEDIA_REASONS
from synflow.croissant import croissant
from synflow.durable import Attempt, Draft, forget, make_folder, publish_file, seal
from synflow.ids import digest
from synflow.manifest import Manifest
from synflow.store.contents import Contents
from synflow.store.guard import Guard
from synflow.store.index import (
    CLIPS,
    PAIRS,
    REJECTS,
    clip_rows,
    dataset_value,
    encode_dataset,
    pair_rows,
    place,
    reject_rows,
    write_table,
)
from synflow.store.layout import RunLayout
from synflow.store.quotas import targets_told
from synflow.store.rates import Rates
from synflow.store.receipts import Receipt
from synflow.store.verify import referenced
from synflow.store.withdrawals import missing_pairs, read_withdrawals


def finish(
    layout: RunLayout,
    manifest: Manifest,
    fingerprint: str,
    passes: Sequence[Sequence[Receipt]],
    packed: Sequence[Receipt],
) -> dict[str, Any]:
    """Make what readers of a run see; return what ``dataset.json`` says.

    Every step may be repeated: the same receipts give the same bytes.
    """
    contents, audit, guard = Contents(), Rates(), Guard([entry.config for entry in manifest.stages])
    withdrawals = read_withdrawals(layout)
    with Attempt(layout.staging) as attempt:
        rows = {
            "pairs": contents.pairs(pair_rows(layout, packed)),
            "rejects": guard.watch(reject_rows(layout, passes, withdrawals)),
            "clips": audit.watch(contents.clips(guard.watch(clip_rows(layout, passes, withdrawals)))),
        }
        schemas = {"pairs": PAIRS, "rejects": REJECTS, "clips": CLIPS}
        tables = {f"{name}.parquet": write_table(layout, attempt, name, schemas[name], rows[name]) for name in rows}
        _place_shards(layout, packed)
        value = dataset_value(manifest.name, fingerprint, passes, packed, tables)
        gone = missing_pairs(layout, passes[-1], value["pairs"]) if withdrawals else {}
        value = withdrawals.told(value, sum(1 for _ in withdrawals.rejects(layout, passes[-1])), gone)
        value["records"] = {**value["records"], "kept": len(contents.kept)}
        value["records"]["dropped"] = value["records"]["inputs"] - len(contents.kept)
        value.update(guard.told())
        value.update(audit.told())
        stages = [{"name": entry.name, "config": entry.config} for entry in manifest.stages]
        value.update(targets_told(stages, passes, value["pairs"], gone))
        told = croissant(manifest, value, contents)
        value["croissant"] = _place_file(layout, attempt.draft("croissant.json"), told, layout.croissant)
        reasons = {**MEDIA_REASONS, **ENGINE_REASONS}
        card = dataset_card(manifest, value, reasons, contents, contents.origins(layout))
        value["card"] = _place_file(layout, attempt.draft("card.md"), card.encode("utf-8", "replace"), layout.card)
        _sweep(layout, passes, packed)
        _place_dataset(layout, attempt.draft("dataset.json"), encode_dataset(value))
    return value


def _place_shards(layout: RunLayout, packed: Sequence[Receipt]) -> None:
    """Give the tars their public names; a shard of a name that this run does not make is taken away."""
    wanted = set()
    for receipt in packed:
        task = receipt.shard.rsplit("-", 1)[0]
        folder = layout.shards / task
        make_folder(folder)
        wanted.add(folder / f"{receipt.shard}.tar")
        place(layout, receipt.objects["tar"].name, f"shards/{task}/{receipt.shard}.tar")
    for path in layout.shards.glob("*/*.tar"):
        if path not in wanted:
            forget(path)


def _place_file(layout: RunLayout, draft: Draft, data: bytes, target: Path) -> dict[str, Any]:
    """Write a file and give it its name; return its bytes and digest."""
    draft.write(data)
    place(layout, seal(draft, layout.objects, target.suffix), str(target.relative_to(layout.root)))
    return {"bytes": draft.size, "sha256": draft.digest}


def _place_dataset(layout: RunLayout, draft: Draft, data: bytes) -> None:
    """Publish ``dataset.json``; an older one that says something else is replaced."""
    try:
        if digest(layout.dataset.read_bytes()) != digest(data):
            forget(layout.dataset)
    except FileNotFoundError:
        pass
    draft.write(data)
    draft.close()
    publish_file(draft.path, layout.dataset)


def _sweep(layout: RunLayout, passes: Sequence[Sequence[Receipt]], packed: Sequence[Receipt]) -> None:
    """Remove objects that nothing refers to: what attempts left that died or came second."""
    named = referenced(layout, [*(receipt for done in passes for receipt in done), *packed])
    for path in layout.objects.iterdir():
        if path.name not in named:
            forget(path)
