"""What a manifest may hold: frozen models with their defaults, units and bounds.

How a file is read, overridden and complained about is in `synflow.manifest`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError

from synflow import registry
from synflow.datafile import portable
from synflow.errors import Refused, UsageError
from synflow.manifest.backends import ModelsSpec
from synflow.manifest.parts import Part, Seconds, Size
from synflow.records import Task


class InputSpec(Part):
    """One list of videos.

    Attributes:
        clips: a ``.jsonl``, ``.csv`` or ``.parquet`` list, a folder of videos, or webdataset tars
            (``x-{000..099}.tar``, ``x-*.tar``); relative to the manifest, or a URL of an object store.
        root: where relative paths of the list start, a folder or a URL; by default the folder of the list.
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
        address: ``local``, ``auto`` for the cluster that this machine is part of, or ``host:port`` of its head.
        cpus: workers at a time; None takes all that Ray has.
    """

    use: Literal["ray"] = "ray"
    address: str = Field("local", min_length=1)
    cpus: int | None = Field(None, ge=1, le=100_000)


class MediaSpec(Part):
    """How videos are decoded and stored.

    Attributes:
        video: whether the video of a pair is stored as ``frames`` (JPEGs) or as a ``clip`` (mp4).
        frames: pictures that stand for a video.
        short_side: pixels of the shorter side of stored pictures; smaller sources keep theirs.
        jpeg_quality: of stored pictures, 1 to 100.
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
    """How large a shard of the dataset may grow: whichever is reached first.

    Attributes:
        max_samples: pairs.
        max_bytes: of the tar (``512MiB``).
    """

    max_samples: int = Field(1000, ge=1, le=10_000_000)
    max_bytes: Size = Field(512 << 20, ge=1 << 10, json_schema_extra={"examples": ["512MiB"]})


class DownloadSpec(Part):
    """Limits for videos that are fetched from the web or an object store.

    Attributes:
        max_bytes: of one video (``2GiB``).
        timeout: seconds for one video.
        allow_private: whether addresses of this machine or of its networks may be asked.
    """

    operational = frozenset({"timeout", "allow_private"})
    max_bytes: Size = Field(2 << 30, ge=1, json_schema_extra={"examples": ["2GiB"]})
    timeout: Seconds = 120.0
    allow_private: bool = False


class StageEntry(Part):
    """A stage with all its parameters, defaults filled in by the stage's own ``Config``."""

    name: str
    config: dict[str, Any] = Field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return name, version and parameters."""
        version = registry.stage_class(self.name).version
        return {"name": self.name, "version": version, "config": portable(self.config)}


class Manifest(Part):
    """A whole manifest, checked.

    Attributes:
        version: 1, of the manifest's own form.
        name: of the run: letters, digits, ``.``, ``_`` and ``-``, 64 at most.
        seed: of everything that is drawn.
        inputs: lists of videos.
        executor: what the work runs on.
        stages: ``- name: {parameter: value}`` in order; parameters left out take their defaults.
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
        """Return the manifest that ``model_dump(mode="json")`` of another one left.

        Raises:
            Refused: it was left by a version of synflow whose manifests were other.
        """
        try:
            return cls.model_validate_json(json.dumps(dict(value)), strict=True).located(folder)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise Refused(
                f"the run was made by another version of synflow ({where}: {error.errors()[0]['msg']})",
                "resume it with the version that made it, or run its manifest into another --out",
            ) from error

    def with_executor(self, choice: Mapping[str, Any]) -> Manifest:
        """Return a copy with another executor: ``{"use": "ray", "cpus": 2}``.

        Raises:
            UsageError: there is no such executor, or it does not take these parameters.
        """
        value = {**self.model_dump(mode="json"), "executor": dict(choice)}
        try:
            return self.model_validate_json(json.dumps(value), strict=True).located(self.folder)
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
