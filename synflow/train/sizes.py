"""How large a model and its steps are, from its dimensions alone: parameters, tokens, memory, arithmetic.

Estimates, for `--dry-run` and for the share of a GPU's speed that is used; nothing that is trained depends on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synflow.train.recipe import Lora, Recipe

MADE = {"tiny": "qwen2_5_vl", "tiny-qwen3": "qwen3_vl"}
"""Bases of random weights, and their families."""
TEMPLATE = 28
"""Tokens of the turns around a sample."""
CHARACTERS = 4
"""Characters of English in a token of Qwen's vocabulary, about."""
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40": 181e12, "A10": 125e12, "4090": 165e12, "V100": 125e12}
"""Dense bfloat16 operations a second, as the vendor's data sheets state them."""


@dataclass(frozen=True)
class Dimensions:
    """Dimensions of a Qwen-VL model, named as in its ``config.json``."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    vision_hidden: int = 1280
    vision_depth: int = 32
    vision_intermediate: int = 3420
    head_size: int = 0
    vision_gated: bool = True
    vision_mergers: int = 1

    @property
    def head(self) -> int:
        """Length of one head's vectors."""
        return self.head_size or self.hidden // self.heads

    def linear(self) -> dict[str, tuple[int, int]]:
        """Return inputs and outputs of the linear layers of one block."""
        key, query = self.kv_heads * self.head, self.heads * self.head
        return {
            "q": (self.hidden, query), "k": (self.hidden, key), "v": (self.hidden, key),
            "o": (query, self.hidden), "up": (self.hidden, self.intermediate),
            "gate": (self.hidden, self.intermediate), "down": (self.intermediate, self.hidden),
        }  # fmt: skip

    @property
    def blocks(self) -> int:
        """Parameters of the language model's blocks."""
        return self.layers * sum(a * b for a, b in self.linear().values())

    @property
    def vision(self) -> int:
        """Parameters of the vision tower and its mergers, about."""
        layers = 3 if self.vision_gated else 2
        block = 4 * self.vision_hidden**2 + layers * self.vision_hidden * self.vision_intermediate
        merger = (4 * self.vision_hidden) * (4 * self.vision_hidden + self.hidden)
        return self.vision_depth * block + self.vision_mergers * merger

    @property
    def parameters(self) -> int:
        """All of them; there is no LM head."""
        return self.blocks + self.vision + self.vocabulary * self.hidden


KNOWN = {
    "qwen2-vl-2b": Dimensions(1536, 28, 12, 2, 8960, 151936, 1280, 32, 5120, vision_gated=False),
    "qwen2-vl-7b": Dimensions(3584, 28, 28, 4, 18944, 152064, 1280, 32, 5120, vision_gated=False),
    "qwen2.5-vl-3b": Dimensions(2048, 36, 16, 2, 11008, 151936),
    "qwen2.5-vl-7b": Dimensions(3584, 28, 28, 4, 18944, 152064),
    "qwen3-vl-2b": Dimensions(2048, 28, 16, 8, 6144, 151936, 1024, 24, 4096, 128, False, 4),
    "qwen3-vl-4b": Dimensions(2560, 36, 32, 8, 9728, 151936, 1024, 24, 4096, 128, False, 4),
    "qwen3-vl-8b": Dimensions(4096, 36, 32, 8, 12288, 151936, 1152, 27, 4304, 128, False, 4),
    "tiny-qwen3": Dimensions(128, 3, 2, 2, 256, 1216, 64, 3, 128, 64, False, 3),
    "tiny": Dimensions(128, 2, 2, 2, 256, 1216, 64, 2, 128),
}
"""By a part of the name, as their ``config.json`` on the hub say."""


def dimensions_of(base: str) -> Dimensions | None:
    """Return the dimensions of a model: of a folder from its ``config.json``, else by its name; None if unknown."""
    config = Path(base) / "config.json"
    if config.is_file():
        return _read(json.loads(config.read_text(encoding="utf-8")))
    return next((one for name, one in KNOWN.items() if name in base.lower()), None)


