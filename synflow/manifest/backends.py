"""The models that a manifest may name, each a union member that ``use`` chooses."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from synflow.manifest.parts import Addresses, Part, Seconds


class ApiKey(Part):
    """The name of the environment variable that holds a secret; the secret itself never stands in a manifest."""

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class Signals(Part):
    """Measured colour, layout and motion instead of a model: no weights, no GPU, no network."""

    use: Literal["signals"] = "signals"


class Served(Part):
    """A model behind one or more servers that speak the OpenAI protocol.

    Attributes:
        base_url: one or more, with the ``/v1``; all pictures of a clip go to one of them.
        revision: of the weights; only recorded.
        timeout: seconds for one answer.
        attempts: of one request, the first one counted; ``patience`` seconds for all of them together.
        concurrency: requests in flight at each server.
    """

    operational = frozenset({"base_url", "api_key", "timeout", "attempts", "patience", "concurrency"})
    use: Literal["openai_http"]
    base_url: Addresses
    model: str = Field(min_length=1)
    revision: str = ""
    api_key: ApiKey | None = None
    timeout: Seconds = 120.0
    attempts: int = Field(5, ge=1, le=100)
    patience: Seconds = 600.0
    concurrency: int = Field(16, ge=1, le=4096)


class HttpVlm(Served):
    """A served model that sees and writes: a vLLM server, or several of the same model.

    Attributes:
        max_pixels: of one picture, sent to the server; None leaves the server's own limit.
    """

    max_pixels: int | None = Field(None, ge=784)


class VllmEngine(Part):
    """A vLLM engine inside a Ray actor that owns the GPUs; needs the extra ``vllm``.

    Attributes:
        tensor_parallel: GPUs of one replica; ``replicas``: engines side by side.
        max_model_len: tokens of the longest request and its answer; None: as the model says.
        gpu_memory: share of the memory of a GPU that the engine may take.
    """

    operational = frozenset({"tensor_parallel", "replicas", "gpu_memory", "concurrency"})
    use: Literal["vllm_engine"]
    model: str = Field(min_length=1)
    revision: str = ""
    tensor_parallel: int = Field(1, ge=1, le=1024)
    replicas: int = Field(1, ge=1, le=1024)
    max_model_len: int | None = Field(None, ge=256)
    gpu_memory: float = Field(0.9, gt=0, le=1)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    concurrency: int = Field(64, ge=1, le=4096)


class TransformersEmbedder(Part):
    """An embedder that transformers loads (CLIP, SigLIP, Qwen2-VL and Qwen2.5-VL); needs the extra ``models``.

    Attributes:
        model: a local folder, or an id on a hub; ``revision``: branch, tag or commit there.
        device: ``auto`` takes a GPU where there is one; ``batch``: items at a time.
        dtype: of the weights; ``auto`` is bfloat16 on a GPU and float32 on a CPU.
        max_pixels: of one picture as Qwen sees it; 784 make one visual token.
        max_tokens: of one item for Qwen; a longer text is cut.
        instruction: for Qwen, in place of its usual system text.
    """

    operational = frozenset({"device", "batch"})
    use: Literal["transformers"]
    model: str = Field(min_length=1)
    revision: str = ""
    device: str = Field("auto", min_length=1)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    batch: int = Field(8, ge=1, le=4096)
    max_pixels: int = Field(200 * 784, ge=4 * 784)
    max_tokens: int = Field(8192, ge=64)
    instruction: str = ""


class HttpEmbedder(Served):
    """A pooling server (vLLM)."""


class ModelsSpec(Part):
    """The models that stages may ask: ``vlm`` sees and writes, ``embed`` compares texts with pictures."""

    vlm: Signals | HttpVlm | VllmEngine = Field(Signals(), discriminator="use")
    embed: Signals | TransformersEmbedder | HttpEmbedder = Field(Signals(), discriminator="use")

    def identity(self) -> dict[str, Any]:
        """Return which models answer, not where they are served."""
        return {"vlm": self.vlm.identity(), "embed": self.embed.identity()}
