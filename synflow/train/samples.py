"""From pairs to what the model reads: token ids, rotary positions, patches, and numbers that tell equals apart.

Tokens, positions and patches are made by the code that the pipeline's own embedder uses, so that what is trained here
gives the same vectors there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from synflow.asks import Item, Picture
from synflow.errors import Damage, UsageError
from synflow.ids import digest, digest_of
from synflow.mining.films import Films
from synflow.models.embedder_families import Qwen, square_of
from synflow.store.layout import RunLayout
from synflow.store.reader import Dataset, StoredPair, StoredSide
from synflow.train.recipe import InputSpec
from synflow.train.vision import VisionCache


class Spoilt(Exception):
    """A sample that cannot be used; its text says why."""


@dataclass
class Media:
    """Pictures as the vision tower gets them, or what it made of them before.

    Attributes:
        patches: uint8 ``[patches, values]``, 0 to 255; None where ``seen`` is there.
        seen: outputs of the tower, ``[tokens, values]``.
        grid: steps of time, rows and columns of patches.
    """

    grid: tuple[int, int, int]
    patches: npt.NDArray[np.uint8] | None = None
    seen: npt.NDArray[Any] | None = None


@dataclass
class Tokens:
    """What one vector is made from.

    Attributes:
        ids: token ids, int64 ``[tokens]``; positions: int64 ``[3, tokens]``.
        media: key of its pictures; empty for a text.
        content: a number that is the same for the same text and media, whatever the instruction.
    """

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    media: str
    content: int

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class _Parts:
    model: Any
    tokenizer: Any
    images: Any
    options: Any


@dataclass
class _Options:
    max_pixels: int
    max_tokens: int
    batch: int = 1
    instruction: str = ""


@dataclass
class _Config:
    config: Any


@dataclass
class Sequencer:
    """Makes sequences of items. It may be sent to another process; what it needs is loaded there with the first item.

    Attributes:
        base: folder or id of the model, and its revision.
        spec: how much of a sample the model sees.
        cache: of outputs of the vision tower; None: patches are always made.
    """

    base: str
    revision: str
    spec: InputSpec
    cache: VisionCache | None = None
    _families: dict[bool, Qwen] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_families": {}}

    def sequence(self, item: Item, held: dict[str, Media]) -> Tokens:
        """Return an item as a sequence; its pictures are put into ``held``, where they are not there yet.

        Raises:
            Spoilt: a picture cannot be decoded, or there is nothing to embed.
        """
        if not item.pictures and not (item.text or "").strip():
            raise Spoilt("it has neither text nor pictures")
        shown = self._chosen(item.pictures)
        video = len(shown) > 1
        family = self._family(video)
        key = digest_of([video, *(one.digest for one in shown)])[:32] if shown else ""
        content = int(digest_of([item.text or "", key])[:15], 16)
        if key and key not in held:
            held[key] = self._media(key, shown, family)
        chosen = Item(item.text, shown, item.instruction)
        ids, positions = family.laid_out(chosen, held[key].grid if key else (0, 0, 0))
        return Tokens(np.asarray(ids, np.int64), positions, key, content)

    def _chosen(self, pictures: Sequence[Picture]) -> tuple[Picture, ...]:
        """Return the pictures of a video that are shown: uniform over those that are stored."""
        many, wanted = len(pictures), self.spec.frames
        if many <= wanted:
            return tuple(pictures)
        return tuple(pictures[int((place + 0.5) * many / wanted)] for place in range(wanted))

    def _media(self, key: str, shown: Sequence[Picture], family: Qwen) -> Media:
        known = self.cache.get(key) if self.cache else None
        if known is not None:
            return Media(known[0], seen=known[1])
        patches, grid = family.patches([decoded(one) for one in shown])
        return Media(grid, np.asarray(patches, np.uint8))

    def _family(self, video: bool) -> Qwen:
        if not self._families:
            self._load()
        return self._families[video]

    def _load(self) -> None:
        from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

        # Each process decodes by itself; threads of its own would stand in the way of the others.
        cv2.setNumThreads(1)
        local = Path(self.base).is_dir()
        more: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
        if self.revision and not local:
            more["revision"] = self.revision
        try:
            config = AutoConfig.from_pretrained(self.base, **more)
            tokenizer = AutoTokenizer.from_pretrained(self.base, **more)
            processor = AutoImageProcessor.from_pretrained(self.base, backend="pil", **more)
        except (OSError, ValueError, KeyError) as error:
            raise not_loaded(self.base, error) from error

        def images(pictures: Any, **how: Any) -> Any:
            # Scaling to colours of the tower is done where it runs: a byte a value travels, not four.
            return processor(pictures, do_rescale=False, do_normalize=False, **how)

        for video, tokens in ((True, self.spec.frame_tokens), (False, self.spec.image_tokens)):
            options = _Options(tokens * square_of(config), self.spec.max_tokens)
            self._families[video] = Qwen(_Parts(_Config(config), tokenizer, images, options))  # type: ignore[arg-type]


def backward(item: Item) -> Item:
    """Return a video played backward: its pictures from last to first, at mirrored times."""
    shown = item.pictures
    ends = shown[0].time + shown[-1].time if shown else 0.0
    return replace(item, pictures=tuple(replace(one, time=ends - one.time) for one in reversed(shown)))


def not_loaded(base: str, error: Exception) -> UsageError:
    """Return the failure of a model that cannot be loaded."""
    lines = str(error).strip().splitlines()
    return UsageError(
        f"model.base: {base!r} cannot be loaded: {lines[0][:200] if lines else 'unknown'}",
        "name a folder that holds a Qwen-VL, its id on a hub that can be reached, or `tiny`",
    )


def decoded(picture: Picture) -> npt.NDArray[np.uint8]:
    """Return a picture, RGB ``[height, width, 3]``.

    Raises:
        Spoilt: it is no picture.
    """
    rgb = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR) if picture.jpeg else None
    if rgb is None:
        raise Spoilt("a picture cannot be decoded")
    return np.ascontiguousarray(rgb[..., ::-1], np.uint8)


class Items:
    """Reads sides of pairs as items; films (mp4) are decoded by a guarded child."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._films: Films | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "_films": None}

    def pair(self, place: int) -> StoredPair:
        """Return a pair.

        Raises:
            Spoilt: what lies there is not this pair.
        """
        try:
            return self.dataset[place]
        except Damage as error:
            raise Spoilt(error.cause) from error

    def query(self, pair: StoredPair, text: str | None = None) -> Item:
        """Return the query of a pair with its instruction; ``text`` takes the place of its own."""
        item = self._item(pair.query, pair.record["query"])
        return Item(text or item.text, item.pictures, pair.instruction)

    def target(self, pair: StoredPair) -> Item:
        """Return the target of a pair; it has no instruction."""
        return self._item(pair.target, pair.record["target"])

    def _item(self, side: StoredSide, told: Mapping[str, Any]) -> Item:
        if side.clip is not None:
            pictures = self._decoder().pictures(side.clip, side.times)
            if not pictures:
                raise Spoilt("its film cannot be decoded")
            return Item(side.text, pictures)
        jpegs = side.frames or ((side.image,) if side.image is not None else ())
        times = side.times or (float(told.get("image", {}).get("time", 0.0)),)
        return Item(side.text, tuple(Picture(j, digest(j), t) for j, t in zip(jpegs, times, strict=False)))

    def _decoder(self) -> Films:
        if self._films is None:
            root = self.dataset.files.root
            if "://" in root:
                raise Spoilt("films of a run behind a URL are not decoded; copy the run, or make it with media: frames")
            self._films = Films(RunLayout(Path(root)))
        return self._films
