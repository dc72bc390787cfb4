"""The model that is trained: a Qwen-VL without its LM head, one unit vector for a sequence.

The vector is the last state of the appended ``<|endoftext|>`` (Guo et al., arXiv 2510.27571). Shorter sequences are
filled up behind their end, and the model is causal, so no token ever sees the filling: a vector does not depend on
what stands beside it. The vision tower runs apart from the language model, once for each clip of a batch. Qwen3-VL
feeds its first layers with what earlier blocks of the tower saw (Meng et al., DeepStack, arXiv 2406.04334): these
values stand behind those of the tower's end in one row for each token, so that they are kept and split alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from synflow.errors import UsageError
from synflow.train.recipe import Lora, Recipe
from synflow.train.samples import Media, Tokens, not_loaded

FAMILIES = ("qwen2_5_vl", "qwen2_vl", "qwen3_vl")
VISION_PATCHES = 16384
"""Patches that go through the vision tower at a time."""

Seen = Mapping[str, Tensor]
"""Outputs of the vision tower by the key of their media, ``[tokens, hidden]``; ``hidden`` for each layer fed."""


@dataclass
class Embedder:
    """A model that is trained, or tried.

    Attributes:
        model: of transformers, without LM head; with LoRA its layers are peft's.
        adapter: peft's view of it; None where all weights of the language model are trained.
        mean, std: of colours, for one patch, ``[values]``.
        device: where it is. autocast: compute in bfloat16 on weights of 32 bits.
    """

    model: Any
    adapter: Any
    mean: Tensor
    std: Tensor
    device: torch.device
    autocast: bool
    sees_with_gradients: bool

    @property
    def trained(self) -> dict[str, torch.nn.Parameter]:
        """Return the weights that are trained, by name."""
        return {name: one for name, one in self.model.named_parameters() if one.requires_grad}

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.model.language_model.config.hidden_size)

    def train(self, on: bool) -> None:
        """Turn dropout and recomputing on or off."""
        self.model.train(on)
        if not self.sees_with_gradients:
            self.model.visual.eval()

    def see(self, held: Mapping[str, Media]) -> dict[str, Tensor]:
        """Return what the vision tower makes of media, each once; without gradients where the tower is frozen."""
        found: dict[str, Tensor] = {}
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.sees_with_gradients), self._precision():
            for chunk in _by_patches(held.items()):
                found.update(self._seen(chunk))
        for key, media in held.items():
            if media.seen is not None:
                found[key] = _tensor(media.seen).to(self.device)
        return found

    def _seen(self, chunk: Sequence[tuple[str, Media]]) -> Iterator[tuple[str, Tensor]]:
        tower = self.model.visual
        patches = torch.from_numpy(np.concatenate([m.patches for _, m in chunk if m.patches is not None]))
        values = (patches.to(self.device).float() / 255 - self.mean) / self.std
        grids = torch.tensor([media.grid for _, media in chunk], device=self.device)
        told = tower(values.to(tower.dtype), grid_thw=grids)
        seen = torch.cat([getattr(told, "pooler_output", told), *(getattr(told, "deepstack_features", None) or ())], -1)
        sizes = (grids.prod(-1) // tower.spatial_merge_size**2).tolist()
        return zip([key for key, _ in chunk], seen.split(sizes), strict=True)

    def embed(self, rows: Sequence[Tokens], seen: Seen) -> Tensor:
        """Return unit vectors, float32 ``[rows, dim]``, of one chunk of sequences that go through together."""
        longest = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        places = torch.zeros(3, len(rows), longest, dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.from_numpy(row.ids)
            places[:, place, : len(row)] = torch.from_numpy(row.positions)
        ids, places = ids.to(self.device), places.to(self.device)
        ends = torch.tensor([len(row) - 1 for row in rows], device=self.device)
        language = self.model.language_model
        with self._precision():
            inputs = language.get_input_embeddings()(ids)
            shown = [seen[row.media] for row in rows if row.media]
            deep: dict[str, Any] = {}
            if shown:
                config = self.model.config
                visual = (ids == config.image_token_id) | (ids == config.video_token_id)
                last, *earlier = torch.cat(shown).to(inputs.dtype).split(inputs.shape[-1], dim=-1)
                inputs = inputs.masked_scatter(visual[..., None], last)
                deep = {"visual_pos_masks": visual, "deepstack_visual_embeds": earlier} if earlier else {}
            # No mask: the model is causal, and what is filled up stands behind all that is read.
            states = language(inputs_embeds=inputs, position_ids=places, attention_mask=None, use_cache=False, **deep)
        found = states.last_hidden_state[torch.arange(len(rows), device=self.device), ends]
        return normalize(found.float(), dim=-1)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.autocast else nullcontext()

    def merge(self) -> None:
        """Put the adapter into the weights; there is no way back."""
        if self.adapter is not None:
            self.adapter.merge_adapter(safe_merge=True)


def load(recipe: Recipe, base: str, device: torch.device) -> Embedder:
    """Return the model of a recipe, with its adapters.

    Args:
        recipe: of the training.
        base: folder or id of the model.
        device: where it goes.

    Raises:
        UsageError: it cannot be loaded, is of another family, or its attention is not installed.
    """
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    lora = isinstance(recipe.tune, Lora)
    half = recipe.model.dtype == "bfloat16"
    # Weights that are trained stay in 32 bits; adapters do so by themselves.
    dtype = torch.bfloat16 if half and lora else torch.float32
    more = {"revision": recipe.model.revision} if recipe.model.revision else {}
    try:
        config = transformers.AutoConfig.from_pretrained(base, trust_remote_code=False, **more)
        if config.model_type not in FAMILIES:
            raise UsageError(
                f"model.base: {base!r} is of the family {config.model_type!r}, which cannot be trained here",
                "use a Qwen2-VL, Qwen2.5-VL or Qwen3-VL model",
            )
        model = transformers.AutoModel.from_pretrained(
            base, dtype=dtype, attn_implementation=_attention(recipe, device), trust_remote_code=False, **more
        )
        colors = transformers.AutoImageProcessor.from_pretrained(base, backend="pil", **more)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise not_loaded(base, error) from error
    model.to(device).requires_grad_(False)
    adapter = _adapted(model, recipe.tune, recipe.seed) if isinstance(recipe.tune, Lora) else None
    if not isinstance(recipe.tune, Lora):
        model.language_model.requires_grad_(True)
        model.visual.requires_grad_(recipe.tune.vision)
    if recipe.model.checkpointing:
        # The older of two names of transformers; it is gone with its version 6.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    model.config.use_cache = False
    mean, std = (_spread(values, config).to(device) for values in (colors.image_mean, colors.image_std))
    sees = not isinstance(recipe.tune, Lora) and recipe.tune.vision
    found = Embedder(model, adapter, mean, std, device, half and not lora, sees)
    found.train(False)
    return found


def _attention(recipe: Recipe, device: torch.device) -> str:
    if recipe.model.attention != "auto":
        return recipe.model.attention
    from transformers.utils import is_flash_attn_2_available

    flash = device.type == "cuda" and recipe.model.dtype == "bfloat16" and is_flash_attn_2_available()
    return "flash_attention_2" if flash else "sdpa"


def _adapted(model: Any, spec: Lora, seed: int) -> Any:
    """Put adapters beside the layers of the language model; return peft's view of the model."""
    import peft

    names = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj", "up": "up_proj", "down": "down_proj",
             "gate": "gate_proj"}  # fmt: skip
    wanted = "|".join(names[one] for one in spec.targets)
    torch.manual_seed(seed)
    chosen = peft.LoraConfig(
        r=spec.rank, lora_alpha=spec.alpha, lora_dropout=spec.dropout, use_dora=spec.dora, bias="none",
        target_modules=rf".*language_model\.layers\.\d+\.(self_attn|mlp)\.({wanted})",
    )  # fmt: skip
    with warnings.catch_warnings():
        # peft asks by a name that transformers has given up.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return peft.get_peft_model(model, chosen)


