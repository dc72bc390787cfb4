"""A unit of a sample pass: load a shard, apply what was settled, walk the stages, leave objects and a receipt."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from synflow.chain import Bound, Ledger, Live, WorkContext, apply_decisions, decoded, rows_of, walk
from synflow.contract import Decision, Drop, Media, Row
from synflow.durable import Attempt
from synflow.errors import ClipFailure
from synflow.executors.clips import ClipStore
from synflow.executors.downloads import Downloads
from synflow.executors.frames import FrameStore
from synflow.executors.remembering import Remembering
from synflow.executors.takeover import Recall, bytes_digest, reading_of, take_over
from synflow.ids import canonical
from synflow.media.session import MediaSession
from synflow.media.spans import asked_clip
from synflow.records import Caption, Facts, InputRecord, Location, Pair, Sample, Source, Step
from synflow.store.layout import RunLayout
from synflow.store.lines import read_lines, seal_encoded, seal_lines
from synflow.store.pack import size_of
from synflow.store.receipts import ObjectRef, Receipt, publish_receipt
from synflow.store.rows import clip_row, drop_row
from synflow.trail import Trail

if TYPE_CHECKING:
    from synflow.executors.worker import Worker

ENGINE = Bound(None, Step(stage="engine", version=1, config=""))
DUPLICATES = "validate"
"""Repeated records are found by the plan; the account names the stage that a user looks for them under."""


class SampleWork:
    """One attempt at one shard of a sample pass.

    Args:
        worker: whose stages, models and decoder are used.
        unit: ``pass`` (a `synflow.plan.PassPlan` as JSON), ``shard``, ``inputs``; ``records`` in the first pass, else
            ``previous`` (objects of the pass before), ``settled`` (names of its corpus stages) and ``decisions``;
            ``sources``: the records again, where a later pass may look at the videos themselves;
            ``beside``: where the samples of other records lie that decisions want at hand, with the decisions on them;
            ``cuts``: whether the spans of pairs are stored as mp4;
            ``skip``: places of inputs that kill workers; ``only``: places to try, leaving nothing;
            ``reuse``: what may be taken from an earlier run, see `synflow.executors.takeover`.
        changed: records of which nothing that an earlier run knew may be believed.
    """

    def __init__(self, worker: Worker, unit: Mapping[str, Any], changed: frozenset[str] = frozenset()) -> None:
        self.worker = worker
        self.changed = changed
        self.unit = unit
        self.layout: RunLayout = worker.layout
        self.plan = unit["pass"]
        self.ledger = Ledger()
        self.stages = [worker.bound(name) for name in self.plan["stages"]]
        self.corpus = [worker.bound(name) for name in self.plan["corpus"]]
        self.rows: dict[str, dict[str, Row]] = {}
        self.beside: dict[str, Sample] = {}

    def run(self) -> dict[str, Any]:
        """Do the work; return the receipt as JSON with seconds, calls and tokens."""
        began = time.monotonic()
        media = self.worker.spec["media"]
        self.reading = reading_of(media)
        if taken := take_over(self.layout, self.unit, self.reading, self.worker.embed.model, self.worker.fixed_vlm):
            spent = round(time.monotonic() - began, 3)
            return {"receipt": taken.model_dump(mode="json"), "seconds": spent, "usage": {"taken": 1}}
        vlm = self.worker.vlm(self.unit)
        self.trail = Trail(self.reading, self.worker.embed.model)
        with Attempt(self.layout.staging) as attempt:
            self.frames = FrameStore(self.layout, attempt if self.plan["stores_frames"] else None)
            self.downloads = Downloads(self._locations(), attempt.folder, **self.worker.spec["download"])
            self.session = MediaSession(
                self.downloads, self.worker.sandbox, stills=2 * media["frames"], short_side=media["short_side"],
                jpeg_quality=media["jpeg_quality"], stores=self.plan["stores_frames"], stored=self.frames.read,
                probed=self.trail.probed,
            )  # fmt: skip
            self._remember()
            self.ctx = WorkContext(
                seed=self.worker.spec["seed"], media=self.session, vlm=vlm, embed=self.worker.embed,
                frames=media["frames"], versions=self.worker.spec["prompts"],
            )  # fmt: skip
            groups = self._groups()
            others = {sample.clip.id: sample for sample in self.beside.values() if sample.clip}
            self.clips = ClipStore(self.layout, attempt, self.session.clip, others) if self.unit["cuts"] else None
            left = walk(self.stages, groups, self.ctx, self.ledger, self._leave)
            if any(bound.stage.whole_shard for bound in self.stages):
                left = self._note_rows(left)
            receipt = None if "only" in self.unit else self._commit(attempt, left)
        return {
            "receipt": receipt.model_dump(mode="json") if receipt else None,
            "seconds": round(time.monotonic() - began, 3),
            "usage": {**asdict(vlm.usage), "decoded": len(self.session.decoded), "stages": self.ledger.seconds},
        }

    def _remember(self) -> None:
        """In the first pass, let what looks at pictures leave a trail, and follow that of an earlier run."""
        first = "records" in self.unit
        wanted = {record["record_id"] for record in self.unit["records"]} if first else set()
        self.recall = Recall(self.unit.get("reuse") if first else None, wanted, self.reading, self._unchanged)
        if not first:
            return
        for name, location in self._locations().items():
            if location.url and name in self.recall.facts and name not in self.changed:
                # It is fetched only if pictures are needed of it, and then it has to be what it was.
                self.session.expect(name, self.recall.facts[name])
                self.downloads.expect(name, self.recall.facts[name].digest)
                self.trail.probed(name, self.recall.facts[name])
        wide = next((i for i, bound in enumerate(self.stages) if bound.stage.whole_shard), len(self.stages))
        self.stages = [self._remembering(bound) for bound in self.stages[:wide]] + self.stages[wide:]
        self.corpus = [self._remembering(bound) for bound in self.corpus]

    def _remembering(self, bound: Bound) -> Bound:
        if "media" not in bound.stage.uses:
            return bound
        spec = self.worker.spec
        identities = {"seed": spec["seed"], "embed": {**spec["identities"]["embed"], "id": self.worker.embed.model}}
        stage = Remembering(
            bound, spec["stages"][bound.name], self.session, self.trail, self.recall.steps, self.recall.rows, identities
        )
        return Bound(stage, bound.step)

    def _unchanged(self, sample: Sample, facts: Facts) -> bool:
        name = sample.record_id
        if name in self.changed:
            return False
        try:
            return self.session.facts(sample).digest == facts.digest
        except ClipFailure:
            return False

    def _locations(self) -> dict[str, Location]:
        return {
            record["record_id"]: Location.model_validate(record["location"])
            for record in self.unit.get("records", self.unit.get("sources", ()))
            if not record["fault"] and not record["duplicate_of"]
        }

    def _chosen(self, place: int) -> bool:
        return "only" not in self.unit or place in self.unit["only"]

    def _groups(self) -> list[list[Live]]:
        """Return the samples that walk, by input record; inputs that cannot walk are dropped."""
        if "records" in self.unit:
            return self._first_groups()
        groups: dict[str, list[Live]] = {}
        corpus = {name: self.worker.bound(name) for name in self.unit["settled"]}
        for place, (sample, decisions) in enumerate(self._stored()):
            if not self._chosen(place):
                continue
            self.ledger.enter(1)
            if place in self.unit["skip"]:
                self._drop(Live(sample), "kills-worker", "the worker died on it, alone and again")
                continue
            lives = apply_decisions(corpus, decisions, Live(sample), self.ledger)
            groups.setdefault(sample.record_id, []).extend(lives)
        return [group for group in groups.values() if group]

    def _first_groups(self) -> list[list[Live]]:
        groups = []
        for place, value in enumerate(self.unit["records"]):
            if not self._chosen(place):
                continue
            record = InputRecord.model_validate(value)
            live = Live(sample_of(record))
            self.ledger.enter(1)
            if record.fault:
                self._drop(live, "bad-record", f"{record.list_name} line {record.line}: {record.fault}")
            elif record.duplicate_of:
                self._drop(live, "duplicate-record", f"repeats {record.duplicate_of}", DUPLICATES)
            elif place in self.unit["skip"]:
                self._drop(live, "kills-worker", "the worker died on it, alone and again")
            else:
                groups.append([live])
        return groups

    def _drop(self, live: Live, reason: str, detail: str, stage: str = "engine") -> None:
        self.ledger.drop(live, stage, Drop(reason, detail, live.sample.measures))

    def _stored(self) -> list[tuple[Sample, list[tuple[str, Decision]]]]:
        previous = {kind: ObjectRef.model_validate(ref) for kind, ref in self.unit["previous"].items()}
        pairs: dict[str, list[Pair]] = {}
        for value in read_lines(self.layout, previous.get("pairs")):
            pairs.setdefault(value["key"], []).append(Pair.model_validate(value["pair"]))
        self.beside = self._besides()
        found = []
        for value in read_lines(self.layout, previous["samples"]):
            sample = Sample.model_validate(value)
            if sample.key in pairs:
                sample = sample.having(pairs=tuple(pairs[sample.key]))
            decisions = [(name, decoded(decision)) for name, decision in self.unit["decisions"].get(sample.key, ())]
            wanted = [key for _, decision in decisions for key in decision.beside]
            if wanted:
                sample = sample.having(beside=tuple(self.beside[key] for key in wanted if key in self.beside))
            found.append((sample, decisions))
        return found

    def _besides(self) -> dict[str, Sample]:
        """Return the samples of other records that decisions want at hand, by key: those that their own leave."""
        corpus = {name: self.worker.bound(name) for name in self.unit["settled"]}
        found: dict[str, Sample] = {}
        for home in self.unit.get("beside", ()):
            for value in read_lines(self.layout, ObjectRef.model_validate(home["samples"])):
                sample = Sample.model_validate({**value, "beside": ()}) if _key(value) in home["decisions"] else None
                if sample is None:
                    continue
                decisions = [(name, decoded(decision)) for name, decision in home["decisions"][sample.key]]
                for live in apply_decisions(corpus, decisions, Live(sample), Ledger()):
                    found[sample.key] = live.sample
        return found

    def _leave(self, lives: list[Live]) -> list[Live]:
        """End a record's own walk: give it clips and stored frames, note its rows, forget its pictures."""
        left = []
        for live in lives:
            try:
                sample = with_clip(live.sample, self.session)
                if self.plan["stores_frames"]:
                    earlier = self.recall.frames(sample)
                    if earlier is not None:
                        sample = self.frames.adopt(sample, *earlier)
                    else:
                        sample = self.frames.keep(sample, self.session.stills(sample))
            except ClipFailure as failure:
                self._drop(live, failure.reason, failure.detail)
                continue
            left.append(Live(sample, live.made))
        if not any(bound.stage.whole_shard for bound in self.stages):
            left = self._note_rows(left)
        for live in lives:
            self.session.release(live.sample.record_id)
            self.downloads.forget(live.sample.record_id)
        return left

    def _note_rows(self, lives: list[Live]) -> list[Live]:
        """Ask the corpus stages for their rows; a clip whose pictures fail now is dropped like any other."""
        if not self.corpus or not lives:
            return lives
        try:
            rows = rows_of(self.corpus, [live.sample for live in lives], self.ctx, self.ledger)
        except ClipFailure as failure:
            if len(lives) > 1:
                return [left for live in lives for left in self._note_rows([live])]
            self._drop(lives[0], failure.reason, failure.detail)
            return []
        for live, row in zip(lives, rows, strict=True):
            self.rows[live.sample.key] = row
        return lives

    def _commit(self, attempt: Attempt, left: Sequence[Live]) -> Receipt:
        """Seal the objects of the shard and publish its receipt; the first receipt stands."""
        objects: dict[str, ObjectRef] = {}
        frames = self.frames.seal()
        if frames is not None:
            objects["frames"] = frames
        samples = [live.sample for live in left]
        if self.clips is not None:
            samples = [self.clips.keep(sample) for sample in samples]
            objects["spans"] = self.clips.seal()
        samples = [self._finished(sample, frames.name if frames else "") for sample in samples]
        objects["samples"] = seal_lines(
            self.layout, attempt, "samples", (s.having(pairs=()).model_dump(mode="json") for s in samples)
        )
        objects["drops"] = seal_lines(self.layout, attempt, "drops", map(drop_row, self.ledger.dropped))
        objects["clips"] = seal_lines(self.layout, attempt, "clips", map(clip_row, samples))
        if self.corpus:
            rows = ({"key": s.key, "rows": self.rows.get(s.key, {})} for s in samples)
            objects["rows"] = seal_lines(self.layout, attempt, "rows", rows)
        if "records" in self.unit:
            objects["trail"] = seal_lines(self.layout, attempt, "trail", self._trail())
        if any(sample.pairs for sample in samples):
            objects["pairs"], objects["briefs"] = self._seal_pairs(attempt, samples)
        receipt = Receipt(
            pass_name=self.plan["name"],
            shard=self.unit["shard"],
            inputs=self.unit["inputs"],
            counts=self.ledger.counts(left),
            drops=self.ledger.reasons(),
            pairs=count_pairs(samples),
            objects=objects,
        )
        return publish_receipt(self.layout, receipt, attempt)

    def _trail(self) -> Iterator[dict[str, Any]]:
        places, names = self._locations(), [record["record_id"] for record in self.unit["records"]]
        failed = {name: bytes_digest(places[name]) for name in self.session.unprobed() if not places[name].url}
        return self.trail.lines(names, failed)

    def _finished(self, sample: Sample, frames_object: str) -> Sample:
        """Give pairs what only the engine knows: steps, clip, and the object that holds the frames."""
        if sample.frames_object == FrameStore.OPEN:
            sample = sample.having(frames_object=frames_object)
        if not sample.pairs:
            return sample
        pairs = [self.frames.finish_pair(pair, sample) for pair in sample.pairs]
        if self.clips is not None:
            pairs = [self.clips.finish_pair(pair) for pair in pairs]
        return sample.having(pairs=tuple(pairs))

    def _seal_pairs(self, attempt: Attempt, samples: Sequence[Sample]) -> tuple[ObjectRef, ObjectRef]:
        """Write the pairs, and a brief of each: its size in a tar, id, task, and where its line stands."""
        lines: list[bytes] = []
        briefs: list[list[Any]] = []
        offset = 0
        for sample in samples:
            for pair in sample.pairs:
                lines.append(canonical({"key": sample.key, "pair": pair.model_dump(mode="json")}))
                briefs.append([size_of(pair), pair.id, pair.task, offset, len(lines[-1])])
                offset += len(lines[-1]) + 1
        pairs = seal_encoded(self.layout, attempt, "pairs", lines)
        return pairs, seal_lines(self.layout, attempt, "briefs", briefs)


