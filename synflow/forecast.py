"""What a run would take over from an earlier one, told before anything runs: by receipts, trails and journals.

Sources are not hashed here, so a video that changed under its path is not foreseen; nor is what corpus stages, which
see all clips together, decide otherwise: it is at most what is told for the passes after them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synflow.durable import Attempt
from synflow.earlier import Determined, Earlier
from synflow.errors import Damage
from synflow.identity import fingerprint
from synflow.manifest import Manifest
from synflow.models.contract import open_embedder
from synflow.plan import PACK, PassPlan, Shard, defines, freeze, read_records
from synflow.records import InputRecord
from synflow.registry import build, stage_class
from synflow.store.lines import read_lines
from synflow.store.receipts import Receipt, read_receipt
from synflow.trail import key_of, measuring


@dataclass(frozen=True)
class Forecast:
    """What would be taken over.

    Attributes:
        root: of the earlier run.
        passes: name, ``same`` (nothing but inputs can differ), ``shards`` and ``taken`` of each pass.
        records: of the inputs; ``known``: those of which the earlier run measured all that is needed;
            ``decoded``: those that have to be decoded.
        answers: answers of models that its journals hold.
        asks_again: whether models or the seed differ, so that no answer fits.
    """

    root: str
    passes: tuple[dict[str, Any], ...]
    records: int
    known: int
    decoded: int
    answers: int
    asks_again: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def forecast(manifest: Manifest, records: Iterable[InputRecord], root: Path) -> Forecast:
    """Return what a run of ``manifest`` over ``records`` would take over from the run in ``root``.

    Raises:
        UsageError: there is no run in ``root``.
    """
    classes = [stage_class(entry.name) for entry in manifest.stages]
    with tempfile.TemporaryDirectory() as folder, Attempt(Path(folder)) as attempt:
        draft = attempt.draft("plan.jsonl")
        shards = freeze(records, manifest.shard_clips, "", draft)
        draft.close()
        asks = any("vlm" in cls.uses for cls in classes)
        held = fingerprint(manifest.identity(), {cls.name: cls.version for cls in classes}, shards, asks)
        now = Determined(manifest, held)
        earlier = Earlier(root.resolve(), now, draft.path, shards)
        return _Forecaster(now, earlier, shards, draft.path).told()


class _Forecaster:
    def __init__(self, now: Determined, earlier: Earlier, shards: Sequence[Shard], plan: Path) -> None:
        self.now, self.earlier, self.shards, self.plan = now, earlier, shards, plan
        self.first = now.passes[0]
        models = now.manifest.models
        embedder = getattr(models.embed, "model", "") or open_embedder({"use": "signals"}).model
        self.identities = {"seed": now.manifest.seed, "embed": {**models.identity()["embed"], "id": embedder}}
        self.stages = {entry.name: build(entry.name, entry.config) for entry in now.manifest.stages}

    def told(self) -> Forecast:
        taken = [self._takes(shard) for shard in self.shards]
        loose = [shard for shard, whole in zip(self.shards, taken, strict=True) if not whole]
        decoded = self._count({name for shard in loose for name in self._ids(shard)})
        total = sum(shard.records for shard in self.shards)
        whole = all(taken) and len(self.earlier.lines) == len(self.shards)
        return Forecast(
            root=str(self.earlier.layout.root),
            passes=tuple(self._passes(sum(taken), whole=whole)),
            records=total,
            known=total - decoded,
            decoded=decoded,
            answers=sum(1 for _ in self._answers()),
            asks_again=not self.earlier.same_asker,
        )

    def _passes(self, taken: int, *, whole: bool) -> Iterator[dict[str, Any]]:
        for place, name in enumerate([*(plan.name for plan in self.now.passes), PACK]):
            same = self.earlier.same.get(name, False)
            total = len(self.shards)
            if name == PACK:
                total = len(list(self.earlier.layout.receipts(PACK).glob("*.json")))
            if place:
                found = self.earlier.layout.receipts(name).glob("*.json")
                taken = min(total, len(list(found))) if whole and same else 0
            yield {"name": name, "same": same, "shards": total if name != PACK or whole else None, "taken": taken}
            whole = whole and same

    def _takes(self, shard: Shard) -> bool:
        """Tell whether a shard of the first pass can be taken over whole."""
        if not self.earlier.same.get(self.first.name):
            return False
        receipt = self._receipt(shard.id)
        return receipt is not None and receipt.inputs == shard.inputs and "trail" in receipt.objects

    def _receipt(self, shard: str) -> Receipt | None:
        try:
            return read_receipt(self.earlier.layout.receipt(self.earlier.names[0], shard))
        except (Damage, OSError, IndexError):
            return None

    def _ids(self, shard: Shard) -> list[str]:
        found = read_records(self.plan, shard)
        return [one["record_id"] for one in found if not one["fault"] and not one["duplicate_of"]]

    def _count(self, wanted: set[str]) -> int:
        """Return how many of those records have to be decoded."""
        decoded = 0
        for shard in self.earlier.lines if wanted else ():
            receipt = self._receipt(shard)
            try:
                for line in read_lines(self.earlier.layout, receipt.objects.get("trail")) if receipt else ():
                    if line.get("record") in wanted:
                        wanted.discard(line["record"])
                        decoded += self._decodes(line)
            except (Damage, OSError):
                continue
        return decoded + len(wanted)

    def _answers(self) -> Iterator[bytes]:
        for path in (self.earlier.layout.root / "journal").glob("*/*.jsonl"):
            yield from (line for line in path.read_bytes().splitlines() if line.startswith(b'{"answer"'))

    def _decodes(self, line: Mapping[str, Any]) -> bool:
        """Tell whether a record has to be decoded, as far as its trail tells."""
        if self.earlier.reads_otherwise:
            return True
        steps: dict[str, list[dict[str, Any]]] = {}
        for step in line["steps"]:
            steps.setdefault(step["stage"], []).append(step)
        for name in self.first.stages:
            if "media" not in self.stages[name].uses:
                continue
            found = steps.get(name, [])
            if not found:
                if not self.earlier.had(name):
                    return True
                continue
            if any(self._stale(name, step) for step in found):
                return True
        kept = [step for name, found in steps.items() if not name.startswith("rows:") for step in found]
        survives = bool(kept) and all("measures" not in step for step in kept)
        return survives and self._lacks_rows(self.first, steps)

    def _lacks_rows(self, plan: PassPlan, steps: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
        names = [name for name in plan.corpus if "media" in self.stages[name].uses]
        return any(not steps.get(f"rows:{name}") and not self.earlier.had(name) for name in names)

    def _stale(self, name: str, step: Mapping[str, Any]) -> bool:
        """Tell whether a step does not hold any more, or its clip passes now that was dropped."""
        stage = self.stages[name]
        judged = defines(type(stage), "verdict")
        config = next(entry.config for entry in self.now.manifest.stages if entry.name == name)
        config = measuring(stage, config) if judged else config
        others = {asked: self.identities[asked] for asked in step["asks"]}
        if step["of"] != key_of(name, stage.version, config, others):
            return True
        if not judged or "measures" not in step:
            return False
        try:
            return stage.verdict(step["measures"]) is None
        except KeyError:
            return True
