"""Partners: finds for each clip other videos of the run that a composed query might lead to from it.

The paper writes composed queries for a reference and a target without saying where the target comes from. Within one
video it can only be another moment. Here every clip gets up to three partners among all other videos: one of a scene
that looks alike, one with the same subject in another place, one in which a thing has another colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field, model_validator

from stages.near.kin import Bounds, Kin, look_of, place_of
from stages.rules.kinship import COLOR_NAMES, colored, number_of, tokens
from synflow.contract import Context, CorpusStage, Decision, Item, Keep, Outcome, Row, StageConfig
from synflow.pairs import uniform
from synflow.records import Sample


class PartnersConfig(StageConfig):
    """How partners are found; the paper says nothing of it: all of this is ours.

    Attributes:
        alike: how far the looks of two clips of one scene may be apart: root mean square over 4 x 4 parts of the
            picture, in units of CIE Lab (1 is hardly seen, 100 is from black to white).
        other: how far they must be apart where the same subject shall be in another place.
    """

    alike: float = Field(14.0, gt=0, le=100)
    other: float = Field(18.0, gt=0, le=100)

    @model_validator(mode="after")
    def _apart(self) -> PartnersConfig:
        """Refuse that two clips are alike and different at once."""
        if self.alike >= self.other:
            raise ValueError("alike must be less than other")
        return self


class Partners:
    """Names for each clip up to three other videos of the run, for composed pairs; drops nothing.

    Scenes that look alike are the nearest by a learned embedder, else by the looks themselves; the same subject is a
    telling word (or couple of words) that few captions have, in pictures that look different; an attribute is the
    colour that captions give one thing. Neighbours are exact up to 4,096 clips; in a larger run clips are put into
    cells around clips that the seed draws, and compared within their cell.
    """

    name: ClassVar[str] = "partners"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = PartnersConfig
    rank: ClassVar[int] = 60
    uses: ClassVar[frozenset[str]] = frozenset({"media", "embed"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip", "crop", "captions.text", "captions.frame"})
    reasons: ClassVar[Mapping[str, str]] = {}
    settles: ClassVar[frozenset[str]] = frozenset({"alike", "other"})

    def __init__(self, config: PartnersConfig | None = None) -> None:
        self.config = config or PartnersConfig()

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return how each clip looks, what its captions name, and where a learned embedder places it."""
        rows: list[Row | None] = []
        learned = bool(getattr(ctx.embed, "learned", True))
        for sample in samples:
            if sample.clip is None:
                rows.append(None)
                continue
            stills = ctx.media.stills(sample)
            chosen = uniform(len(stills.rgb), ctx.frames)
            said = " . ".join(caption.text for caption in sample.captions if caption.frame is None)
            row: Row = {
                "key": sample.key,
                "record": sample.record_id,
                "source": sample.clip.facts.digest,
                "look": look_of(stills.rgb[list(chosen)]),
                "tokens": [number_of(token) for token in tokens(said)],
                "colored": [[number_of(t), COLOR_NAMES.index(c)] for t, c in sorted(colored(said).items())],
            }
            if learned:
                (vector,) = ctx.embed.embed([Item(pictures=tuple(stills.pictures[index] for index in chosen))])
                if vector.values is not None:
                    row["place"] = place_of(vector.values)
            rows.append(row)
        return rows

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return for each row the keys of its partners, and what each is to it."""
        kin = Kin(rows, seed, Bounds(self.config.alike, self.config.other))
        return [
            Decision(
                note=[[kin.keys[one.place], one.kind, round(one.apart, 2)] for one in found],
                beside=tuple(kin.keys[one.place] for one in found),
            )
            for found in kin.partners()
        ]

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Note who the partners are; `expand` makes pairs with them."""
        partners = decision.note or []
        return Keep(sample.having(facts={"partners": partners}, measures={"partners.found": len(partners)}))


_: type[CorpusStage] = Partners
