"""Copies among the clips of a corpus, and of what is forbidden; the best of a group stays.

The rows of all clips may be far more than memory holds. They are read twice: once in order, to keep hashes and facts
(about 1 KB a clip), and then those of the candidates, a few thousand at a time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stages.near.buckets import Entries, candidates, courses_apart
from stages.near.gather import Gather
from stages.near.likewise import alike_courses, course_entries, unpacked_course
from stages.near.pairs import Pairs
from synflow.contract import Row
from synflow.hashlist import Banned, HashList
from synflow.media.signature import Signature

APART, APART_OF_MANY, MANY = 17.0, 13.0, 300_000
"""Bits of 63 by which the pictures of a copy may differ from the nearest of the other clip, on average: where pairs are
few, and where there are ``MANY`` or more."""


NEARER = 5.0
"""Bits by which their middles must differ less than the whole pictures, for less can be seen in them."""


@dataclass(frozen=True)
class Verdict:
    """What is found of a clip.

    Attributes:
        phash: hash of its middle picture, hexadecimal.
        copy_of: the clip that stays in its place; empty where it stays itself.
        banned: the list and the video that it is a copy of, where that is forbidden.
        captions: hash of a caption that is forbidden -> the list and its name there.
    """

    phash: str
    copy_of: str = ""
    banned: str = ""
    captions: Mapping[str, str] = field(default_factory=dict)


class Copies:
    """Looks for copies.

    Args:
        rows: of all clips, as `stages.dedup` makes them.
        lists: of what is forbidden, by the names of their files.
        same_span: share of their common length that two spans of one file must share to be copies.
        most: entries of a bucket that one is compared with.
        embedding: cosine from which the embedder's vectors show the same; None to leave them alone.
    """

    def __init__(
        self, rows: Sequence[Row], lists: Mapping[str, HashList], same_span: float, most: int, embedding: float | None
    ) -> None:
        self._rows, self._same_span, self._most, self._embedding = rows, same_span, most, embedding
        self._banned = [(name, video) for name, one in lists.items() for video in one.videos]
        self._pairs = Pairs(self._fingerprint)
        self._read(lists)

    @property
    def compared(self) -> int:
        """How many pairs were compared so far."""
        return self._pairs.compared

    def alike(self) -> Mapping[int, Sequence[int]]:
        """Return which rows are copies of one another, by their places."""
        return self._alike()[1]

    def verdicts(self) -> Iterator[Verdict]:
        """Yield what is found of each row, in their order."""
        banned, alike = self._alike()
        stays = self._stays(banned, alike)
        for place in range(len(self._rows)):
            kept = stays.get(place, place)
            yield Verdict(
                phash=f"{int(self._middle[place]):016x}",
                copy_of=self._clips[kept].decode() if kept != place else "",
                banned=banned.get(place, ""),
                captions=self._captions.get(place, {}),
            )

    def _read(self, lists: Mapping[str, HashList]) -> None:
        """Read all rows once; keep what decides between copies, and which pairs may be copies."""
        known: dict[str, str] = {}
        for file, one in lists.items():
            for mark, name in one.captions.items():
                known.setdefault(mark, f"{file}: {name}")
        count = len(self._rows)
        clips: list[bytes] = []
        self._source, self._middle = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
        self._span, self._worth = np.zeros((count, 2)), np.zeros((count, 3), np.float32)
        self._captions: dict[int, dict[str, str]] = {}
        gather = Gather()
        for place, row in enumerate(self._rows):
            clips.append(row["clip"].encode())
            self._source[place] = int(row["source"][:16] or "0", 16) if row["source"] else 0
            self._span[place] = row["span"]
            self._worth[place] = _worth(row)
            if known:
                found = {mark: known[mark] for mark in row["captions"] if mark in known}
                if found:
                    self._captions[place] = found
            gather.add(place, row["thumbs"])
        self._middle = gather.middles(count)
        self._clips = np.array(clips, dtype=np.bytes_)
        for number, (_, video) in enumerate(self._banned):
            gather.add(count + number, video.signature)
        place_of = np.concatenate([np.argsort(self._clips, kind="stable"), count + np.arange(len(self._banned))])
        rank = np.empty(len(place_of), np.int64)
        rank[place_of] = np.arange(len(place_of))
        # Numbered by the order of their ids, so that no bucket depends on the order of the inputs.
        entries = gather.entries(rank)
        self._hashed = place_of[self._candidates(entries)]

    def _alike(self) -> tuple[dict[int, str], dict[int, list[int]]]:
        """Return which clips are forbidden, and which are alike."""
        count = len(self._rows)
        banned: dict[int, str] = {}
        alike: dict[int, list[int]] = defaultdict(list)
        same_file = self._same_file(banned)
        hashed = self._hashed
        # What is forbidden is asked first: who is gone need not be compared with the others.
        forbidden = ((one, other) for one, other in _each(hashed) if one < count <= other and one not in banned)
        for one, other in list(self._pairs.shows(forbidden)):
            banned.setdefault(one, _called(*self._banned[other - count]))
        for one, other in same_file:
            alike[one].append(other)
            alike[other].append(one)
        told = set(same_file)
        pairs = (
            (one, other)
            for one, other in _each(hashed)
            if max(one, other) < count
            and one not in banned
            and other not in banned
            and (min(one, other), max(one, other)) not in told
        )
        for one, other in self._pairs.copies(pairs):
            alike[one].append(other)
            alike[other].append(one)
        if self._embedding is not None:
            self._add_likewise(alike, banned)
        return banned, alike

    def _candidates(self, entries: Sequence[Entries]) -> npt.NDArray[np.int64]:
        """Return the pairs of which more than single pictures have hashes that are near, by their ranks.

        In each the clip whose id comes first; in the order of the ids, whatever that of the inputs is.
        """
        pairs = np.unique(np.concatenate([candidates(one, self._most) for one in entries]), axis=0)
        wholes, middles = (courses_apart(one, pairs) for one in entries)
        apart = np.minimum(wholes, middles + NEARER)
        # What is forbidden may be shown in part only, so there one picture is enough.
        apart[pairs[:, 1] >= len(self._rows)] = 0
        near = apart <= (APART if len(pairs) < MANY else APART_OF_MANY)
        pairs, apart = pairs[near], apart[near]
        first = (_rank(pairs[:, 0], apart) < self._most) | (_rank(pairs[:, 1], apart) < self._most)
        return np.asarray(pairs[first | (apart == 0)])

    def _same_file(self, banned: dict[int, str]) -> list[tuple[int, int]]:
        """Return pairs of clips that are mostly the same span of one file; note those of forbidden files."""
        files: dict[int, list[tuple[str, Banned]]] = defaultdict(list)
        for name, video in self._banned:
            files[int(video.digest[:16] or "0", 16)].append((name, video))
        order = np.lexsort((self._span[:, 0], self._source))
        pairs: list[tuple[int, int]] = []
        for place in range(len(order)):
            one = int(order[place])
            if self._source[one] == 0:
                continue
            begin, end = self._span[one]
            for name, video in files.get(int(self._source[one]), ()):
                if min(end, video.span[1] + 0.1) > max(begin, video.span[0]):
                    banned.setdefault(one, _called(name, video))
            for other in map(int, order[place + 1 : place + 1 + 4 * self._most]):
                start, stop = self._span[other]
                if self._source[other] != self._source[one] or start >= end:
                    break
                common = min(end, stop) - max(begin, start)
                if common >= self._same_span * max(end - begin, stop - start):
                    pairs.append((min(one, other), max(one, other)))
        return pairs

    def _fingerprint(self, place: int) -> str | Signature:
        """Return the fingerprint of a clip, or of what is forbidden."""
        count = len(self._rows)
        return str(self._rows[place]["thumbs"]) if place < count else self._banned[place - count][1].signature

    def _add_likewise(self, alike: dict[int, list[int]], banned: Mapping[int, str]) -> None:
        """Add pairs that the embedder takes for copies; those that pixels show to be copies are there already."""
        at_least = self._embedding or 1.0
        courses = ((place, row["course"]) for place, row in enumerate(self._rows) if row.get("course"))
        entries = course_entries(courses)
        for one, other in map(tuple, candidates(entries, self._most, near=18).tolist()):
            if one in banned or other in banned or other in alike[one]:
                continue
            here, there = (unpacked_course(self._rows[place]["course"]) for place in (one, other))
            if alike_courses(here, there, at_least):
                alike[one].append(other)
                alike[other].append(one)

    def _stays(self, banned: Mapping[int, str], alike: Mapping[int, Sequence[int]]) -> dict[int, int]:
        """Return, for each clip that has copies, the one that stays: the best of those that are kept themselves."""
        ordered = sorted(alike, key=lambda place: (*self._worth[place].tolist(), self._clips[place]))
        rank = {place: number for number, place in enumerate(ordered)}
        kept_by: dict[int, int] = {}
        for place in ordered:
            if place not in banned:
                better = [other for other in alike[place] if kept_by.get(other) == other]
                kept_by[place] = min(better, key=rank.__getitem__, default=place)
        return kept_by


def _rank(owner: npt.NDArray[np.int64], apart: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return of each pair how many others of its owner are nearer."""
    order = np.lexsort((np.arange(len(owner)), apart, owner))
    ranked = owner[order]
    begins = np.searchsorted(ranked, ranked, side="left")
    out = np.empty(len(owner), np.int64)
    out[order] = np.arange(len(owner)) - begins
    return out


def _each(pairs: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield pairs one by one, without making a list of all of them."""
    for begin in range(0, len(pairs), 4096):
        yield from map(tuple, pairs[begin : begin + 4096].tolist())


def _called(name: str, video: Banned) -> str:
    return f"{name}: {video.name}"


def _worth(row: Row) -> tuple[float, float, int]:
    """Return what sorts the better copy first: size in steps of a fifth, length, words."""
    length = row["span"][1] - row["span"][0]
    return -round(math.log(max(1, row["pixels"])) / math.log(1.2)), -round(length, 1), -row["said"]
