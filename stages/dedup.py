"""Dedup: of clips that are copies of one another across the whole run, the best stays; forbidden ones go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from stages.near.copies import Copies, Verdict
from stages.near.likewise import embedded, packed_course
from synflow.contract import Context, CorpusStage, Decision, Drop, Keep, Outcome, Row, StageConfig
from synflow.datafile import DataFile
from synflow.hashlist import caption_hash, has_words, read_list
from synflow.media.signature import pack, signature
from synflow.records import Measure, Sample


class DedupConfig(StageConfig):
    """How copies are looked for. The paper has no such step: all of this is ours.

    Attributes:
        scope: ``run``: across all clips of the run.
        same_span: share of their common length that two spans of one file must have in common to be copies.
        most_candidates: entries of one hash bucket that one is compared with; bounds the work.
        forbidden: lists of videos and captions that must not be in the dataset (benchmark test sets), as
            `synflow fingerprint` writes them; paths relative to the manifest.
        embedding: cosine from which pictures of two clips show the same for the embedder; then clips that pixels do
            not show to be copies are compared by its vectors too. Needs a learned embedder (``models: {embed: ...}``);
            omitted: not done.
    """

    scope: Literal["run"] = "run"
    same_span: float = Field(0.7, gt=0, le=1)
    most_candidates: int = Field(48, ge=2)
    forbidden: tuple[DataFile, ...] = ()
    embedding: float | None = Field(None, gt=0.5, le=1)


class Dedup:
    """Drops all but the best of each group of copies: same bytes, or the same pictures in the same order.

    Another codec, size, rate, speed, crop, border, mark, brightness or mirroring, and an excerpt of a longer clip, are
    copies; two takes of one scene are not. The best has the most pixels, then the greatest length, then the most said
    of it. Every dropped clip is a copy of the very clip that its detail names.

    The same is asked about the lists of ``forbidden``: a copy of one of their videos, or of a part of it, is dropped,
    and captions of theirs are removed.
    """

    name: ClassVar[str] = "dedup"
    version: ClassVar[int] = 7
    Config: ClassVar[type[StageConfig]] = DedupConfig
    rank: ClassVar[int] = 10
    uses: ClassVar[frozenset[str]] = frozenset({"media", "embed"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip", "crop", "captions.text"})
    reasons: ClassVar[Mapping[str, str]] = {
        "near-duplicate": "a copy of the clip that the detail names",
        "forbidden-video": "a copy of a video of the list that the detail names",
        "forbidden-caption": "its only caption is one of the list that the detail names",
    }
    decides: ClassVar[frozenset[str]] = frozenset({"scope", "same_span", "most_candidates", "forbidden"})

    def __init__(self, config: DedupConfig | None = None) -> None:
        self.config = config or DedupConfig()

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return, for each clip, its fingerprint (about 2 KB) and what makes it the better copy."""
        rows: list[Row | None] = []
        for sample in samples:
            if sample.clip is None:
                rows.append(None)
                continue
            scan = ctx.media.scan(sample)
            part = scan.within(sample.clip.start, sample.clip.end)
            part = part if len(part.times) else scan
            facts = sample.clip.facts
            texts = [caption.text for caption in sample.captions if has_words(caption.text)]
            row: Row = {
                "clip": sample.clip.id,
                "source": facts.digest,
                "span": [sample.clip.start, sample.clip.end],
                "pixels": facts.width * facts.height,
                "said": min(sum(len(text.split()) for text in texts), 200),
                "captions": sorted({caption_hash(text) for text in texts}),
                "thumbs": pack(signature(part.times, part.luma)),
            }
            if self.config.embedding is not None:
                row["course"] = packed_course(embedded(sample, ctx))
            rows.append(row)
        return rows

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return a drop for each row that is a copy of a better one, or of what is forbidden."""
        lists = {file.name: read_list(file.read(), file.path) for file in self.config.forbidden}
        copies = Copies(rows, lists, self.config.same_span, self.config.most_candidates, self.config.embedding)
        return [self._decision(verdict) for verdict in copies.verdicts()]

    @staticmethod
    def _decision(verdict: Verdict) -> Decision:
        if verdict.banned:
            return Decision(Drop("forbidden-video", verdict.banned, {"dedup.phash": verdict.phash}))
        if verdict.copy_of:
            return Decision(Drop("near-duplicate", verdict.copy_of, {"dedup.phash": verdict.phash}))
        return Decision(note=[verdict.phash, verdict.captions] if verdict.captions else verdict.phash)

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Drop a copy; of the rest remove captions that are forbidden, and note the hash of the middle picture."""
        if decision.drop is not None:
            return decision.drop
        phash, banned = decision.note if isinstance(decision.note, list) else (decision.note, {})
        if not banned:
            return Keep(sample.having(measures={"dedup.phash": str(phash)}))
        kept, removed = [], []
        for caption in sample.captions:
            known = banned.get(caption_hash(caption.text))
            if known is None:
                kept.append(caption)
            else:
                removed.append({"text": caption.text, "reason": "forbidden-caption", "detail": known})
        measures: dict[str, Measure] = {"dedup.phash": str(phash), "dedup.forbidden": len(removed)}
        if not kept:
            return Drop("forbidden-caption", removed[0]["detail"], measures)
        before = sample.facts.get("captions_removed", [])
        facts = {"captions_removed": [*before, *removed]}
        return Keep(sample.having(captions=tuple(kept), measures=measures, facts=facts))


_: type[CorpusStage] = Dedup
