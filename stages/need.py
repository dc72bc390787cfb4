"""Need: keeps composed pairs of which the target is found by text and picture together, and by neither alone.

The paper asks that a composed query be useless without either of its inputs, and checks it nowhere. Here the target of
each is looked for among other videos of the run three times: by the text alone, by the picture or clip alone, and by
both. The three ranks stay with the pair as scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from stages.near.rivals import UNKNOWN, Gallery, Query, Ranks
from stages.rules.round_trip import pack
from synflow.contract import (
    Context,
    CorpusStage,
    Decision,
    Embedder,
    Item,
    Keep,
    Outcome,
    Picture,
    Row,
    StageConfig,
    Stills,
    Vector,
    said_digest,
)
from synflow.pairs import uniform
from synflow.records import Measure, Pair, Sample

COMPOSED = frozenset({"ti2v", "tv2v"})

FAULTS = ("text-finds", "reference-finds", "stray", "no-gain", "too-wide", "unknown", "unbound")
"""Why a composed pair is left out, in the order in which it is asked."""


class NeedConfig(StageConfig):
    """When a composed query needs both of its inputs. The paper asks for it in words only: all of this is ours.

    Attributes:
        gallery: videos of the run among which a target is looked for; all where there are fewer. In a larger run it
            is the clips that are most like the target, and as many that the seed draws.
        found: rank down to which the target counts as found by one input alone: then the other one is not needed.
        gain: by how many times the rank by both must be better than the better one by one of them; the paper asks that
            the results be cut by half.
        widest: share of its rivals that may stand before a target that both find; the paper asks that nine in ten
            videos be excluded.
        stray: share of its rivals that may stand before the target by the picture or clip alone, also where the text
            cannot be placed: beyond it the two have nothing in common that could lead from one to the other.
        unknown: what becomes of a pair on which the embedder abstains: `signals` does where a text makes no claim on
            colours or light. ``keep`` leaves it unchecked, with no rank; ``drop`` leaves it out.
    """

    gallery: int = Field(1000, ge=10)
    found: int = Field(1, ge=0)
    gain: float = Field(2.0, ge=1)
    widest: float = Field(0.1, gt=0, le=1)
    stray: float = Field(0.5, gt=0, le=1)
    unknown: Literal["keep", "drop"] = "keep"


class Need:
    """Leaves out composed pairs that one input alone answers, or that both answer no better; drops no clip.

    Rivals are other videos of the run; the reference's own video is none of them, as in the usual benchmarks. Where the
    target is a part of the reference's video, the rest of that video is a rival, too. Equal scores count against the
    target. Where the embedder takes text and picture as one input (``joint``), that gives the rank by both; else the
    standardised scores of the two are added (late fusion).
    """

    name: ClassVar[str] = "need"
    version: ClassVar[int] = 2
    Config: ClassVar[type[StageConfig]] = NeedConfig
    rank: ClassVar[int] = 40
    uses: ClassVar[frozenset[str]] = frozenset({"media", "embed"})
    reasons: ClassVar[Mapping[str, str]] = {}
    alters: ClassVar[bool] = True
    settles: ClassVar[frozenset[str]] = frozenset({"gallery", "found", "gain", "widest", "stray", "unknown"})

    def __init__(self, config: NeedConfig | None = None) -> None:
        self.config = config or NeedConfig()

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return, for each clip, its vector and those of its composed pairs."""
        rows: list[Row | None] = []
        for sample in samples:
            if sample.clip is None or not sample.frames:
                rows.append(None)
                continue
            stills = ctx.media.stills(sample)
            asked = Asked(stills)
            whole = asked.want(Item(pictures=asked.pictures(uniform(len(stills.pictures), ctx.frames))))
            wanted = [_wanted(pair, sample, asked) for pair in sample.pairs if pair.task in COMPOSED]
            joint = asked.answer(ctx.embed)
            rows.append(
                {
                    "clip": sample.clip.id,
                    "vector": asked.packed(whole),
                    "pairs": [[pair, goal, *_vectors(asked, places, joint)] for pair, goal, places in wanted],
                }
            )
        return rows

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return for each row what becomes of its composed pairs: id -> ranks by text, reference and both, and why."""
        clips: list[str] = []
        at: dict[str, int] = {}
        queries: list[Query] = []
        faulty: set[int] = set()
        names: list[tuple[int, str]] = []
        for place, row in enumerate(rows):
            clips.append(row["vector"])
            at[row["clip"]] = place
        for place, row in enumerate(rows):
            for pair, goal, unbound, *vectors in row["pairs"]:
                names.append((place, pair))
                text, reference, both, target, rest = vectors
                queries.append(Query(text, reference, both, target, rest, goal=at.get(goal, -1), own=place))
                if unbound:
                    faulty.add(len(queries) - 1)
        notes: list[dict[str, Any]] = [{} for _ in rows]
        for number, ranks in Gallery(clips, self.config.gallery, seed).ranks(queries):
            place, pair = names[number]
            why = "unbound" if number in faulty else self.fault(ranks)
            notes[place][pair] = [ranks.text, ranks.reference, ranks.both, ranks.rivals, why]
        return [Decision(note=note or None) for note in notes]

    def fault(self, ranks: Ranks) -> str:
        """Return why a query does not need both of its inputs; empty where it does."""
        found, gain = self.config.found, self.config.gain
        if ranks.text and ranks.text <= found:
            return "text-finds"
        if ranks.reference and ranks.reference <= found:
            return "reference-finds"
        if ranks.reference and ranks.reference - 1 > self.config.stray * ranks.rivals:
            return "stray"
        if UNKNOWN in (ranks.text, ranks.reference, ranks.both):
            return "unknown" if self.config.unknown == "drop" else ""
        if ranks.both * gain > min(ranks.text, ranks.reference):
            return "no-gain"
        return "too-wide" if ranks.both - 1 > self.config.widest * ranks.rivals else ""

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Return the sample with the composed pairs that need both inputs, each with its ranks."""
        note: Mapping[str, list[Any]] = decision.note or {}
        counts: Counter[str] = Counter()
        pairs = []
        for pair in sample.pairs:
            if pair.id not in note:
                pairs.append(pair)
                continue
            text, reference, both, rivals, why = note[pair.id]
            counts[why or ("kept" if both else "unchecked")] += 1
            if not why:
                told = {"need.text": text, "need.reference": reference, "need.both": both, "need.rivals": rivals}
                scores = {name: float(value) for name, value in told.items() if value}
                pairs.append(pair.model_copy(update={"scores": {**pair.scores, **scores}}))
        names = ("kept", "unchecked", *FAULTS)
        measures: dict[str, Measure] = {f"need.{name}": counts[name] for name in names} if note else {}
        return Keep(sample.having(pairs=tuple(pairs), measures=measures))


