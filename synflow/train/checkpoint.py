"""The state of a training on disk: weights, optimizer, and where in data and curriculum it is.

A checkpoint is a folder that is there whole or not at all; ``receipt.json`` in it, written last, names the digest of
every file. Loading takes the newest one that is as its receipt says. Nothing else is needed to go on exactly: which
pairs a step trains and what dropout drops follow from seed and step.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from synflow.durable import Attempt, forget, make_folder, publish_folder
from synflow.errors import Damage, UsageError
from synflow.ids import canonical, digest

NAME = re.compile(r"step-(\d{9})")
RECEIPT = "receipt.json"
FILES = ("weights.safetensors", "optimizer.safetensors", "state.json")


@dataclass
class State:
    """Where a training is.

    Attributes:
        step: steps that were done; epoch: that is under way, or begins.
        first: the first step of that epoch.
        drawn: how often each task was drawn in the epochs before it.
        plans: of the epochs that began, as JSON (`EpochPlan.as_json`), with what the prober said.
        hard: version of the hard negatives of the epoch under way.
        trials: what the held-out pairs gave after each epoch.
        spoilt: samples that could not be used, and why.
    """

    step: int = 0
    epoch: int = 0
    first: int = 0
    drawn: dict[str, int] = field(default_factory=dict)
    plans: list[dict[str, Any]] = field(default_factory=list)
    hard: str = ""
    trials: list[dict[str, Any]] = field(default_factory=list)
    spoilt: dict[str, str] = field(default_factory=dict)

    @property
    def before(self) -> Counter[str]:
        """Return the draws of the epochs before this one."""
        return Counter(self.drawn)


class Checkpoints:
    """The checkpoints of a training.

    Args:
        folder: where they are.
        staging: where they are written before they get their names.
        keep: so many stay.
    """

    def __init__(self, folder: Path, staging: Path, keep: int) -> None:
        self.folder, self.staging, self.keep = folder, staging, keep

    def save(self, state: State, weights: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> Path:
        """Keep the state; return its folder."""
        make_folder(self.folder)
        target = self.folder / f"step-{state.step:09d}"
        held = {name: one.detach().to("cpu").contiguous() for name, one in weights.items()}
        contents = {
            FILES[0]: save_tensors(held),
            FILES[1]: save_tensors(_moments(optimizer)),
            FILES[2]: canonical(asdict(state)),
        }
        with Attempt(self.staging) as attempt:
            receipt = {}
            for name, data in contents.items():
                draft = attempt.draft(name)
                draft.write(data)
                draft.close()
                receipt[name] = {"bytes": draft.size, "sha256": draft.digest}
            draft = attempt.draft(RECEIPT)
            draft.write(canonical(receipt))
            draft.close()
            publish_folder(attempt, target)
        for old in self.steps()[: -self.keep]:
            forget(self.folder / f"step-{old:09d}")
        return target

    def steps(self) -> list[int]:
        """Return the steps of which there are checkpoints, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(int(found[1]) for path in self.folder.iterdir() if (found := NAME.fullmatch(path.name)))

    def load(
        self, weights: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
    ) -> tuple[State, list[str]]:
        """Set weights and optimizer to the newest sound checkpoint; return its state, and what newer ones lack.

        Raises:
            UsageError: there is none, or it is of another model. Damage: none of them is as promised.
        """
        wrong: list[str] = []
        for step in reversed(self.steps()):
            path = self.folder / f"step-{step:09d}"
            try:
                contents = _promised(path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                wrong.append(f"{path}: {error}")
                continue
            _set(contents, weights, optimizer)
            return State(**json.loads(contents[FILES[2]])), wrong
        if wrong:
            raise Damage(
                f"no checkpoint in {self.folder} is whole: {wrong[0]}", "train anew, into another output folder"
            )
        raise UsageError(f"{self.folder} holds no checkpoint to go on from", "train without --resume")


def _promised(path: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint; ValueError where one is not as the receipt says."""
    receipt = json.loads((path / RECEIPT).read_bytes())
    contents = {}
    for name in FILES:
        contents[name] = (path / name).read_bytes()
        if digest(contents[name]) != receipt[name]["sha256"]:
            raise ValueError(f"{name} is not what its receipt says")
    return contents


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimizer's state by the places of the weights."""
    state = optimizer.state_dict()["state"]
    order = [place for group in optimizer.state_dict()["param_groups"] for place in group["params"]]
    found = {}
    for place in order:
        for kind, value in state.get(place, {}).items():
            found[f"{place}/{kind}"] = value.detach().to("cpu").contiguous()
    return found or {"none": torch.zeros(1)}


def _set(
    contents: Mapping[str, bytes], weights: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    held = load_tensors(contents[FILES[0]])
    if {name: tuple(one.shape) for name, one in held.items()} != {n: tuple(p.shape) for n, p in weights.items()}:
        raise UsageError("the checkpoint is of another model or other adapters", "train into another output folder")
    with torch.no_grad():
        for name, one in weights.items():
            one.copy_(held[name])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in load_tensors(contents[FILES[1]]).items():
        if "/" in name:
            place, kind = name.split("/")
            state.setdefault(int(place), {})[kind] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
