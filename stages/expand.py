"""Turns a clip with captions into pairs of the seven tasks (stage 3 of V-SynFlow, arXiv 2510.27571).

Five tasks follow from what is there. The two composed ones (ti2v, tv2v) need a text that only works together with
its picture or clip; a model writes it, shown the reference first and then the target. All texts of a shard are asked
for in one call; one with faults is asked for once more, and without a usable answer the pair is not made. On request
the model then judges each of them, shown both sides again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, cast

from pydantic import Field, model_validator

from stages.rules.backward import Backward
from stages.rules.composing import COMPOSED, Composition, Sampling, composed_ask, misfits, origin_of
from stages.rules.focus import DOMAINS
from stages.rules.focused import colors_shown, drawn_parts, with_negatives
from stages.rules.writing import Wanted, write
from synflow.contract import Context, Drop, Keep, Outcome, StageConfig
from synflow.errors import ClipFailure
from synflow.ids import digest_of_frames
from synflow.media.keyframes import clear
from synflow.pairs import (
    INSTRUCTIONS,
    clip_video,
    domain_of,
    image_digest,
    image_of,
    pair_id,
    shown,
    text_side,
)  # fmt: skip
from synflow.pairs.draw import (
    Album,
    Bounds,
    draw_captions,
    draw_couples,
    draw_frame_captions,
    draw_segment,
    fitting_captions,
    repeats,
    source_caption,
)  # fmt: skip
from synflow.records import (
    TASKS,
    Caption,
    Frame,
    Image,
    Kinship,
    ModelUse,
    Pair,
    Provenance,
    Sample,
    Side,
    Style,
    Task,
    Video,
)  # fmt: skip

SCORES = ("consistency.score", "quality.sharpness")
"""Measures of the clip that are kept as scores of its pairs."""


class ExpandConfig(StageConfig):
    """Parameters of `Expand`; the paper gives the tasks and the bounds of segments, the counts are ours."""

    tasks: tuple[Task, ...] = Field(TASKS, description="which tasks to make pairs of")
    t2v_per_clip: int = Field(1, ge=0, description="captions drawn for t2v; the paper draws one")
    t2t_per_clip: int = Field(1, ge=0, description="t2t pairs among the captions that t2v left")
    t2i_per_clip: int = Field(1, ge=0, description="frame captions drawn for t2i")
    focus_per_clip: int = Field(
        1,
        ge=0,
        description="further t2v pairs on part of a caption: order, one event, the camera, the theme; ours",
    )
    weights: dict[Style, float] = Field(
        {"raw": 1.0, "summary": 1.0, "dense": 1.0, "abstract": 1.0, "keywords": 1.0, "partial": 1.0},
        description="how often a style is drawn for t2v, relative to the others; 0 or absent: never used",
    )
    segment_min: float = Field(2.0, gt=0, description="shortest segment, seconds; paper: 2")
    segment_max: float = Field(10.0, gt=0, description="longest segment, seconds; paper: 10")
    segment_share: float = Field(0.6, gt=0, lt=1, description="largest part of its clip that a segment covers; ours")
    min_clip: float = Field(4.0, ge=0, description="clips shorter than this (seconds) are not cut into segments; ours")
    elsewhere: float = Field(0.5, ge=0, le=1, description="share of composed pairs that lead to a partner; ours")
    composed_words: int = Field(50, ge=5, description="longest text of ti2v, words; paper: 50")
    relation_words: tuple[int, int] = Field((5, 15), description="shortest and longest text of tv2v, words; paper")
    max_tokens: int = Field(256, ge=16, description="longest answer, tokens")
    temperature: float = Field(0.7, ge=0, description="sampling temperature of composed texts")
    retry: bool = Field(True, description="ask once more for a composed text that has faults, with the faults named")
    judge: bool = Field(
        False,
        description="let the model judge whether each composed query fits its target, and leave out those that do not; "
        "for served models; ours",
    )

    @model_validator(mode="after")
    def _ordered(self) -> ExpandConfig:
        """Refuse bounds that no segment or text can meet."""
        if self.segment_min > self.segment_max:
            raise ValueError("segment_min must not exceed segment_max")
        if self.relation_words[0] > self.relation_words[1]:
            raise ValueError("relation_words must be (shortest, longest)")
        if any(w < 0 for w in self.weights.values()):
            raise ValueError("weights must not be negative")
        return self

    @property
    def bounds(self) -> Bounds:
        """Which segments may be drawn."""
        return Bounds(self.segment_min, self.segment_max, self.segment_share, self.min_clip)


class Expand:
    """Makes pairs of all seven tasks of each clip."""

    name: ClassVar[str] = "expand"
    version: ClassVar[int] = 7
    Config: ClassVar[type[StageConfig]] = ExpandConfig
    reasons: ClassVar[Mapping[str, str]] = {}
    whole_shard: ClassVar[bool] = True
    uses: ClassVar[frozenset[str]] = frozenset({"media", "vlm"})

    def __init__(self, config: ExpandConfig) -> None:
        self.config = config

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return each sample with its pairs; only one whose pictures cannot be had is dropped."""
        failed: dict[int, ClipFailure] = {}
        albums = []
        for i, sample in enumerate(samples):
            try:
                albums.append(_album(sample, ctx))
            except ClipFailure as failure:
                # Caught here, so that the clips beside it keep each other as siblings.
                failed[i] = failure
                albums.append(Album(sample.having(beside=()), (), ()))
        for album in albums:
            if album.whole(ctx.frames):
                self._direct(album, ctx)
                self._long(album, albums, ctx.frames)
        drafts = self._compositions(albums, ctx)
        write([draft.wanted for draft in drafts], ctx, retry=self.config.retry)
        unfit = misfits(drafts, ctx) if self.config.judge else set()
        for place, draft in enumerate(drafts):
            album = albums[draft.album]
            pair = _composed(album.sample, draft)
            if pair is None:
                album.refused += 1
            elif place in unfit:
                album.unfit += 1
            else:
                album.pairs.append(pair)
        return [
            Drop(failed[i].reason, failed[i].detail, sample.measures) if i in failed else Keep(_finished(album))
            for i, (sample, album) in enumerate(zip(samples, albums, strict=True))
        ]

    def _direct(self, album: Album, ctx: Context) -> None:
        """Add the pairs that need no model: t2v, t2t, t2i, i2v, v2v."""
        cfg, sample = self.config, album.sample
        whole = clip_video(sample, ctx.frames)
        goal = Side(video=whole)
        captions = fitting_captions(sample, whole.digest, cfg.weights)
        times = repeats(sample)
        drawn = draw_captions(ctx.rng(sample, "expand", "t2v"), captions, cfg.weights, cfg.t2v_per_clip, times)
        made: list[tuple[Task, Side, Side, tuple[Caption, ...]]] = [
            ("t2v", text_side(c.text, c.style, whole.digest), goal, (c,)) for c in drawn
        ]
        left = [c for c in captions if c not in drawn]
        for one, other in draw_couples(ctx.rng(sample, "expand", "t2t"), left, drawn, cfg.t2t_per_clip):
            query, target = (text_side(c.text, c.style, whole.digest) for c in (one, other))
            made.append(("t2t", query, target, (one, other)))
        for caption in draw_frame_captions(album, ctx.rng(sample, "expand", "t2i"), cfg.t2i_per_clip):
            picture = image_of(sample, cast(int, caption.frame))
            query = text_side(caption.text, "frame", image_digest(picture.frame))
            made.append(("t2i", query, Side(image=picture), (caption,)))
        key = album.key_frame(ctx.frames)
        if key is not None:
            made.append(("i2v", Side(image=image_of(sample, key)), goal, ()))
        segment = draw_segment(album, ctx.rng(sample, "expand", "v2v"), ctx.frames, self.config.bounds)
        if segment is not None:
            made.append(("v2v", Side(video=segment), goal, ()))
        for parts in made:
            if parts[0] in cfg.tasks:
                pair = _pair(sample, *parts)
                seen = pair.query.image or pair.query.video
                album.pairs.append(pair.model_copy(update=origin_of(sample)) if seen else pair)
        if "t2v" in cfg.tasks:
            taken = [caption.text for caption in drawn]
            album.pairs.extend(self._focused(sample, captions, taken, goal, ctx))
            stills = ctx.media.stills(sample)
            shown_colors = colors_shown(stills.rgb)
            backward = Backward(stills.rgb, [picture.time for picture in stills.pictures], sample.facts)
            rng = ctx.rng(sample, "expand", "negatives")
            album.pairs[:] = [with_negatives(pair, shown_colors, backward, rng) for pair in album.pairs]

    def _long(self, album: Album, albums: Sequence[Album], n: int) -> None:
        """Add a t2v pair of a whole video that was cut into shots, and what was said of it; its first shot holds it."""
        whole = album.video(albums, n) if self.config.focus_per_clip and "t2v" in self.config.tasks else None
        told = source_caption(album.sample)
        if whole is not None and told:
            query = text_side(told, "raw", whole.digest)
            pair = _pair(album.sample, "t2v", query, Side(video=whole), relation="whole")
            album.pairs.append(pair.model_copy(update={"domain": "lc"}))

    def _focused(
        self, sample: Sample, captions: Sequence[Caption], taken: Sequence[str], goal: Side, ctx: Context
    ) -> Iterator[Pair]:
        """Yield t2v pairs of which the text is a part of a caption."""
        rng = ctx.rng(sample, "expand", "focus")
        for part, caption in drawn_parts(captions, taken, self.config.focus_per_clip, rng):
            bound = goal.video.digest if goal.video else ""
            pair = _pair(sample, "t2v", text_side(part.text, "partial", bound), goal, (caption,), relation=part.kind)
            yield pair.model_copy(update={"domain": DOMAINS[part.kind]})

    def _compositions(self, albums: Sequence[Album], ctx: Context) -> list[Composition]:
        """Return what composed pairs can be made of the shard, each with the question to the model."""
        drafts = []
        for i, album in enumerate(albums):
            for task in (t for t in COMPOSED if t in self.config.tasks and album.pictures):
                draft = self._composition(i, albums, task, ctx)
                if draft is not None:
                    drafts.append(draft)
        return drafts

    def _composition(self, place: int, albums: Sequence[Album], task: Task, ctx: Context) -> Composition | None:
        """Draw reference and target of one composed pair: a sibling clip where there is one, else a later segment."""
        own, n = albums[place], ctx.frames
        rng = ctx.rng(own.sample, "expand", task)
        goal, kinship = self._partner(own, rng, ctx)
        siblings = [] if goal else own.siblings(albums, n)
        # One take shows its scene from one place: another view needs another clip. Another video continues nothing.
        kinds = [k for k in COMPOSED[task].kinds if k != ("continuation" if goal else "viewpoint") or siblings]
        drawn = rng.choice(kinds)
        if goal is None:
            if drawn == "continuation":
                siblings = own.siblings(albums, n, later=True)
            goal, kinship = (rng.choice(siblings), "shot") if siblings else (own, "part")
        # Within one clip the reference lies wholly before the target; another one leaves all of this to choose from.
        border = 0.5 if goal is own else 1.0
        reference: Image | Video | None
        if task == "ti2v":
            index = own.picture(rng, border)
            reference = None if index is None else image_of(own.sample, index)
        else:
            reference = draw_segment(own, rng, n, self.config.bounds, end=border)
        if goal is own:
            target = draw_segment(own, rng, n, self.config.bounds, begin=border)
        else:
            target = clip_video(goal.sample, n)
        if reference is None or target is None or set(shown(reference)) & set(shown(target)):
            return None
        sampling = Sampling(self.config.max_tokens, self.config.temperature)
        sides = (reference, target)
        ask, first = composed_ask(own, goal, task, (drawn, kinship), sides, rng.getrandbits(31), sampling, ctx)
        lengths = {"query": (3, self.config.composed_words) if task == "ti2v" else self.config.relation_words}
        return Composition(place, goal.sample, task, reference, target, drawn, kinship, first, Wanted(ask, lengths))

    def _partner(self, own: Album, rng: random.Random, ctx: Context) -> tuple[Album | None, Kinship]:
        """Draw whether the target is another video, and which; None where it is not, or its pictures are gone."""
        beside = {other.key: other for other in own.sample.beside}
        known = [(beside[key], kind) for key, kind, _ in own.sample.facts.get("partners") or () if key in beside]
        if not known or rng.random() >= self.config.elsewhere:
            return None, ""
        sample, kind = rng.choice(known)
        try:
            album = _album(sample, ctx)
        except ClipFailure:
            return None, ""
        return (album, kind) if album.whole(ctx.frames) else (None, "")


