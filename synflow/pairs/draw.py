"""What of a clip goes into its pairs: which captions, pictures and segments are drawn.

Pure: chance comes in as `rng`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from synflow.asks import Picture
from synflow.pairs import image_digest, segment_video, segments, uniform, video_of
from synflow.records import Caption, Pair, Sample, Style, Video

BLACK_LEVEL = 24
"""A pixel at most this bright (of 255) counts as black; a picture is black when 98 % of its pixels are."""

CELLS = 9, 16
"""Rows and columns of the coarse picture by which a segment is asked whether anything happens in it."""

LEAST_CHANGE = 4.0
"""By how much the brightness of one cell must change for that, of 255; ours. Noise and flicker of codecs give 2."""

MOST_SHARED = 0.6
"""Share of common words from which two captions of a clip are hardly two descriptions of it; ours."""


@dataclass
class Album:
    """A sample with its stored pictures at hand, and the pairs made of it so far.

    Attributes:
        pictures: the stored pictures, in order; empty where the sample has no clip.
        black: which of them show nothing.
        clear: which of them can stand alone as a picture: neither black, blank, blurred nor next to a cut.
        coarse: brightness of each in a few cells (`cells`), ``[pictures, *CELLS]``.
        refused: composed texts that were asked for and could not be used; unfit: that a judge found not to fit.
    """

    sample: Sample
    pictures: tuple[Picture, ...]
    black: tuple[bool, ...]
    clear: frozenset[int] = frozenset()
    coarse: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, *CELLS), np.float32))
    pairs: list[Pair] = field(default_factory=list)
    refused: int = 0
    unfit: int = 0

    @classmethod
    def of(cls, sample: Sample, pictures: Sequence[Picture], rgb: npt.NDArray[np.uint8], clear: Iterable[int]) -> Album:
        """Return the album of pictures and their pixels, uint8 ``[n, h, w, 3]``."""
        black = tuple(is_black(one) for one in rgb)
        return cls(sample, tuple(pictures), black, frozenset(clear), cells(rgb))

    def usable(self, indices: Sequence[int]) -> bool:
        """Tell whether more than half of these pictures are not black."""
        return 2 * sum(self.black[i] for i in indices) < len(indices)

    def stirs(self, first: int, end: int) -> bool:
        """Tell whether anything happens from picture ``first`` to ``end - 1``: else they are one picture over again."""
        part = self.coarse[first:end]
        return bool(np.ptp(part, axis=0).max(initial=0.0) >= LEAST_CHANGE) if len(part) else False

    def whole(self, n: int) -> bool:
        """Tell whether the clip as a whole can stand in a pair."""
        return bool(self.pictures) and self.usable(uniform(len(self.pictures), n))

    def key_frame(self, n: int) -> int | None:
        """Return the key frame for i2v: the best that the ``n`` pictures of the whole clip do not show.

        A picture that the target shows too would be found by comparing pixels. Without chosen key frames it is the
        picture nearest to the middle. None where none is clear.
        """
        count = len(self.pictures)
        chosen = [k for k in self.sample.key_frames if k < count]
        order = chosen or sorted(range(count), key=lambda i: (abs(2 * i + 1 - count), i))
        bright = [k for k in order if k in self.clear]
        in_target = set(uniform(count, n)) if count else set()
        return next((k for k in bright if k not in in_target), bright[0] if bright else None)

    def picture(self, rng: random.Random, end: float) -> int | None:
        """Draw a clear picture from the part before ``end`` (0..1) of the clip."""
        fitting = sorted(index for index in self.clear if index < end * len(self.pictures))
        return rng.choice(fitting) if fitting else None

    def siblings(self, albums: Sequence[Album], n: int, later: bool = False) -> list[Album]:
        """Return the other clips of the same record, only those after this one where ``later``."""
        own = self.sample.clip
        found = []
        for album in albums:
            clip = album.sample.clip
            if own is None or clip is None or clip.id == own.id or album.sample.record_id != self.sample.record_id:
                continue
            if album.whole(n) and (not later or clip.start >= own.end - 0.05):
                found.append(album)
        return found

    def video(self, albums: Sequence[Album], n: int) -> Video | None:
        """Return the whole video that this clip is the first shot of, shown by ``n`` pictures of all its shots.

        None where it has one shot only, or where not all of them are there.
        """
        own = self.sample.clip
        if own is None or own.place or own.of < 2 or self.sample.facts.get("caption_scope") != "video":
            return None
        shots = [album for album in albums if album.sample.record_id == self.sample.record_id and album.whole(n)]
        shots.sort(key=lambda album: album.sample.clip.start if album.sample.clip else 0.0)
        frames = tuple(frame for album in shots for frame in album.sample.frames)
        last = shots[-1].sample.clip
        if len(shots) != own.of or last is None or len({album.sample.frames_object for album in shots}) != 1:
            return None
        return video_of(self.sample.having(frames=frames), uniform(len(frames), n), own.start, last.end)


@dataclass(frozen=True)
class Bounds:
    """Which segments may be drawn: seconds, and the largest part of a clip; short clips are not cut at all."""

    shortest: float
    longest: float
    share: float
    min_clip: float


def cells(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the brightness of pictures (uint8 ``[n, h, w, 3]``) in a few cells each, ``[n, *CELLS]``, 0 to 255."""
    rows, columns = CELLS
    small = [cv2.resize(one[..., 1], (columns, rows), interpolation=cv2.INTER_AREA) for one in rgb]
    return np.stack(small).astype(np.float32)


