"""A dataset in UVRB's layout as a retrieval task of mteb, for any model that mteb knows.

::

    import mteb
    from synflow.evaluate.mteb_task import uvrb_task

    mteb.evaluate(mteb.get_model("..."), [uvrb_task("/data/UVRB", "MSRVTT")])

It needs the extra ``mteb``. Videos are given as what mteb expects of a decoder: ``metadata`` and ``get_frames_at``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from datasets import Dataset
from datasets import Image as ImageFeature
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from synflow.errors import ClipFailure, UsageError
from synflow.evaluate.collection import Collection, Entry, Media
from synflow.evaluate.layout import find_dataset, read_dataset
from synflow.evaluate.media import Decoder
from synflow.evaluate.reference import uvrb
from synflow.inspect.strip import Pixels, decode

SPLIT = "test"
MODALITIES = {"t": "text", "i": "image", "v": "video"}
SPELT = {"ti": "it", "tv": "vt"}
"""Kinds of queries as mteb spells them."""


@dataclass(frozen=True)
class Metadata:
    """What is known of a video before it is decoded."""

    num_frames: int
    end_stream_seconds: float
    average_fps: float


@dataclass(frozen=True)
class Frames:
    """Pictures of a video: uint8 ``[n, 3, height, width]``, as a decoder of torchcodec gives them."""

    data: torch.Tensor


class FrameDecoder:
    """The pictures that stand for a video, read when they are asked for.

    Args:
        media: where they are.
        frames: how many there are at most, uniform over the video.
    """

    def __init__(self, media: Media, frames: int) -> None:
        self._pictures = media.pictures(frames)

    @property
    def metadata(self) -> Metadata:
        """Return number of pictures, length and rate."""
        count = len(self._pictures)
        seconds = self._pictures[-1].time + (self._pictures[-1].time / (count - 1) if count > 1 else 1.0)
        return Metadata(count, seconds, count / max(seconds, 1e-6))

    def __len__(self) -> int:
        return len(self._pictures)

    def get_frames_at(self, indices: Sequence[int]) -> Frames:
        """Return some pictures; all have the size of the first.

        Raises:
            RuntimeError: one cannot be decoded, as a decoder says it.
        """
        shown: list[Pixels] = []
        for index in indices:
            rgb = decode(self._pictures[int(index)].jpeg)
            if rgb is None:
                raise RuntimeError(f"picture {index} cannot be decoded")
            if shown and rgb.shape != shown[0].shape:
                rgb = np.asarray(cv2.resize(rgb, shown[0].shape[1::-1]), np.uint8)
            shown.append(rgb)
        return Frames(torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).contiguous())


@dataclass(frozen=True)
class _Opened:
    """Puts decoders in the place of numbers, when rows are read."""

    entries: tuple[Entry, ...]
    frames: int

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if "video" not in rows:
            return rows
        media = [self.entries[place].media for place in rows["video"]]
        return {**rows, "video": [FrameDecoder(one, self.frames) for one in media if one is not None]}


def rows_of(entries: Sequence[Entry], kind: str, frames: int) -> Dataset:
    """Return entries as a dataset with ``id``, and ``text``, ``image`` or ``video`` as their kind has."""
    columns: dict[str, list[Any]] = {"id": [entry.id for entry in entries]}
    if "t" in kind:
        columns["text"] = [entry.text or "" for entry in entries]
        if any(entry.instruction for entry in entries):
            columns["instruction"] = [entry.instruction for entry in entries]
    if "i" in kind:
        columns["image"] = [{"bytes": _jpeg(entry), "path": None} for entry in entries]
    if "v" in kind:
        columns["video"] = list(range(len(entries)))
    made = Dataset.from_dict(columns)
    if "i" in kind:
        made = made.cast_column("image", ImageFeature())
    return made.with_transform(_Opened(tuple(entries), frames)) if "v" in kind else made


def _jpeg(entry: Entry) -> bytes:
    assert entry.media is not None
    return entry.media.pictures(1)[0].jpeg


def task_of(collection: Collection, frames: int = 8) -> AbsTaskRetrieval:
    """Return a dataset as a task of mteb. Items whose pictures cannot be read are left out, and are never found.

    Args:
        collection: the dataset.
        frames: pictures of a video.
    """
    kinds = collection.kind.split("2")
    name = "".join(char for char in collection.name if char.isalnum() or char in "-_")
    depth = {"R@5": 5, "R@10": 10, "nDCG@10": 10}.get(collection.metric, 1)
    main = {"MRR": "mrr_at_1000", "nDCG@10": "ndcg_at_10"}.get(collection.metric, f"hit_rate_at_{depth}")
    told = TaskMetadata(
        name=f"Synflow{name}",
        description=f"{collection.name} in the layout of UVRB (arXiv 2510.27571), ability {collection.ability}.",
        dataset={"path": "synflow/local", "revision": "1"},
        type="Any2AnyRetrieval",
        eval_langs=["eng-Latn"],
        eval_splits=[SPLIT],
        main_score=main,
        reference="https://arxiv.org/abs/2510.27571",
        category="2".join(SPELT.get(kind, kind) for kind in kinds),
        modalities=sorted({MODALITIES[letter] for kind in kinds for letter in kind}),
        date=None, domains=None, task_subtypes=None, license=None, annotations_creators=None, dialect=None,
        sample_creation=None, bibtex_citation=None,
    )  # fmt: skip

    class Local(AbsTaskRetrieval):  # type: ignore[misc]
        """A dataset that lies on this machine."""

        metadata = told

        def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
            """Read it."""
            self.dataset = {"default": {SPLIT: split_of(collection, kinds, frames)}}
            self.data_loaded = True

    made: AbsTaskRetrieval = Local()
    return made


def split_of(collection: Collection, kinds: Sequence[str], frames: int) -> RetrievalSplitData:
    """Return queries, corpus, what is relevant and the candidates, as mteb holds them."""
    queries, corpus = _readable(collection.queries), _readable(collection.corpus)
    there = {entry.id for entry in corpus}
    ids = [entry.id for entry in collection.corpus]
    asked = {entry.id for entry in queries}
    relevant, lists = {}, {}
    for entry, own, held in zip(collection.queries, collection.relevant, collection.candidates, strict=True):
        if entry.id in asked:
            relevant[entry.id] = {ids[place]: 1 for place in own}
            if held is not None:
                lists[entry.id] = [ids[place] for place in held if ids[place] in there]
    return RetrievalSplitData(
        queries=rows_of(queries, kinds[0], frames),
        corpus=rows_of(corpus, kinds[1], frames),
        relevant_docs=relevant,
        top_ranked=lists or None,
    )


def _readable(entries: Sequence[Entry]) -> list[Entry]:
    found = []
    for entry in entries:
        try:
            if entry.media is None or entry.media.digest(1):
                found.append(entry)
        except ClipFailure:
            continue
    return found


def uvrb_task(root: str | Path, name: str, frames: int = 8) -> AbsTaskRetrieval:
    """Return a dataset of UVRB as a task of mteb.

    Args:
        root: the folder that holds one folder for each dataset.
        name: of the dataset, for example ``MSRVTT``.
        frames: pictures of a video.

    Raises:
        UsageError: there is no such dataset, or a list of it is broken.
    """
    known = uvrb().get(name)
    place = find_dataset(Path(root), known) if known is not None else None
    if known is None or place is None:
        raise UsageError(f"{root} holds no {name}", f"UVRB has {', '.join(uvrb())}")
    read = read_dataset(place, Decoder(), known.name, known.ability, known.metric, known.instruction, 1.0, known)
    return task_of(read, frames)
