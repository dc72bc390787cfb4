"""Whether two clips are copies of one another, by their fingerprints.

Pictures are matched in order of time, whatever the speed, and must agree both in what they show and in **how it
changes**. So two takes of one scene, which agree in nearly every pixel, are told apart by what moves in them. One of
the clips may show a part of the picture of the other (cut borders, zoomed), its mirror image, or a part of its time.
Clips in which nothing moves are copies only if they agree in every corner. The method is ours.

Pairs are compared many at a time: what is cheap is asked of all of them, and what is dear of those that are left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synflow.media.crops import GAIN, best_part, cut, fit, looks
from synflow.media.detail import same_detail
from synflow.media.matching import Clips, Counts, Matched, Near, correlations, match, usual
from synflow.media.signature import DETAIL, PIXELS, SIDE, STILL_CHANGE, Signature, Unit, energy, unit

GLIMPSE = 0.55
"""Correlation that some picture of one clip must have with one of the other for a closer look."""

FAINT = 0.45
"""Mean correlation with the nearest picture of the other clip, over those of the one that is contained in it."""

FIT = 0.7
"""Mean correlation of the three pictures that fit best, in the best view, for the whole course to be compared."""

STILL_ALIKE, DETAIL_ALIKE = 0.98, 0.94
"""Correlation that clips without motion need, and that they need where their details are compared then."""

BLANK = 6.0
"""Spread of a thumbnail, in its levels, under which it shows nothing: about one grey level. Two clips that fade in
from black agree in that, but what the codec made of it has no likeness to anything."""

FEWEST_SHOWN = 3

STEP = 8
"""Clips are filled up to a multiple of so many pictures, so that those of a batch are of one shape."""

BATCH = 3072
"""Pictures of one side of the pairs that are compared at a time; as much as a processor holds at hand."""


@dataclass(frozen=True)
class Likeness:
    """How alike two clips are.

    Attributes:
        alike: mean correlation of the matched thumbnails, without the most different part of the picture.
        change: correlation of how they change over time; 0 where nothing moves.
        copy: the verdict.
    """

    alike: float
    change: float
    copy: bool


@dataclass(frozen=True)
class Seen:
    """A fingerprint ready to be compared.

    Attributes:
        plain: unit pictures ``[k, 144]``, but for blank ones where at least three others are left.
        detail: the picture of a clip without motion, float32 ``[32, 32]``, mean 0 and spread 1; otherwise None.
    """

    plain: Unit
    detail: Unit | None = None

    @classmethod
    def of(cls, found: Signature) -> Seen:
        """Return what comparing needs of a fingerprint."""
        return cls.all([found])[0]

    @classmethod
    def all(cls, found: Sequence[Signature]) -> list[Seen]:
        """Return the same of many."""
        if not found:
            return []
        thumbs = np.concatenate([one.thumbs for one in found])
        pictures, shows = unit(thumbs), thumbs.std(axis=(1, 2)) >= BLANK
        ends = np.cumsum([len(one.thumbs) for one in found]).tolist()
        plain = [_shown(pictures[begin:end], shows[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
        return [cls(rows, _detail(one)) for rows, one in zip(plain, found, strict=True)]


def _shown(pictures: Unit, shows: npt.NDArray[np.bool_]) -> Unit:
    return pictures[shows] if FEWEST_SHOWN <= shows.sum() < len(shows) else pictures


def _detail(found: Signature) -> Unit | None:
    return None if found.detail is None else unit(found.detail[None]).reshape(DETAIL, DETAIL) * DETAIL


def compare(one: Seen, other: Seen) -> Likeness:
    """Return how alike two clips are, whichever of them is the longer, the mirrored or the cropped one."""
    return compare_all([(one, other)])[0]


def compare_all(pairs: Sequence[tuple[Seen, Seen]]) -> list[Likeness]:
    """Return how alike the clips of each pair are, as `compare` does; for a hundred pairs in a tenth of the time."""
    shapes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        shapes[_filled(pair[0]), _filled(pair[1])].append(place)
    out: list[Likeness] = [Likeness(0.0, 0.0, False)] * len(pairs)
    for shape, places in sorted(shapes.items()):
        size = max(1, BATCH // max(shape))
        for begin in range(0, len(places), size):
            chosen = places[begin : begin + size]
            for place, found in zip(chosen, _compared([pairs[one] for one in chosen], *shape), strict=True):
                out[place] = found
    return out


def parts(video: Seen, clip: Seen) -> Iterator[Seen]:
    """Yield the beginning and the end of a video: a clip that was cut elsewhere may show just these of it."""
    for count in (8, 16):
        if count < len(video.plain) and len(clip.plain) >= count // 2:
            for inside in (slice(0, count), slice(-count, None)):
                if energy(video.plain[inside]) >= STILL_CHANGE:
                    yield Seen(video.plain[inside])


def _filled(seen: Seen) -> int:
    return -(-len(seen.plain) // STEP) * STEP


def _stacked(clips: Sequence[Seen], most: int) -> tuple[Clips, Counts]:
    out = np.zeros((len(clips), most, PIXELS), np.float32)
    for place, clip in enumerate(clips):
        out[place, : len(clip.plain)] = clip.plain
    return out, np.array([len(clip.plain) for clip in clips])


@dataclass
class _Pairs:
    """Pairs of clips that are compared together, as they are or one of each mirrored.

    Attributes:
        places: which of all pairs they are, ``[n]``.
        ones, others: their pictures.
        counts, other_counts: how many.
        still: see `match`.
        near: correlations of their pictures.
    """

    places: npt.NDArray[np.int64]
    ones: Clips
    others: Clips
    counts: Counts
    other_counts: Counts
    still: npt.NDArray[np.float32]
    near: Near

    def of(self, chosen: npt.NDArray[np.bool_]) -> _Pairs:
        """Return some of them."""
        return _Pairs(*(value[chosen] for value in vars(self).values()))

    def matched(self) -> Matched:
        """Match the one to the other, and the other to the one."""
        counts, other_counts = self.counts, self.other_counts
        found = match(self.ones, self.others, self.near, counts, other_counts, self.still)
        left = np.flatnonzero(~found.copy)
        back = self.near[left].transpose(0, 2, 1)
        again = match(self.others[left], self.ones[left], back, other_counts[left], counts[left], self.still[left])
        found.better(left, again)
        return found

    def cut(self, which: npt.NDArray[np.int64], whole: bool) -> _Pairs:
        """Return them with parts in place of the others, or of the ones."""
        ones, others = (cut(self.ones, which), self.others) if whole else (self.ones, cut(self.others, which))
        near = correlations(ones, others, self.counts, self.other_counts)
        return _Pairs(self.places, ones, others, self.counts, self.other_counts, self.still, near)


def _compared(pairs: Sequence[tuple[Seen, Seen]], most: int, other_most: int) -> list[Likeness]:
    """Return how alike the clips of pairs are that have up to so many pictures."""
    ones, counts = _stacked([one for one, _ in pairs], most)
    others, other_counts = _stacked([other for _, other in pairs], other_most)
    detailed = np.array([one.detail is not None and other.detail is not None for one, other in pairs])
    still = np.where(detailed, DETAIL_ALIKE, STILL_ALIKE).astype(np.float32)
    out = Matched.nothing(len(pairs))
    for turned in (False, True):
        left = np.flatnonzero(~out.copy)
        there = others[left]
        if turned:
            there = there.reshape(*there.shape[:2], SIDE, SIDE)[..., ::-1].reshape(there.shape)
        near = correlations(ones[left], there, counts[left], other_counts[left])
        found = _searched(_Pairs(left, ones[left], there, counts[left], other_counts[left], still[left], near))
        for place in np.flatnonzero(found.copy & detailed[left]):
            one, other = pairs[left[place]]
            found.copy[place] = same_detail(one.detail, other.detail, turned)
        out.better(left, found)
    return [
        Likeness(float(alike), float(change), bool(copy))
        for alike, change, copy in zip(out.alike, out.change, out.copy, strict=True)
    ]


def _searched(pairs: _Pairs) -> Matched:
    """Compare pairs as they are, and where that does not show copies, with the part of one that fits the other best."""
    out = Matched.nothing(len(pairs.places))
    near = pairs.near
    back = near.transpose(0, 2, 1)
    worth = (near.max(axis=(1, 2)) >= GLIMPSE) & (
        np.maximum(usual(near, pairs.counts), usual(back, pairs.other_counts)) >= FAINT
    )
    places = np.flatnonzero(worth)
    if len(places) == 0:
        return out
    pairs = pairs.of(worth)
    every = np.arange(len(places))[:, None]
    rows, columns, new = looks(pairs.near, pairs.counts)
    whole_fit = fit(pairs.near[every, rows, columns], new)
    good = whole_fit >= FIT
    if good.any():
        out.better(places[good], pairs.of(good).matched())
    left = np.flatnonzero(~out.copy[places])
    ones, others = pairs.ones[left], pairs.others[left]
    some, other_some = ones[every[: len(left)], rows[left]], others[every[: len(left)], columns[left]]
    for whole, (parted, shown) in enumerate(((other_some, ones), (some, others))):
        if len(left) == 0:
            break
        part_fit, which = best_part(parted, shown, new[left])
        better = (part_fit > whole_fit[left] + GAIN) & (part_fit >= FIT)
        chosen = np.zeros(len(places), np.bool_)
        chosen[left[better]] = True
        if better.any():
            out.better(places[chosen], pairs.of(chosen).cut(which[better], bool(whole)).matched())
    return out
