"""Makes a tiny Qwen-VL with random weights (0.7 million): `python -m synflow.train.tiny FOLDER [qwen3_vl]`.

It trains on a CPU in minutes, vLLM serves it, and the tests of both use it.

The architecture is the real one, with Qwen's special tokens and its turns: of Qwen2.5-VL window attention in the vision
tower and three-part rotary positions, of Qwen3-VL learned places of patches, interleaved rotary positions and a tower
that feeds several layers. What it writes is noise, which depends on what it is shown where the weights are spread
widely.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.utils import logging

from synflow import prompts

QWEN2_5, QWEN3 = "qwen2_5_vl", "qwen3_vl"
SPECIALS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
TEXTS = (
    "A red ball rolls from left to right over a green lawn while the camera pans slowly to the right.",
    '{"1": "two dogs run through the snow", "2": "a man in a blue coat opens the door", "3": ["yes", "no"]}',
)
SERVED = 0.15
"""Standard deviation of the weights of one that answers: at the usual 0.02 it hardly depends on what is asked."""
TRAINED = 0.04
"""That of one to be trained: from 0.15 it learns its pairs by heart and finds nothing that was held out."""
TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] in ('video', 'video_url') %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PIXELS: dict[str, Any] = {
    "patch_size": 14, "merge_size": 2, "temporal_patch_size": 2, "do_resize": True, "do_rescale": True,
    "do_normalize": True, "do_convert_rgb": True, "rescale_factor": 1 / 255, "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    "size": {"shortest_edge": 3136, "longest_edge": 200704}, "min_pixels": 3136, "max_pixels": 200704,
}  # fmt: skip


def make(
    folder: Path, seed: int = 0, texts: Sequence[str] = (), spread: float | None = SERVED, family: str = QWEN2_5
) -> Path:
    """Write configuration, tokenizer, processors and weights into ``folder``; the same bytes every time.

    Args:
        folder: is made where it is not there.
        seed: draws the weights.
        texts: what the vocabulary is learned from, beside the prompts.
        spread: standard deviation of the weights; None: of each layer by the number of its inputs, so that it gives
            numbers as large as it gets.
        family: ``qwen2_5_vl`` or ``qwen3_vl``.
    """
    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    words = _tokenizer(folder, texts)
    ids = {
        f"{name}_token_id": words.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"),
                            ("vision_end", "vision_end"))
    }  # fmt: skip
    usual = TRAINED if spread is None else spread
    text = {
        "vocab_size": -(-len(words) // 64) * 64, "hidden_size": 128, "intermediate_size": 256,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": usual,
        "max_position_embeddings": 32768, "tie_word_embeddings": False,
        "bos_token_id": words.convert_tokens_to_ids("<|endoftext|>"),
        "eos_token_id": words.convert_tokens_to_ids("<|im_end|>"),
    }  # fmt: skip
    vision = {
        "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "out_hidden_size": 128, "initializer_range": usual
    }  # fmt: skip
    torch.manual_seed(seed)
    model = (_qwen3 if family == QWEN3 else _qwen2_5)(text, vision, usual, ids)
    if spread is None:
        _by_inputs(model)
    model.save_pretrained(folder)
    _processors(folder, family)
    return folder


def _qwen2_5(text: dict[str, Any], vision: dict[str, Any], spread: float, ids: dict[str, int]) -> Any:
    text |= {
        "rope_theta": 1000000.0, "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [8, 12, 12]}
    }  # fmt: skip
    vision |= {"depth": 2, "window_size": 112, "fullatt_block_indexes": [1], "tokens_per_second": 2}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, initializer_range=spread, **ids)
    return Qwen2_5_VLForConditionalGeneration(config)


def _qwen3(text: dict[str, Any], vision: dict[str, Any], spread: float, ids: dict[str, int]) -> Any:
    text |= {
        "head_dim": 64, "num_hidden_layers": 3,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 5000000.0, "mrope_section": [12, 10, 10], "mrope_interleaved": True
        },
    }  # fmt: skip
    vision |= {"depth": 3, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 256}
    config = Qwen3VLConfig(text_config=text, vision_config=vision, initializer_range=spread, **ids)
    return Qwen3VLForConditionalGeneration(config)


def _processors(folder: Path, family: str) -> None:
    """Write how pictures are prepared, as the family's processor reads it."""
    own, name, video = PIXELS, "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor"
    if family == QWEN3:
        sizes = {"shortest_edge": 4096, "longest_edge": 262144}
        own = {**PIXELS, "patch_size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": sizes}
        own = {key: value for key, value in own.items() if key not in ("min_pixels", "max_pixels")}
        name, video = "Qwen3VLProcessor", "Qwen3VLVideoProcessor"
    told = {
        "preprocessor_config.json": {**own, "image_processor_type": "Qwen2VLImageProcessor", "processor_class": name},
        "video_preprocessor_config.json": {**own, "video_processor_type": video, "processor_class": name},
        "chat_template.json": {"chat_template": TEMPLATE},
    }
    for file, value in told.items():
        (folder / file).write_text(json.dumps(value))


def _by_inputs(model: torch.nn.Module) -> None:
    """Draw the weights anew, with variance 1 / inputs for each layer; token embeddings are small."""
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv3d)):
                layer.weight.normal_(0, layer.weight[0].numel() ** -0.5)
            elif isinstance(layer, torch.nn.Embedding):
                layer.weight.normal_(0, 0.02)


def _tokenizer(folder: Path, texts: Sequence[str]) -> Any:
    asked = [path.read_text(encoding="utf-8") for path in sorted(prompts.folder().glob("*/*.md"))]
    made = Tokenizer(BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        [*asked, *TEXTS, *texts], trainers.BpeTrainer(vocab_size=1200, initial_alphabet=alphabet, show_progress=False)
    )
    made.add_special_tokens(list(SPECIALS))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )
    fast.save_pretrained(folder)
    return fast


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), family=sys.argv[2] if len(sys.argv) > 2 else QWEN2_5))