def _composed(sample: Sample, draft: Composition) -> Pair | None:
    """Return the pair that an answer completes; None where there is no usable answer."""
    relation, ask = draft.told, draft.wanted.ask
    if not relation:
        return None
    written = draft.wanted.texts["query"]
    side = text_side(written.text, "composed", digest_of_frames(ask.bound))
    reference = {"image" if isinstance(draft.reference, Image) else "video": draft.reference}
    query, target = side.model_copy(update=reference), Side(video=draft.target)
    pair = _pair(draft.goal, draft.task, query, target, relation=relation, use=written.use)
    return pair.model_copy(update={"drawn": draft.relation, "kinship": draft.kinship, **origin_of(sample)})


def _album(sample: Sample, ctx: Context) -> Album:
    """Fetch the pictures of a sample; without a clip there are none."""
    if sample.clip is None:
        return Album(sample, (), ())
    stills = ctx.media.stills(sample)
    if not sample.frames:
        # In a manifest without a corpus stage the pictures are known, but not stored yet.
        height, width = stills.rgb.shape[1:3]
        frames = tuple(
            Frame(index=i, time=p.time, width=width, height=height, digest=p.digest, bytes=len(p.jpeg))
            for i, p in enumerate(stills.pictures)
        )
        sample = sample.having(frames=frames, frames_digest=stills.digest)
    if tuple(f.digest for f in sample.frames) != tuple(p.digest for p in stills.pictures):
        raise ValueError(f"the pictures of {sample.record_id} are not those that its record names")
    start = sample.clip.start if sample.clip else 0.0
    cuts = [start + float(cut) for cut in sample.facts.get("cuts") or ()]
    alone = clear(stills.rgb, [picture.time for picture in stills.pictures], cuts)
    return Album.of(sample, stills.pictures, stills.rgb, alone)


