"""Copies among the clips of a corpus, and of what is forbidden; the best of a group stays.

The rows of all clips may be far more than memory holds. They are read twice: once in order, to keep hashes and facts
(about 300 bytes a clip), and then those of the candidates.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stages.near.buckets import Entries, candidates, courses_apart, distinct
from stages.near.likewise import alike_courses, course_entries, unpacked_course
from synflow.contract import Row
from synflow.hashlist import Banned, HashList
from synflow.media.likeness import Seen, compare, parts
from synflow.media.signature import Signature, hashes, telling, unpack

CHUNK = 512
"""Rows whose pictures are hashed at a time."""

CHANGES = ((True, 1.0), (False, 0.87), (True, 0.87))
"""What copies are looked up as, besides as they are: mirrored, and the share of the sides that is left of them."""

APART, APART_OF_MANY, MANY = 17.0, 13.0, 300_000
"""Bits of 63 by which the pictures of a copy may differ from the nearest of the other clip, on average: where pairs are
few, and where there are ``MANY`` or more."""

HELD = 20_000
"""Fingerprints that are held ready to be compared (about 30 KB each at most)."""


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
        self._ready: OrderedDict[int, Seen] = OrderedDict()
        self.compared = 0
        self._read(lists)

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
        """Read all rows once; keep hashes of their pictures and what decides between copies."""
        known: dict[str, str] = {}
        for file, one in lists.items():
            for mark, name in one.captions.items():
                known.setdefault(mark, f"{file}: {name}")
        count = len(self._rows)
        clips: list[bytes] = []
        self._source, self._middle = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
        self._span, self._worth = np.zeros((count, 2)), np.zeros((count, 3), np.float32)
        self._captions: dict[int, dict[str, str]] = {}
        gather = _Gather()
        for place, row in enumerate(self._rows):
            clips.append(row["clip"].encode())
            self._source[place] = int(row["source"][:16] or "0", 16) if row["source"] else 0
            self._span[place] = row["span"]
            self._worth[place] = _worth(row)
            if known:
                found = {mark: known[mark] for mark in row["captions"] if mark in known}
                if found:
                    self._captions[place] = found
            gather.add(place, unpack(row["thumbs"]))
        self._middle = gather.middles(count)
        self._clips = np.array(clips, dtype=np.bytes_)
        for number, (_, video) in enumerate(self._banned):
            gather.add(count + number, video.signature)
        self._entries, self._place_of = _ranked(gather.entries(), self._clips, len(self._banned))

    def _alike(self) -> tuple[dict[int, str], dict[int, list[int]]]:
        """Return which clips are forbidden, and which are alike."""
        count = len(self._rows)
        banned: dict[int, str] = {}
        alike: dict[int, list[int]] = defaultdict(list)
        same_file = self._same_file(banned)
        hashed = self._candidates()
        # What is forbidden is asked first: who is gone need not be compared with the others.
        for one, other in hashed[hashed[:, 1] >= count]:
            if one < count and one not in banned and self._shows(int(one), int(other) - count):
                banned[int(one)] = _called(*self._banned[other - count])
        for one, other in same_file:
            alike[one].append(other)
            alike[other].append(one)
        told = set(same_file)
        pairs = hashed[hashed[:, 1] < count]
        for one, other in map(tuple, pairs.tolist()):
            if (one, other) not in told and one not in banned and other not in banned and self._copies(one, other):
                alike[one].append(other)
                alike[other].append(one)
        if self._embedding is not None:
            self._add_likewise(alike, banned)
        return banned, alike

    def _candidates(self) -> npt.NDArray[np.int64]:
        """Return the pairs of which more than single pictures have hashes that are near, by places and in order."""
        pairs = candidates(self._entries, self._most)
        apart = courses_apart(self._entries, pairs)
        # What is forbidden may be shown in part only, so there one picture is enough.
        apart[pairs[:, 1] >= len(self._rows)] = 0
        near = apart <= (APART if len(pairs) < MANY else APART_OF_MANY)
        pairs, apart = pairs[near], apart[near]
        first = (_rank(pairs[:, 0], apart) < self._most) | (_rank(pairs[:, 1], apart) < self._most)
        found = np.sort(self._place_of[pairs[first | (apart == 0)]], axis=1)
        return found[np.lexsort((found[:, 1], found[:, 0]))]

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

    def _copies(self, one: int, other: int) -> bool:
        self.compared += 1
        # Whatever the order of the inputs, they are compared in the order of their ids.
        first, second = sorted((one, other), key=lambda place: bytes(self._clips[place]))
        return compare(self._seen(first), self._seen(second)).copy

    def _shows(self, place: int, number: int) -> bool:
        """Tell whether a clip shows a forbidden video, or some seconds of it."""
        self.compared += 1
        clip, video = self._seen(place), self._seen(len(self._rows) + number)
        return compare(clip, video).copy or any(compare(clip, part).copy for part in parts(video, clip))

    def _seen(self, place: int) -> Seen:
        """Return a fingerprint ready to be compared; those used last are held."""
        found = self._ready.get(place)
        if found is not None:
            self._ready.move_to_end(place)
            return found
        count = len(self._rows)
        packed = unpack(self._rows[place]["thumbs"]) if place < count else self._banned[place - count][1].signature
        self._ready[place] = found = Seen.of(packed)
        if len(self._ready) > HELD:
            self._ready.popitem(last=False)
        return found

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


def _ranked(entries: Entries, clips: npt.NDArray[np.bytes_], banned: int) -> tuple[Entries, npt.NDArray[np.int64]]:
    """Number the clips by their ids, so that no bucket depends on the order of the inputs; return the places too."""
    places = np.concatenate([np.argsort(clips, kind="stable"), len(clips) + np.arange(banned)])
    rank = np.empty(len(places), np.int32)
    rank[places] = np.arange(len(places), dtype=np.int32)
    owner = rank[entries.owner]
    order = np.argsort(owner, kind="stable")
    changed = tuple(words[order] for words in entries.changed)
    return Entries(entries.plain[order], changed, owner[order]), places


def _called(name: str, video: Banned) -> str:
    return f"{name}: {video.name}"


def _worth(row: Row) -> tuple[float, float, int]:
    """Return what sorts the better copy first: size in steps of a fifth, length, words."""
    length = row["span"][1] - row["span"][0]
    return -round(math.log(max(1, row["pixels"])) / math.log(1.2)), -round(length, 1), -row["said"]


class _Gather:
    """Hashes the pictures of clips, many at a time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Signature]] = []
        self._plain: list[npt.NDArray[np.uint64]] = []
        self._changed: list[list[npt.NDArray[np.uint64]]] = [[] for _ in CHANGES]
        self._owner: list[npt.NDArray[np.int32]] = []
        self._middle: list[int] = []

    def add(self, place: int, found: Signature) -> None:
        """Add the pictures of clip number ``place``."""
        self._waiting.append((place, found))
        if len(self._waiting) == CHUNK:
            self._hash()

    def middles(self, count: int) -> npt.NDArray[np.uint64]:
        """Return the hash of the middle picture of each of the ``count`` clips so far."""
        self._hash()
        return np.array(self._middle[:count], np.uint64)

    def entries(self) -> Entries:
        """Return all that was added."""
        self._hash()
        if not self._plain:
            return Entries(np.zeros(0, np.uint64), (), np.zeros(0, np.int32))
        changed = tuple(np.concatenate(words) for words in self._changed)
        return Entries(np.concatenate(self._plain), changed, np.concatenate(self._owner))

    def _hash(self) -> None:
        if not self._waiting:
            return
        thumbs = np.concatenate([found.thumbs for _, found in self._waiting])
        plain = hashes(thumbs)
        tells = telling(plain)
        chosen: list[int] = []
        owner: list[int] = []
        start = 0
        words = plain.tolist()
        for place, found in self._waiting:
            end = start + len(found.thumbs)
            self._middle.append(words[(start + end) // 2])
            kept = [start + one for one in distinct(words[start:end]) if tells[start + one]]
            chosen += kept
            owner += [place] * len(kept)
            start = end
        self._plain.append(plain[chosen])
        for words_of, (mirrored, part) in zip(self._changed, CHANGES, strict=True):
            words_of.append(hashes(thumbs[chosen], mirrored, part))
        self._owner.append(np.array(owner, np.int32))
        self._waiting.clear()
