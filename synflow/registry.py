"""Stages by name, found through the entry-point group ``synflow.stages`` and loaded when first asked for.

The built-in stages are found exactly as a third party's are. Their import package is called ``stages``, so the
registry checks that the ``stages`` which Python finds is the one beside this package: another one on ``sys.path``
would shadow it.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import synflow
from synflow.contract import StageConfig
from synflow.errors import UsageError

GROUP = "synflow.stages"
NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
REASON = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
BUILT_IN = "stages"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the one of ``names`` that ``name`` was most likely meant to be; empty where none is near."""
    known = sorted(names)
    folded = {one.casefold().replace("-", "_"): one for one in reversed(known)}
    found = difflib.get_close_matches(name.casefold().replace("-", "_"), list(folded), n=1, cutoff=0.55)
    return folded[found[0]] if found else ""


@cache
def found() -> Mapping[str, EntryPoint]:
    """Return the registered stages by name; nothing is imported.

    Raises:
        UsageError: two packages register different stages under one name, or ``stages`` is not ours.
    """
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = points.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(
                f"two packages register a stage `{point.name}`: {other.value} and {point.value}",
                "uninstall one of them, or rename its stage",
            )
    if not points:
        raise UsageError(
            f"no stage is registered: the entry-point group {GROUP} is empty",
            "install synflow (in a checkout: pip install -e .); a bare source tree is not enough",
        )
    _check_built_in(points.values())
    return dict(sorted(points.items()))


def _check_built_in(points: Iterable[EntryPoint]) -> None:
    if not any(point.module.split(".")[0] == BUILT_IN for point in points):
        return
    expected = Path(synflow.__file__).resolve().parent.parent / BUILT_IN
    try:
        spec = importlib.util.find_spec(BUILT_IN)
    except ValueError:
        spec = None
    places = [Path(place).resolve() for place in (spec.submodule_search_locations or ())] if spec else []
    if expected not in places[:1]:
        seen = str(places[0]) if places else (spec.origin or "a module without a file") if spec else "nothing"
        raise UsageError(
            f"the import package `{BUILT_IN}` is not synflow's: expected {expected}, Python finds {seen}",
            f"take the folder that holds the other `{BUILT_IN}` off PYTHONPATH, or run from another directory",
        )


def stage_names() -> tuple[str, ...]:
    """Return the names of all registered stages, sorted."""
    return tuple(found())


def stage_class(name: str) -> type[Any]:
    """Return the class of the stage ``name``.

    Raises:
        UsageError: no such stage, or what is registered under the name is no stage.
    """
    points = found()
    if name not in points:
        near = nearest(name, points)
        raise UsageError(
            f"unknown stage `{name}`" + (f"; did you mean `{near}`?" if near else ""),
            f"registered stages: {', '.join(points)}",
        )
    return _load(points[name])


def stage_classes() -> dict[str, type[Any]]:
    """Return all registered stages, name -> class, sorted by name."""
    return {name: stage_class(name) for name in found()}


def build(name: str, config: Mapping[str, Any]) -> Any:
    """Return the stage ``name`` with its parameters.

    Args:
        name: as a manifest names it.
        config: JSON, as `synflow.manifest.StageEntry.config` holds it.
    """
    stage = stage_class(name)
    return stage(stage.Config.model_validate_json(json.dumps(dict(config)), strict=True))


@cache
def _load(point: EntryPoint) -> type[Any]:
    try:
        loaded = point.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise UsageError(
            f"stage `{point.name}` ({point.value}) cannot be imported: {type(error).__name__}: {error}",
            "mend or reinstall the package that registers it",
        ) from error
    fault = _fault(point.name, loaded)
    if fault:
        raise UsageError(
            f"stage `{point.name}` ({point.value}) breaks the contract of a stage: {fault}",
            "see docs/write-a-stage.md",
        )
    stage: type[Any] = loaded
    return stage


def _fault(name: str, stage: object) -> str:
    """Return why ``stage`` cannot be used under ``name``; empty where it can."""
    if not isinstance(stage, type):
        return "it is not a class"
    config, reasons = getattr(stage, "Config", None), getattr(stage, "reasons", None)
    walks = any("__call__" in base.__dict__ for base in stage.__mro__)
    settles = all(callable(getattr(stage, method, None)) for method in ("rows", "settle", "apply"))
    version, rank = getattr(stage, "version", None), getattr(stage, "rank", None)
    uses = getattr(stage, "uses", None)
    faults: dict[str, bool] = {
        f"its name is {getattr(stage, 'name', None)!r}": getattr(stage, "name", None) != name,
        "a name is lower-case words joined by - or _": not NAME.fullmatch(name),
        "version must be a whole number of at least 1": not isinstance(version, int) or version < 1,
        "Config must be a subclass of StageConfig": not (isinstance(config, type) and issubclass(config, StageConfig)),
        "reasons must map codes to what they mean": not isinstance(reasons, Mapping),
        "it neither can be called nor has rows, settle and apply": not (walks or settles),
        "a stage that can be called says whether it wants the whole_shard": walks
        and not isinstance(getattr(stage, "whole_shard", None), bool),
        "a corpus stage has a rank": settles and not isinstance(rank, int),
        "uses must be a frozenset of media, vlm, embed": not isinstance(uses, frozenset)
        or not uses <= {"media", "vlm", "embed"},
    }
    wrong = [fault for fault, broken in faults.items() if broken]
    if isinstance(reasons, Mapping):
        wrong += [f"reason code {code!r} is not kebab-case" for code in reasons if not REASON.fullmatch(str(code))]
    return wrong[0] if wrong else ""