def _pair(
    sample: Sample,
    task: Task,
    query: Side,
    target: Side,
    captions: tuple[Caption, ...] = (),
    relation: str = "",
    use: ModelUse | None = None,
) -> Pair:
    """Return one pair; the steps of its provenance are filled in by the engine at the end of the pass."""
    style: Style | None = query.text.style if query.text else None
    emphasis = captions[0].emphasis if captions else None
    measured = {name: sample.measures[name] for name in SCORES if name in sample.measures}
    uses = [u for u in (*(c.use for c in captions), use) if u is not None]
    return Pair(
        id=pair_id(task, query, target),
        task=task,
        query=query,
        target=target,
        instruction=INSTRUCTIONS[task],
        domain=domain_of(task, style, emphasis),
        style=style,
        emphasis=emphasis,
        relation=relation,
        record_id=sample.record_id,
        source_id=sample.source.digest or (sample.clip.facts.digest if sample.clip else ""),
        source_uri=sample.source.uri,
        licence=sample.source.licence,
        scores={k: round(float(v), 6) for k, v in measured.items() if isinstance(v, (int, float))},
        provenance=Provenance(models=tuple(uses)),
    )


def _finished(album: Album) -> Sample:
    """Return the sample with its pairs, no content twice, and what was counted."""
    pairs = {p.id: p for p in album.pairs}
    order = {task: place for place, task in enumerate(TASKS)}
    chosen = tuple(sorted(pairs.values(), key=lambda p: (order[p.task], p.id)))
    measures = {"expand.pairs": len(chosen), "expand.refused": album.refused, "expand.unfit": album.unfit}
    return album.sample.having(pairs=chosen, measures=measures, beside=())
