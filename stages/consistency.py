"""Consistency: clips go whose captions say what is not so, or fit their pictures least, by a quantile over the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from stages.rules.claims import Verdict, Watched, judged
from stages.rules.round_trip import pack, ranks
from synflow.contract import (
    Context,
    Cut,
    Decision,
    Drop,
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
from synflow.media.keyframes import clear
from synflow.pairs import uniform
from synflow.records import Caption, Measure, Sample

SAME = 1e-6
"""Scores that differ by less are the same score, whatever the order of summing."""

VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "unknown")


class ConsistencyConfig(StageConfig):
    """How well a caption must fit. The paper gives neither threshold nor number of key frames: defaults are ours.

    Attributes:
        drop_quantile: share of the scored clips to drop, the worst ones; those that score as high as the clip at the
            quantile stay, so that an embedder of few values drops fewer.
        min_score: absolute score under which to drop, instead of the quantile.
        per: whether the quantile is that of the whole run, or of each data set (``dataset`` of a record or an input)
            by itself, since scores of long and of short captions are not alike.
        min_group: fewest scored clips of a data set that has a quantile of its own; smaller ones take the run's.
        contradicted: what becomes of a caption that claims what was measured to be otherwise.
        round_trip: whether each caption is searched for among the clips of the run: ``auto`` where the embedder is a
            learned one. Rows then hold two vectors of a clip, 2.8 bytes a dimension.
        max_rank: largest rank of its own clip at which a caption still counts as finding it; null: never a reason.
        key_frames: pictures that fit the caption best, at most so many, ``key_gap`` seconds apart or more.
    """

    drop_quantile: float = Field(0.15, ge=0, lt=1)
    min_score: float | None = None
    per: Literal["run", "source"] = "run"
    min_group: int = Field(50, ge=2)
    contradicted: Literal["drop", "keep"] = "drop"
    round_trip: Literal["auto", "on", "off"] = "auto"
    max_rank: int | None = Field(None, ge=1)
    key_frames: int = Field(3, ge=1, le=3)
    key_gap: float = Field(1.0, ge=0)


class Consistency:
    """Judges captions by what was measured and by the embedder, drops what does not fit, and picks key frames.

    Each caption that came with a clip is split into claims; one that is contradicted is removed, and with the last of
    them the clip. Then caption and pictures are compared by the embedder: the clips that fit worst are dropped.
    A caption of a whole video that was cut into shots need not fit each of them: it is judged once against the
    pictures of all shots together. Where some shots are gone already it cannot be judged.
    An embedder that abstains, or a sample without a caption, gives no score: such a sample is kept.
    """

    name: ClassVar[str] = "consistency"
    version: ClassVar[int] = 6
    Config: ClassVar[type[StageConfig]] = ConsistencyConfig
    rank: ClassVar[int] = 30
    uses: ClassVar[frozenset[str]] = frozenset({"media", "embed"})
    reasons: ClassVar[Mapping[str, str]] = {
        "caption-mismatch": "the caption claims what is not so, or fits the pictures less than the threshold",
        "answer-unbound": "the embedder's vector was made from other pictures, or another text, than it was sent",
    }
    decides: ClassVar[frozenset[str]] = frozenset(
        {"drop_quantile", "min_score", "per", "min_group", "contradicted", "max_rank"}
    )
    cuts: ClassVar[tuple[Cut, ...]] = (
        Cut("caption-mismatch", (("consistency.score", "min_score"),), "above"),
        Cut("caption-mismatch", (("consistency.rank", "max_rank"),), "below"),
    )

    def __init__(self, config: ConsistencyConfig | None = None) -> None:
        self.config = config or ConsistencyConfig()

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return verdicts, score and key frames of each sample; None where there is no caption."""
        spoken = [place for place, sample in enumerate(samples) if source_captions(sample)]
        stills = {place: ctx.media.stills(samples[place]) for place in spoken}
        rows: dict[int, Row] = {}
        judged_by: dict[int, Caption] = {}
        for place in spoken:
            told = [other for other in spoken if told_together(samples[place], samples[other])]
            rows[place], judged_by[place] = _claims(samples[place], [stills[other] for other in told])
            if not is_whole(samples, place):
                rows[place] |= _NO_CLAIMS
        self._compare(samples, judged_by, stills, rows, ctx)
        return [rows.get(place) for place in range(len(samples))]

    def _compare(
        self,
        samples: Sequence[Sample],
        captions: Mapping[int, Caption],
        stills: Mapping[int, Stills],
        rows: Mapping[int, Row],
        ctx: Context,
    ) -> None:
        """Write score, key frames and vectors into ``rows``; texts first, for many have nothing to compare."""
        texts = {place: Item(text=caption.text) for place, caption in captions.items()}
        told = dict(zip(texts, ctx.embed.embed(list(texts.values())), strict=True)) if texts else {}
        speaking = [place for place, vector in told.items() if vector.values is not None]
        shown: dict[int, list[Item]] = {}
        chosen: dict[int, list[int]] = {}
        for place in speaking:
            together = [other for other in captions if told_together(samples[place], samples[other])]
            whole = tuple(picture for other in together for picture in _pictures(stills[other]))
            chosen[place] = _candidates(samples[place], stills[place], ctx.frames)
            own = _pictures(stills[place])
            shown[place] = [Item(pictures=whole), *(Item(pictures=(own[index],)) for index in chosen[place])]
        vectors = iter(ctx.embed.embed([item for items in shown.values() for item in items]) if shown else ())
        learned = bool(getattr(ctx.embed, "learned", True))
        for place, items in shown.items():
            found = [next(vectors) for _ in items]
            text, whole_vector, row = told[place], found[0], rows[place]
            if not _is_bound([texts[place], *items], [text, *found]):
                row |= {"score": None, "keys": [], "unbound": True}
                continue
            score = fit(text, whole_vector)
            if score is None:
                continue
            row["score"] = score if is_whole(samples, place) else None
            each: list[float | None] = [None] * len(stills[place].pictures)
            for index, vector in zip(chosen[place], found[1:], strict=True):
                each[index] = fit(text, vector)
            row["keys"] = self.key_frames(each, [picture.time for picture in stills[place].pictures])
            wanted = self.config.round_trip == "on" or (self.config.round_trip == "auto" and learned)
            if wanted and row["score"] is not None and text.values is not None and whole_vector.values is not None:
                row["vectors"] = [pack(text.values), pack(whole_vector.values)]

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return one decision for each row, from its claims, the quantile of its group, and the rank of its clip."""
        found = [place for place, row in enumerate(rows) if row.get("vectors")]
        pairs = [rows[place]["vectors"] for place in found]
        placed = dict(
            zip(found, zip(*ranks([p[0] for p in pairs], [p[1] for p in pairs], seed), strict=True), strict=True)
        )
        limits = self._thresholds(rows)
        return [
            self._decide(row, limits.get(self._group(row), limits[""]), placed.get(place))
            for place, row in enumerate(rows)
        ]

    def _group(self, row: Row) -> str:
        return f"={row.get('dataset', '')}" if self.config.per == "source" else ""

    def _thresholds(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the score under which to drop, of each group that is large enough and, under '', of the run."""
        if self.config.min_score is not None:
            return {"": self.config.min_score}
        scores: dict[str, list[float]] = {"": []}
        for row in rows:
            if row["score"] is not None:
                scores[""].append(row["score"])
                if self._group(row):
                    scores.setdefault(self._group(row), []).append(row["score"])
        # A score that some clip has, so that equal scores share one fate.
        quantile = self.config.drop_quantile
        return {
            group: float(np.quantile(np.array(values), quantile, method="higher")) if values else 0.0
            for group, values in scores.items()
            if not group or len(values) >= self.config.min_group
        }

    def regrouped(self, row: Row, samples: Sequence[Sample], place: int) -> Row:
        """Return the row without its verdicts and score where the caption speaks of shots that are no longer there."""
        return row if is_whole(samples, place) else {**row, **_NO_CLAIMS, "score": None, "vectors": None}

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Drop a mismatch; of the rest remove false captions, and note measures and key frames."""
        if decision.drop is not None:
            return decision.drop
        note = decision.note or {}
        keys = tuple(int(key) for key in note.get("keys", ()) if not sample.frames or key < len(sample.frames))
        false = set(note.get("false", ()))
        captions = tuple(caption for caption in sample.captions if said_digest(caption.text) not in false)
        return Keep(
            sample.having(
                captions=captions, measures=dict(note.get("measures", {})), key_frames=keys or sample.key_frames
            )
        )

    def key_frames(self, scores: Sequence[float | None], times: Sequence[float]) -> list[int]:
        """Return the places of the pictures that fit best, best first and far enough apart in time.

        Equal scores say nothing: then the picture nearest to the middle of the clip is the best.
        """
        told = [place for place, score in enumerate(scores) if score is not None]
        if not told:
            return []
        middle = (times[0] + times[-1]) / 2
        order = sorted(told, key=lambda place: (-(scores[place] or 0.0), abs(times[place] - middle), place))
        chosen: list[int] = []
        for place in order:
            if len(chosen) < self.config.key_frames and all(
                abs(times[place] - times[other]) >= self.config.key_gap for other in chosen
            ):
                chosen.append(place)
        return chosen

    def _decide(self, row: Row, threshold: float, placed: tuple[int, int] | None) -> Decision:
        if row.get("unbound"):
            return Decision(Drop("answer-unbound", "vector of other pictures or another text"))
        score, false = row["score"], row.get("false") or {}
        measures: dict[str, Measure] = {
            f"consistency.{verdict}": row["claims"][verdict] for verdict in VERDICTS if row.get("claims")
        }
        if score is not None:
            measures["consistency.score"] = score
        if placed is not None:
            measures |= {"consistency.rank": placed[0], "consistency.rivals": placed[1] - 1}
        drops = self.config.contradicted == "drop"
        if drops and false and len(false) == row.get("captions"):
            return Decision(Drop("caption-mismatch", f"not so: {next(iter(false.values()))}", measures))
        if score is not None and score < threshold - SAME:
            return Decision(Drop("caption-mismatch", f"score {score:.3f} under {threshold:.3f}", measures))
        if placed is not None and self.config.max_rank is not None and placed[0] > self.config.max_rank:
            detail = f"{placed[0] - 1} of {placed[1] - 1} other clips fit the caption better"
            return Decision(Drop("caption-mismatch", detail, measures))
        return Decision(note={"measures": measures, "keys": row["keys"], "false": list(false) if drops else []})


_NO_CLAIMS: Row = {"claims": {}, "false": {}}


def _claims(sample: Sample, stills: Sequence[Stills]) -> tuple[Row, Caption]:
    """Return the row of a sample with the verdicts on its captions, and the caption that the embedder judges."""
    pictures = [picture for one in stills for picture in one.rgb]
    times = [picture.time for one in stills for picture in one.pictures]
    evidence = Watched(pictures, times, sample.facts)
    # Of several shots only their looks are compared: what was measured over time is that of single shots.
    evidence.still = len(stills) > 1 or sample.facts.get("caption_scope") == "video"
    counts: Counter[str] = Counter(dict.fromkeys(VERDICTS, 0))
    false: dict[str, str] = {}
    captions = source_captions(sample)
    for caption in captions:
        verdicts = judged(caption.text, evidence)
        counts.update(verdicts.values())
        wrong = next((claim for claim, verdict in verdicts.items() if verdict == "contradicted"), "")
        if wrong:
            false[said_digest(caption.text)] = wrong
    left = [caption for caption in captions if said_digest(caption.text) not in false]
    row: Row = {
        "score": None, "keys": [], "dataset": sample.source.dataset, "claims": dict(counts), "false": false,
        "captions": len({caption.text for caption in captions}),
    }  # fmt: skip
    return row, (left or captions)[0]


def _candidates(sample: Sample, stills: Stills, frames: int) -> list[int]:
    """Return the places of pictures that may become key frames: clear ones that do not stand for the clip in pairs.

    Where all of those are unclear, others that are clear; none where no picture can stand alone.
    """
    start = sample.clip.start if sample.clip else 0.0
    cuts = [start + float(cut) for cut in sample.facts.get("cuts") or ()]
    fit_to_see = clear(stills.rgb, [picture.time for picture in stills.pictures], cuts)
    others = sorted(set(fit_to_see) - set(uniform(len(stills.pictures), frames)))
    return others or sorted(fit_to_see)


def _pictures(stills: Stills) -> list[Picture]:
    """Return the pictures with their pixels."""
    return [replace(picture, pixels=rgb) for picture, rgb in zip(stills.pictures, stills.rgb, strict=True)]


def _is_bound(items: Sequence[Item], vectors: Sequence[Vector]) -> bool:
    """Tell whether each vector was made from just what was sent for it."""
    for item, vector in zip(items, vectors, strict=True):
        if vector.values is None:
            continue
        if vector.bound != tuple(picture.digest for picture in item.pictures):
            return False
        if vector.said and vector.said != said_digest(item.text):
            return False
    return True


def source_captions(sample: Sample) -> list[Caption]:
    """Return the captions that a clip is judged by: those that came with its source, else the first by a model."""
    told = [caption for caption in sample.captions if caption.frame is None and caption.text.strip()]
    return [caption for caption in told if caption.origin != "model"] or told[:1]


def told_together(sample: Sample, other: Sample) -> bool:
    """Tell whether one caption speaks of both: of the clip itself, or of the shots of one video."""
    if sample.facts.get("caption_scope") != "video":
        return sample.key == other.key
    return sample.record_id == other.record_id


def is_whole(samples: Sequence[Sample], place: int) -> bool:
    """Tell whether all that the caption of a sample speaks of is there: of a cut video, every shot."""
    sample = samples[place]
    if sample.clip is None or sample.facts.get("caption_scope") != "video":
        return True
    return sum(told_together(sample, other) for other in samples) == sample.clip.of


def fit(text: Vector, pictures: Vector) -> float | None:
    """Return the cosine of two unit vectors, rounded; None where the embedder abstains from either."""
    if text.values is None or pictures.values is None:
        return None
    return round(float(np.dot(text.values.astype(np.float64), pictures.values.astype(np.float64))), 6)
