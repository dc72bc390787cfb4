"""Rectify: captions are repaired; those that cannot describe a video, or that many videos share, are removed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from stages.rules.language import foreign
from stages.rules.text import fault, normal, repaired
from synflow.contract import Context, Decision, Drop, Keep, Outcome, Row, StageConfig
from synflow.ids import make_id
from synflow.records import Caption, Sample


class RectifyConfig(StageConfig):
    """What captions may be. The paper names no rules: these are ours (`stages/rules/captions.yaml`).

    Attributes:
        languages: ISO 639-1 codes of the languages to keep; empty to keep all.
        shared_by: number of different sources from which a caption that they share describes none of them;
            0 to allow any.
    """

    languages: tuple[str, ...] = ("en",)
    shared_by: int = Field(2, ge=0)


class Rectify:
    """Repairs captions and removes bad ones; drops a sample only when all of its captions are bad.

    A text that mark-up, entities, wrong decoding, spacing or stock phrases only surround is repaired and stays, with
    the text as it came in ``Caption.before``. Captions that models wrote are left alone.
    """

    name: ClassVar[str] = "rectify"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = RectifyConfig
    whole_shard: ClassVar[bool] = False
    rank: ClassVar[int] = 20
    uses: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[Mapping[str, str]] = {
        "caption-empty": "no word",
        "caption-boilerplate": "channel, shop, rights or assistant phrases",
        "caption-url": "a web address",
        "caption-hashtags": "mostly hashtags",
        "caption-file-name": "a file name",
        "caption-markup": "mark-up that cannot be taken out",
        "caption-garbled": "wrongly decoded or random characters",
        "caption-repetitive": "stuttering words or phrases",
        "caption-truncated": "cut off in the middle",
        "caption-generic": "says nothing about the video",
        "caption-language": "in none of `languages`",
        "caption-shared": "the same text on `shared_by` sources or more",
    }
    # Texts are not measures: what a rule says of them is not read from the index again.
    decides: ClassVar[frozenset[str]] = frozenset({"shared_by"})

    def __init__(self, config: RectifyConfig | None = None) -> None:
        self.config = config or RectifyConfig()

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample, from its texts alone."""
        return [self._mend(sample) for sample in samples]

    def judge(self, caption: Caption) -> tuple[Caption, str, str]:
        """Return the repaired caption, and the reason and detail that speak against it (empty for a good one)."""
        text = repaired(caption.text)
        if text != caption.text:
            caption = caption.model_copy(update={"text": text, "before": caption.before or caption.text})
        found = fault(text)
        if found and found[0] == "caption-empty" and re.search(r"\w", caption.before):
            # The repair left nothing: what was there was no description.
            worse = fault(caption.before)
            found = worse or ("caption-boilerplate", "nothing but stock phrases")
        if found:
            return caption, *found
        if self.config.languages:
            other = foreign(text, self.config.languages)
            if other:
                return caption, "caption-language", f"looks like {other}"
            if len(self.config.languages) == 1 and not caption.language:
                caption = caption.model_copy(update={"language": self.config.languages[0]})
        return caption, "", ""

    def _mend(self, sample: Sample) -> Outcome:
        if not sample.captions:
            return Keep(sample)
        kept: list[Caption] = []
        removed: list[dict[str, str]] = []
        seen: set[str] = set()
        for caption in sample.captions:
            if caption.origin == "model":
                kept.append(caption)
                continue
            mended, reason, detail = self.judge(caption)
            if reason:
                removed.append({"text": caption.text, "reason": reason, "detail": detail})
            elif normal(mended.text) not in seen:
                seen.add(normal(mended.text))
                kept.append(mended)
        measures = {
            "rectify.captions": len(sample.captions),
            "rectify.removed": len(removed),
            "rectify.repaired": sum(bool(caption.before) for caption in kept),
        }
        if not kept:
            return Drop(removed[0]["reason"], removed[0]["detail"], measures)
        facts: dict[str, Any] = {"captions_removed": removed} if removed else {}
        return Keep(sample.having(captions=tuple(kept), measures=measures, facts=facts))

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return, for each sample with captions, a short digest of each and the source that it came with."""
        rows: list[Row | None] = []
        for sample in samples:
            texts = [normal(caption.text) for caption in sample.captions if caption.origin != "model"]
            source = sample.source.digest or sample.record_id
            rows.append({"source": source, "captions": [make_id(text) for text in texts]} if texts else None)
        return rows

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return, for each row, the captions that ``shared_by`` different sources have in common."""
        sources: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for caption in row["captions"]:
                sources[caption].add(row["source"])
        decisions = []
        for row in rows:
            shared = {
                caption: len(sources[caption])
                for caption in row["captions"]
                if 0 < self.config.shared_by <= len(sources[caption])
            }
            decisions.append(Decision(note=shared or None))
        return decisions

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Remove the shared captions; drop the sample when it has no other."""
        shared: dict[str, int] = decision.note or {}
        if not shared:
            return Keep(sample)
        kept, removed = [], []
        for caption in sample.captions:
            name = make_id(normal(caption.text))
            if caption.origin != "model" and name in shared:
                detail = f"shared by {shared[name]} sources"
                removed.append({"text": caption.text, "reason": "caption-shared", "detail": detail})
            else:
                kept.append(caption)
        measures = {"rectify.shared": len(removed)}
        if not kept:
            return Drop("caption-shared", removed[0]["detail"], measures)
        before = sample.facts.get("captions_removed", [])
        return Keep(
            sample.having(captions=tuple(kept), measures=measures, facts={"captions_removed": [*before, *removed]})
        )
