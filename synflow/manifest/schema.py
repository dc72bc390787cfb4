"""What a manifest may hold: frozen models with their defaults, units and bounds.

How a file is read, overridden and complained about is in `synflow.manifest`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from synflow import registry
from synflow.errors import UsageError
from synflow.records import Task

_SIZE = re.compile(r"\s*(\d{1,15})(?:\.(\d{1,6}))?\s*([kmgt]i?b|b)?\s*", re.IGNORECASE)
_UNITS = {"": 1, "b": 1} | {
    f"{letter}{kind}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for kind, base in (("b", 1000), ("ib", 1024))
}


def bytes_of(value: object) -> object:
    """Return the bytes that a size such as ``512MiB`` or ``1.5GB`` stands for; other values as they are."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("must be a size such as 512MiB, 2GiB or a number of bytes")
    unit = _UNITS[(match[3] or "").lower()]
    return int(match[1]) * unit + int(int(match[2] or 0) * unit / 10 ** len(match[2] or ""))


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be an address such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError("must not hold credentials; name them: api_key: {env: NAME}")
    return value.rstrip("/")


Size = Annotated[int, BeforeValidator(bytes_of, json_schema_input_type=int | str)]
Address = Annotated[str, AfterValidator(_web_address)]
Addresses = Annotated[
    tuple[Address, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str]), Field(min_length=1)
]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class Part(BaseModel):
    """Base of all parts of a manifest: frozen, no unknown keys.

    Attributes:
        operational: fields that do not determine a byte of the output (addresses, secrets, speed).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    operational: ClassVar[frozenset[str]] = frozenset()

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine the output, as JSON."""
        return self.model_dump(mode="json", exclude=set(self.operational))


class InputSpec(Part):
    """One list of videos.

    Attributes:
        clips: a ``.jsonl``, ``.csv`` or ``.parquet`` list, a folder of videos, or webdataset tars
            (``x-{000..099}.tar``, ``x-*.tar``); relative to the manifest.
        root: where relative paths of the list start; by default the folder of the list.
        licence, dataset, attribution: for records that state none.
    """

    clips: str = Field(min_length=1)
    root: str | None = Field(None, min_length=1)
    licence: str = Field("unknown", min_length=1)
    dataset: str = ""
    attribution: str = ""

    def identity(self) -> dict[str, Any]:
        """Return what determines the output: where the list lies does not, what its records say is in the plan."""
        return {"clips": Path(self.clips).name, **self.model_dump(mode="json", exclude={"clips", "root"})}


class SerialSpec(Part):
    """One process, one shard after another: for looking at what goes wrong."""

    use: Literal["serial"] = "serial"


class RaySpec(Part):
    """Ray: ``local`` starts it on this machine, any other address joins a cluster.

    Attributes:
        cpus: workers at a time; None takes all that Ray has.
    """

    use: Literal["ray"] = "ray"
    address: str = Field("local", min_length=1)
    cpus: int | None = Field(None, ge=1, le=100_000)


class ApiKey(Part):
    """The name of the environment variable that holds a secret; the secret itself never stands in a manifest."""

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class Signals(Part):
    """Measured colour, layout and motion instead of a model: no weights, no GPU, no network."""

    use: Literal["signals"] = "signals"


