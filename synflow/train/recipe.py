"""What a training recipe may hold: frozen parts with the paper's values as defaults, and how its file is read.

A recipe is as strict as a manifest and complained about in the same lines. Values that Guo et al. (arXiv 2510.27571)
state are marked *paper*; all others are ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from synflow.errors import UsageError
from synflow.manifest.backends import HttpEmbedder, TransformersEmbedder
from synflow.manifest.complaints import Complaint, complaints_of, raise_all
from synflow.manifest.parts import Part
from synflow.manifest.settings import Settings, apply_sets, read_yaml, text_of
from synflow.records import TASKS, Task
from synflow.train.executor import Processes, RayWorkers

LOWEST: tuple[Task, ...] = ("t2t", "t2i", "i2v", "v2v", "t2v", "ti2v", "tv2v")
"""The tasks from the base of the pyramid to its top, for the baseline of a fixed order."""

REMEDY = "docs/train.md tells what a recipe may hold; manifests/train/tiny.yaml is one to start from"


class DataSpec(Part):
    """Where the pairs come from.

    Attributes:
        run: folder or URL of a finished run; relative to the recipe.
        tasks: those that are trained; None: all that the run has.
        holdout: videos of which no pair is trained; their pairs are what the model is tried on after each epoch.
        holdout_seed: chooses them; None: the recipe's seed does. Trainings that are compared, or that go on from one
            another, hold out the same videos with the same one, whatever their own seed.
        workers: processes that read, decode and cut into patches; 0: the training process does it itself.
        cache: folder for outputs of the frozen vision tower; None: they are computed each time.
    """

    operational = frozenset({"workers", "cache"})
    run: str = Field(min_length=1)
    tasks: tuple[Task, ...] | None = Field(None, min_length=1)
    holdout: int = Field(0, ge=0)
    holdout_seed: int | None = Field(None, ge=0, le=(1 << 63) - 1)
    workers: int = Field(0, ge=0, le=256)
    cache: str | None = Field(None, min_length=1)


class ModelSpec(Part):
    """Which model is trained.

    Attributes:
        base: folder, or id on a hub, of a Qwen2-VL, Qwen2.5-VL or Qwen3-VL; ``tiny`` (a Qwen2.5-VL) and ``tiny-qwen3``
            are of random weights, made in seconds.
        dtype: of the frozen weights and of the computation (*paper*: bfloat16); the trained ones are float32.
        attention: of transformers; ``auto`` takes FlashAttention where it is installed and there is a GPU.
        checkpointing: recompute activations in the backward pass (*paper*).
    """

    operational = frozenset({"device", "attention", "checkpointing"})
    base: str = Field("Qwen/Qwen2.5-VL-3B-Instruct", min_length=1)
    revision: str = ""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    device: str = Field("auto", min_length=1)
    attention: Literal["auto", "sdpa", "flash_attention_2", "eager"] = "auto"
    checkpointing: bool = True


class InputSpec(Part):
    """How much of a sample the model sees; a visual token is a square of 28 pixels, of 32 for Qwen3-VL.

    Attributes:
        frames: pictures of a video, uniform over those that are stored (*paper*: 8).
        frame_tokens, image_tokens: visual tokens of one picture of a video, and of an image, at most (*paper*).
        max_tokens: of one sequence; a longer text is cut (*paper*).
    """

    frames: int = Field(8, ge=1, le=64)
    frame_tokens: int = Field(200, ge=4, le=16384)
    image_tokens: int = Field(256, ge=4, le=16384)
    max_tokens: int = Field(8192, ge=64)


class Lora(Part):
    """Low-rank adapters on the language model; everything else is frozen (*paper*, all values).

    Attributes:
        targets: the linear layers of each block that get one.
        dora: split the update into size and direction (not in the paper).
    """

    use: Literal["lora"] = "lora"
    rank: int = Field(16, ge=1, le=4096)
    alpha: float = Field(32, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    targets: tuple[Literal["q", "k", "v", "o", "up", "down", "gate"], ...] = Field(
        ("q", "k", "v", "up", "down", "gate"), min_length=1
    )
    dora: bool = False


class Full(Part):
    """All weights of the language model, for tiny models; ``vision`` trains the vision tower as well."""

    use: Literal["full"]
    vision: bool = False


class LossSpec(Part):
    """Symmetric InfoNCE.

    Attributes:
        temperature: of the softmax (*paper*: 0.03).
        margin: a key that scores more than the query's own positive and this does not count (released code: 0.1).
        matryoshka: further lengths of the vector, from its start, on which the loss is taken as well.
    """

    temperature: float = Field(0.03, gt=0, le=1)
    margin: float | None = Field(0.1, ge=0, le=2)
    matryoshka: tuple[Annotated[int, Field(ge=1)], ...] = ()


class NegativesSpec(Part):
    """Hard negatives, from the tables beside the run.

    Attributes:
        tasks: mined ones of a pair, by task; a task that is not named gets the paper's number (1 for t2v, ti2v, tv2v).
        version: which tables; empty: those that fit the run, where there is one set.
        remine: whether the prober mines them anew at the start of each epoch (*paper*).
        texts: whether texts made false of the target (events in another order, another colour) stand against the
            query when the target asks for it; not in the paper.
        reversed: whether the target played backward, where the pair's text is false of that, stands against the
            target; not in the paper.
    """

    tasks: dict[Task, Annotated[int, Field(ge=0, le=3)]] = Field(default_factory=dict)
    version: str = ""
    remine: bool = True
    texts: bool = False
    reversed: bool = False


class Pyramid(Part):
    """Modality Pyramid: P(k) = softmax(R_k / sigma), with R_k the mean cosine of a task's pairs by the prober.

    Attributes:
        sigma: of the first and of the last epoch, linear between (*paper*: 0.1 to 1.0).
        pairs: of each task that the prober is shown.
        relative: take from R_k the mean cosine of shuffled pairs, so that tasks whose two sides look alike anyway
            are not favoured.
    """

    use: Literal["pyramid"] = "pyramid"
    sigma: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.1, 1.0)
    pairs: int = Field(1000, ge=1)
    relative: bool = False


class Plain(Part):
    """Baseline: tasks are drawn by their numbers of pairs."""

    use: Literal["plain"]


class Order(Part):
    """Baseline: each epoch goes through the tasks one after another, in this order; a task left out is not trained."""

    use: Literal["order"]
    tasks: tuple[Task, ...] = Field(LOWEST, min_length=1)


class Itself(Part):
    """The model as it is at the start of the epoch is its own prober, also at first."""

    use: Literal["itself"] = "itself"


class BatchSpec(Part):
    """How many pairs a step compares, and how they go through the model.

    Attributes:
        size: pairs of a batch over all processes (*paper*: 64 on each of 32 GPUs).
        tasks: other sizes for some tasks (*paper*: 32 on each GPU for t2i).
        chunk_tokens: tokens, padding counted, that go through the model at a time: what decides on memory.
        padding: share of a chunk that may be padding.
        gradient_caching: embed without gradients first, then once more chunk by chunk with them (Gao et al.,
            arXiv 2101.06983): memory of one chunk for any batch, at the price of a second forward pass.
    """

    operational = frozenset({"chunk_tokens", "padding", "gradient_caching"})
    size: int = Field(2048, ge=2)
    tasks: dict[Task, Annotated[int, Field(ge=2)]] = Field({"t2i": 1024})
    chunk_tokens: int = Field(16384, ge=64)
    padding: float = Field(0.08, ge=0, lt=1)
    gradient_caching: bool = True

    def of(self, task: str) -> int:
        """Return the pairs of a batch of that task."""
        return {**self.tasks}.get(task, self.size)  # type: ignore[call-overload, no-any-return]


class OptimizerSpec(Part):
    """AdamW.

    Attributes:
        lr: at its highest; weight_decay (*paper*: 3e-5 and 0.1).
        schedule: of the rate after warming up (*paper*: cosine); warmup: share of all steps; clip: norm of gradients.
    """

    lr: float = Field(3e-5, gt=0)
    weight_decay: float = Field(0.1, ge=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(0.03, ge=0, lt=1)
    clip: float | None = Field(1.0, gt=0)


class CheckpointSpec(Part):
    """When the state is kept: after every ``every`` steps and each epoch; the last ``keep`` stay."""

    operational = frozenset({"every", "keep"})
    every: int = Field(200, ge=1)
    keep: int = Field(2, ge=1)


class OutputSpec(Part):
    """What is left at the end beside the adapter: ``merged``, a whole checkpoint with the adapter in its weights."""

    merged: bool = False


class Recipe(Part):
    """A whole recipe, checked.

    Attributes:
        seed: of everything that is drawn (*paper*: 42).
        output: folder of the training, relative to the recipe; ``runs/<name>`` beside it where omitted.
        epochs: (*paper*: 3); steps: of an epoch, None: pairs over pairs of a batch.
        log_every: steps between two lines of the console; every step is in ``log.jsonl``.
    """

    operational = frozenset({"output", "log_every", "tensorboard", "executor"})
    version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    seed: int = Field(42, ge=0, le=(1 << 63) - 1)
    output: str = ""
    data: DataSpec
    model: ModelSpec = ModelSpec()
    input: InputSpec = InputSpec()
    tune: Lora | Full = Field(Lora(), discriminator="use")
    loss: LossSpec = LossSpec()
    negatives: NegativesSpec = NegativesSpec()
    curriculum: Pyramid | Plain | Order = Field(Pyramid(), discriminator="use")
    prober: Itself | TransformersEmbedder | HttpEmbedder = Field(Itself(), discriminator="use")
    batch: BatchSpec = BatchSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    epochs: int = Field(3, ge=1, le=1000)
    steps: int | None = Field(None, ge=1)
    checkpoints: CheckpointSpec = CheckpointSpec()
    outputs: OutputSpec = OutputSpec()
    log_every: int = Field(10, ge=1)
    tensorboard: bool = True
    executor: Processes | RayWorkers = Field(Processes(), discriminator="use")

    _folder: Path = PrivateAttr(default_factory=Path.cwd)  # where relative paths start

    @model_validator(mode="after")
    def _agree(self) -> Recipe:
        """Refuse parts that do not go together."""
        if isinstance(self.tune, Full) and self.tune.vision and self.data.cache:
            raise ValueError("data.cache keeps outputs of a frozen vision tower, but tune.vision trains it")
        return self

    @property
    def out(self) -> Path:
        """The folder of the training."""
        return self._folder / (self.output or f"runs/{self.name}")

    @property
    def run(self) -> str:
        """The run that is trained on: a URL as it is, a folder by its whole path."""
        return self.data.run if "://" in self.data.run else str(self._folder / self.data.run)

    @property
    def base(self) -> str:
        """The model that is trained: a folder beside the recipe by its whole path, else the name as it is."""
        beside = self._folder / self.model.base
        return str(beside) if beside.is_dir() else self.model.base

    @property
    def cache(self) -> Path | None:
        """The folder of the vision cache."""
        return self._folder / self.data.cache if self.data.cache else None

    def located(self, folder: Path) -> Recipe:
        """Return a copy whose relative paths start at ``folder``."""
        copy = self.model_copy()
        copy._folder = folder.absolute()
        return copy

    def identity(self) -> dict[str, Any]:
        """Return everything that decides what is learned, as JSON: not where files lie, nor speed and memory."""
        found: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name not in self.operational:
                found[name] = value.identity() if isinstance(value, Part) else value
        found["data"].pop("run")
        return dict(json.loads(json.dumps(found)))


def load_recipe(path: Path, sets: Sequence[str] = ()) -> Recipe:
    """Return the recipe in the file ``path``, with ``sets`` (``key.path=value``) on top.

    Raises:
        UsageError: the file cannot be read, or something in it or in ``sets`` is wrong.
    """
    return parse_recipe(text_of(path, "recipe", REMEDY), str(path), path.absolute().parent, sets)


def parse_recipe(text: str, label: str, folder: Path, sets: Sequence[str] = ()) -> Recipe:
    """Return the recipe that ``text`` holds; errors call it ``label``, relative paths start at ``folder``."""
    settings = read_yaml(text, label)
    if settings.value is None and not sets:
        raise UsageError(f"{label}: the recipe is empty", REMEDY)
    apply_sets(settings, sets, tuple(Recipe.model_fields), ())
    if not isinstance(settings.value, dict):
        raise UsageError(f"{settings.origin(())}: a recipe must be a mapping", "it begins with `version: 1`")
    return _checked(settings).located(folder)


def _checked(settings: Settings) -> Recipe:
    raw: dict[str, Any] = settings.value
    try:
        recipe = Recipe.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        found = [one if one.remedy else replace(one, remedy=REMEDY) for one in complaints_of(error, Recipe, raw)]
        raise_all(found, settings)
    twice = [task for task in TASKS if (recipe.data.tasks or ()).count(task) > 1]
    if twice:
        raise_all([Complaint(("data", "tasks"), f"names {twice[0]} twice", REMEDY)], settings)
    return recipe
