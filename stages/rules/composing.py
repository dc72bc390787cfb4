"""Composed queries: how their texts are asked for, read, and, where wanted, judged by a model that sees both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from stages.rules.writing import Wanted
from synflow.answers import SHAPES, handed
from synflow.answers.shapes import Judgement
from synflow.contract import Answer, Ask, Context, Refusal
from synflow.pairs.draw import Album, caption_about, source_caption
from synflow.records import Image, Kinship, Sample, Task, Video


class _Kind(NamedTuple):
    """How a composed task is asked for: the prompt, the slot that says what to write, and its values."""

    prompt: str
    slot: str
    kinds: tuple[str, ...]


COMPOSED: Mapping[Task, _Kind] = {
    "ti2v": _Kind(
        "composed-image", "strategy", ("identity-action", "identity-scene", "identity-negative", "relational")
    ),
    "tv2v": _Kind("composed-video", "relation", ("continuation", "viewpoint", "condition", "variation")),
}


@dataclass(frozen=True)
class Composition:
    """A composed pair that waits for its text.

    Attributes:
        album: place of the clip that it is made of; goal: that of the target.
        relation: what was asked for; kinship: what the target is to the reference.
        shown: how many pictures the reference has; they come first.
    """

    album: int
    goal: Sample
    task: Task
    reference: Image | Video
    target: Video
    relation: str
    kinship: Kinship
    shown: int
    wanted: Wanted

    @property
    def told(self) -> str:
        """The strategy or relation that the answer names; empty where there is no usable answer."""
        written = self.wanted.texts.get("query")
        kind = COMPOSED[self.task]
        told = written.value.get(kind.slot, self.relation) if written is not None else ""
        return told if told in kind.kinds else ""


class Sampling(NamedTuple):
    """How a text is sampled: longest answer in tokens, and temperature."""

    max_tokens: int
    temperature: float


KINSHIPS: Mapping[Kinship, str] = {
    "": "",
    "part": "Both are parts of one clip.",
    "shot": "The target is another shot of the same video.",
    "scene": "The target is another video, which seems to show the same scene at another moment.",
    "subject": "The target is another video, which seems to show the same kind of subject elsewhere.",
    "attribute": "The target is another video, which is much like it but for one attribute.",
}
"""What a model is told of a target, in the words of the prompt."""


def composed_ask(
    own: Album,
    goal: Album,
    task: Task,
    kinds: tuple[str, Kinship],
    sides: tuple[Image | Video, Video],
    seed: int,
    sampling: Sampling,
    ctx: Context,
) -> tuple[Ask, int]:
    """Return the question that the text of a composed pair answers, and how many of its pictures are the reference's.

    Args:
        own: the clip of the reference.
        goal: that of the target.
        task: ti2v or tv2v.
        kinds: the strategy or relation that is asked for, and what the target is to the reference.
        sides: reference and target.
        seed: sent to the model.
        sampling: how the text is drawn.
        ctx: of the stage.
    """
    kind, (reference, target), (relation, kinship) = COMPOSED[task], sides, kinds
    prompt = ctx.prompt(kind.prompt)
    slots = {
        kind.slot: relation,
        "kinship": KINSHIPS[kinship],
        "caption": handed(caption_about(goal.sample)),
        "fault": "",
    }
    frames = (reference.frame,) if isinstance(reference, Image) else reference.frames
    first = [own.pictures[f.index] for f in frames]
    second = [goal.pictures[f.index] for f in target.frames]
    ask = Ask(
        prompt=prompt.name,
        prompt_digest=prompt.digest,
        text=prompt.render(**slots),
        schema=prompt.schema,
        pictures=(*first, *second),
        system=prompt.system,
        slots=slots,
        facts={
            **goal.sample.facts,
            "reference": len(first),
            "target": len(second),
            "same_clip": goal is own,
            "kinship": kinship,
            "reference_caption": handed(source_caption(own.sample)),
            "reference_scope": own.sample.facts.get("caption_scope", "clip"),
            "source_caption": handed(source_caption(goal.sample)),
        },
        affinity=target.clip_id,
        seed=seed,
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
    )
    return ask, len(first)


def misfits(drafts: Sequence[Composition], ctx: Context) -> set[int]:
    """Return the places of the compositions that the model, asked to judge them, says do not fit their target.

    One without a text is not judged, and an answer that cannot be used says nothing.
    """
    prompt = ctx.prompt("pair-judge")
    places = [place for place, draft in enumerate(drafts) if draft.told]
    asks = []
    for place in places:
        draft, first = drafts[place], drafts[place].shown
        slots = {
            "query": handed(draft.wanted.texts["query"].text),
            "reference": "the first picture" if first == 1 else f"the first {first} pictures, of one clip,",
        }
        asks.append(
            Ask(
                prompt=prompt.name,
                prompt_digest=prompt.digest,
                text=prompt.render(**slots),
                schema=prompt.schema,
                pictures=draft.wanted.ask.pictures,
                system=prompt.system,
                slots=slots,
                affinity=draft.wanted.ask.affinity,
                max_tokens=draft.wanted.ask.max_tokens,
                temperature=0.0,
            )
        )
    answers = ctx.vlm.answer(asks) if asks else ()
    return {place for place, ask, answer in zip(places, asks, answers, strict=True) if verdict_of(ask, answer) == "no"}


def verdict_of(ask: Ask, answer: Answer | Refusal) -> str:
    """Return the verdict of a judge: fits, partly or no; empty where the answer cannot be used."""
    if isinstance(answer, Refusal) or tuple(answer.bound) != ask.bound:
        return ""
    try:
        found = SHAPES["pair-judge"].model_validate(answer.value)
    except (ValidationError, RecursionError):
        return ""
    return found.verdict if isinstance(found, Judgement) else ""


def origin_of(sample: Sample) -> dict[str, str]:
    """Return what a pair tells of the source of its query's picture or clip."""
    source = sample.source
    return {
        "query_record_id": source.record_id,
        "query_source_id": source.digest or (sample.clip.facts.digest if sample.clip else ""),
        "query_source_uri": source.uri,
        "query_licence": source.licence,
        "clip_id": sample.clip.id if sample.clip else "",
    }