class HttpVlm(Part):
    """A served model that speaks the OpenAI protocol: a vLLM server, or several of the same model.

    Attributes:
        base_url: one or more, with the ``/v1``; all pictures of a clip go to one of them.
        revision: of the weights; only recorded.
        timeout: seconds for one answer.
        attempts: of one request, the first one counted; ``patience`` seconds for all of them together.
        concurrency: requests in flight at each server.
        max_pixels: of one picture, sent to the server; None leaves the server's own limit.
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
    """An embedder that transformers loads (CLIP family, Qwen2.5-VL family); needs the extra ``models``.

    Attributes:
        device: ``auto`` takes a GPU where there is one; ``batch``: items at a time.
    """

    operational = frozenset({"device", "batch"})
    use: Literal["transformers"]
    model: str = Field(min_length=1)
    revision: str = ""
    device: str = Field("auto", min_length=1)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    batch: int = Field(8, ge=1, le=4096)


class HttpEmbedder(Part):
    """A pooling server (vLLM) that speaks the OpenAI protocol; fields as for the served model that writes."""

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


class ModelsSpec(Part):
    """The models that stages may ask: ``vlm`` sees and writes, ``embed`` compares texts with pictures."""

    vlm: Signals | HttpVlm | VllmEngine = Field(Signals(), discriminator="use")
    embed: Signals | TransformersEmbedder | HttpEmbedder = Field(Signals(), discriminator="use")

    def identity(self) -> dict[str, Any]:
        """Return which models answer, not where they are served."""
        return {"vlm": self.vlm.identity(), "embed": self.embed.identity()}


class MediaSpec(Part):
    """How videos are decoded and stored.

    Attributes:
        video: whether the video of a pair is stored as ``frames`` (JPEGs) or as a ``clip`` (mp4).
        frames: pictures that stand for a video.
        short_side: pixels of the shorter side of stored pictures; smaller sources keep theirs.
        decoder: ``pyav``, ``decord``, or ``module:Class`` of a plugin.
        deadline: seconds that decoding one source may take; ``memory``: bytes that its process may hold.
    """

    video: Literal["frames", "clip"] = "frames"
    frames: int = Field(8, ge=1, le=64)
    short_side: int = Field(360, ge=16, le=4320)
    jpeg_quality: int = Field(90, ge=1, le=100)
    decoder: str = Field("pyav", pattern=r"^(pyav|decord|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")
    deadline: Seconds = 60.0
    memory: Size = Field(2 << 30, ge=256 << 20, json_schema_extra={"examples": ["2GiB"]})


class ShardSpec(Part):
    """How large a shard of the dataset may grow: pairs and bytes (``512MiB``), whichever is reached first."""

    max_samples: int = Field(1000, ge=1, le=10_000_000)
    max_bytes: Size = Field(512 << 20, ge=1 << 10, json_schema_extra={"examples": ["512MiB"]})


class DownloadSpec(Part):
    """Limits for records that give a ``url``.

    Attributes:
        max_bytes: of one video (``2GiB``); timeout: seconds for one video.
        allow_private: whether addresses of this machine or of its networks may be asked.
    """

    operational = frozenset({"timeout", "allow_private"})
    max_bytes: Size = Field(2 << 30, ge=1, json_schema_extra={"examples": ["2GiB"]})
    timeout: Seconds = 120.0
    allow_private: bool = False


class StageEntry(Part):
    """A stage with all its parameters, defaults filled in by the stage's own ``Config``."""

    name: str
    config: dict[str, Any] = {}

    def identity(self) -> dict[str, Any]:
        """Return name, version and parameters."""
        version = registry.stage_class(self.name).version
        return {"name": self.name, "version": version, "config": self.config}


class Manifest(Part):
    """A whole manifest, checked.

    Attributes:
        seed: of everything that is drawn.
        output: the run directory, relative to the manifest; ``runs/<name>`` where omitted.
        shard_clips: source videos in one unit of work.
        targets: pairs wanted of each task; None: all that can be made.
        prompts: versions that are pinned, prompt -> version; others are taken in their newest version.
    """

    version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    seed: int = Field(42, ge=0, le=(1 << 63) - 1)
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    output: str = ""
    shard_clips: int = Field(64, ge=1, le=100_000)
    executor: SerialSpec | RaySpec = Field(RaySpec(), discriminator="use")
    models: ModelsSpec = ModelsSpec()
    stages: tuple[StageEntry, ...]
    targets: dict[Task, Annotated[int, Field(ge=0)]] | None = None
    media: MediaSpec = MediaSpec()
    shards: ShardSpec = ShardSpec()
    download: DownloadSpec = DownloadSpec()
    prompts: dict[str, Annotated[int, Field(ge=1)]] | None = None

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def folder(self) -> Path:
        """The folder where relative paths start: that of the manifest."""
        return self._folder

    @property
    def out(self) -> Path:
        """The run directory that the manifest names."""
        return self._folder / (self.output or f"runs/{self.name}")

    def located(self, folder: Path) -> Manifest:
        """Return a copy whose relative paths start at ``folder``."""
        copy = self.model_copy()
        copy._folder = folder.absolute()
        return copy

    @classmethod
    def restored(cls, value: Mapping[str, Any], folder: Path) -> Manifest:
        """Return the manifest that ``model_dump(mode="json")`` of another one left."""
        return cls.model_validate_json(json.dumps(dict(value)), strict=True).located(folder)

    def with_executor(self, choice: Mapping[str, Any]) -> Manifest:
        """Return a copy with another executor: ``{"use": "ray", "cpus": 2}``.

        Raises:
            UsageError: there is no such executor, or it does not take these parameters.
        """
        try:
            return self.restored({**self.model_dump(mode="json"), "executor": dict(choice)}, self.folder)
        except ValidationError as error:
            cause = f"executor: {error.errors()[0]['msg']}"
            raise UsageError(cause, "use: serial, or use: ray with address and cpus") from error

    def identity(self) -> dict[str, Any]:
        """Return everything in the manifest that determines bytes of the output, as JSON.

        Not in it: output, executor, addresses and secrets of models, and where folders lie. ``shard_clips`` is in
        it because receipts are per shard, though the dataset does not depend on it.
        """
        plain = ("version", "name", "seed", "shard_clips", "targets", "prompts")
        return {
            **self.model_dump(mode="json", include=set(plain)),
            "inputs": [one.identity() for one in self.inputs],
            "models": self.models.identity(),
            "stages": [entry.identity() for entry in self.stages],
            "media": self.media.identity(),
            "shards": self.shards.identity(),
            "download": self.download.identity(),
        }
