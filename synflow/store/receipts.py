"""Receipts: a shard is done only when its receipt exists and its objects are as the receipt says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synflow.durable import Attempt, forget, publish
from synflow.errors import Damage
from synflow.ids import canonical
from synflow.records import Record
from synflow.store.layout import RunLayout


class ObjectRef(Record):
    """An object that a receipt points to."""

    name: str
    bytes: int
    sha256: str
    rows: int = 0


class Counts(Record):
    """What became of the inputs of a shard: ``inputs == kept + dropped + split``.

    Attributes:
        made: samples that splits made; each of them was kept or dropped in turn:
            ``made == made_kept + made_dropped``.
    """

    inputs: int = 0
    kept: int = 0
    dropped: int = 0
    split: int = 0
    made: int = 0
    made_kept: int = 0
    made_dropped: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every input and every made sample ended in exactly one place."""
        return self.inputs == self.kept + self.dropped + self.split and self.made == self.made_kept + self.made_dropped

    @property
    def survivors(self) -> int:
        """Samples that go on."""
        return self.kept + self.made_kept


class Receipt(Record):
    """What one shard of one pass left; nothing in it depends on clock, host or attempt.

    Attributes:
        inputs: digest of what the shard was made from, so that a receipt of other inputs is not believed.
        drops: ``stage/reason`` -> number; pairs: task -> number.
        objects: kind (``samples``, ``drops``, ``clips``, ``rows``, ``frames``, ``trail``, ``pairs``, ``briefs``;
            ``tar``, ``index``) -> object.
    """

    pass_name: str
    shard: str
    inputs: str
    counts: Counts
    drops: dict[str, int] = {}
    pairs: dict[str, int] = {}
    objects: dict[str, ObjectRef] = {}

    def encode(self) -> bytes:
        """Return the one spelling of this receipt."""
        return canonical(self.model_dump(mode="json")) + b"\n"

    def essence(self) -> dict[str, Any]:
        """Return what the next pass depends on, as JSON: all but the trail, which only says how it was found out."""
        return self.model_dump(mode="json", exclude={"objects": {"trail"}})


def read_receipt(path: Path) -> Receipt | None:
    """Return the receipt at ``path``; None where there is none.

    Raises:
        Damage: the file is there but is not a receipt.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Receipt.model_validate(json.loads(data))
    except (ValueError, ValidationError) as error:
        raise Damage(f"{path} is not a receipt", f"remove it, then `synflow resume {path.parents[2]}`") from error


def sound_receipt(layout: RunLayout, name: str, shard: str, inputs: str) -> Receipt | None:
    """Return the receipt of a shard if it can be believed: same inputs, every object there with its length.

    A receipt that cannot is forgotten, so that the shard is pending again. Digests are checked when objects are
    read and by `synflow verify`.
    """
    path = layout.receipt(name, shard)
    try:
        receipt = read_receipt(path)
    except Damage:
        receipt = None
        forget(path)
    if receipt is None:
        return None
    if receipt.inputs == inputs and all(_present(layout, ref) for ref in receipt.objects.values()):
        return receipt
    forget(path)
    return None


def _present(layout: RunLayout, ref: ObjectRef) -> bool:
    try:
        return layout.object(ref.name).stat().st_size == ref.bytes
    except FileNotFoundError:
        return False


def publish_receipt(layout: RunLayout, receipt: Receipt, attempt: Attempt) -> Receipt:
    """Publish ``receipt`` unless one is there; return the one that stands.

    Raises:
        ValueError: its accounts do not add up.
    """
    if not receipt.counts.adds_up:
        raise ValueError(f"accounts of {receipt.pass_name}/{receipt.shard} do not add up: {receipt.counts}")
    path = layout.receipt(receipt.pass_name, receipt.shard)
    if publish(receipt.encode(), path, attempt):
        return receipt
    return read_receipt(path) or receipt
