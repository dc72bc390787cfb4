"""Embeds with weights that transformers loads: CLIP and SigLIP families, and Qwen2-VL to Qwen3-VL (GME, GVE).

torch and transformers are imported with the first use only. Pictures are decoded here, and what a vector is bound to
is the digest of the very bytes that were decoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synflow.asks import Item, Picture, Vector, said_digest
from synflow.errors import ServiceDown, UsageError
from synflow.ids import digest
from synflow.models.embedder_families import Family, Floats, Qwen, Rgb, TwoTowers, unit

REMEDY = "pip install 'synflow[models]', or embed with use: signals"
QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


class EmbedderOptions(BaseModel):
    """Parameters of ``models.embed`` with ``use: transformers``.

    Attributes:
        model: id on a hub, or a local folder (then nothing is fetched).
        revision: branch, tag or commit of a hub's model.
        device: ``auto`` takes a GPU where there is one; else as torch writes it: ``cpu``, ``cuda:1``.
        dtype: of the weights; ``auto`` is bfloat16 on a GPU and float32 on a CPU.
        batch: items of one forward pass.
        max_pixels: of one picture as Qwen sees it; 28 x 28 pixels are one visual token, 32 x 32 of Qwen3-VL.
        max_tokens: of one request to Qwen; a longer text is cut.
        instruction: for items that bring none (Qwen); empty is the model's usual system text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    revision: str = ""
    device: str = Field("auto", min_length=1)
    dtype: str = Field("auto", pattern="^(auto|bfloat16|float16|float32)$")
    batch: int = Field(8, ge=1, le=4096)
    max_pixels: int = Field(200 * 28 * 28, ge=4 * 28 * 28)
    max_tokens: int = Field(8192, ge=64)
    instruction: str = ""


class TransformersEmbedder:
    """An embedder whose weights this process holds; they are loaded with the first item."""

    learned = True

    def __init__(self, options: EmbedderOptions) -> None:
        self.options = options
        self._family: Family | None = None

    @property
    def joint(self) -> bool:
        """Whether text and pictures of one item are read together; known once something was embedded."""
        return isinstance(self._family, Qwen)

    @property
    def family(self) -> Family | None:
        """How items become input of the model; None before something was embedded."""
        return self._family

    @property
    def model(self) -> str:
        """Id of the model: its name and revision."""
        return f"{self.options.model}@{self.options.revision}" if self.options.revision else self.options.model

    def check(self) -> None:
        """Make sure that there is such a model, of a family that is known; its weights are not loaded.

        Raises:
            UsageError: a package is missing, there is no such model, no such device, or the family is unknown.
        """
        _family_of(self.options, _config(self.options))
        _device(self.options)

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        """Return one unit vector (float32 ``[dim]``) for each item, in order.

        It abstains from an item without text and pictures, and from one of which a picture cannot be decoded.

        Raises:
            UsageError: as `check`. ServiceDown: the memory of the device is not enough.
        """
        pictures: dict[str, Rgb] = {}
        bound: dict[str, str] = {}
        for picture in (picture for item in items for picture in item.pictures):
            if picture.digest not in bound:
                rgb = _decoded(picture)
                bound[picture.digest] = picture.digest if rgb is None else digest(picture.jpeg)
                if rgb is not None:
                    pictures[picture.digest] = rgb
        vectors = [Vector(None, tuple(bound[picture.digest] for picture in item.pictures)) for item in items]
        usable = [
            place
            for place, item in enumerate(items)
            if (item.pictures or (item.text or "").strip()) and all(p.digest in pictures for p in item.pictures)
        ]
        if not usable:
            return vectors
        if self._family is None:
            self._family = _loaded(self.options)
        found = self._family.vectors([items[place] for place in usable], pictures)
        for place, values in zip(usable, found, strict=True):
            item, bound_to = items[place], vectors[place].bound
            vectors[place] = Vector(unit(values).astype(np.float32), bound_to, said_digest(item.text))
        return vectors


