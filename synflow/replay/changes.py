"""What differs between two manifests, if a decision over stored measures can tell what that does."""

from __future__ import annotations

from typing import Any

from synflow.errors import UsageError
from synflow.manifest import Manifest
from synflow.plan import defines
from synflow.registry import stage_class


def differences(before: Manifest, after: Manifest) -> dict[str, tuple[Any, Any]]:
    """Return the parameters that differ, with both values.

    Raises:
        UsageError: one of them is not read by a decision alone.
    """
    remedy = f"use `synflow run` with it; replay can change parameters of {', '.join(map(_offer, _deciding(before)))}"
    old, new = (one.model_dump(mode="json", exclude={"stages"}) for one in (before, after))
    for name in old:
        if old[name] != new[name]:
            both = old[name], new[name]
            inner = [key for key in both[0] if both[0][key] != both[1].get(key)] if isinstance(both[0], dict) else []
            name = f"{name}.{inner[0]}" if inner else name
            raise UsageError(f"--set {name}: it is no threshold, so stored measures cannot tell what it does", remedy)
    found: dict[str, tuple[Any, Any]] = {}
    configs = {entry.name: entry.config for entry in after.stages}
    for entry in before.stages:
        for name, value in entry.config.items():
            if value == configs[entry.name][name]:
                continue
            if name not in decided_by(entry.name):
                cause = f"--set {entry.name}.{name}: it changes what is measured or made, not what is decided of it"
                raise UsageError(cause, remedy)
            found[f"{entry.name}.{name}"] = (value, configs[entry.name][name])
    return found


def decided_by(name: str) -> frozenset[str]:
    """Return the parameters of a stage that replay may change."""
    stage = stage_class(name)
    asked: frozenset[str] = getattr(stage, "decides", frozenset())
    return asked if defines(stage, "verdict") or defines(stage, "settle") else frozenset()


def _deciding(manifest: Manifest) -> list[str]:
    return [entry.name for entry in manifest.stages if decided_by(entry.name)]


def _offer(name: str) -> str:
    every = decided_by(name) == frozenset(stage_class(name).Config.model_fields)
    return name if every else f"{name} ({', '.join(sorted(decided_by(name)))})"
