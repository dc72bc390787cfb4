"""A unit of the pack pass: one shard of the dataset from chosen pairs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from synflow.durable import Attempt, seal
from synflow.errors import Damage
from synflow.executors.takeover import take_over
from synflow.records import Pair
from synflow.store.layout import RunLayout
from synflow.store.lines import seal_lines
from synflow.store.pack import index_row, write_pair
from synflow.store.receipts import Counts, ObjectRef, Receipt, publish_receipt
from synflow.store.tar import TarWriter


class ObjectReader:
    """Reads byte ranges of objects, keeping the last few open."""

    LIMIT = 64

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self._open: dict[str, int] = {}

    def __call__(self, name: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of object ``name`` from ``offset``; fewer where it ends before."""
        if name not in self._open:
            if len(self._open) == self.LIMIT:
                os.close(self._open.pop(next(iter(self._open))))
            try:
                self._open[name] = os.open(self.layout.object(name), os.O_RDONLY)
            except FileNotFoundError as error:
                raise Damage(
                    f"object {name} is missing", f"`synflow resume {self.layout.root}` makes it again"
                ) from error
        return os.pread(self._open[name], size, offset)

    def close(self) -> None:
        """Close all."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()


def work_pack(layout: RunLayout, unit: Mapping[str, Any]) -> dict[str, Any]:
    """Write one shard of the dataset.

    Args:
        layout: of the run.
        unit: ``shard`` (``<task>-000000``), ``task``, ``inputs``, and ``refs``: for each pair
            ``[size, id, object, offset, length]``, where its line stands.

    Returns:
        The receipt as JSON, and the seconds taken.

    Raises:
        Damage: an object that a pair was made from has changed.
    """
    began = time.monotonic()
    if taken := take_over(layout, unit):
        return {"receipt": taken.model_dump(mode="json"), "seconds": 0.0, "usage": {"taken": 1}}
    read = ObjectReader(layout)
    path = f"shards/{unit['task']}/{unit['shard']}.tar"
    try:
        with Attempt(layout.staging) as attempt:
            draft = attempt.draft("shard.tar")
            tar = TarWriter(draft)
            rows = []
            for _, pair_id, name, offset, length in unit["refs"]:
                pair = _pair(layout, read(name, offset, length), pair_id, name)
                rows.append(index_row(pair, path, *write_pair(tar, pair, read)))
            tar.finish()
            objects = {
                "tar": ObjectRef(
                    name=seal(draft, layout.objects, ".tar"), bytes=draft.size, sha256=draft.digest, rows=len(rows)
                ),
                "index": seal_lines(layout, attempt, "index", rows),
            }
            receipt = Receipt(
                pass_name="pack", shard=unit["shard"], inputs=unit["inputs"], pairs={unit["task"]: len(rows)},
                counts=Counts(inputs=len(rows), kept=len(rows)), objects=objects,
            )  # fmt: skip
            receipt = publish_receipt(layout, receipt, attempt)
    finally:
        read.close()
    return {"receipt": receipt.model_dump(mode="json"), "seconds": round(time.monotonic() - began, 3), "usage": {}}


def _pair(layout: RunLayout, line: bytes, pair_id: str, name: str) -> Pair:
    """Return the pair that a line holds.

    Raises:
        Damage: the line is not the pair that was chosen.
    """
    try:
        pair = Pair.model_validate(json.loads(line)["pair"])
    except ValueError:
        pair = None
    if pair is None or pair.id != pair_id:
        raise Damage(f"object {name} is damaged", f"`synflow resume {layout.root}` makes it again")
    return pair
