"""How vLLM is set up for synflow's requests, the same for a server of its own and for an engine in a Ray actor.

Each setting is there because without it a real server (0.29, 0.32) went wrong: see docs/serve-a-model.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from synflow.checkpoints import MAX_PIXELS, MIN_PIXELS, gpus_of

SPARE_PICTURES = 4
OLDEST = (0, 29)
"""Oldest vLLM that knows the settings below, as far as was tried."""
REQUEST_KWARGS = (0, 31)
"""Since this vLLM, what a request says of its pictures' size only counts where the server is told to trust it."""


def release_of(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version such as ``0.32.0+cpu``; zeros where there are none."""
    parts = [int(part) if part.isdecimal() else 0 for part in version.split(".")[:2]]
    return parts[0] if parts else 0, parts[1] if len(parts) > 1 else 0


def engine_arguments(spec: Mapping[str, Any], frames: int) -> dict[str, Any]:
    """Return the arguments of vLLM's engine by their Python names.

    Args:
        spec: ``models.vlm`` of a manifest (``vllm_engine``, or ``openai_http`` with its ``serve``), as JSON.
        frames: pictures that stand for a clip; a request may show two clips.
    """
    most = spec.get("max_pixels") or MAX_PIXELS
    found: dict[str, Any] = {
        "model": spec["model"],
        "revision": spec.get("revision") or None,
        "tensor_parallel_size": tensor_parallel(spec),
        "dtype": spec.get("dtype", "auto"),
        "max_model_len": spec.get("max_model_len"),
        "gpu_memory_utilization": spec.get("gpu_memory", 0.9),
        "limit_mm_per_prompt": {"image": 2 * frames + SPARE_PICTURES, "video": 2},
        # Explicit, because the default cap differs between versions of transformers.
        "mm_processor_kwargs": {"min_pixels": MIN_PIXELS, "max_pixels": most},
        # Frames beyond the 32nd would be dropped without a word.
        "media_io_kwargs": {"video": {"num_frames": -1}},
        "mm_processor_cache_gb": 4,
        "enable_prefix_caching": True,
        # The default backend writes control characters into strings.
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
        **(spec.get("engine") or {}),
    }
    return {name: value for name, value in found.items() if value is not None}


def tensor_parallel(spec: Mapping[str, Any]) -> int:
    """Return over how many GPUs one copy of the model is split."""
    return int(spec.get("tensor_parallel") or gpus_of(str(spec["model"])))


def server_flags(spec: Mapping[str, Any], frames: int, release: tuple[int, int] = REQUEST_KWARGS) -> list[str]:
    """Return what ``vllm serve`` is called with, model first, without host and port.

    Args:
        spec: as for `engine_arguments`.
        frames: pictures that stand for a clip.
        release: of the vLLM that gets them.
    """
    arguments = engine_arguments(spec, frames)
    flags = [str(arguments.pop("model"))]
    for name, value in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            flags.append(flag if value else f"--no-{flag[2:]}")
        else:
            text = json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else str(value)
            flags += [flag, text]
    # Without it an answer does not say how much of its prompt came from the cache.
    flags.append("--enable-prompt-tokens-details")
    if spec.get("max_pixels") and release >= REQUEST_KWARGS:
        # The client repeats the limit in each request, so that any server obeys it.
        flags.append("--trust-request-mm-kwargs")
    return flags