def _key(value: Mapping[str, Any]) -> str:
    """Return `Sample.key` of a sample as it is stored, without reading the rest of it."""
    clip = value["clip"]
    return f"{value['source']['record_id']}\n{clip['id'] if clip else ''}"


def sample_of(record: InputRecord) -> Sample:
    """Return the sample that an input record begins as."""
    source = Source(
        record_id=record.record_id, uri=record.uri, licence=record.licence, attribution=record.attribution,
        dataset=record.dataset, line=record.line,
    )  # fmt: skip
    captions = tuple(Caption(text=text) for text in record.captions)
    return Sample(source=source, start=record.start, end=record.end, captions=captions)


def with_clip(sample: Sample, media: Media) -> Sample:
    """Return ``sample`` with a clip of its asked span where no stage made one."""
    if sample.clip is not None:
        return sample
    facts = media.facts(sample)
    source = sample.source.model_copy(update={"digest": facts.digest})
    return sample.having(clip=asked_clip(sample, facts, facts.duration), source=source)


def count_pairs(samples: Sequence[Sample]) -> dict[str, int]:
    """Return the number of pairs by task."""
    found: dict[str, int] = {}
    for sample in samples:
        for pair in sample.pairs:
            found[pair.task] = found.get(pair.task, 0) + 1
    return dict(sorted(found.items()))
