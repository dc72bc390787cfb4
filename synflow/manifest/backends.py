"""The models that a manifest may name, each a union member that ``use`` chooses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue

from synflow.checkpoints import MIN_PIXELS, full_name
from synflow.manifest.parts import Addresses, Part, Seconds

ModelName = Annotated[str, Field(min_length=1), AfterValidator(full_name)]
"""An id on a hub, a folder, or a short name of `synflow.checkpoints`, which stands for an id."""


class ApiKey(Part):
    """Where a secret is: it never stands in a manifest itself.

    Attributes:
        env: name of the environment variable that holds it.
    """

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class Signals(Part):
    """Measured colour, layout and motion instead of a model: no weights, no GPU, no network."""

    use: Literal["signals"] = "signals"


class Served(Part):
    """A model behind one or more servers that speak the OpenAI protocol.

    Attributes:
        base_url: one or more, with the ``/v1``; all pictures of a clip go to one of them.
        model: as the server names it, or a short name such as ``qwen2.5-vl-7b``.
        api_key: ``{env: NAME}``, where the server wants one.
        revision: of the weights; only recorded.
        timeout: seconds for one answer.
        attempts: of one request, the first one counted; ``patience`` seconds for all of them together.
        concurrency: requests in flight at each server, of all workers together.
        probe_every: seconds between probes of a server that fails time after time; after ``probes`` of them in vain it
            counts as down.
    """

    operational = frozenset(
        {"base_url", "api_key", "timeout", "attempts", "patience", "concurrency", "probe_every", "probes", "serve"}
    )
    use: Literal["openai_http"]
    base_url: Addresses
    model: ModelName
    revision: str = ""
    api_key: ApiKey | None = None
    timeout: Seconds = 120.0
    attempts: int = Field(12, ge=1, le=100)
    patience: Seconds = 1800.0
    concurrency: int = Field(16, ge=1, le=4096)
    probe_every: Seconds = 5.0
    probes: int = Field(12, ge=1, le=100_000)


class Loaded(Part):
    """How vLLM loads a model.

    Attributes:
        tensor_parallel: GPUs over which one copy is split; None: as many of 80 GB as a known checkpoint needs, else 1.
        max_model_len: tokens of the longest request and its answer; None: as the model says.
        gpu_memory: share of the memory of a GPU that vLLM may take.
        dtype: of the weights; ``auto``: as the model says.
        engine: further arguments of vLLM's engine by their Python names, such as ``enforce_eager: true``.
    """

    tensor_parallel: int | None = Field(None, ge=1, le=1024)
    max_model_len: int | None = Field(None, ge=256)
    gpu_memory: float = Field(0.9, gt=0, le=1)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    engine: dict[str, JsonValue] = Field(default_factory=dict)


class Sampled(Part):
    """What changes the answers of a model besides its weights and the request.

    Attributes:
        max_pixels: of one picture as the model sees it, 784 for each token; None leaves the server's own limit.
        top_p, top_k, repetition_penalty: of sampling; None leaves the server's own. The temperature and the longest
            answer are parameters of the stages that ask.
    """

    max_pixels: int | None = Field(None, ge=MIN_PIXELS)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    repetition_penalty: float | None = Field(None, gt=0, le=2)

    def identity(self) -> dict[str, Any]:
        """Leave out what is not given, so that runs from before it could be given stay the same."""
        added = ("top_p", "top_k", "repetition_penalty")
        return {k: v for k, v in super().identity().items() if k not in added or v is not None}


class HttpVlm(Served, Sampled):
    """A served model that sees and writes: a vLLM server, or several of the same model.

    Attributes:
        serve: how `synflow serve` loads it; a run does not read it.
    """

    serve: Loaded = Loaded()


class VllmEngine(Loaded, Sampled):
    """A vLLM engine inside a Ray actor that owns the GPUs; needs the extra ``vllm``.

    Attributes:
        model: an id on a hub, a folder, or a short name such as ``qwen2.5-vl-7b``.
        revision: of the weights.
        replicas: engines side by side; all requests on a clip go to one.
        gpus: that Ray gives to each replica; None: ``tensor_parallel``, and 0 is for a CPU build of vLLM.
        concurrency: requests in flight at each replica, of one worker.
        timeout: seconds without any answer after which an engine counts as dead.
    """

    operational = frozenset({"tensor_parallel", "replicas", "gpus", "gpu_memory", "concurrency", "timeout"})
    use: Literal["vllm_engine"]
    model: ModelName
    revision: str = ""
    replicas: int = Field(1, ge=1, le=1024)
    gpus: float | None = Field(None, ge=0)
    concurrency: int = Field(64, ge=1, le=4096)
    timeout: Seconds = 600.0


class TransformersEmbedder(Part):
    """An embedder that transformers loads (CLIP, SigLIP, Qwen2-VL to Qwen3-VL); needs the extra ``models``.

    Attributes:
        model: a local folder, or an id on a hub; ``revision``: branch, tag or commit there.
        device: ``auto`` takes a GPU where there is one; ``batch``: items at a time.
        dtype: of the weights; ``auto`` is bfloat16 on a GPU and float32 on a CPU.
        max_pixels: of one picture as Qwen sees it; 784 make one visual token, 1,024 of Qwen3-VL.
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
    """A pooling server (vLLM).

    Attributes:
        frames: how several pictures of one item are sent: as so many ``images``, or as one ``video`` with their rate,
            which is what Qwen2-VL and Qwen2.5-VL get from ``transformers``, and models that ``synflow train`` made.
    """

    frames: Literal["images", "video"] = "images"


class ModelsSpec(Part):
    """The models that stages may ask.

    Attributes:
        vlm: sees and writes.
        embed: compares texts with pictures.
    """

    vlm: Signals | HttpVlm | VllmEngine = Field(Signals(), discriminator="use")
    embed: Signals | TransformersEmbedder | HttpEmbedder = Field(Signals(), discriminator="use")

    def identity(self) -> dict[str, Any]:
        """Return which models answer, not where they are served."""
        return {"vlm": self.vlm.identity(), "embed": self.embed.identity()}