def _spread(values: Sequence[float], config: Any) -> Tensor:
    """Return a value for each channel as one for each number of a patch, whose channels come first."""
    vision = config.vision_config
    each = int(vision.temporal_patch_size) * int(vision.patch_size) ** 2
    return torch.tensor(values, dtype=torch.float32).repeat_interleave(each)


def _by_patches(held: Iterable[tuple[str, Media]]) -> Iterator[list[tuple[str, Media]]]:
    """Yield media that were not seen yet in chunks that go through the tower together."""
    chunk: list[tuple[str, Media]] = []
    many = 0
    for key, media in held:
        if media.patches is None:
            continue
        if chunk and many + len(media.patches) > VISION_PATCHES:
            yield chunk
            chunk, many = [], 0
        chunk.append((key, media))
        many += len(media.patches)
    if chunk:
        yield chunk


def _tensor(seen: Any) -> Tensor:
    """Return what a cache kept; bits of bfloat16 are taken for what they are."""
    held = torch.from_numpy(np.ascontiguousarray(seen))
    return held.view(torch.bfloat16) if held.dtype == torch.uint16 else held


def kept(seen: Tensor, dtype: str) -> Any:
    """Return outputs of the tower as a cache keeps them."""
    plain = seen.detach().to("cpu", torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    return (plain.view(torch.uint16) if dtype == "bfloat16" else plain).numpy()