def _read(config: Mapping[str, Any]) -> Dimensions | None:
    text, vision = config.get("text_config", config), config.get("vision_config", {})
    try:
        wide = int(vision.get("embed_dim") or vision.get("hidden_size", 1280))
        return Dimensions(
            int(text["hidden_size"]), int(text["num_hidden_layers"]), int(text["num_attention_heads"]),
            int(text.get("num_key_value_heads", text["num_attention_heads"])), int(text["intermediate_size"]),
            int(text["vocab_size"]), wide, int(vision.get("depth", 32)), int(vision.get("intermediate_size", 4 * wide)),
            int(text.get("head_dim") or 0), config.get("model_type") == "qwen2_5_vl",
            1 + len(vision.get("deepstack_visual_indexes", ())),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None


def trained_of(size: Dimensions, recipe: Recipe) -> int:
    """Return how many parameters are trained."""
    if isinstance(recipe.tune, Lora):
        layers = [size.linear()[name] for name in recipe.tune.targets]
        magnitudes = sum(b for _, b in layers) if recipe.tune.dora else 0
        return size.layers * (recipe.tune.rank * sum(a + b for a, b in layers) + magnitudes)
    return size.blocks + size.vocabulary * size.hidden + (size.vision if recipe.tune.vision else 0)


def tokens_of(task: str, characters: float, recipe: Recipe) -> float:
    """Return the tokens of both sides of a pair, at most, with texts of so many characters together."""
    steps = -(-recipe.input.frames // 2)
    visual = {"v": steps * recipe.input.frame_tokens, "i": recipe.input.image_tokens, "t": 0}
    return 2 * TEMPLATE + characters / CHARACTERS + sum(visual[kind] for kind in task.replace("2", ""))


@dataclass(frozen=True)
class Memory:
    """Bytes that one process needs, estimated."""

    weights: int
    trained: int
    activations: int
    vision: int

    @property
    def total(self) -> int:
        """Their sum."""
        return self.weights + self.trained + self.activations + self.vision


def memory_of(size: Dimensions, recipe: Recipe, share_tokens: float) -> Memory:
    """Estimate the memory of a step.

    Args:
        size: of the model.
        recipe: of the training.
        share_tokens: of the sequences that one process embeds in a step.
    """
    wide = 2 if recipe.model.dtype == "bfloat16" else 4
    trained = trained_of(size, recipe)
    held = min(recipe.batch.chunk_tokens, share_tokens) if recipe.batch.gradient_caching else share_tokens
    at_once = min(recipe.batch.chunk_tokens, share_tokens)
    layer = 8 * size.hidden + 3 * size.intermediate + 2 * size.kv_heads * size.head
    kept = held * size.layers * (size.hidden if recipe.model.checkpointing else layer)
    # Weights that are trained stand in 32 bits, with their gradient and two moments.
    return Memory(
        weights=wide * size.parameters,
        trained=16 * trained,
        activations=int(wide * (kept + 2 * at_once * layer)),
        vision=int(wide * (4 * at_once * (8 * size.vision_hidden + 2 * size.vision_intermediate)
                           + share_tokens * size.hidden)),
    )  # fmt: skip


def operations_of(size: Dimensions, tokens: float, visual: float, frozen: bool) -> float:
    """Return the arithmetic of a step that is of use: two operations a weight and token, forward and back.

    What gradient caching and checkpointing do a second time is not counted.

    Args:
        size: of the model.
        tokens: of the language model, without padding.
        visual: patches that went through the vision tower.
        frozen: weights of the blocks take no gradient of their own, so that going back costs as much as going on.
    """
    return tokens * size.blocks * (4.0 if frozen else 6.0) + visual * size.vision * 2.0


def peak_of(device: str) -> float | None:
    """Return the operations a second of a GPU by its name; None where it is unknown."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)
