"""An earlier run as the driver of another one sees it: which passes are the same, and where its records were.

What determines a shard of a pass is its inputs, which its receipt has the digest of, and the rest of this module's
`pass_key`: seed, media, the stages of the pass with their versions and parameters, what is applied of the pass before,
models and prompts. Where the keys are equal a shard of the same inputs is taken over as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synflow.durable import Attempt, adopt, publish
from synflow.errors import Damage, Refused, UsageError
from synflow.ids import canonical, digest_of
from synflow.manifest import Manifest
from synflow.plan import PACK, PassPlan, Shard, passes_of, read_records
from synflow.registry import stage_class
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef
from synflow.trail import measuring


@dataclass(frozen=True)
class Determined:
    """A run as its keys are made from it.

    Attributes:
        fingerprint: as ``run.json`` has it: versions of stages, digests of prompts.
    """

    manifest: Manifest
    fingerprint: Mapping[str, Any]

    @cached_property
    def passes(self) -> tuple[PassPlan, ...]:
        """Its passes."""
        return passes_of([stage_class(entry.name) for entry in self.manifest.stages])

    def stage(self, name: str, *, rows: bool = False) -> list[Any]:
        """Return name, version and parameters of a stage; of one that settles, those that its rows depend on."""
        config = next(entry.config for entry in self.manifest.stages if entry.name == name)
        kept = measuring(stage_class(name), config) if rows else config
        return [name, self.fingerprint.get(f"stage version.{name}"), kept]

    def pass_key(self, name: str) -> str:
        """Return a digest of all but its inputs that determines what a pass leaves; empty where it has none."""
        if name == PACK:
            return digest_of([self.fingerprint.get("format"), PACK])
        place = next((i for i, plan in enumerate(self.passes) if plan.name == name), None)
        if place is None:
            return ""
        plan, before = self.passes[place], self.passes[place - 1].corpus if place else ()
        used = frozenset().union(*(stage_class(one).uses for one in (*plan.stages, *plan.corpus)))
        prompts = {key: value for key, value in self.fingerprint.items() if key.startswith("prompt")}
        models = self.manifest.models.identity()
        return digest_of(
            {
                "format": self.fingerprint.get("format"),
                "seed": self.manifest.seed,
                "media": self.manifest.media.identity(),
                "download": self.manifest.download.identity(),
                "stages": [self.stage(one) for one in plan.stages],
                "corpus": [self.stage(one, rows=True) for one in plan.corpus],
                "applied": [self.stage(one) for one in before],
                "models": {role: models[role] for role in sorted(used & set(models))},
                "prompts": prompts if "vlm" in used else {},
                "frames": plan.stores_frames,
            }
        )

    def settles_key(self, name: str) -> str:
        """Return a digest of what determines, besides the rows, what is settled after a pass."""
        plan = next((plan for plan in self.passes if plan.name == name), None)
        if plan is None:
            return ""
        return digest_of([self.manifest.seed, [self.stage(one) for one in plan.corpus]])


class Earlier:
    """An earlier run whose work another one may take over.

    Args:
        root: its directory.
        now: the run that is to be made.
        plan: plan of that run, and ``shards``: its shards.

    Raises:
        UsageError: there is no run.
    """

    def __init__(self, root: Path, now: Determined, plan: Path, shards: Sequence[Shard]) -> None:
        self.layout = RunLayout(root)
        self.now, self._plan, self._shards = now, plan, {shard.id: shard for shard in shards}
        value = identity_of(self.layout)
        self._was: Determined | None = None
        self.names = [str(one["name"]) for one in value["passes"]]
        try:
            manifest = Manifest.restored(value["manifest"], Path(value["folder"]))
            was = Determined(manifest, value["fingerprint"])
            keys = {name: was.pass_key(name) for name in (*self.names, PACK)}
            self._settled = {name: was.settles_key(name) for name in self.names}
        except (Refused, UsageError, StopIteration, KeyError):
            # Of another version, or of stages that are not here any more: no whole shard, but what is keyed by itself.
            keys, self._settled = {}, {}
        else:
            self._was = was
        self.same = {name: bool(key) and key == now.pass_key(name) for name, key in keys.items()}

    @property
    def reads_otherwise(self) -> bool:
        """Whether it read pictures with other settings."""
        both = [one.manifest.media.model_dump(exclude={"video"}) for one in (self._was, self.now) if one is not None]
        return len(both) < 2 or both[0] != both[1]

    @property
    def same_asker(self) -> bool:
        """Whether the same model is asked with the same seed."""
        both = [(one.manifest.models.identity()["vlm"], one.manifest.seed) for one in (self._was, self.now) if one]
        return len(both) == 2 and both[0] == both[1]

    def had(self, name: str) -> bool:
        """Tell whether it had that stage, in the same version and measuring with the same parameters."""
        try:
            both = [one.stage(name, rows=True) for one in (self._was, self.now) if one is not None]
        except StopIteration:
            return False
        return len(both) == 2 and both[0] == both[1]

    @cached_property
    def lines(self) -> dict[str, str]:
        """Its shards: id -> digest of the inputs."""
        return {name: digest_of([told(one) for one in inputs]) for name, inputs in self._planned()}

    @cached_property
    def _homes(self) -> dict[str, str]:
        """Record id -> shard that held it."""
        return {record["record_id"]: name for name, inputs in self._planned() for record in inputs}

    def _planned(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        try:
            with self.layout.plan.open("rb") as lines:
                for line in lines:
                    value = json.loads(line)
                    yield value["shard"], value["inputs"]
        except (OSError, ValueError, KeyError, TypeError):
            return

    def kin(self, shard: str) -> list[str]:
        """Return its shards that held the records of a shard of the new run."""
        wanted = self._shards.get(shard)
        if wanted is None:
            return []
        if self.lines.get(shard) == wanted.inputs:
            return [shard]
        records = read_records(self._plan, wanted)
        return sorted({self._homes[one["record_id"]] for one in records if one["record_id"] in self._homes})

    def offer(self, name: str, shard: str) -> dict[str, Any]:
        """Return what a worker may take for a shard of a pass: ``root``, ``pass``, ``whole``, ``kin``."""
        whole = self.same.get(name, False)
        first = self.names[0] if self.names else ""
        return {"root": str(self.layout.root), "pass": first, "whole": whole, "kin": self.kin(shard)}

    def settle(self, layout: RunLayout, name: str, rests_on: str) -> bool:
        """Take over what was settled after a pass, if it rests on the same receipts and rules; tell whether."""
        if not self._settled.get(name) or self._settled[name] != self.now.settles_key(name):
            return False
        try:
            data = (self.layout.settled / f"{name}.json").read_bytes()
            value = json.loads(data)
            ref = ObjectRef.model_validate(value["object"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if value.get("from") != rests_on:
            return False
        with Attempt(layout.staging) as attempt:
            if not adopt(self.layout.object(ref.name), layout.objects, ref.name, ref.sha256, attempt):
                return False
            publish(canonical(value) + b"\n", layout.settled / f"{name}.json", attempt)
        return True


def identity_of(layout: RunLayout) -> dict[str, Any]:
    """Return ``run.json`` of a run.

    Raises:
        UsageError: there is none. Damage: it cannot be read.
    """
    try:
        value: dict[str, Any] = json.loads(layout.identity.read_bytes())
        sound = {"passes", "manifest", "folder", "fingerprint"} <= set(value)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{layout.root} holds no run", "--reuse takes the folder of an earlier run") from None
    except (ValueError, TypeError):
        sound = False
    if not sound:
        raise Damage(f"{layout.identity} is not a run's identity", "leave --reuse out, or name another run")
    return value


def told(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an input record determines the output: all but where the file lies on this machine."""
    return {name: value for name, value in record.items() if name != "location"}
