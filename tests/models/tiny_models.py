"""Small models of the real architectures with random weights, as folders that transformers loads."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

QWEN_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
WORDS = ["a red ball rolls over a green lawn", "two dogs run through the snow", "system user assistant You are helpful"]
SPREAD = 0.2
"""Spread of the random weights: with the usual 0.02 what is put in hardly matters."""


def tokenizer(folder: Path, specials: tuple[str, ...], **roles: str) -> PreTrainedTokenizerFast:
    made = Tokenizer(BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(WORDS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    made.add_special_tokens(list(specials))
    if "bos_token" in roles:
        ends = [(roles[role], made.token_to_id(roles[role])) for role in ("bos_token", "eos_token")]
        made.post_processor = TemplateProcessing(single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, **roles)
    fast.save_pretrained(folder)
    return fast


def clip(folder: Path) -> Path:
    words = tokenizer(folder, ("<|start|>", "<|end|>"), bos_token="<|start|>", eos_token="<|end|>", pad_token="<|end|>")
    torch.manual_seed(1)
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=24, initializer_factor=8.0)
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def siglip(folder: Path) -> Path:
    words = tokenizer(folder, ("</s>",), eos_token="</s>", pad_token="</s>")
    torch.manual_seed(2)
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
        "projection_size": 32,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    }
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def _qwen_parts(folder: Path, name: str) -> tuple[dict[str, object], dict[str, object], dict[str, int]]:
    words = tokenizer(folder, QWEN_TOKENS, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    Qwen2VLImageProcessorPil().save_pretrained(folder)
    ids = {
        f"{kind}_token_id": words.convert_tokens_to_ids(f"<|{token}|>")
        for kind, token in (
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        )
    }
    text: dict[str, object] = {
        "vocab_size": -(-len(words) // 64) * 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": SPREAD,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
    }
    vision: dict[str, object] = {"depth": 2, "num_heads": 4, "initializer_range": SPREAD}
    if name == "qwen2_5_vl":
        vision |= {
            "hidden_size": 64,
            "intermediate_size": 128,
            "out_hidden_size": 64,
            "window_size": 56,
            "fullatt_block_indexes": [1],
            "tokens_per_second": 2,
        }
    else:
        vision |= {"embed_dim": 64, "hidden_size": 64, "mlp_ratio": 2}
    return text, vision, ids


def qwen2_5_vl(folder: Path) -> Path:
    text, vision, ids = _qwen_parts(folder, "qwen2_5_vl")
    torch.manual_seed(3)
    Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)).save_pretrained(
        folder
    )
    return folder


def qwen2_vl(folder: Path) -> Path:
    text, vision, ids = _qwen_parts(folder, "qwen2_vl")
    torch.manual_seed(4)
    Qwen2VLForConditionalGeneration(Qwen2VLConfig(text_config=text, vision_config=vision, **ids)).save_pretrained(
        folder
    )
    return folder


def qwen3_vl(folder: Path) -> Path:
    text, vision, ids = _qwen_parts(folder, "qwen3_vl")
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    Qwen2VLImageProcessorPil(patch_size=16, **half).save_pretrained(folder)
    text |= {
        "head_dim": 16,
        "rope_parameters": {
            "rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": True, "rope_theta": 10000.0
        },
    }  # fmt: skip
    vision = {
        "depth": 3, "num_heads": 4, "initializer_range": SPREAD, "hidden_size": 64, "intermediate_size": 128,
        "out_hidden_size": 64, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1],
    }  # fmt: skip
    torch.manual_seed(5)
    Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=vision, **ids)).save_pretrained(
        folder
    )
    return folder


MAKERS = {"clip": clip, "siglip": siglip, "qwen2_5_vl": qwen2_5_vl, "qwen2_vl": qwen2_vl, "qwen3_vl": qwen3_vl}
