"""Checks what captions claim against what was measured of the clip; contradicted ones go.

The paper only validates that an answer is JSON; this audit is ours. Each caption is split into claims
(`stages.rules.claims`); what can be measured is compared: colours, black and white, light and its change, format,
camera, number of shots and of things, ways, the order of events. The verdict on every claim is kept in
`Caption.verdicts`. With ``ask: true`` the claims that are left open go to the model with the pictures, each as two
opposite questions (`stages.rules.questions`). A temporal caption must also fit its clip better than the reversed clip,
where there is an embedder that can tell (`stages.rules.reversal`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stages.rules.claims import Evidence, Verdict, judged
from stages.rules.evidence import Lacks
from stages.rules.questions import Polar, Question, answered
from stages.rules.reversal import is_temporal, order_verdicts
from synflow.contract import Context, Drop, Keep, Outcome, StageConfig, Stills
from synflow.errors import ClipFailure
from synflow.media.findings import findings
from synflow.pairs import uniform
from synflow.records import Caption, Measure, Sample

VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "unknown")


class AuditConfig(StageConfig):
    """Parameters of `Audit`; all of them are ours, for the paper has no audit."""

    contradicted: Literal["drop", "replace", "keep"] = Field(
        "drop",
        description="what becomes of a caption with a false claim: it falls; or the one of the five with the most "
        "supported claims takes its place, and with it its chance to be drawn; or it stays, with its verdicts",
    )
    source_captions: bool = Field(
        False, description="let captions that came with the clip fall too, not only get verdicts"
    )
    ask: bool = Field(False, description="put claims that were not measured to the model; for served models")
    order: Literal["auto", "measured"] = Field(
        "auto",
        description="how the order of events is tested: by what was measured, and with a learned embedder also by "
        "whether a temporal caption fits the clip better than the reversed clip; or by measures alone",
    )
    order_margin: float = Field(
        0.01, ge=0, description="by how much the reversed clip must fit better (cosine) to contradict a caption"
    )
    max_tokens: int = Field(512, ge=64, description="longest answer, tokens")


@dataclass
class _Work:
    """One sample: the verdicts on each of its captions, and what is asked of the model about them.

    Attributes:
        torn: claims on which the model contradicted itself; distrusted: captions on which its answers were not used.
    """

    sample: Sample
    verdicts: list[dict[str, str]]
    stills: Stills | None = None
    questions: list[tuple[int, Question]] = field(default_factory=list)
    asked: int = 0
    torn: int = 0
    distrusted: int = 0


class Audit:
    """Gives a verdict on each claim of each caption, and removes captions of models that claim what is not so."""

    name: ClassVar[str] = "audit"
    version: ClassVar[int] = 6
    Config: ClassVar[type[StageConfig]] = AuditConfig
    reasons: ClassVar[Mapping[str, str]] = {
        "captions-contradicted": "every caption of the clip claims something that the pictures show to be false",
    }
    whole_shard: ClassVar[bool] = True
    uses: ClassVar[frozenset[str]] = frozenset({"media", "vlm", "embed"})

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
        live = [work for work in works if isinstance(work, _Work)]
        self._reverse(live, ctx)
        self._ask(live, ctx)
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
            verdicts.append(dict(judged(caption.text, evidence)))
        return _Work(sample, verdicts, stills if self.config.ask or self.config.order == "auto" else None)

    def _reverse(self, works: Sequence[_Work], ctx: Context) -> None:
        """Let the embedder say whether temporal captions fit their clip better than the reversed clip."""
        if self.config.order != "auto" or not getattr(ctx.embed, "learned", True):
            return
        told = [
            (work, place, caption)
            for work in works
            if work.stills is not None
            for place, caption in enumerate(work.sample.captions)
            if self._may_fall(caption) and is_temporal(caption, work.verdicts[place])
        ]
        shown = [
            tuple(work.stills.pictures[i] for i in uniform(len(work.stills.pictures), ctx.frames))
            if work.stills
            else ()
            for work, _, _ in told
        ]
        found = order_verdicts([c.text for _, _, c in told], shown, ctx.embed, self.config.order_margin)
        for (work, place, caption), verdict in zip(told, found, strict=True):
            if verdict != "unknown":
                work.verdicts[place][f"in this order: {' '.join(caption.text.split())}"] = verdict

    def _ask(self, works: Sequence[_Work], ctx: Context) -> None:
        """Put the open claims of each caption to the model, both ways round, and write down what it says."""
        if not self.config.ask:
            return
        prompt = ctx.prompt("audit")
        for work in works:
            if work.stills is None or work.sample.clip is None:
                continue
            clip = tuple(work.stills.pictures[i] for i in uniform(len(work.stills.pictures), ctx.frames))
            for place, caption in enumerate(work.sample.captions):
                claims = [claim for claim, verdict in work.verdicts[place].items() if verdict == "unknown"]
                if not claims or not self._may_fall(caption):
                    continue
                pictures = clip
                if caption.frame is not None:
                    pictures = work.stills.pictures[caption.frame : caption.frame + 1]
                if pictures:
                    question = Question(prompt, tuple(claims), pictures, work.sample.clip.id, self.config.max_tokens)
                    work.questions.append((place, question))
        asked = [(work, place, question) for work in works for place, question in work.questions]
        asks = [ask for _, _, question in asked for ask in question.asks()]
        answers = iter(ctx.vlm.answer(asks) if asks else ())
        for work, place, question in asked:
            told: Polar = answered(question, [next(answers), next(answers)])
            work.asked += len(question.claims)
            work.torn += told.torn
            work.distrusted += told.distrusted
            work.verdicts[place].update(told.verdicts)

    def _may_fall(self, caption: Caption) -> bool:
        return caption.origin == "model" or self.config.source_captions

    def _finished(self, work: _Work) -> Outcome:
        captions = [
            caption.model_copy(update={"verdicts": verdicts})
            for caption, verdicts in zip(work.sample.captions, work.verdicts, strict=True)
        ]
        falls = self.config.contradicted != "keep"
        fallen = [c for c in captions if falls and self._may_fall(c) and "contradicted" in c.verdicts.values()]
        kept = [caption for caption in captions if caption not in fallen]
        stand_ins = _stand_ins(fallen, kept) if self.config.contradicted == "replace" else []
        counts = Counter(verdict for caption in captions for verdict in caption.verdicts.values())
        measures: dict[str, Measure] = {f"audit.{verdict}": counts[verdict] for verdict in VERDICTS}
        measures |= {"audit.removed": len(fallen), "audit.replaced": len(stand_ins)}
        measures |= {"audit.asked": work.asked, "audit.torn": work.torn, "audit.distrusted": work.distrusted}
        measures |= _rates(captions, fallen)
        sample = work.sample.having(captions=(*kept, *stand_ins), measures=measures)
        if captions and not kept:
            first = next(claim for c in fallen for claim, verdict in c.verdicts.items() if verdict == "contradicted")
            return Drop("captions-contradicted", first, sample.measures)
        return Keep(sample)


def _stand_ins(fallen: Sequence[Caption], kept: Sequence[Caption]) -> list[Caption]:
    """Return for each caption of the clip that fell the soundest of the others by a model; none where there is none."""
    others = [caption for caption in kept if caption.origin == "model" and caption.frame is None]
    if not others:
        return []
    supported = [Counter(caption.verdicts.values())["supported"] for caption in others]
    best = others[supported.index(max(supported))]
    return [best for caption in fallen if caption.origin == "model" and caption.frame is None]


def _rates(captions: Sequence[Caption], fallen: Sequence[Caption]) -> dict[str, Measure]:
    """Return how many captions of a model were checked, and removed, and their claims: by prompt, style and axis."""
    found: Counter[str] = Counter()
    for caption in captions:
        if caption.origin != "model":
            continue
        groups = [f"style.{caption.style}", f"axis.{caption.emphasis or 'none'}"]
        groups += [f"prompt.{caption.use.prompt}"] if caption.use is not None and caption.use.prompt else []
        for group in groups:
            found[f"audit.{group}.captions"] += 1
            found[f"audit.{group}.removed"] += caption in fallen
            for verdict in VERDICTS:
                found[f"audit.{group}.{verdict}"] += list(caption.verdicts.values()).count(verdict)
    return dict(sorted(found.items()))


def _evidence(rgb: npt.NDArray[np.uint8], times: Sequence[float], sample: Sample) -> Evidence:
    pictures = list(rgb)
    return Evidence(findings(pictures, times), sample.facts, len(rgb) == 1, Lacks(pictures), pictures)
