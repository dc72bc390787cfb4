"""Files that parameters of stages name: what they hold takes the place of their paths before anything is validated.

A stage sees no path, and what is inlined is part of the fingerprint of the run: a changed file is drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synflow import registry
from synflow.contract import FromFile
from synflow.errors import UsageError
from synflow.manifest.settings import Key, Settings, read_yaml, spelled

LARGEST = 1 << 20
"""Bytes of such a file, at most: it is kept whole in `run.json`."""


def inlined(settings: Settings, folder: Path) -> None:
    """Put the content of files where parameters marked with `FromFile` name them.

    Args:
        settings: a manifest; changed in place. What came from a file has its lines as origins.
        folder: where relative paths start.

    Raises:
        UsageError: a file cannot be read, or is no plain YAML.
    """
    for key, params in _stages(settings.value):
        for name in _from_files(str(key[-1])):
            value = params.get(name)
            if isinstance(value, str):
                params[name] = _content(value, (*key, name), settings, folder)
            elif isinstance(value, list):
                for place, item in enumerate(value):
                    if isinstance(item, str):
                        value[place] = _content(item, (*key, name, place), settings, folder)


def _stages(manifest: Any) -> Iterator[tuple[Key, dict[str, Any]]]:
    listed = manifest.get("stages") if isinstance(manifest, dict) else None
    for place, entry in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(entry, dict) and len(entry) == 1:
            name, params = next(iter(entry.items()))
            if isinstance(params, dict):
                yield ("stages", place, name), params


def _from_files(stage: str) -> list[str]:
    if stage not in registry.found():
        return []  # complained about when the stages are checked
    fields = registry.stage_class(stage).Config.model_fields
    return [name for name, field in fields.items() if any(isinstance(one, FromFile) for one in field.metadata)]


def _content(path: str, key: Key, settings: Settings, folder: Path) -> Any:
    where = f"{settings.origin(key)}: {spelled(key)}"
    remedy = "give the path of a YAML file, relative to the manifest"
    place = folder / path
    try:
        data = place.read_bytes()
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{where}: {path!r} cannot be read: {cause}", remedy) from error
    if len(data) > LARGEST:
        raise UsageError(f"{where}: {path!r} is larger than {LARGEST >> 20} MiB", remedy)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{place}:{line}: not UTF-8 text", "save the file as UTF-8") from error
    held = read_yaml(text, str(place))
    if held.value is None:
        raise UsageError(f"{where}: {path!r} is empty", remedy)
    settings.forget(key)
    settings.origins.update({(*key, *inner): origin for inner, origin in held.origins.items()})
    return held.value
