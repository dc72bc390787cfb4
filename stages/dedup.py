"""Dedup: of clips that are copies of one another across the whole run, the best stays."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from synflow.contract import Context, CorpusStage, Decision, Drop, Keep, Outcome, Row, StageConfig
from synflow.ids import rng_of
from synflow.media.signature import Thumbs, compare, hashes, pack, thumbnails, unpack
from synflow.records import Sample

TABLES = 16
"""Hash tables; a copy with an eighth of its bits flipped is found in one of them with p > 0.9 per picture."""


class DedupConfig(StageConfig):
    """How copies are looked for. The paper has no such step: all of this is ours.

    Attributes:
        scope: ``run``: across all clips of the run.
        same_span: share of their common length that two spans of one file must have in common to be copies.
        most_candidates: entries of one hash bucket that are compared with each other; bounds the work.
    """

    scope: Literal["run"] = "run"
    same_span: float = Field(0.7, gt=0, le=1)
    most_candidates: int = Field(48, ge=2)


class Dedup:
    """Drops all but the best of each group of copies: same bytes, or the same pictures in the same order.

    Another codec, size, rate, speed, crop, border, brightness or mirroring, and an excerpt of a longer clip, are
    copies; two takes of one scene are not. The best has the most pixels, then the greatest length, then the most said
    of it. Every dropped clip is a copy of the very clip that its detail names.
    """

    name: ClassVar[str] = "dedup"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = DedupConfig
    rank: ClassVar[int] = 10
    uses: ClassVar[frozenset[str]] = frozenset({"media"})
    reads: ClassVar[frozenset[str]] = frozenset({"clip", "captions.text"})
    reasons: ClassVar[Mapping[str, str]] = {"near-duplicate": "a copy of the clip that the detail names"}
    decides: ClassVar[frozenset[str]] = frozenset(DedupConfig.model_fields)

    def __init__(self, config: DedupConfig | None = None) -> None:
        self.config = config or DedupConfig()

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return, for each clip, its fingerprint (at most 11 KB) and what makes it the better copy."""
        rows: list[Row | None] = []
        for sample in samples:
            if sample.clip is None:
                rows.append(None)
                continue
            scan = ctx.media.scan(sample)
            part = scan.within(sample.clip.start, sample.clip.end)
            part = part if len(part.times) else scan
            facts = sample.clip.facts
            said = sum(len(caption.text.split()) for caption in sample.captions)
            rows.append(
                {
                    "clip": sample.clip.id,
                    "source": facts.digest,
                    "span": [sample.clip.start, sample.clip.end],
                    "pixels": facts.width * facts.height,
                    "said": min(said, 200),
                    "thumbs": pack(thumbnails(part.times, part.luma)),
                }
            )
        return rows

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return a drop for each row that is a copy of a better one."""
        prints = [unpack(row["thumbs"]) for row in rows]
        alike: dict[int, set[int]] = defaultdict(set)
        for one, other in self._candidates(rows, prints):
            if self._same_bytes(rows[one], rows[other]) or compare(prints[one], prints[other]).copy:
                alike[one].add(other)
                alike[other].add(one)
        kept_by: dict[int, int] = {}
        for place in sorted(range(len(rows)), key=lambda place: (_worth(rows[place]), place)):
            better = [other for other in sorted(alike[place]) if kept_by.get(other) == other]
            kept_by[place] = better[0] if better else place
        return [self._decision(rows, prints, place, kept_by[place]) for place in range(len(rows))]

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Drop a copy; note the hash of the middle picture of the rest."""
        if decision.drop is not None:
            return decision.drop
        return Keep(sample.having(measures={"dedup.phash": str(decision.note["phash"])}))

    @staticmethod
    def _decision(rows: Sequence[Row], prints: Sequence[Thumbs], place: int, kept: int) -> Decision:
        middle = prints[place][len(prints[place]) // 2 :][:1]
        phash = f"{int(hashes(middle)[0]):016x}"
        if kept == place:
            return Decision(note={"phash": phash})
        return Decision(Drop("near-duplicate", rows[kept]["clip"], {"dedup.phash": phash}))

    def _same_bytes(self, one: Row, other: Row) -> bool:
        """Tell whether two rows are mostly the same span of one file."""
        if one["source"] != other["source"]:
            return False
        (a, b), (c, d) = one["span"], other["span"]
        common = min(b, d) - max(a, c)
        return bool(common >= self.config.same_span * max(b - a, d - c))

    def _candidates(self, rows: Sequence[Row], prints: Sequence[Thumbs]) -> list[tuple[int, int]]:
        """Return the pairs that share a file or a hash bucket (locality-sensitive hashing), in order."""
        pairs: set[tuple[int, int]] = set()
        files: dict[str, list[int]] = defaultdict(list)
        for place, row in enumerate(rows):
            files[row["source"]].append(place)
        for members in files.values():
            pairs.update(_near(members, self.config.most_candidates))
        total = sum(len(thumbs) for thumbs in prints)
        width = int(np.clip(math.log2(max(2, total)) + 1, 10, 24))
        owner = np.repeat(np.arange(len(prints)), [len(thumbs) for thumbs in prints])
        plain = np.concatenate([hashes(thumbs) for thumbs in prints]) if prints else np.zeros(0, np.uint64)
        turned = np.concatenate([hashes(thumbs, mirrored=True) for thumbs in prints]) if prints else plain
        for table in range(TABLES):
            bits = sorted(rng_of("dedup", table).sample(range(63), width))
            for members in _buckets(_pick(plain, bits), _pick(turned, bits), owner):
                pairs.update(_near(members, self.config.most_candidates))
        return sorted(pairs)


def _worth(row: Row) -> tuple[float, float, int]:
    """Return what sorts the better copy first: size in steps of a fifth, length, words."""
    length = row["span"][1] - row["span"][0]
    return -round(math.log(max(1, row["pixels"])) / math.log(1.2)), -round(length, 1), -row["said"]


def _near(members: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of different members, each with the next ``most`` ones at most."""
    for place, one in enumerate(members):
        for other in members[place + 1 : place + 1 + most]:
            if one != other:
                yield min(one, other), max(one, other)


def _pick(words: npt.NDArray[np.uint64], bits: Sequence[int]) -> npt.NDArray[np.uint64]:
    """Return the words made of the chosen bits."""
    out = np.zeros(len(words), np.uint64)
    for place, bit in enumerate(bits):
        out |= ((words >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return out


def _buckets(
    plain: npt.NDArray[np.uint64], turned: npt.NDArray[np.uint64], owner: npt.NDArray[np.int64]
) -> Iterator[list[int]]:
    """Yield the owners that meet in a bucket, each once and in order; mirrored ones meet plain ones."""
    keys = np.concatenate([plain, turned])
    owners = np.concatenate([owner, owner])
    order = np.lexsort((owners, keys))
    keys, owners = keys[order], owners[order]
    edges = np.flatnonzero(np.diff(keys)) + 1
    for group in np.split(owners, edges):
        members = np.unique(group)
        if len(members) > 1:
            yield [int(member) for member in members]


_: type[CorpusStage] = Dedup
