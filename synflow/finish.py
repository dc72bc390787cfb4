"""The end of a run: tables, shards under their public names, card, and last of all ``dataset.json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from synflow.card import dataset_card
from synflow.chain import ENGINE_REASONS, MEDIA_REASONS
from synflow.durable import Attempt, Draft, forget, make_folder, publish_file, seal
from synflow.ids import digest
from synflow.manifest import Manifest
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
    kept, audit, guard = _Seen(), Rates(), Guard([entry.config for entry in manifest.stages])
    with Attempt(layout.staging) as attempt:
        tables = {
            "pairs.parquet": write_table(layout, attempt, "pairs", PAIRS, pair_rows(layout, packed)),
            "rejects.parquet": write_table(
                layout, attempt, "rejects", REJECTS, guard.watch(reject_rows(layout, passes))
            ),
            "clips.parquet": write_table(
                layout, attempt, "clips", CLIPS, audit.watch(kept.watch(guard.watch(clip_rows(layout, passes))))
            ),
        }
        _place_shards(layout, packed)
        value = dataset_value(manifest.name, fingerprint, passes, packed, tables)
        value["records"] = {**value["records"], "kept": len(kept.records)}
        value["records"]["dropped"] = value["records"]["inputs"] - len(kept.records)
        value.update(guard.told())
        value.update(audit.told())
        stages = [{"name": entry.name, "config": entry.config} for entry in manifest.stages]
        value.update(targets_told(stages, passes, value["pairs"]))
        card = dataset_card(manifest, value, {**MEDIA_REASONS, **ENGINE_REASONS})
        value["card"] = _place_text(layout, attempt.draft("card.md"), card, "README.md")
        _sweep(layout, passes, packed)
        _place_dataset(layout, attempt.draft("dataset.json"), encode_dataset(value))
    return value


class _Seen:
    """Counts the input records of which a clip was kept, on the way of the rows into their table."""

    def __init__(self) -> None:
        self.records: set[str] = set()

    def watch(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            if row["kept"]:
                self.records.add(row["record_id"])
            yield row


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


def _place_text(layout: RunLayout, draft: Draft, text: str, target: str) -> dict[str, Any]:
    """Write a text and give it its name; return its bytes and digest."""
    draft.write(text.encode("utf-8", errors="replace"))
    place(layout, seal(draft, layout.objects, ".md"), target)
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
