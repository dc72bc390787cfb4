"""What of a run is mined: which pair asks for what, which targets there are, and what must not stand against whom."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.ids import digest_of
from synflow.mining.origins import Origins
from synflow.mining.settings import Settings
from synflow.records import TASKS, Task
from synflow.store.layout import RunLayout
from synflow.store.reader import Dataset, StoredPair

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shown:
    """A target: where it lies, and what is needed to tell it from a copy.

    Attributes:
        pair: smallest id of the pairs that have it; place: of that pair in the index.
        video: digest of the video that it is from; group: a number that all videos share which show the same.
        media: digest of its picture or film.
        clip, start, end, phash: of its video, seconds; a text has no span.
        text: where it is one.
    """

    pair: str
    place: int
    video: str
    group: int
    media: str
    clip: str
    start: float
    end: float
    phash: int
    text: str = ""


@dataclass
class Corpus:
    """The pairs that are mined, as numbers: item ``n`` is embedded once, whoever asks for it or shows it.

    Attributes:
        ids: of pairs. task: of each, by its place in `TASKS`. place: in the index of the run.
        query, target: items of each pair.
        groups: of the videos that each pair is from; reference: what its query shows: ``(digest, clip, start, end)``.
        made: negatives that stand in the record of a pair already, by its task and id.
        kinds, of_video: targets by kind (``t``, ``i``, ``v``), and by the video that they are from.
        keys: digest of each item, bytes; where: index place and side of the first pair that has it.
        shown: item -> target. said: item -> digests of texts that are said of it.
        asked: digest of the query's text of each pair; empty where it has none.
    """

    ids: list[str] = field(default_factory=list)
    task: list[int] = field(default_factory=list)
    query: Places = field(default_factory=lambda: np.zeros(0, np.int64))
    target: Places = field(default_factory=lambda: np.zeros(0, np.int64))
    groups: list[frozenset[int]] = field(default_factory=list)
    reference: list[tuple[str, str, float, float]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    where: list[tuple[int, str]] = field(default_factory=list)
    shown: dict[int, Shown] = field(default_factory=dict)
    said: dict[int, set[str]] = field(default_factory=dict)
    made: dict[Task, dict[str, list[Mapping[str, Any]]]] = field(default_factory=lambda: defaultdict(dict))
    kinds: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    of_video: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @property
    def tasks(self) -> list[Task]:
        """Return the tasks that are mined, and those of which pairs have negatives already."""
        held = set(self.task)
        return [task for number, task in enumerate(TASKS) if number in held or task in self.made]

    def pairs_of(self, task: Task) -> Places:
        """Return the pairs of a task, in the order of the index."""
        return np.flatnonzero(np.asarray(self.task) == TASKS.index(task))

    def targets(self, kind: str) -> Places:
        """Return the items that are targets of a kind (``t``, ``i`` or ``v``), in the order of their keys."""
        return np.array(sorted(self.kinds[kind], key=self.keys.__getitem__), np.int64)


def read_corpus(
    layout: RunLayout, dataset: Dataset, settings: Settings, tell: Callable[[str, int, int], None]
) -> Corpus:
    """Read all pairs: queries of the tasks that are mined, all targets of their kinds, and negatives made before."""
    mined = {task for task in TASKS if settings.number(task)}
    kinds = {task[-1] for task in mined}
    corpus, items, origins = Corpus(), _Items(), Origins(layout)
    queries, targets = [], []
    places = np.sort(dataset.places(TASKS, 0, 0, 1))
    for done, place in enumerate(places.tolist()):
        if done % 4096 == 0:
            tell("read", done, len(places))
        pair = dataset[place]
        if pair.record.get("negatives"):
            corpus.made[TASKS[TASKS.index(pair.task)]][pair.id] = list(pair.record["negatives"])
        if pair.task[-1] not in kinds:
            continue
        item = items.of(_key(pair, "target", ""), (place, "target"))
        _show(corpus, item, pair, place, origins)
        for text in (pair.query.text, pair.target.text):
            if text:
                corpus.said.setdefault(item, set()).add(plain(text))
        if pair.task in mined:
            corpus.ids.append(pair.id)
            corpus.task.append(TASKS.index(pair.task))
            reference = _span(pair.record["query"])
            video = str(pair.record["source_id"])
            own = {origins.of_video(video).group, origins.of_clip(reference[1], video).group}
            corpus.groups.append(frozenset(own))
            corpus.reference.append(reference)
            corpus.asked.append(plain(pair.query.text) if pair.query.text else "")
            queries.append(items.of(_key(pair, "query", pair.instruction), (place, "query")))
            targets.append(item)
    corpus.query, corpus.target = np.array(queries, np.int64), np.array(targets, np.int64)
    corpus.keys, corpus.where = items.keys, items.where
    tell("read", len(places), len(places))
    return corpus


def _show(corpus: Corpus, item: int, pair: StoredPair, place: int, origins: Origins) -> None:
    """Note what a target is; of the pairs that have it, that of the smallest id stands for it."""
    known = corpus.shown.get(item)
    if known is not None and known.pair <= pair.id:
        return
    media, clip, start, end = _span(pair.record["target"])
    clip = clip or str(pair.record.get("clip_id", ""))
    origin = origins.of_clip(clip, str(pair.record["source_id"]))
    corpus.shown[item] = Shown(
        pair=pair.id, place=place, video=origin.video, group=origin.group, media=media, clip=clip, start=start,
        end=end, phash=origins.phash(clip), text=pair.target.text or "",
    )  # fmt: skip
    if known is None:
        corpus.kinds[pair.task[-1]].append(item)
        corpus.of_video[origin.video].append(item)


def _span(side: Mapping[str, Any]) -> tuple[str, str, float, float]:
    """Return digest, clip, and span in seconds of what a side shows."""
    if "video" in side:
        video = side["video"]
        return video["digest"], video["clip_id"], float(video["start"]), float(video["end"])
    if "image" in side:
        image = side["image"]
        return image["digest"], image["clip_id"], float(image["time"]), float(image["time"])
    return "", "", 0.0, 0.0


def _key(pair: StoredPair, side: str, instruction: str) -> bytes:
    """Return what a vector is known by: the digests of the media, their times, the text, the instruction."""
    told, held = pair.record[side], getattr(pair, side)
    content = [instruction, held.text or "", held.digest, list(held.times), told.get("image", {}).get("time")]
    return bytes.fromhex(digest_of(content)[:32])


class _Items:
    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.where: list[tuple[int, str]] = []
        self._known: dict[bytes, int] = {}

    def of(self, key: bytes, where: tuple[int, str]) -> int:
        found = self._known.setdefault(key, len(self.keys))
        if found == len(self.keys):
            self.keys.append(key)
            self.where.append(where)
        return found


def plain(text: str) -> str:
    """Return a text without case, marks and spacing, so that two spellings of one text are the same."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum())