def is_black(rgb: npt.NDArray[np.uint8]) -> bool:
    """Tell whether a picture (uint8 ``[h, w, 3]``) shows nothing."""
    red, green, blue = (rgb[::2, ::2, channel] for channel in range(3))
    brightest = np.maximum(np.maximum(red, green), blue)
    return bool(np.count_nonzero(brightest <= BLACK_LEVEL) >= 0.98 * brightest.size)


def draw_segment(
    album: Album, rng: random.Random, n: int, bounds: Bounds, begin: float = 0.0, end: float = 1.0
) -> Video | None:
    """Draw a segment that lies between ``begin`` and ``end`` (0..1) of the clip; None where there is none.

    It lies in one shot, is not black for the most part, and something happens in it.
    """
    sample = album.sample
    if sample.clip is None or sample.clip.duration < bounds.min_clip:
        return None
    count = len(sample.frames)
    fitting = [
        (a, b)
        for a, b in segments(sample, bounds.shortest, bounds.longest, bounds.share)
        if a >= begin * count and b <= end * count and album.usable(range(a, b)) and _in_one_shot(sample, a, b)
        if album.stirs(a, b)
    ]
    return segment_video(sample, *rng.choice(fitting), n) if fitting else None


def _in_one_shot(sample: Sample, first: int, end: int) -> bool:
    """Tell whether no cut lies between the stored pictures ``first`` and ``end - 1`` of a clip."""
    if sample.clip is None:
        return False
    part = sample.clip.duration / len(sample.frames)
    return not any(first * part < float(cut) < end * part for cut in sample.facts.get("cuts") or ())


def fitting_captions(sample: Sample, bound: str, weights: Mapping[Style, float]) -> list[Caption]:
    """Return the captions of the clip that may stand beside the pictures ``bound``, no text twice.

    A text by a model must be bound to just these pictures; a text that came with the source speaks of the clip, or,
    where the clip is one of several shots, of all of them: then it stands beside this one only if nothing else does.
    One with a contradicted claim is not used.
    """
    found: dict[str, Caption] = {}
    for caption in sample.captions:
        fits = caption.bound == bound if caption.origin == "model" else True
        good = caption.text.strip() and caption.frame is None and "contradicted" not in caption.verdicts.values()
        if fits and good and weights.get(caption.style, 0.0) > 0:
            found.setdefault(plain(caption.text), caption)
    own = {text: caption for text, caption in found.items() if caption.origin == "model"}
    if own and sample.facts.get("caption_scope") == "video":
        found = own
    return list(found.values())


