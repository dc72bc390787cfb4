"""Writes captions of each clip with a model: five styles, and five captions of key frames (stage 2 of V-SynFlow).

From the paper (arXiv 2510.27571): one request gives five captions with their lengths, the emphasis is drawn per
video (30 % spatial, 60 % temporal, 10 % other, which we split into topical and stylistic), and five captions are
written per key frame. Ours: the value sets of readability and education, the typed checks after parsing
(`synflow.answers`), one further request in which the faults of an answer are named, and that an answer must name the
very pictures that it was shown.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, get_args

from pydantic import Field, field_validator

from stages.rules.writing import Wanted, write
from synflow.answers import handed
from synflow.answers.faults import LONG, SHORT, words
from synflow.contract import Ask, Context, Drop, Keep, Outcome, Picture, StageConfig, Stills
from synflow.errors import ClipFailure
from synflow.ids import digest_of_frames
from synflow.media.keyframes import choose_key_frames
from synflow.pairs import uniform
from synflow.pairs.draw import source_caption
from synflow.records import Caption, Emphasis, Measure, Sample, Style

STYLES: tuple[Style, ...] = ("summary", "dense", "abstract", "keywords", "partial")
"""The five captions of a clip, under the keys "1" to "5" of the answer."""

FRAME_EMPHASES: tuple[Emphasis | None, ...] = ("spatial", "spatial", "spatial", None, "stylistic")
"""The five captions of a picture. The paper gives 50-70 % spatial, 0-30 % snapshot, 10-20 % theme or style, 0-10 %
other: of five, that is three, one, one and none."""

FRAME_PLAN = "1, 2 and 3 spatial, 4 a snapshot, 5 theme and style"
READABILITY = ("plain", "standard", "dense")
EDUCATION = ("middle-school", "college", "expert")


class EnrichConfig(StageConfig):
    """Parameters of `Enrich`."""

    captions: int = Field(5, ge=1, le=5, description="how many of the five styles to keep, in their order; paper: 5")
    frame_captions: bool = Field(True, description="write five captions for each key frame too")
    key_frames: int = Field(1, ge=1, le=3, description="key frames per clip that get captions; ours")
    key_frames_apart: float = Field(1.0, ge=0, description="least seconds between two key frames chosen here; ours")
    use_caption: bool = Field(
        True, description="hand the caption that came with the clip to the model; never one that gives it orders"
    )
    retry: bool = Field(
        True, description="ask once more, with the faults named, where an answer has some; what is sound is kept"
    )
    emphasis: dict[Emphasis, float] = Field(
        {"spatial": 0.3, "temporal": 0.6, "topical": 0.05, "stylistic": 0.05},
        description="how often each emphasis is drawn, relative to the others; paper: 30/60/10",
    )
    words: dict[Style, tuple[int, int]] = Field(
        {
            "summary": (10, 25),
            "dense": (80, 200),
            "abstract": (30, 100),
            "keywords": (5, 30),
            "partial": (10, 70),
            "frame": (6, 80),
        },
        description="least and most words of each style; paper, but for frame, which is ours",
    )
    max_tokens: int = Field(1024, ge=64, description="longest answer, tokens")
    temperature: float = Field(0.7, ge=0, description="sampling temperature")

    @field_validator("emphasis")
    @classmethod
    def _drawable(cls, shares: dict[Emphasis, float]) -> dict[Emphasis, float]:
        """Refuse shares from which nothing can be drawn."""
        if any(share < 0 for share in shares.values()) or not sum(shares.values()) > 0:
            raise ValueError("shares must not be negative, and one of them must be above 0")
        return shares

    @field_validator("words")
    @classmethod
    def _complete(cls, words: dict[Style, tuple[int, int]]) -> dict[Style, tuple[int, int]]:
        """Refuse bounds that no text can meet."""
        missing = [style for style in (*STYLES, "frame") if style not in words]
        if missing:
            raise ValueError(f"needs bounds for {', '.join(missing)}")
        if any(not 1 <= least <= most for least, most in words.values()):
            raise ValueError("each must be (least, most) with 1 <= least <= most")
        return words


@dataclass
class _Work:
    """One sample on its way: what was asked of it and what came back.

    Attributes:
        withheld: whether its own caption gives orders, so that the model was not shown it.
        asked: requests, each with the digest of the pictures shown and the index of the one picture (None: the clip).
    """

    sample: Sample
    emphasis: Emphasis
    withheld: bool = False
    asked: list[tuple[Wanted, str, int | None]] = field(default_factory=list)


class Enrich:
    """Adds captions that a model wrote to each clip; bad ones are left out and counted."""

    name: ClassVar[str] = "enrich"
    version: ClassVar[int] = 2
    Config: ClassVar[type[StageConfig]] = EnrichConfig
    reasons: ClassVar[Mapping[str, str]] = {
        "no-caption": "the clip came without a caption, and the model wrote none that can be used",
    }
    whole_shard: ClassVar[bool] = True
    uses: ClassVar[frozenset[str]] = frozenset({"media", "vlm"})

    def __init__(self, config: EnrichConfig) -> None:
        self.config = config

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return each sample with its new captions; all questions of the shard go to the model in one call.

        Those of which the answers have faults go in a second one.
        """
        works: list[_Work | Drop] = []
        for sample in samples:
            try:
                works.append(self._prepared(sample, ctx))
            except ClipFailure as failure:
                # Caught here, for one call holds all clips of the shard.
                works.append(Drop(failure.reason, failure.detail, sample.measures))
        wanted = [one for work in works if isinstance(work, _Work) for one, _, _ in work.asked]
        write(wanted, ctx, retry=self.config.retry)
        return [self._finished(work) if isinstance(work, _Work) else work for work in works]

    def _prepared(self, sample: Sample, ctx: Context) -> _Work:
        """Return a sample with the questions on it: one on the clip, one on each key frame."""
        rng = ctx.rng(sample, "enrich")
        emphasis = draw_emphasis(rng, self.config.emphasis)
        readability, education = rng.choice(READABILITY), rng.choice(EDUCATION)
        if sample.clip is None:
            return _Work(sample, emphasis)
        stills = ctx.media.stills(sample)
        count = len(stills.pictures)
        shown = [stills.pictures[i] for i in uniform(count, ctx.frames)]
        own = source_caption(sample) if self.config.use_caption else ""
        caption = handed(own)
        chosen = self._key_frames(sample, stills, uniform(count, ctx.frames)) if self.config.frame_captions else ()
        if chosen and not sample.key_frames:
            sample = sample.having(key_frames=chosen)
        work = _Work(sample, emphasis, withheld=bool(own) and not caption)
        slots = {"caption": caption, "emphasis": emphasis, "readability": readability, "education": education}
        ask = self._ask(sample, ctx, "video-captions", {**slots, "fault": ""}, shown, rng)
        all_five = self.config.captions == len(STYLES)
        work.asked.append((Wanted(ask, self._lengths(None), all_five), _bound(shown), None))
        for index in chosen:
            picture = [stills.pictures[index]]
            slots = {"caption": caption, "emphasis": FRAME_PLAN, "fault": ""}
            ask = self._ask(sample, ctx, "frame-captions", slots, picture, rng)
            work.asked.append((Wanted(ask, self._lengths(index)), _bound(picture), index))
        return work

    def _key_frames(self, sample: Sample, stills: Stills, in_clip: Sequence[int]) -> tuple[int, ...]:
        """Return the key frames to describe: those of an earlier stage, else the sharpest.

        Pictures that stand for the clip in pairs come last: a query that is part of its target teaches nothing.
        """
        if sample.key_frames:
            return tuple(i for i in sample.key_frames if i < len(stills.pictures))[: self.config.key_frames]
        start = sample.clip.start if sample.clip else 0.0
        cuts = [start + float(cut) for cut in sample.facts.get("cuts") or ()]
        times = [picture.time for picture in stills.pictures]
        apart, most = self.config.key_frames_apart, self.config.key_frames
        return choose_key_frames(stills.rgb, times, most, apart, cuts, last=frozenset(in_clip))

    def _ask(
        self,
        sample: Sample,
        ctx: Context,
        name: str,
        slots: Mapping[str, str],
        pictures: Sequence[Picture],
        rng: random.Random,
    ) -> Ask:
        prompt = ctx.prompt(name)
        return Ask(
            prompt=prompt.name,
            prompt_digest=prompt.digest,
            text=prompt.render(**slots),
            schema=prompt.schema,
            pictures=tuple(pictures),
            system=prompt.system,
            slots=dict(slots),
            facts=sample.facts,
            affinity=sample.clip.id if sample.clip else "",
            seed=rng.getrandbits(31),
            max_tokens=self.config.max_tokens,
            temperature=self.config.temperature,
        )

    def _styles(self, frame: int | None) -> Sequence[Style]:
        return STYLES[: self.config.captions] if frame is None else ("frame",) * 5

    def _lengths(self, frame: int | None) -> dict[str, tuple[int, int]]:
        """Return key of the answer -> least and most words."""
        return {str(number): self.config.words[style] for number, style in enumerate(self._styles(frame), 1)}

    def _finished(self, work: _Work) -> Outcome:
        wanted = [one for one, _, _ in work.asked]
        codes, first = _counted(one.faults for one in wanted), _counted(one.first for one in wanted)
        made = [caption for asked in work.asked for caption in self._captions(work.emphasis, *asked)]
        lengths = [len(words(c.text)) for c in made if c.frame is None]
        measures: dict[str, Measure] = {
            "enrich.kept": len(made),
            "enrich.faults": sum(codes.values()),
            "enrich.retried": sum(one.retried for one in wanted),
            "enrich.withheld": work.withheld,
            **{f"enrich.fault.{code}": number for code, number in sorted(codes.items())},
            **{f"enrich.first.{code}": number for code, number in sorted(first.items())},
            # What the paper asks of the five together.
            "enrich.short_and_long": bool(lengths) and min(lengths) < SHORT and max(lengths) > LONG,
        }
        sample = work.sample.having(captions=(*work.sample.captions, *made), measures=measures)
        if work.asked and not any(caption.text.strip() for caption in sample.captions):
            detail = ", ".join(f"{code} {number}" for code, number in sorted(codes.items()))
            return Drop("no-caption", detail, sample.measures)
        return Keep(sample)

    def _captions(self, emphasis: Emphasis, wanted: Wanted, bound: str, frame: int | None) -> Iterator[Caption]:
        """Yield the captions of one request, in the order of its keys."""
        for number, style in enumerate(self._styles(frame)):
            written = wanted.texts.get(str(number + 1))
            if written is not None:
                yield Caption(
                    text=written.text,
                    origin="model",
                    style=style,
                    emphasis=emphasis if frame is None else FRAME_EMPHASES[number],
                    language="en",
                    frame=frame,
                    bound=bound,
                    use=written.use,
                )


def _counted(faults: Iterable[Mapping[str, str]]) -> Counter[str]:
    """Return fault -> how often."""
    return Counter(code for found in faults for fault in found.values() for code in fault.split())


def draw_emphasis(rng: random.Random, shares: Mapping[Emphasis, float]) -> Emphasis:
    """Draw an emphasis by its share; the order of ``shares`` does not matter."""
    kinds: tuple[Emphasis, ...] = get_args(Emphasis)
    return rng.choices(kinds, weights=[shares.get(kind, 0.0) for kind in kinds])[0]


def _bound(pictures: Sequence[Picture]) -> str:
    return digest_of_frames(picture.digest for picture in pictures)
