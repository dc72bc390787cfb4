"""Reads the pairs of a finished run: by task, in a seeded order, any one of them at once, from a disk or a URL.

::

    dataset = open_dataset("runs/uvrd")                       # or "s3://bucket/uvrd"
    for pair in dataset.stream("t2v", seed=7, epoch=0):       # StoredPair: texts, and pictures as bytes
        ...

The order of a stream is a pure function of the dataset, the tasks, the seed and the epoch. Reader ``part`` of
``parts`` takes every ``parts``-th pair of it, so that readers side by side have each pair once between them, and dealt
out in turns they give the order of a single one, however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synflow.errors import Damage, Incomplete, UsageError
from synflow.ids import digest, seed_of
from synflow.records import TASKS
from synflow.store.files import Files, open_files
from synflow.store.index import read_parquet
from synflow.store.tar import members_of

COLUMNS = ("id", "task", "shard", "key", "offset", "bytes")
WINDOW = 4096
"""Pairs that are mixed with one another: those of four shards at the size that is usual."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StoredSide:
    """Query or target of a pair; media are the bytes of the shard, to be decoded by who needs them.

    Attributes:
        text: where the side has one.
        image: a JPEG.
        frames: JPEGs of a video in order, or ``clip``, an mp4; ``times`` are the seconds of the frames in the source.
        digest: of the media as the pair names it; empty for a side that is only a text.
    """

    text: str | None = None
    image: bytes | None = None
    frames: tuple[bytes, ...] = ()
    clip: bytes | None = None
    times: tuple[float, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class StoredPair:
    """A pair as its shard holds it; ``record`` is its ``.json`` member, with provenance, licence and scores."""

    id: str
    task: str
    instruction: str
    query: StoredSide
    target: StoredSide
    record: Mapping[str, Any]


class Dataset:
    """The pairs of a finished run, by their place in ``index/pairs.parquet``; may be sent to other processes.

    ``len(dataset)`` and ``dataset[place]`` make it a map-style dataset of torch as it is.
    """

    def __init__(self, files: Files, facts: Mapping[str, Any], table: pa.Table) -> None:
        self.files = files
        self.facts = facts
        """What ``dataset.json`` says."""
        self._ids = table.column("id").combine_chunks()
        self._keys = table.column("key").combine_chunks()
        self._shards = table.column("shard").combine_chunks().dictionary_encode()
        self._tasks = table.column("task").combine_chunks().dictionary_encode()
        self._offsets = table.column("offset").to_numpy()
        self._bytes = table.column("bytes").to_numpy()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def tasks(self) -> dict[str, int]:
        """Return the number of pairs by task."""
        counts = {one["values"]: one["counts"] for one in pc.value_counts(self._tasks.cast(pa.string())).to_pylist()}
        return {task: counts[task] for task in TASKS if task in counts}

    @cached_property
    def _by_id(self) -> Places:
        return np.asarray(pc.sort_indices(self._ids).to_numpy(), np.int64)

    def place_of(self, pair_id: str) -> int:
        """Return the place of a pair.

        Raises:
            KeyError: there is no such pair.
        """
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._ids[self._by_id[middle]].as_py() < pair_id:
                low = middle + 1
            else:
                high = middle
        place = int(self._by_id[low]) if low < len(self) else -1
        if place < 0 or self._ids[place].as_py() != pair_id:
            raise KeyError(pair_id)
        return place

    def id_of(self, place: int) -> str:
        """Return the id of the pair at a place, without reading it."""
        return str(self._ids[place].as_py())

    def pair(self, pair_id: str) -> StoredPair:
        """Return the pair of that id; KeyError where there is none."""
        return self[self.place_of(pair_id)]

    def __getitem__(self, place: int) -> StoredPair:
        """Return the pair at a place of the index, read from its shard: the bytes of this pair, no others.

        Raises:
            IndexError: there is no such place.
            Damage: what lies in the shard is not this pair.
        """
        if not 0 <= place < len(self):
            raise IndexError(place)
        offset, size = int(self._offsets[place]), int(self._bytes[place])
        shard, key = self._shards[place].as_py(), self._keys[place].as_py()
        data = self.files.read(shard, offset, size)
        try:
            return _stored(key, members_of(data))
        except (ValueError, KeyError, TypeError) as error:
            raise Damage(
                f"{self.files.name(shard)} does not hold pair {key} at byte {offset}",
                f"`synflow verify {self.files.root}` tells the damage",
            ) from error

    def places(self, tasks: Iterable[str], seed: int, epoch: int, window: int = WINDOW) -> Places:
        """Return the order of a stream: places of the index, int64.

        Shards are taken in an order drawn from seed and epoch; then each run of ``window`` pairs is mixed in itself.
        So a reader has only a few shards open at a time, and every pair is as likely to stand anywhere in an epoch.
        """
        wanted = np.isin(
            self._tasks.indices.to_numpy(), [i for i, t in enumerate(self._tasks.dictionary.to_pylist()) if t in tasks]
        )
        rng = np.random.Generator(np.random.PCG64(seed_of("stream", seed, epoch)))
        turns = np.empty(len(self._shards.dictionary), np.int64)
        names = self._shards.dictionary.to_pylist()
        turns[sorted(range(len(names)), key=names.__getitem__)] = rng.permutation(len(names))
        places = np.flatnonzero(wanted)
        places = places[np.lexsort((places, turns[self._shards.indices.to_numpy()[places]]))]
        for start in range(0, len(places) if window > 1 else 0, max(1, window)):
            rng.shuffle(places[start : start + window])
        return places

    def stream(
        self, tasks: str | Iterable[str] = TASKS, *, seed: int = 0, epoch: int = 0, part: int = 0, parts: int = 1,
        window: int = WINDOW,
    ) -> PairStream:  # fmt: skip
        """Return the pairs of one or more tasks in a seeded order.

        Args:
            tasks: one task, or several that are mixed by shards.
            seed: draws the order.
            epoch: draws another order of the same pairs.
            part: which reader this is: rank x workers + worker.
            parts: how many there are: ranks x workers.
            window: pairs that are mixed with one another; 1: in the order of the shards.

        Raises:
            UsageError: an unknown task, or no such part.
        """
        chosen = (tasks,) if isinstance(tasks, str) else tuple(tasks)
        for task in chosen:
            if task not in TASKS:
                raise UsageError(f"there is no task {task!r}", f"tasks are {', '.join(TASKS)}")
        if not 0 <= part < parts:
            raise UsageError(f"there is no part {part} of {parts}", "parts are numbered from 0")
        return PairStream(self, chosen, seed, epoch, part, parts, window)


class PairStream:
    """One reader's share of a stream. Iterating goes on where it stopped; `state_dict` says where that is.

    Attributes:
        epoch: of the order; `set_epoch` begins another one.
        taken: pairs that this reader has given.
    """

    def __init__(
        self, dataset: Dataset, tasks: Sequence[str], seed: int, epoch: int, part: int, parts: int, window: int
    ) -> None:
        self.dataset = dataset
        self.tasks = tuple(sorted(set(tasks), key=TASKS.index))
        self.seed, self.epoch, self.window = seed, epoch, window
        self.part, self.parts = part, parts
        self.start, self.taken = 0, 0
        self.done: tuple[int, ...] = ()

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch from its start."""
        self.epoch, self.start, self.taken, self.done = epoch, 0, 0, ()

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset.facts["index"]["pairs.parquet"]["sha256"], "tasks": list(self.tasks),
            "seed": self.seed, "epoch": self.epoch, "window": self.window,
        }  # fmt: skip

    def _left(self) -> Places:
        """Return the places that all readers together still had to give when this order began, in order."""
        places = self.dataset.places(self.tasks, self.seed, self.epoch, self.window)
        keep = np.ones(len(places), bool)
        keep[: self.start] = False
        keep[list(self.done)] = False
        found: Places = np.flatnonzero(keep)
        return places[found]

    def __len__(self) -> int:
        """Return the pairs of this reader's share, those that it gave already included."""
        total = sum(self.dataset.tasks.get(task, 0) for task in self.tasks) - self.start - len(self.done)
        return max(0, -(-(total - self.part) // self.parts))

    def __iter__(self) -> Iterator[StoredPair]:
        for place in self._left()[self.part :: self.parts][self.taken :]:
            pair = self.dataset[int(place)]
            self.taken += 1
            yield pair

    def state_dict(self) -> dict[str, Any]:
        """Return where this reader is, as JSON."""
        where = {"start": self.start, "done": list(self.done), "taken": self.taken}
        return {**self._identity, **where, "part": self.part, "parts": self.parts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the reader of ``state`` was, or, with the state of `combined`, where all of them were.

        Raises:
            UsageError: the state is of another dataset, order, or number of readers.
        """
        self.epoch = int(state["epoch"])
        wrong = [name for name, value in self._identity.items() if state[name] != value]
        if state["parts"] and (state["part"], state["parts"]) != (self.part, self.parts):
            wrong.append("parts")
        if wrong:
            raise UsageError(
                f"the state of a reader is of another {', '.join(wrong)}",
                "open the same dataset with the same tasks, seed and window; for another number of readers, combine "
                "the states of all of them first",
            )
        self.start, self.done, self.taken = int(state["start"]), tuple(state["done"]), int(state["taken"])


def combined(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one state from those of all readers of a stream, from which any number of readers can go on.

    Raises:
        UsageError: they are not the states of all parts of one stream.
    """
    own = ("part", "taken")
    common = {name: value for name, value in states[0].items() if name not in own} if states else {}
    parts = int(common.get("parts", 0))
    same = all({name: value for name, value in state.items() if name not in own} == common for state in states)
    if not parts or not same or sorted(state["part"] for state in states) != list(range(parts)):
        raise UsageError("these are not the states of all readers of one stream", "give one state of each reader")
    given = sorted(state["part"] + parts * turn for state in states for turn in range(state["taken"]))
    # Places that were left out already do not count in the readers' turns: find them among all again.
    skipped = set(common["done"])
    gone, place, turn = set(skipped), int(common["start"]), 0
    for wanted in given:
        while turn < wanted or place in skipped:
            turn += place not in skipped
            place += 1
        gone.add(place)
    start = int(common["start"])
    while start in gone:
        start += 1
    done = sorted(one for one in gone if one >= start)
    return {**common, "start": start, "done": done, "taken": 0, "part": 0, "parts": 0}


def open_dataset(root: Any, **options: Any) -> Dataset:
    """Return the dataset of a finished run.

    Args:
        root: folder of the run, or a URL that fsspec understands (``s3://``, ``gs://``, ``hf://``, ``memory://``).
        **options: for the file system of a URL, such as ``anon=True``.

    Raises:
        UsageError: there is no run. Incomplete: it is not finished. Damage: its index is not as ``dataset.json`` says.
    """
    files = open_files(root, options)
    told = files.whole("dataset.json")
    if told is None:
        if files.whole("run.json") is not None:
            raise Incomplete(f"{files.root} is not finished", f"`synflow resume {files.root}` finishes it")
        raise UsageError(f"{files.root} holds no run", "give the folder that --out or `output` named")
    index = files.whole("index/pairs.parquet")
    remedy = f"`synflow verify {files.root}` tells the damage"
    try:
        facts = json.loads(told)
        promised = facts["index"]["pairs.parquet"]["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise Damage(f"{files.name('dataset.json')} cannot be read", remedy) from error
    if index is None or digest(index) != promised:
        raise Damage(f"{files.name('index/pairs.parquet')} is not what dataset.json names", remedy)
    return Dataset(files, facts, read_parquet(pa.BufferReader(index), COLUMNS))


def _stored(key: str, members: Iterable[tuple[str, bytes]]) -> StoredPair:
    """Put a pair together from its members; ValueError or KeyError where they are not its own, or not all of them."""
    found: dict[str, bytes] = {}
    for name, data in members:
        own, _, suffix = name.partition(".")
        if own != key:
            raise ValueError(f"member {name} is of another pair")
        found[suffix] = data
    record = json.loads(found.pop("json"))
    query, target = (_side(record[name], name, found) for name in ("query", "target"))
    if found:
        raise ValueError(f"members that the record does not tell: {sorted(found)}")
    return StoredPair(record["id"], record["task"], record["instruction"], query, target, record)


def _side(told: Mapping[str, Any], name: str, found: dict[str, bytes]) -> StoredSide:
    text = found.pop(f"{name}.txt").decode("utf-8") if "text" in told else None
    image = found.pop(f"{name}.jpg") if "image" in told else None
    video = told.get("video", {})
    times = tuple(video.get("times", ()))
    clip = found.pop(f"{name}.mp4", None)
    frames = tuple(found.pop(f"{name}.{i}.jpg") for i in range(len(times))) if clip is None else ()
    shown = video or told.get("image", {})
    return StoredSide(text, image, frames, clip, times, shown.get("digest", ""))
