"""Checks what captions claim against what was measured of the clip; contradicted ones go.

The paper only validates that an answer is JSON; this audit is ours. Each caption is split into claims
(`stages.rules.claims`); what can be measured is compared: colours, black and white, light and its change, format,
camera, number of shots, direction of movement, order of colours. The verdict on every claim is kept in
`Caption.verdicts`. With ``ask: true`` the claims that are left open go to the model with the pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stages.rules.claims import Evidence, Verdict, claims_of, judge
from stages.rules.evidence import Lacks
from synflow.contract import Answer, Ask, Context, Drop, Keep, Outcome, Refusal, StageConfig, Stills
from synflow.errors import ClipFailure
from synflow.media.findings import findings
from synflow.pairs import uniform
from synflow.records import Caption, Measure, Sample

VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "unknown")


class AuditConfig(StageConfig):
    """Parameters of `Audit`; all of them are ours, for the paper has no audit."""

    contradicted: Literal["drop", "keep"] = Field("drop", description="what becomes of a caption with a false claim")
    source_captions: bool = Field(
        False, description="let captions that came with the clip fall too, not only get verdicts"
    )
    ask: bool = Field(False, description="put claims that were not measured to the model; for served models")
    max_tokens: int = Field(512, ge=64, description="longest answer, tokens")


@dataclass
class _Work:
    """One sample: the verdicts on each of its captions, and what is asked of the model about them."""

    sample: Sample
    verdicts: list[dict[str, str]]
    ask: Ask | None = None
    open: tuple[str, ...] = ()


class Audit:
    """Gives a verdict on each claim of each caption, and removes captions of models that claim what is not so."""

    name: ClassVar[str] = "audit"
    version: ClassVar[int] = 2
    Config: ClassVar[type[StageConfig]] = AuditConfig
    reasons: ClassVar[Mapping[str, str]] = {
        "captions-contradicted": "every caption of the clip claims something that the pictures show to be false",
    }
    whole_shard: ClassVar[bool] = True
    uses: ClassVar[frozenset[str]] = frozenset({"media", "vlm"})

    def __init__(self, config: AuditConfig) -> None:
        self.config = config

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return each sample with verdicts on its captions; one that loses them all is dropped."""
        works: list[_Work | Drop] = []
        for sample in samples:
            try:
                works.append(self._judged(sample, ctx))
            except ClipFailure as failure:
                # Caught here, for one call holds all clips of the shard.
                works.append(Drop(failure.reason, failure.detail, sample.measures))
        asking = [work for work in works if isinstance(work, _Work) and work.ask is not None]
        answers = ctx.vlm.answer([work.ask for work in asking if work.ask is not None]) if asking else ()
        for work, answer in zip(asking, answers, strict=True):
            _settle(work, answer)
        return [self._finished(work) if isinstance(work, _Work) else work for work in works]

    def _judged(self, sample: Sample, ctx: Context) -> _Work:
        """Return a sample with the verdicts that measuring gives."""
        if sample.clip is None or not sample.captions:
            return _Work(sample, [dict(caption.verdicts) for caption in sample.captions])
        stills = ctx.media.stills(sample)
        whole = _evidence(stills.rgb, [picture.time for picture in stills.pictures], sample)
        frames: dict[int, Evidence] = {}
        verdicts: list[dict[str, str]] = []
        for caption in sample.captions:
            evidence = whole
            if caption.frame is not None and caption.frame < len(stills.pictures):
                if caption.frame not in frames:
                    one = stills.rgb[caption.frame : caption.frame + 1]
                    frames[caption.frame] = _evidence(one, [stills.pictures[caption.frame].time], sample)
                evidence = frames[caption.frame]
            verdicts.append({claim: judge(claim, evidence) for claim in claims_of(caption.text)})
        work = _Work(sample, verdicts)
        if self.config.ask:
            self._question(work, stills, ctx)
        return work

    def _question(self, work: _Work, stills: Stills, ctx: Context) -> None:
        """Put the open claims on the clip into one question; claims on single frames stay open."""
        texts = [
            claim
            for caption, verdicts in zip(work.sample.captions, work.verdicts, strict=True)
            if caption.frame is None and (caption.origin == "model" or self.config.source_captions)
            for claim, verdict in verdicts.items()
            if verdict == "unknown"
        ]
        work.open = tuple(dict.fromkeys(texts))
        if not work.open:
            return
        prompt = ctx.prompt("audit")
        claims = "\n".join(f"{number}. {claim}" for number, claim in enumerate(work.open, 1))
        work.ask = Ask(
            prompt=prompt.name,
            prompt_digest=prompt.digest,
            text=prompt.render(claims=claims),
            schema=prompt.schema,
            pictures=tuple(stills.pictures[i] for i in uniform(len(stills.pictures), ctx.frames)),
            system=prompt.system,
            slots={"claims": list(work.open)},
            facts=work.sample.facts,
            affinity=work.sample.clip.id if work.sample.clip else "",
            max_tokens=self.config.max_tokens,
            temperature=0.0,
        )

    def _finished(self, work: _Work) -> Outcome:
        counts: Counter[str] = Counter()
        kept: list[Caption] = []
        for caption, verdicts in zip(work.sample.captions, work.verdicts, strict=True):
            counts.update(verdicts.values())
            may_fall = caption.origin == "model" or self.config.source_captions
            if not (may_fall and self.config.contradicted == "drop" and "contradicted" in verdicts.values()):
                kept.append(caption.model_copy(update={"verdicts": verdicts}))
        measures: dict[str, Measure] = {f"audit.{verdict}": counts[verdict] for verdict in VERDICTS}
        measures["audit.removed"] = len(work.sample.captions) - len(kept)
        sample = work.sample.having(captions=tuple(kept), measures=measures)
        if work.sample.captions and not kept:
            first = next(claim for verdicts in work.verdicts for claim, v in verdicts.items() if v == "contradicted")
            return Drop("captions-contradicted", first, sample.measures)
        return Keep(sample)


def _evidence(rgb: npt.NDArray[np.uint8], times: Sequence[float], sample: Sample) -> Evidence:
    return Evidence(findings(list(rgb), times), sample.facts, still=len(rgb) == 1, lacks=Lacks(list(rgb)))


def _settle(work: _Work, answer: Answer | Refusal) -> None:
    """Write the model's verdicts on the open claims into ``work``; an unusable answer leaves them open."""
    if work.ask is None or isinstance(answer, Refusal) or tuple(answer.bound) != work.ask.bound:
        return
    told = answer.value.get("verdicts") if isinstance(answer.value, dict) else None
    if not isinstance(told, list) or len(told) != len(work.open) or any(verdict not in VERDICTS for verdict in told):
        return
    found = dict(zip(work.open, told, strict=True))
    for caption, verdicts in zip(work.sample.captions, work.verdicts, strict=True):
        if caption.frame is None:
            verdicts.update({claim: found[claim] for claim in verdicts if claim in found})
