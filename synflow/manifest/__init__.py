"""From a strict YAML file and ``--set`` to a checked `Manifest`, with errors that name line, key and remedy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synflow import registry
from synflow.datafile import NamedFile
from synflow.errors import UsageError
from synflow.manifest.backends import ModelsSpec
from synflow.manifest.complaints import Complaint, complaints_of, raise_all
from synflow.manifest.inlining import inlined
from synflow.manifest.schema import (
    InputSpec,
    Manifest,
    MediaSpec,
    RaySpec,
    SerialSpec,
    ShardSpec,
    StageEntry,
)
from synflow.manifest.settings import Key, Origin, Settings, apply_sets, read_yaml, text_of

__all__ = [
    "InputSpec", "Manifest", "MediaSpec", "ModelsSpec", "RaySpec", "SerialSpec", "ShardSpec", "StageEntry",
    "changed_manifest", "json_schema", "load_manifest", "parse_manifest",
]  # fmt: skip

QUOTA = "quota"


def load_manifest(path: Path, sets: Sequence[str] = ()) -> Manifest:
    """Return the manifest in the file ``path``, with ``sets`` (``key.path=value``) on top.

    Raises:
        UsageError: the file cannot be read, or something in it or in ``sets`` is wrong.
    """
    remedy = "give the path of a manifest; manifests/demo.yaml is one to start from"
    text = text_of(path, "manifest", remedy)
    return parse_manifest(text, str(path), path.absolute().parent, sets)


def parse_manifest(text: str, label: str, folder: Path, sets: Sequence[str] = ()) -> Manifest:
    """Return the manifest that ``text`` holds.

    Args:
        text: YAML.
        label: what errors call the text: the path of its file.
        folder: where relative paths start.
        sets: ``key.path=value``.
    """
    settings = read_yaml(text, label)
    if settings.value is None and not sets:
        raise UsageError(f"{label}: the manifest is empty", "manifests/demo.yaml is one to start from")
    apply_sets(settings, sets, tuple(Manifest.model_fields), registry.stage_names())
    if not isinstance(settings.value, dict):
        raise UsageError(f"{settings.origin(())}: a manifest must be a mapping", "it begins with `version: 1`")
    return _with_files(_checked(settings, folder), folder)


def changed_manifest(dump: Mapping[str, Any], folder: Path, sets: Sequence[str]) -> Manifest:
    """Return the manifest that ``model_dump(mode="json")`` of another one left, with ``sets`` on top.

    Raises:
        UsageError: something in ``sets`` is wrong.
    """
    plain = {**dump, "stages": [{entry["name"]: dict(entry["config"])} for entry in dump["stages"]]}
    settings = Settings(json.loads(json.dumps(plain)), {(): Origin("run.json")})
    apply_sets(settings, sets, tuple(Manifest.model_fields), registry.stage_names())
    return _with_files(_checked(settings, folder), folder)


def _with_files(manifest: Manifest, folder: Path) -> Manifest:
    """Return ``manifest`` with its folder, and with the files that parameters of stages name found and hashed."""
    folder = folder.absolute()
    stages = []
    for entry in manifest.stages:
        config = registry.stage_class(entry.name).Config.model_validate_json(json.dumps(entry.config), strict=True)
        found: dict[str, Any] = {}
        for name, value in config:
            if isinstance(value, NamedFile):
                found[name] = value.opened(folder).model_dump(mode="json")
            elif isinstance(value, tuple) and any(isinstance(one, NamedFile) for one in value):
                found[name] = [one.opened(folder).model_dump(mode="json") for one in value]
        stages.append(entry.model_copy(update={"config": {**entry.config, **found}}) if found else entry)
    return manifest.model_copy(update={"stages": tuple(stages)}).located(folder)


def _checked(settings: Settings, folder: Path) -> Manifest:
    inlined(settings, folder)
    raw: dict[str, Any] = settings.value
    entries, found = _stage_entries(raw)
    plain = {**raw, "stages": entries} if "stages" in raw else raw
    manifest: Manifest | None = None
    try:
        manifest = Manifest.model_validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        found += [
            one for one in complaints_of(error, Manifest, raw) if one.key[:1] != ("stages",) or "stages" not in raw
        ]
    found += _misplaced(entries)
    if found or manifest is None:
        raise_all(found, settings)
    return _with_quota(manifest, settings)


def _stage_entries(raw: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[Complaint]]:
    """Return the stages as ``{name, config}`` with all defaults, and what is wrong with them."""
    listed = raw.get("stages", [])
    if not isinstance(listed, list):
        return [], [Complaint(("stages",), "must be a list such as `- validate: {}`")]
    entries: list[dict[str, Any]] = []
    found: list[Complaint] = []
    first: dict[str, int] = {}
    for place, item in enumerate(listed):
        key: Key = ("stages", place)
        params: Any = {}
        if isinstance(item, str):
            name = item
        elif isinstance(item, dict) and len(item) == 1:
            name, params = next(iter(item.items()))
        else:
            found.append(Complaint(key, "must be one stage, `name` or `name: {parameter: value}`"))
            continue
        if name in first:
            found.append(Complaint(key, f"the stage `{name}` stands at stages[{first[name]}] already", "name it once"))
            continue
        first[name] = place
        entry, wrong = _stage_entry((*key, name) if isinstance(item, dict) else key, name, params)
        entries += entry
        found += wrong
    return entries, found


def _stage_entry(key: Key, name: str, params: Any) -> tuple[list[dict[str, Any]], list[Complaint]]:
    try:
        config = registry.stage_class(name).Config
    except UsageError as error:
        return [], [Complaint(key, error.cause, error.remedy)]
    given = {} if params is None else params
    if not isinstance(given, dict):
        return [], [Complaint(key, "its parameters must be a mapping", f"see `synflow stages {name}`")]
    try:
        checked = config.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        hint = f"see `synflow stages {name}`"
        return [], [one.under(key, hint) for one in complaints_of(error, config, given)]
    return [{"name": name, "config": checked.model_dump(mode="json")}], []


def _misplaced(entries: Sequence[Mapping[str, Any]]) -> list[Complaint]:
    """Return complaints on stages that split clips after another one judged or wrote about them as they were."""
    found: list[Complaint] = []
    first = ""
    for place, name in enumerate(entry["name"] for entry in entries):
        cls = registry.stage_class(name)
        if first and getattr(cls, "divides", False):
            key: Key = ("stages", place, name)
            found.append(Complaint(key, f"splits clips that `{first}` has dealt with", f"put it before `{first}`"))
        # Stages of the whole run have no `whole_shard`.
        first = first or (name if getattr(cls, "whole_shard", True) else "")
    return found


def _with_quota(manifest: Manifest, settings: Settings) -> Manifest:
    """Append the stage `quota` where the manifest has targets; one place for targets is enough."""
    place = next((i for i, entry in enumerate(manifest.stages) if entry.name == QUOTA), None)
    own = manifest.stages[place].config.get("targets") if place is not None else None
    if place is not None and own and manifest.targets is not None and own != manifest.targets:
        key: Key = ("stages", place, QUOTA, "targets")
        raise_all([Complaint(key, "differs from `targets` of the manifest", "give the targets in one place")], settings)
    targets = manifest.targets if manifest.targets is not None else own
    if targets is None:
        return manifest
    config = {**(manifest.stages[place].config if place is not None else {}), "targets": targets}
    checked, wrong = _stage_entry(("targets",), QUOTA, config)
    if wrong:
        raise_all(wrong, settings)
    quota = StageEntry(name=QUOTA, config=checked[0]["config"])
    stages = [entry for entry in manifest.stages if entry.name != QUOTA]
    stages.insert(len(stages) if place is None else place, quota)
    return manifest.model_copy(update={"stages": tuple(stages), "targets": targets})


def json_schema(names: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a manifest file, with the parameters of every stage.

    Args:
        names: the stages that it knows; None: all that are registered.
    """
    schema: dict[str, Any] = Manifest.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    definitions.pop("StageEntry", None)
    known = tuple(registry.stage_names() if names is None else names)
    choices: list[dict[str, Any]] = [{"enum": list(known)}]
    for name in known:
        config = registry.stage_class(name).Config.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        definitions |= {f"{name}.{inner}": value for inner, value in config.pop("$defs", {}).items()}
        definitions[f"stage.{name}"] = config
        params = {"anyOf": [{"$ref": f"#/$defs/stage.{name}"}, {"type": "null"}]}
        choices.append(
            {"type": "object", "properties": {name: params}, "required": [name], "additionalProperties": False}
        )
    schema["properties"]["stages"] = {
        "type": "array",
        "title": "Stages",
        "description": "In order: a name, or a name with its parameters.",
        "items": {"anyOf": choices},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
