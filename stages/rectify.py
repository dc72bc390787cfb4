"""Rectify: captions are repaired; those that cannot describe a video, or that many videos share, are removed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag

from stages.rules.language import foreign, home_of, language_of
from stages.rules.ruleset import Rulebook, RuleSet
from stages.rules.text import decoded, fault, lost, normal, repaired
from synflow.contract import Context, Decision, Drop, FromFile, Keep, Outcome, Row, StageConfig
from synflow.ids import make_id
from synflow.records import Caption, Sample

LANGUAGE_BOUND = ("caption-truncated", "caption-repetitive", "caption-generic")
"""Reasons that the rules of a language give, and that mean nothing for a text which is in another."""


OneOrMore = Annotated[
    Annotated[RuleSet, Tag("one")] | Annotated[tuple[RuleSet, ...], Tag("more")],
    Discriminator(lambda value: "more" if isinstance(value, list | tuple) else "one"),
]


class RectifyConfig(StageConfig):
    """What captions may be. The paper names no rules: these are ours (`stages/rules/captions.yaml`).

    Attributes:
        languages: ISO 639-1 codes of the languages to keep; empty to keep all.
        shared_by: number of different sources from which a caption that they share describes none of them;
            0 to allow any.
        longest: characters of a repaired caption, at most; 0 to allow any.
        rules: rules beside the built-in ones: a file beside the manifest, a mapping, or a list of such. A rule with
            the name of a built-in one takes its place; `off` switches built-in ones off.
    """

    languages: tuple[str, ...] = ("en",)
    shared_by: int = Field(2, ge=0)
    longest: int = Field(5000, ge=0)
    rules: Annotated[OneOrMore, FromFile()] = ()


class Rectify:
    """Repairs captions and removes bad ones; drops a sample only when all of its captions are bad.

    A text that mark-up, entities, wrong decoding, spacing or stock phrases only surround is repaired and stays, with
    the text as it came in ``Caption.before``. Captions that models wrote are left alone.
    """

    name: ClassVar[str] = "rectify"
    version: ClassVar[int] = 4
    Config: ClassVar[type[StageConfig]] = RectifyConfig
    whole_shard: ClassVar[bool] = False
    rank: ClassVar[int] = 20
    uses: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[Mapping[str, str]] = {
        "caption-empty": "no word",
        "caption-boilerplate": "channel, shop, rights, prompt or assistant phrases",
        "caption-url": "a web address",
        "caption-hashtags": "mostly hashtags",
        "caption-file-name": "a file name",
        "caption-markup": "mark-up that cannot be taken out",
        "caption-garbled": "wrongly decoded or random characters",
        "caption-repetitive": "stuttering words or phrases",
        "caption-truncated": "cut off in the middle of a sentence or a word",
        "caption-generic": "says nothing about the video",
        "caption-too-long": "more than `longest` characters",
        "caption-language": "in none of `languages`",
        "caption-shared": "the same text on `shared_by` sources or more",
    }
    # Texts are not measures: what a rule says of them is not read from the index again.
    decides: ClassVar[frozenset[str]] = frozenset({"shared_by"})

    def __init__(self, config: RectifyConfig | None = None) -> None:
        self.config = config or RectifyConfig()
        own = self.config.rules
        self._rules = Rulebook((own,) if isinstance(own, RuleSet) else own)

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample, from its texts alone."""
        return [self._mend(sample) for sample in samples]

    def judge(self, caption: Caption) -> tuple[Caption, str, str]:
        """Return the repaired caption, and the reason and detail that speak against it (empty for a good one)."""
        if 0 < 4 * self.config.longest < len(caption.text):
            # Patterns are not for books: what no repair makes short enough is not even repaired.
            return caption, "caption-too-long", f"{len(caption.text)} characters"
        language = self._language(caption.text)
        rules = self._rules.of(language)
        text = repaired(caption.text, rules)
        if text != caption.text:
            caption = caption.model_copy(update={"text": text, "before": caption.before or caption.text})
        if 0 < self.config.longest < len(text):
            return caption, "caption-too-long", f"{len(text)} characters"
        found = fault(text, rules)
        if found and found[0] == "caption-empty" and lost(caption.before or text):
            found = "caption-garbled", "replacement characters"
        elif found and found[0] == "caption-empty" and re.search(r"\w", decoded(caption.before)):
            # The repair left nothing: what was there was no description.
            worse = fault(caption.before, rules)
            found = worse or ("caption-boilerplate", "nothing but stock phrases")
        other = foreign(text, self.config.languages) if self.config.languages else ""
        if other and (found is None or found[0] in LANGUAGE_BOUND):
            return caption, "caption-language", f"looks like {other}"
        if found:
            return caption, *found
        if language and self.config.languages and not caption.language:
            caption = caption.model_copy(update={"language": language})
        return caption, "", ""

    def _language(self, text: str) -> str:
        """Return the language whose rules a text is judged by, on the supposition that it is in one to keep."""
        allowed = self.config.languages
        if len(allowed) == 1:
            return allowed[0]
        return home_of(text, allowed) if allowed else language_of(text)

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