def repeats(sample: Sample) -> Mapping[str, int]:
    """Return plain text -> how often it stands among the captions by a model: once, and for each that it replaces."""
    return Counter(plain(c.text) for c in sample.captions if c.frame is None and c.origin == "model")


def draw_captions(
    rng: random.Random,
    captions: Sequence[Caption],
    weights: Mapping[Style, float],
    wanted: int,
    times: Mapping[str, int] | None = None,
) -> list[Caption]:
    """Draw up to ``wanted`` captions without replacement, by the weights of their styles.

    Args:
        rng: draws.
        captions: no text twice.
        weights: of the styles.
        wanted: how many.
        times: plain text -> how often it stands for the clip (`repeats`), which raises its chance; default: once.
    """
    often = times or {}
    left = list(captions)
    drawn: list[Caption] = []
    while left and len(drawn) < wanted:
        (place,) = rng.choices(range(len(left)), [weights[c.style] * often.get(plain(c.text), 1) for c in left])
        drawn.append(left.pop(place))
    return drawn


def draw_couples(
    rng: random.Random, left: Sequence[Caption], drawn: Sequence[Caption], wanted: int
) -> list[tuple[Caption, Caption]]:
    """Draw up to ``wanted`` couples of captions; at least one of each couple is among those that t2v ``left``.

    A text that contains the other makes no couple: nothing is learned from finding it. Texts that share most of
    their words come last.
    """
    couples = [(a, b) for a in left for b in left if a is not b]
    if len(left) == 1:
        couples = [c for b in drawn for c in ((left[0], b), (b, left[0]))]
    couples = [(a, b) for a, b in couples if plain(a.text) not in plain(b.text) and plain(b.text) not in plain(a.text)]
    rng.shuffle(couples)
    couples.sort(key=lambda c: shared_words(c[0].text, c[1].text) > MOST_SHARED)
    taken: list[tuple[Caption, Caption]] = []
    for one, other in couples:
        if len(taken) < wanted and not any({id(one), id(other)} == {id(a), id(b)} for a, b in taken):
            taken.append((one, other))
    return taken


def draw_frame_captions(album: Album, rng: random.Random, wanted: int) -> list[Caption]:
    """Draw up to ``wanted`` captions of single pictures, each bound to the picture that it names."""
    fitting = [
        c
        for c in album.sample.captions
        if c.frame is not None
        and 0 <= c.frame < len(album.pictures)
        and c.frame in album.clear
        and c.text.strip()
        and c.bound == image_digest(album.sample.frames[c.frame])
        and "contradicted" not in c.verdicts.values()
    ]
    rng.shuffle(fitting)
    return fitting[:wanted]


def caption_about(sample: Sample) -> str:
    """Return the text that best says what a clip shows, for the question about a composed pair; may be empty."""
    order: tuple[Style, ...] = ("summary", "raw", "abstract", "dense", "partial")
    texts = {c.style: c.text for c in reversed(sample.captions) if c.frame is None}
    return next((texts[s] for s in order if texts.get(s)), "")


def source_caption(sample: Sample) -> str:
    """Return the first text that came with the source and is not refuted, on one line; empty where there is none."""
    for caption in sample.captions:
        if caption.origin != "model" and caption.text.strip() and "contradicted" not in caption.verdicts.values():
            return " ".join(caption.text.split())
    return ""


def shared_words(one: str, other: str) -> float:
    """Return the share (0..1) of the words of the poorer text that the other one has too."""
    words, more = (set(plain(t).split()) for t in (one, other))
    return len(words & more) / max(1, min(len(words), len(more)))


def plain(text: str) -> str:
    """Return a text without what does not tell two texts apart: case and white space."""
    return " ".join(text.casefold().split())