class Asked:
    """What an embedder is asked about one clip and its pairs: everything in one call, nothing twice."""

    def __init__(self, stills: Stills) -> None:
        self._shown = [replace(picture, pixels=rgb) for picture, rgb in zip(stills.pictures, stills.rgb, strict=True)]
        self._items: list[Item] = []
        self._vectors: Sequence[Vector] = ()

    def pictures(self, indices: Sequence[int]) -> tuple[Picture, ...]:
        """Return stored pictures of the clip."""
        return tuple(self._shown[index] for index in indices)

    def want(self, item: Item) -> int:
        """Ask for a vector; return where it will be."""
        self._items.append(item)
        return len(self._items) - 1

    def answer(self, embedder: Embedder) -> bool:
        """Ask for all; tell whether the embedder takes text and pictures as one input.

        It may only know so once it was asked for something.
        """
        self._vectors = embedder.embed(self._items)
        return bool(getattr(embedder, "joint", False))

    def packed(self, place: int | None) -> str:
        """Return a vector as text; empty where there is none."""
        if place is None:
            return ""
        values = self._vectors[place].values
        return "" if values is None else pack(values)

    def bound(self, place: int) -> bool:
        """Tell whether a vector was made from just what was sent for it."""
        item, vector = self._items[place], self._vectors[place]
        if vector.values is None:
            return True
        shown = tuple(picture.digest for picture in item.pictures)
        return vector.bound == shown and vector.said in ("", said_digest(item.text))


Places = tuple[int, int, int, int | None, int | None]
"""Where the vectors of text, reference, both, target and rest are; the last two None where the target is a clip."""


def _wanted(pair: Pair, sample: Sample, asked: Asked) -> tuple[str, str, Places]:
    """Ask for the vectors of a composed pair; return its id, the clip of its target, and where they will be."""
    text, goal = pair.query.text, pair.target.video
    if text is None or goal is None or sample.clip is None:
        raise ValueError(f"pair {pair.id} is not composed")
    frames = pair.query.video.frames if pair.query.video else (pair.query.image.frame,) if pair.query.image else ()
    shown = asked.pictures([frame.index for frame in frames])
    target = rest = None
    if goal.clip_id == sample.clip.id:
        inside = [frame.index for frame in goal.frames]
        target = asked.want(Item(pictures=asked.pictures(inside)))
        others = [index for index in range(len(sample.frames)) if not inside[0] <= index <= inside[-1]]
        rest = asked.want(Item(pictures=asked.pictures(others))) if others else None
    places = (
        asked.want(Item(text=text.text)),
        asked.want(Item(pictures=shown)),
        asked.want(Item(text=text.text, pictures=shown)),
    )
    return pair.id, goal.clip_id, (*places, target, rest)


def _vectors(asked: Asked, places: Places, joint: bool) -> list[Any]:
    """Return whether a vector was made from something else, then those of text, reference, both, target and rest."""
    text, reference, both, target, rest = places
    unbound = not all(asked.bound(place) for place in places if place is not None)
    return [
        unbound, asked.packed(text), asked.packed(reference), asked.packed(both) if joint else "",
        asked.packed(target), asked.packed(rest),
    ]  # fmt: skip


_: type[CorpusStage] = Need
