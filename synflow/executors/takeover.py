"""What a worker takes from an earlier run: whole shards where nothing that they rest on changed, else what it knows.

The earlier run is never written to, and nothing of it is believed before it was hashed. What is taken is linked or
copied, so that a run stands by itself as soon as it has a receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2

from synflow.durable import Attempt, adopt, append_lines
from synflow.errors import ClipFailure, Damage
from synflow.executors.frames import read_range
from synflow.ids import digest_of
from synflow.media.source import Place, Source
from synflow.models.journal import is_settled
from synflow.records import Facts, Location, Sample
from synflow.store.layout import RunLayout
from synflow.store.lines import read_lines
from synflow.store.receipts import Receipt, publish_receipt, read_receipt
from synflow.trail import Step

TRIED_AGAIN = frozenset({"unreachable", "decode-timeout", "decode-crash", "decode-memory", "kills-worker"})
"""Reasons that lie with a machine or a moment as much as with a clip."""


def reading_of(media: Mapping[str, Any]) -> str:
    """Return a digest of how pictures are read: the settings, and the libraries that decode and measure."""
    settings = {name: value for name, value in media.items() if name != "video"}
    return digest_of([settings, [(name, version(name)) for name in ("av", "numpy")], cv2.__version__])


def take_over(
    layout: RunLayout, unit: Mapping[str, Any], reading: str = "", embedder: str = "", model: str = ""
) -> Receipt | None:
    """Take a whole shard from the run that ``unit["reuse"]`` names; return its receipt, None where that cannot be.

    Args:
        layout: of this run.
        unit: as a worker gets it; the driver says with ``whole`` that all but inputs and sources are the same.
        reading: digest of how pictures are read here.
        embedder: id of the model that embeds here.
        model: id of the model that writes here, where no manifest names it.
    """
    reuse = unit.get("reuse")
    if not reuse or not reuse["whole"] or unit.get("skip") or "only" in unit:
        return None
    name, shard = unit["pass"]["name"], unit["shard"]
    there = RunLayout(Path(reuse["root"]))
    receipt = sound(there, name, shard)
    if receipt is None or receipt.inputs != unit["inputs"] or not _lasting(receipt):
        return None
    journal = there.journal(name, shard)
    head = {"reading": reading, "embedder": embedder}
    if not is_settled(journal, model) or (
        "records" in unit and not _same_sources(there, receipt, unit["records"], head)
    ):
        return None
    with Attempt(layout.staging) as attempt:
        for ref in receipt.objects.values():
            if not adopt(there.object(ref.name), layout.objects, ref.name, ref.sha256, attempt):
                return None
        copy_journal(journal, layout.journal(name, shard))
        return publish_receipt(layout, receipt, attempt)


def sound(there: RunLayout, name: str, shard: str) -> Receipt | None:
    """Return a receipt of another run; None where there is none that can be read."""
    try:
        return read_receipt(there.receipt(name, shard))
    except (Damage, OSError):
        return None


def copy_journal(source: Path, target: Path) -> None:
    """Copy a journal, so that a shard that has to be made again asks nothing again; once, in one write."""
    if source.is_file() and not target.exists():
        append_lines(target, [line for line in source.read_bytes().split(b"\n") if line])


def bytes_digest(location: Location) -> str:
    """Return the sha256 of a local source; empty where it cannot be read."""
    try:
        source = Source(Place(location.path, location.offset, location.size))
    except ClipFailure:
        return ""
    with source:
        return source.digest()


def _lasting(receipt: Receipt) -> bool:
    return not any(name.rpartition("/")[2] in TRIED_AGAIN for name in receipt.drops)


def _same_sources(
    there: RunLayout, receipt: Receipt, records: Sequence[Mapping[str, Any]], wanted: Mapping[str, str]
) -> bool:
    """Tell whether the sources of a shard hold the bytes that they held; what stands behind a URL is not asked."""
    try:
        head, *lines = list(read_lines(there, receipt.objects.get("trail"))) or [{}]
    except Damage:
        return False
    if head != wanted or len(lines) != len(records):
        return False
    for line, record in zip(lines, records, strict=True):
        location = Location.model_validate(record["location"])
        promised = line["facts"]["digest"] if line["facts"] else line["failed"]
        if line["record"] != record["record_id"]:
            return False
        if promised is not None and not location.url and bytes_digest(location) != promised:
            return False
    return True


class Recall:
    """What some shards of an earlier run know of the records of a unit.

    Args:
        reuse: ``root`` of the run, its first ``pass``, and ``kin``: the shards that held these records.
        wanted: ids of the records.
        reading: digest of how pictures are read here; what was read otherwise is not recalled.
        unchanged: tells whether the source of a sample is still the one of these facts.
    """

    def __init__(
        self,
        reuse: Mapping[str, Any] | None,
        wanted: set[str],
        reading: str,
        unchanged: Callable[[Sample, Facts], bool],
    ) -> None:
        self._there = RunLayout(Path(reuse["root"])) if reuse else None
        self._pass: str = reuse["pass"] if reuse else ""
        self._kin: Sequence[str] = reuse["kin"] if reuse else ()
        self._wanted, self._reading, self._unchanged = wanted, reading, unchanged
        self._verdicts: dict[str, bool] = {}

    @cached_property
    def _receipts(self) -> list[Receipt]:
        if self._there is None:
            return []
        found = (sound(self._there, self._pass, shard) for shard in self._kin)
        return [receipt for receipt in found if receipt is not None]

    def _lines(self, kind: str) -> Iterator[Any]:
        """Yield the lines of the objects of a kind; one that is damaged or gone knows nothing."""
        there = self._there
        if there is None:
            return
        for receipt in self._receipts:
            try:
                yield from list(read_lines(there, receipt.objects.get(kind)))
            except (Damage, OSError, ValueError):
                continue

    @cached_property
    def facts(self) -> dict[str, Facts]:
        """What probing told of the sources of the wanted records."""
        return {name: Facts(**line["facts"]) for name, line in self._trails.items() if line["facts"]}

    @cached_property
    def _trails(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        reading = ""
        for line in self._lines("trail"):
            reading = line.get("reading", reading)
            if reading == self._reading and line.get("record") in self._wanted:
                found[line["record"]] = line
        return found

    @cached_property
    def _steps(self) -> dict[str, dict[tuple[str, str], Step]]:
        return {
            name: {(step["stage"], step["in"]): step for step in line["steps"]} for name, line in self._trails.items()
        }

    @cached_property
    def _rows(self) -> dict[str, dict[str, Any]]:
        found = (value for value in self._lines("rows") if value["key"].rpartition("\n")[0] in self._wanted)
        return {value["key"]: value["rows"] for value in found}

    @cached_property
    def _samples(self) -> dict[str, Sample]:
        found = (value for value in self._lines("samples") if value["source"]["record_id"] in self._wanted)
        samples = (Sample.model_validate(value) for value in found)
        return {sample.key: sample for sample in samples if sample.frames}

    def _sure(self, sample: Sample) -> bool:
        """Tell whether what is known of a record is of the source that it has today."""
        name = sample.record_id
        if name not in self._verdicts:
            facts = self.facts.get(name)
            self._verdicts[name] = facts is not None and self._unchanged(sample, facts)
        return self._verdicts[name]

    def steps(self, sample: Sample) -> Mapping[tuple[str, str], Step]:
        """Return the steps of the record of a sample."""
        known = self._steps.get(sample.record_id)
        return known if known and self._sure(sample) else {}

    def rows(self, key: str) -> Mapping[str, Any] | None:
        """Return the rows of a sample, by stage."""
        return self._rows.get(key)

    def frames(self, sample: Sample) -> tuple[Sample, list[bytes]] | None:
        """Return the sample whose clip is the same, with its pictures; None where there is none."""
        earlier = self._samples.get(sample.key)
        if earlier is None or self._there is None or earlier.crop != sample.crop or not self._sure(sample):
            return None
        home = self._there.object(earlier.frames_object)
        try:
            return earlier, [
                read_range(self._there, home.name, frame.offset, frame.bytes, frame.digest, home)
                for frame in earlier.frames
            ]
        except (Damage, OSError):
            return None


def journals_of(reuse: Mapping[str, Any] | None) -> list[Path]:
    """Return the journals of an earlier run that may hold answers for a unit."""
    if not reuse:
        return []
    return sorted(path for shard in reuse["kin"] for path in (Path(reuse["root"]) / "journal").glob(f"*/{shard}.jsonl"))
