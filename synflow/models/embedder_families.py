"""How items become input of a model that embeds, and its output a vector: two towers, and Qwen.

* **Two towers** (CLIP, SigLIP). Pictures are embedded singly; those of one item are averaged as unit vectors.
* **Qwen** (Qwen2-VL, Qwen2.5-VL, Qwen3-VL: GME, GVE). One picture is an image, several are a video of frames at their
  own rate. The vector is the last state of an appended ``<|endoftext|>`` after the assistant's header; an instruction
  takes the place of the system text (Guo et al., arXiv 2510.27571, section on training, and the code of GME).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from synflow.asks import Item, Picture

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

SYSTEM = "You are a helpful assistant."
LEAST_TOKENS = 4
"""Visual tokens that a smaller picture is enlarged to for Qwen."""
TIMED = "qwen3_vl"
"""The family that tells the time of each step of a video by words before it; the others tell it by positions."""


class Limits(Protocol):
    """What of the parameters a family reads."""

    @property
    def batch(self) -> int: ...  # noqa: D102
    @property
    def max_pixels(self) -> int: ...  # noqa: D102
    @property
    def max_tokens(self) -> int: ...  # noqa: D102
    @property
    def instruction(self) -> str: ...  # noqa: D102


class Weights(Protocol):
    """A loaded model: ``model``, ``tokenizer`` and ``images`` are those of transformers."""

    model: Any
    tokenizer: Any
    images: Any

    @property
    def options(self) -> Limits: ...  # noqa: D102

    def forward(self, call: Any, ends: Sequence[int] | None, **inputs: npt.NDArray[Any]) -> Floats:
        """Call the model with arrays; return float64 ``[items, dim]``: its features, or the states at ``ends``."""
        ...


class Family(Protocol):
    """A family of models."""

    def vectors(self, items: Sequence[Item], pictures: Mapping[str, Rgb]) -> list[Floats]:
        """Return one vector (float64 ``[dim]``, of any length) for each item.

        Args:
            items: with a text, pictures, or both.
            pictures: the decoded pictures of all items by the digest that the item gives them.
        """
        ...


class TwoTowers:
    """A model with text and image features (CLIP, SigLIP and their like)."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        text = getattr(weights.model.config, "text_config", None)
        self.longest = int(getattr(text, "max_position_embeddings", 64) or 64)
        # SigLIP was trained on texts that are padded to the full length, and reads the padding.
        self.padding: bool | str = "max_length" if "siglip" in weights.model.config.model_type else True

    def vectors(self, items: Sequence[Item], pictures: Mapping[str, Rgb]) -> list[Floats]:
        """Return the text's unit vector, the mean of the pictures' unit vectors, or the mean of both."""
        texts = list(dict.fromkeys(item.text for item in items if item.text and item.text.strip()))
        told = dict(zip(texts, self._texts(texts), strict=True))
        names = list(dict.fromkeys(picture.digest for item in items for picture in item.pictures))
        seen = dict(zip(names, self._pictures([pictures[name] for name in names]), strict=True))
        found = []
        for item in items:
            parts = [told[item.text]] if item.text in told else []
            if item.pictures:
                parts.append(unit(np.mean([seen[picture.digest] for picture in item.pictures], axis=0)))
            found.append(np.mean(parts, axis=0))
        return found

    def _texts(self, texts: Sequence[str]) -> Iterator[Floats]:
        for chunk in _chunks(texts, self.weights.options.batch):
            plain = [harmless(text) for text in chunk]
            tokens = self.weights.tokenizer(
                plain, padding=self.padding, truncation=True, max_length=self.longest, return_tensors="np"
            )
            wanted = {name: tokens[name] for name in ("input_ids", "attention_mask") if name in tokens}
            yield from map(unit, self.weights.forward(self.weights.model.get_text_features, None, **wanted))

    def _pictures(self, pictures: Sequence[Rgb]) -> Iterator[Floats]:
        for chunk in _chunks(pictures, self.weights.options.batch):
            inputs = self.weights.images(list(chunk), input_data_format="channels_last", return_tensors="np")
            wanted = {n: inputs[n] for n in ("pixel_values", "pixel_attention_mask", "spatial_shapes") if n in inputs}
            yield from map(unit, self.weights.forward(self.weights.model.get_image_features, None, **wanted))


