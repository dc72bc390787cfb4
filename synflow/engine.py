"""One driver's work on one run directory: bind it to the run, then pass after pass until nothing is pending."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from synflow.chain import Bound
from synflow.datafile import portable
from synflow.dispatch import Dispatcher
from synflow.durable import Attempt, Draft, forget, publish, publish_file
from synflow.earlier import Determined, Earlier, identity_of
from synflow.errors import Damage, Incomplete, UsageError
from synflow.executors.contract import Executor, Unit
from synflow.finish import finish
from synflow.identity import check_identity, fingerprint, read_identity
from synflow.ids import canonical, digest, digest_of
from synflow.manifest import Manifest
from synflow.models.contract import preflight, start_engines
from synflow.plan import PACK, PassPlan, Shard, freeze, passes_of, read_records, read_shards
from synflow.records import Step
from synflow.registry import build, stage_class
from synflow.settle import basis, besides, deal_pairs, forget_packed, read_settled, settle_pass
from synflow.sources import read_inputs
from synflow.store.layout import RunLayout
from synflow.store.lines import read_lines
from synflow.store.log import RunLog
from synflow.store.receipts import ObjectRef, Receipt, sound_receipt
from synflow.store.withdrawals import read_withdrawals

ExecutorFactory = Callable[[Mapping[str, Any], Mapping[str, Any]], Executor]


class Engine:
    """One driver's work on one run directory."""

    def __init__(
        self, layout: RunLayout, log: RunLog, manifest: Manifest, open_with: ExecutorFactory, failed_only: bool
    ) -> None:
        self.layout, self.log, self.manifest = layout, log, manifest
        self.only = log.failed() if failed_only else None
        self.configs = {entry.name: dict(entry.config) for entry in manifest.stages}
        self.classes = [stage_class(name) for name in self.configs]
        self.passes = passes_of(self.classes)
        self.shards: tuple[Shard, ...] = ()
        self.fingerprint = ""
        self._open_with = open_with
        self._executor: Executor | None = None
        self._engines = contextlib.ExitStack()
        self.spec = {
            "root": str(layout.root),
            "seed": manifest.seed,
            "stages": self.configs,
            "models": manifest.models.model_dump(mode="json"),
            "media": manifest.media.model_dump(mode="json"),
            "download": manifest.download.model_dump(mode="json"),
            "prompts": dict(manifest.prompts or {}),
            "identities": manifest.models.identity(),
        }
        self.earlier: Earlier | None = None

    def bind(self, resumed: bool, frozen: bool = False) -> None:
        """Bind the directory to this run, or check that it is bound to it; ``frozen``: input lists are not read again.

        The plan is published before ``run.json``: a directory with an identity has its plan.

        Raises:
            Refused: the directory holds another run. UsageError: an input list cannot be read.
        """
        names = (*(one.name for one in self.passes), PACK)
        held = read_identity(self.layout)
        self.layout.prepare(names)
        with Attempt(self.layout.staging) as attempt:
            draft = attempt.draft("plan.jsonl")
            self.shards = self._shards_of(draft, names[0], resumed, frozen)
            wanted = self._fingerprint()
            self.fingerprint = digest_of(wanted)
            if held is not None:
                check_identity(self.layout, held, wanted)
            if draft.size:
                self._place_plan(draft)
            if held is not None:
                return
            value = {
                "name": self.manifest.name,
                "passes": [
                    {"name": one.name, "stages": list(one.stages), "corpus": list(one.corpus)} for one in self.passes
                ],
                "shards": len(self.shards),
                "records": sum(shard.records for shard in self.shards),
                "fingerprint": wanted,
                "manifest": self.manifest.model_dump(mode="json"),
                "folder": str(self.manifest.folder),
            }
            publish(json.dumps(value, indent=2, sort_keys=True).encode() + b"\n", self.layout.identity, attempt)

    def _shards_of(self, draft: Draft, first_pass: str, resumed: bool, frozen: bool) -> tuple[Shard, ...]:
        """Return the shards as the lists have them, with their plan in ``draft``; or those of the frozen plan."""
        if not frozen:
            try:
                return freeze(read_inputs(self.manifest), self.manifest.shard_clips, first_pass, draft)
            except UsageError:
                if not resumed:
                    raise
        # The frozen plan has all that is needed; a list that went away since is no reason to stop.
        return tuple(read_shards(self.layout.plan))

    def follow(self, root: Path | None) -> None:
        """Let workers take over what still holds of the run in ``root``, or of the one that a driver before followed.

        An earlier run that is gone by now is no failure: its work is done again.
        """
        if root is None:
            try:
                root = Path(json.loads(self.layout.reuse.read_bytes())["root"])
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                return
            try:
                identity_of(RunLayout(root))
            except (UsageError, Damage):
                self.log({"event": "reuse-gone", "root": str(root)})
                return
        else:
            with Attempt(self.layout.staging) as attempt:
                forget(self.layout.reuse)
                publish(canonical({"root": str(root)}) + b"\n", self.layout.reuse, attempt)
        self.earlier = Earlier(root, Determined(self.manifest, self._fingerprint()), self.layout.plan, self.shards)
        self.log(
            {"event": "reuse", "root": str(root), "same": [name for name, same in self.earlier.same.items() if same]}
        )

    def _place_plan(self, draft: Draft) -> None:
        """Publish the plan; one of the same records that is damaged, or names other folders, is replaced.

        Where a line begins in it follows from the folders too, so a plan is never read by the places of another.
        """
        draft.close()
        with contextlib.suppress(FileNotFoundError):
            if digest(self.layout.plan.read_bytes()) == draft.digest:
                return
        forget(self.layout.plan)
        publish_file(draft.path, self.layout.plan)

    def _fingerprint(self) -> dict[str, Any]:
        versions = {cls.name: cls.version for cls in self.classes}
        asks = any("vlm" in getattr(cls, "uses", ()) for cls in self.classes)
        return fingerprint(self.manifest.identity(), versions, self.shards, asks)

    def bound(self, name: str) -> Bound:
        """Return a stage as the driver uses it, to settle."""
        stage = build(name, self.configs[name])
        return Bound(stage, Step(stage=name, version=stage.version, config=digest_of(portable(self.configs[name]))))

    def complete(self) -> bool:
        """Tell whether every receipt that the run needs is sound."""
        if not read_withdrawals(self.layout).is_in(json.loads(self.layout.dataset.read_bytes())):
            return False
        previous: list[Receipt] = []
        for plan in self.passes:
            previous = self._sound(plan, previous)
            if len(previous) < len(self.shards):
                return False
        return all(sound_receipt(self.layout, PACK, unit["shard"], unit["inputs"]) for unit in self._dealt(previous))

    def passes_done(self) -> bool:
        """Do all that is pending; tell whether the run is complete, false where damage was found on the way."""
        self.log(
            {"event": "run-started", "passes": [{"name": p.name, "shards": len(self.shards)} for p in self.passes]}
        )
        done: list[list[Receipt]] = []
        for plan in self.passes:
            receipts = self._sample_pass(plan, done[-1] if done else [])
            if receipts is None:
                return False
            done.append(receipts)
        units = [{"kind": "pack", "pass": {"name": PACK}, **unit} for unit in self._dealt(done[-1])]
        forget_packed(self.layout, {unit["shard"] for unit in units})
        packed = self._dispatch(PACK, units)
        if packed is None:
            return False
        value = finish(self.layout, self.manifest, self.fingerprint, done, packed)
        self.log(
            {
                "event": "finished",
                "pairs": value["pairs"],
                "drops": value["drops"],
                "kept": value["clips"]["kept"],
                "records": value["records"],
            }
        )
        return True

    def _dealt(self, receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
        shards = self.manifest.shards
        gone = read_withdrawals(self.layout).pairs(self.layout, receipts)
        return deal_pairs(self.layout, receipts, self.manifest.seed, shards.max_samples, shards.max_bytes, gone)

    def _sample_pass(self, plan: PassPlan, previous: list[Receipt]) -> list[Receipt] | None:
        receipts = self._dispatch(plan.name, self._units(plan, previous), total=len(self.shards))
        if receipts is not None and plan.corpus:
            self._settle(plan, receipts)
        return receipts

    def _settle(self, plan: PassPlan, receipts: list[Receipt]) -> ObjectRef:
        """Return where the decisions of a pass are; settle it if that was not done on these receipts."""
        path = self.layout.settled / f"{plan.name}.json"
        ref = self._settled(plan, receipts)
        if ref is None:
            forget(path)
            spent: dict[str, float] = {}
            if self.earlier is None or not self.earlier.settle(self.layout, plan.name, basis(receipts)):
                spent = settle_pass(
                    self.layout, plan.name, [self.bound(name) for name in plan.corpus], receipts, self.manifest.seed
                )
            ref = self._settled(plan, receipts)
            if ref is None:
                raise Damage(f"{path} cannot be read back", "check the disk, then `synflow resume` the run")
            self.log({"event": "pass-settled", "pass": plan.name, "stages": spent})
        return ref

    def _settled(self, plan: PassPlan, receipts: list[Receipt]) -> ObjectRef | None:
        try:
            value = json.loads((self.layout.settled / f"{plan.name}.json").read_bytes())
            ref = ObjectRef.model_validate(value["object"])
            if value["from"] == basis(receipts):
                # Read it through once: what cannot be believed is settled again.
                for _ in read_lines(self.layout, ref):
                    pass
                return ref
        except (FileNotFoundError, ValueError, KeyError, Damage):
            return None
        return None

    def _units(self, plan: PassPlan, previous: list[Receipt]) -> Iterator[Unit]:
        """Yield the units of a sample pass, in the order of the plan."""
        cuts = self.manifest.media.video == "clip" and "expand" in plan.stages
        common = {"kind": "samples", "skip": [], "cuts": cuts, "pass": asdict(plan)}
        # Frames are stored once; a stage that asks for more (a scan, the probe) needs the sources again.
        looks = cuts or any("media" in stage_class(name).uses for name in (*plan.stages, *plan.corpus))
        if not previous:
            for shard in self.shards:
                yield {**common, "shard": shard.id, "inputs": shard.inputs, "size": shard.records, "plan": shard}
            return
        before = self.passes[self.passes.index(plan) - 1]
        decisions = self._decisions(before, previous)
        ref = self._settle(before, previous) if before.corpus else None
        beside_of = besides(self.layout, ref, previous, decisions)
        plans = {shard.id: shard for shard in self.shards} if cuts else {}
        for shard, receipt in zip(self.shards, previous, strict=False):
            settled = decisions.get(receipt.shard, {})
            beside = beside_of(receipt.shard)
            # What lies beside is of other shards: the work rests on those samples as well.
            rests_on = [receipt.essence(), settled, *([beside] if beside else [])]
            homes = sorted({one["shard"] for one in beside} - {receipt.shard})
            yield {
                **common, "shard": receipt.shard, "inputs": digest_of(rests_on),
                "size": receipt.counts.survivors, "settled": before.corpus, "decisions": settled, "beside": beside,
                "previous": {kind: ref.model_dump(mode="json") for kind, ref in receipt.objects.items()},
                **({"plan": shard, "plans": [plans[home] for home in homes if home in plans]} if looks else {}),
            }  # fmt: skip

    def _decisions(self, plan: PassPlan, receipts: list[Receipt]) -> dict[str, Any]:
        if not plan.corpus:
            return {}
        return dict(read_settled(self.layout, self._settle(plan, receipts)))

    def _sound(self, plan: PassPlan, previous: list[Receipt]) -> list[Receipt]:
        units = self._units(plan, previous)
        found = (sound_receipt(self.layout, plan.name, unit["shard"], unit["inputs"]) for unit in units)
        return [receipt for receipt in found if receipt is not None]

    def _dispatch(
        self, name: str, units: Iterator[Unit] | list[Unit], total: int | None = None
    ) -> list[Receipt] | None:
        """Do the pending units of a pass; return all its receipts, or None where damage was found.

        Raises:
            Incomplete: some shards failed. UsageError, ServiceDown: nothing could go on.
        """
        expected: list[tuple[str, str]] = []
        pending: list[Unit] = []
        for unit in units:
            expected.append((unit["shard"], unit["inputs"]))
            if sound_receipt(self.layout, name, unit["shard"], unit["inputs"]) is None:
                pending.append(unit)
        self.log(
            {
                "event": "pass-started",
                "pass": name,
                "shards": total or len(expected),
                "done": len(expected) - len(pending),
            }
        )
        chosen = [unit for unit in pending if self.only is None or (name, unit["shard"]) in self.only]
        if chosen:
            dispatcher = Dispatcher(self._executor_open(asking=name != PACK), self.log)
            outcome = dispatcher.run(self._loaded(unit) for unit in chosen)
            if outcome.stopped is not None:
                raise outcome.stopped
            if outcome.damaged:
                return None
        receipts = [sound_receipt(self.layout, name, shard, inputs) for shard, inputs in expected]
        missing = [shard for (shard, _), receipt in zip(expected, receipts, strict=True) if receipt is None]
        if missing:
            raise Incomplete(
                f"{len(missing)} of {len(expected)} shards of pass {name} are not done (first: {missing[0]})",
                f"`synflow status {self.layout.root}` tells why; then `synflow resume {self.layout.root}`",
            )
        return [receipt for receipt in receipts if receipt is not None]

    def _loaded(self, unit: Unit) -> Unit:
        """Return a unit with the records that the plan holds for it."""
        shard, others = unit.pop("plan", None), unit.pop("plans", ())
        unit = {**unit, "workers": self._executor.slots if self._executor is not None else 1}
        if self.earlier is not None:
            unit = {**unit, "reuse": self.earlier.offer(unit["pass"]["name"], unit["shard"])}
        if shard is None:
            return unit
        records = [record for one in (shard, *others) for record in read_records(self.layout.plan, one)]
        return {**unit, "records" if "previous" not in unit else "sources": records}

    def _executor_open(self, asking: bool) -> Executor:
        """Return the executor, opened once; models are looked for only where a pass may ask them."""
        if self._executor is None:
            used = frozenset().union(*(getattr(cls, "uses", frozenset()) for cls in self.classes))
            models = self.manifest.models.model_dump(mode="json")
            asked = {role: model for role, model in models.items() if role in used and asking}
            preflight(asked)
            # Workers find engines by this name; two runs on one cluster have their own.
            of_run = {"run": digest_of(str(self.layout.root))[:12], "frames": self.manifest.media.frames}
            models = {r: {**model, **of_run} if model["use"] == "vllm_engine" else model for r, model in models.items()}
            self.spec["models"] = models
            self._executor = self._open_with(self.manifest.executor.model_dump(mode="json"), self.spec)
            dashboard = str(getattr(self._executor, "dashboard", ""))
            self.log({"event": "executor-opened", "workers": self._executor.slots, "dashboard": dashboard})
            started = start_engines({role: models[role] for role in asked})
            if started is not None:
                self._engines.enter_context(started)
        return self._executor

    def close(self) -> None:
        """End the workers and the engines that answered them."""
        self._engines.close()
        if self._executor is not None:
            self._executor.close()
            self._executor = None
