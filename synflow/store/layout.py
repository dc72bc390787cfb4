"""Where things are in a run directory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from synflow.durable import make_folder


@dataclass(frozen=True)
class RunLayout:
    """Names of all files of a run directory; see the page on the run directory in the docs."""

    root: Path

    @property
    def identity(self) -> Path:
        """``run.json``: what the run is; written first."""
        return self.root / "run.json"

    @property
    def reuse(self) -> Path:
        """``reuse.json``: the earlier run whose work may be taken over; nothing depends on it."""
        return self.root / "reuse.json"

    @property
    def plan(self) -> Path:
        """``plan.jsonl``: the input records by shard."""
        return self.root / "plan.jsonl"

    @property
    def objects(self) -> Path:
        """Folder of sealed objects, each named by its digest."""
        return self.root / "objects"

    @property
    def staging(self) -> Path:
        """Folder of attempts under way; all of it is litter once no driver runs."""
        return self.root / "staging"

    @property
    def settled(self) -> Path:
        """Folder of what corpus stages decided, one receipt a pass."""
        return self.root / "settled"

    @property
    def lock(self) -> Path:
        """Held by the one driver; its text names the holder."""
        return self.root / "lock"

    @property
    def log(self) -> Path:
        """``log.jsonl``: events with times; never believed, only shown."""
        return self.root / "log.jsonl"

    @property
    def shards(self) -> Path:
        """The dataset: ``shards/<task>/<task>-000000.tar``."""
        return self.root / "shards"

    @property
    def index(self) -> Path:
        """Folder of the three index tables."""
        return self.root / "index"

    @property
    def dataset(self) -> Path:
        """``dataset.json``: written last of all; a run that has it is complete."""
        return self.root / "dataset.json"

    @property
    def card(self) -> Path:
        """``README.md``: the dataset card."""
        return self.root / "README.md"

    @property
    def croissant(self) -> Path:
        """``croissant.json``: the dataset described for machines."""
        return self.root / "croissant.json"

    @property
    def metrics(self) -> Path:
        """``metrics.prom``: how far the run is, for Prometheus."""
        return self.root / "metrics.prom"

    @property
    def withdrawn(self) -> Path:
        """``withdrawn.jsonl``: the sources that were withdrawn from the run."""
        return self.root / "withdrawn.jsonl"

    def receipts(self, name: str) -> Path:
        """Folder of the receipts of pass ``name``."""
        return self.root / "receipts" / name

    def receipt(self, name: str, shard: str) -> Path:
        """The receipt of one shard of a pass."""
        return self.receipts(name) / f"{shard}.json"

    def journal(self, name: str, shard: str) -> Path:
        """The journal of model answers of one shard of a pass."""
        return self.root / "journal" / name / f"{shard}.jsonl"

    def object(self, name: str) -> Path:
        """The object of that name."""
        return self.objects / name

    def prepare(self, passes: tuple[str, ...]) -> None:
        """Make the folders that a run needs."""
        for folder in (self.objects, self.staging, self.settled, self.index, self.shards):
            make_folder(folder)
        for name in passes:
            make_folder(self.receipts(name))
            make_folder(self.root / "journal" / name)

    def unprepare(self) -> None:
        """Take away the folders of a run that was not begun, as far as they are empty."""
        each = [folder for kind in ("receipts", "journal") for folder in (self.root / kind).glob("*")]
        own = (self.objects, self.staging, self.settled, self.index, self.shards)
        for folder in (*each, *own, self.root / "receipts", self.root / "journal"):
            with contextlib.suppress(OSError):
                folder.rmdir()