@dataclass
class _Weights:
    """A loaded model with all that prepares its input."""

    options: EmbedderOptions
    model: Any
    tokenizer: Any
    images: Any

    def forward(self, call: Any, ends: Sequence[int] | None, **inputs: npt.NDArray[Any]) -> Floats:
        """Call the model with arrays; return float64 ``[items, dim]``: its features, or the states at ``ends``."""
        import torch

        device, dtype = self.model.device, self.model.dtype
        tensors = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in inputs.items()}
        moved = {n: t.to(device, dtype) if t.is_floating_point() else t.to(device) for n, t in tensors.items()}
        try:
            with torch.inference_mode():
                found = call(**moved)
                if ends is not None:
                    found = found.last_hidden_state[torch.arange(len(ends), device=device), list(ends)]
                elif not isinstance(found, torch.Tensor):
                    found = found.pooler_output
                values: Floats = found.to("cpu", torch.float64).numpy()
        except torch.OutOfMemoryError as error:
            raise ServiceDown(
                f"models.embed: the memory of {device} is not enough for {self.options.batch} items at a time",
                "lower models.embed.batch or max_pixels",
            ) from error
        return values


def _decoded(picture: Picture) -> Rgb | None:
    """Return the pixels of a JPEG (uint8 ``[h, w, 3]``); None where it cannot be read."""
    bgr = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR) if picture.jpeg else None
    return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1])


def _transformers() -> Any:
    """Import torch and transformers, quietly."""
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise UsageError(f"models.embed: {error.name or 'torch'} is not installed", REMEDY) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _from(options: EmbedderOptions, loader: Any, **more: Any) -> Any:
    """Load one part of a model; of a local folder nothing is fetched, and code that comes with it never runs."""
    local = Path(options.model).is_dir() and Path(_base_of(options) or options.model).is_dir()
    revision = {"revision": options.revision} if options.revision and not local else {}
    try:
        return loader.from_pretrained(
            options.model, local_files_only=local, trust_remote_code=False, **revision, **more
        )
    except (OSError, ValueError, KeyError) as error:
        lines = str(error).strip().splitlines()
        raise UsageError(
            f"models.embed.model: {options.model!r} cannot be loaded: {lines[0][:200] if lines else 'unknown'}",
            "name a folder that holds the model, or its id on a hub that can be reached, or embed with use: signals",
        ) from error


def _base_of(options: EmbedderOptions) -> str:
    """Return the model that an adapter's folder names as its base; empty where it is no adapter's folder."""
    folder = Path(options.model)
    path = folder / "adapter_config.json"
    if not path.is_file() or (folder / "config.json").is_file():
        return ""
    try:
        return str(json.loads(path.read_bytes())["base_model_name_or_path"])
    except (ValueError, KeyError, TypeError):
        return ""


def _config(options: EmbedderOptions) -> Any:
    base = _base_of(options)
    return _from(options.model_copy(update={"model": base}) if base else options, _transformers().AutoConfig)


def _family_of(options: EmbedderOptions, config: Any) -> type[Qwen] | type[TwoTowers]:
    transformers = _transformers()
    if config.model_type in QWEN:
        return Qwen
    towers = transformers.MODEL_MAPPING.get(type(config), None)
    if hasattr(towers, "get_text_features") and hasattr(towers, "get_image_features"):
        return TwoTowers
    raise UsageError(
        f"models.embed.model: {options.model!r} is of the family {config.model_type!r}, which cannot embed here",
        "use a CLIP, SigLIP, Qwen2-VL, Qwen2.5-VL or Qwen3-VL model, or serve it: use: openai_http",
    )


def _device(options: EmbedderOptions) -> Any:
    import torch

    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(options.device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"models.embed.device: there is no {options.device!r} here", "use auto, cpu or cuda"
        ) from error
    return device


def _loaded(options: EmbedderOptions) -> Family:
    """Load weights and preparation of a model."""
    transformers = _transformers()
    import torch

    config = _config(options)
    family, device = _family_of(options, config), _device(options)
    chosen = options.dtype if options.dtype != "auto" else "bfloat16" if device.type == "cuda" else "float32"
    model = _from(options, transformers.AutoModel, dtype=getattr(torch, chosen)).to(device).eval()
    tokenizer = _from(options, transformers.AutoTokenizer)
    images = _from(options, transformers.AutoImageProcessor, backend="pil")
    return family(_Weights(options, model, tokenizer, images))


def open_transformers(options: Mapping[str, Any]) -> TransformersEmbedder:
    """Return the embedder that a manifest entry describes; loads nothing yet.

    Raises:
        UsageError: a parameter is wrong.
    """
    try:
        return TransformersEmbedder(EmbedderOptions(**options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"models.embed.{where}: {first['msg']}", "see `synflow stages --schema`") from error
