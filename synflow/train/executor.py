"""Where the processes of a training come from: a part of the recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synflow.manifest.parts import Part


class Processes(Part):
    """This process alone, or those that ``torchrun`` started it with."""

    use: Literal["processes"] = "processes"


class RayWorkers(Part):
    """Workers that Ray Train starts and watches, on one machine or over a cluster that shares the folders.

    Attributes:
        address: ``local`` starts Ray on this machine; ``auto`` or ``host:port`` joins a cluster.
        workers: processes; each has a GPU where the cluster has any and ``model.device`` is not ``cpu``.
        cpus: cores of a worker; those of its readers (``data.workers``) counted.
        failures: how often in a row the workers are started anew from the last checkpoint because one of them was
            lost; what they do between two checkpoints begins the count again.
    """

    use: Literal["ray"]
    address: str = Field("local", min_length=1)
    workers: int = Field(1, ge=1, le=4096)
    cpus: int = Field(1, ge=1, le=1024)
    failures: int = Field(3, ge=0, le=1000)