@dataclass
class _Request:
    """One item as Qwen gets it: token ids, positions (int64 ``[3, tokens]``), patches and their grid."""

    ids: list[int]
    positions: npt.NDArray[np.int64]
    patches: npt.NDArray[np.float32] | None = None
    grid: tuple[int, int, int] = (0, 0, 0)
    video: bool = False


class Block(NamedTuple):
    """Visual tokens of a request that follow one another.

    Attributes:
        first: place of the first of them.
        grid: steps of time, rows and columns of visual tokens.
        interval: growth of the position of time from step to step.
    """

    first: int
    grid: tuple[int, int, int]
    interval: float = 0.0


class Qwen:
    """Qwen2-VL, Qwen2.5-VL and Qwen3-VL as embedders: the last state of an appended end-of-text token."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        vision = weights.model.config.vision_config
        self.merge = int(vision.spatial_merge_size)
        self.timed = weights.model.config.model_type == TIMED
        # Only Qwen2.5-VL counts positions of time in seconds; the one before counts steps.
        self.per_second = getattr(vision, "tokens_per_second", None)
        least = LEAST_TOKENS * square_of(weights.model.config)
        self.size = {"shortest_edge": least, "longest_edge": max(least, weights.options.max_pixels)}

    def vectors(self, items: Sequence[Item], pictures: Mapping[str, Rgb]) -> list[Floats]:
        """Return the state of the last token of each item."""
        requests = [self.request(item, pictures) for item in items]
        order = sorted(range(len(items)), key=lambda place: (len(requests[place].ids), place))
        found: dict[int, Floats] = {}
        for chunk in _chunks(order, self.weights.options.batch):
            found.update(zip(chunk, self._states([requests[place] for place in chunk]), strict=True))
        return [found[place] for place in range(len(items))]

    def request(self, item: Item, pictures: Mapping[str, Rgb]) -> _Request:
        """Return an item as tokens and patches: system text, pictures, text, assistant's header, end of text."""
        patches, grid = None, (0, 0, 0)
        if item.pictures:
            patches, grid = self.patches([pictures[picture.digest] for picture in item.pictures])
        ids, places = self.laid_out(item, grid)
        return _Request(ids, places, patches, grid, len(item.pictures) > 1)

    def laid_out(self, item: Item, grid: tuple[int, int, int]) -> tuple[list[int], npt.NDArray[np.int64]]:
        """Return the token ids of an item and their positions (int64 ``[3, tokens]``).

        Args:
            item: of which only the number and the times of its pictures are looked at.
            grid: of their patches, as `patches` tells it; zeros without pictures.
        """
        encode = self.weights.tokenizer.encode
        options = self.weights.options
        system = harmless(item.instruction or options.instruction or SYSTEM)
        head = encode(f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n", add_special_tokens=False)
        tail = encode("<|im_end|>\n<|im_start|>assistant\n<|endoftext|>", add_special_tokens=False)
        text = encode(harmless(item.text), add_special_tokens=False) if item.text else []
        video = len(item.pictures) > 1
        marks: list[int] = []
        blocks: list[Block] = []
        if item.pictures:
            config = self.weights.model.config
            pad = config.video_token_id if video else config.image_token_id
            opened, closed = self.weights.tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"])
            for told, shown in self._told(item.pictures, grid):
                marks += [*encode(told, add_special_tokens=False), opened] if told else [opened]
                blocks.append(Block(len(head) + len(marks), shown, self._interval(item.pictures) if video else 0.0))
                marks += [*[pad] * (shown[0] * shown[1] * shown[2]), closed]
        room = max(0, options.max_tokens - len(head) - len(marks) - len(tail))
        ids = [*head, *marks, *text[:room], *tail]
        return ids, positions(len(ids), blocks)

    def _told(
        self, pictures: Sequence[Picture], grid: tuple[int, int, int]
    ) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Yield grids of visual tokens that stand together, and what is said before each; Qwen3-VL says the time."""
        steps, high, wide = grid[0], grid[1] // self.merge, grid[2] // self.merge
        if not self.timed or len(pictures) < 2:
            yield "", (steps, high, wide)
            return
        gap = _gap(pictures)
        each = int(self.weights.model.config.vision_config.temporal_patch_size)
        for step in range(steps):
            # As a server reckons it from the rate that it is told; a last step that is not full repeats its picture.
            first, last = step * each, min((step + 1) * each, len(pictures)) - 1
            time = (first / (1 / gap) + last / (1 / gap)) / 2 if gap > 0 else 0.0
            yield f"<{time:.1f} seconds>", (1, high, wide)

    def patches(self, pictures: Sequence[Rgb]) -> tuple[npt.NDArray[np.float32], tuple[int, int, int]]:
        """Return the patches of pictures (of the size of the first) and the grid of time, height and width."""
        height, width = pictures[0].shape[:2]
        alike = [p if p.shape[:2] == (height, width) else cv2.resize(p, (width, height)) for p in pictures]
        told = self.weights.images(alike, size=self.size, input_data_format="channels_last", return_tensors="np")
        _, high, wide = (int(n) for n in told["image_grid_thw"][0])
        step = int(self.weights.model.config.vision_config.temporal_patch_size)
        channels = int(self.weights.model.config.vision_config.in_channels)
        # Each picture fills all places of its step of time; a video puts the next pictures there instead.
        each = np.asarray(told["pixel_values"], np.float32).reshape(len(alike), high * wide, channels, step, -1)
        if len(alike) > 1:
            single = each[:, :, :, 0]
            short = -len(alike) % step
            single = np.concatenate([single, np.repeat(single[-1:], short, axis=0)]) if short else single
            each = np.stack([single[k::step] for k in range(step)], axis=3)
        return each.reshape(len(each) * high * wide, -1), (len(each), high, wide)

    def _interval(self, pictures: Sequence[Picture]) -> float:
        """Return by how much the position grows from one step of time to the next."""
        if self.per_second is None:
            return 1.0
        step = int(self.weights.model.config.vision_config.temporal_patch_size)
        return _gap(pictures) * step * float(self.per_second)

    def _states(self, requests: Sequence[_Request]) -> Iterator[Floats]:
        """Return the last state of each request of one batch; shorter ones are filled up behind their end."""
        longest = max(len(request.ids) for request in requests)
        ids = np.zeros((len(requests), longest), np.int64)
        mask, places = np.zeros_like(ids), np.zeros((3, *ids.shape), np.int64)
        for row, request in enumerate(requests):
            size = len(request.ids)
            ids[row, :size], mask[row, :size] = request.ids, 1
            places[:, row, :size] = request.positions
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
        for video, patches, grid in (
            (False, "pixel_values", "image_grid_thw"),
            (True, "pixel_values_videos", "video_grid_thw"),
        ):
            shown = [request for request in requests if request.patches is not None and request.video is video]
            if shown:
                inputs[patches] = np.concatenate([r.patches for r in shown if r.patches is not None])
                inputs[grid] = np.array([request.grid for request in shown])
        ends = [len(request.ids) - 1 for request in requests]
        yield from self.weights.forward(self.weights.model, ends, **inputs)


def square_of(config: Any) -> int:
    """Return the pixels of one visual token of a Qwen."""
    vision = config.vision_config
    return (int(vision.patch_size) * int(vision.spatial_merge_size)) ** 2


def _gap(pictures: Sequence[Picture]) -> float:
    """Return the seconds between two pictures of a video, on average."""
    return max(0.0, (pictures[-1].time - pictures[0].time) / (len(pictures) - 1))


def positions(total: int, blocks: Sequence[Block]) -> npt.NDArray[np.int64]:
    """Return the three rotary positions (time, height, width) of each token of a request, int64 ``[3, total]``.

    As the models were trained and vLLM serves them: the text after visual tokens goes on from their largest position.
    (transformers 5 advances by their spatial extent only, which gives another vector for a longer video of Qwen2.5-VL.)

    Args:
        total: number of tokens.
        blocks: of visual tokens, in order; none of a text.
    """
    parts = []
    done = start = 0
    for first, (steps, high, wide), interval in blocks:
        before = np.tile(np.arange(start, start + first - done), (3, 1))
        time = np.floor(np.arange(steps) * interval).astype(np.int64)
        shown = np.stack(np.broadcast_arrays(time[:, None, None], np.arange(high)[:, None], np.arange(wide)))
        shown = shown.reshape(3, -1) + start + first - done
        parts += [before, shown]
        done, start = first + steps * high * wide, int(shown.max()) + 1
    parts.append(np.tile(np.arange(start, start + total - done), (3, 1)))
    return np.concatenate(parts, axis=1)


def _chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def harmless(text: str) -> str:
    """Return a text in which nothing can be taken for a special token."""
    return text.strip().replace("<|", "< |")


def unit(values: Floats) -> Floats:
    """Return a vector (float64 ``[dim]``) at unit length."""
    return values / max(float(np.linalg.norm(values)), 1e-12)
