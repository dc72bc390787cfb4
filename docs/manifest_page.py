"""The reference of the manifest: each part with its keys, defaults and meanings, from the models that check it."""

from __future__ import annotations

import json
import re
import typing
from typing import Any

from markdown import attributes_of, cell, first_paragraph, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from synflow.manifest import Manifest

HEAD = """\
# The manifest

<!-- Written by docs/generate.py from the code; edit the docstrings there. -->

A manifest is one YAML file. An unknown key, a missing one or a bad value is one line with its place and the nearest
name. `--set key.path=value` overrides a value. `synflow stages --schema` prints the JSON Schema, for editors that
complete and check. The parameters of the stages are on [their own page](stages.md). Sizes may be written as `512MiB`
or `2GB`; times are seconds.
"""


def parts_in(kind: Any) -> list[type[BaseModel]]:
    """Return the models that a type is made of, in order."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [part for inner in typing.get_args(kind) for part in parts_in(inner)]


def title_of(key: str, part: type[BaseModel]) -> str:
    """Return the heading of a part: its key, and what chooses it."""
    use = part.model_fields.get("use")
    values = typing.get_args(use.annotation) if use else ()
    return f"`{key}`, `use: {values[0]}`" if values else f"`{key}`"


def documented(part: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a part and of what it builds on say of its keys; its own go first."""
    said: dict[str, str] = {}
    for base in part.__mro__:
        said = attributes_of(base.__doc__ or "") | said if base is not object else said
    return said


def default_of(info: FieldInfo) -> str:
    """Return the default of a key as YAML has it; a part is told of in its own table."""
    if info.is_required():
        return "needed"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value is PydanticUndefined:
        return "see below"
    return f"`{json.dumps(value, ensure_ascii=False, default=str)}`"


def meaning_of(name: str, said: dict[str, str], inner: list[type[BaseModel]]) -> str:
    """Return what is said of a key, else what its part is."""
    elsewhere = next((f"see `{other}`" for other, words in said.items() if f"`{name}`" in words), "")
    return said.get(name) or elsewhere or (first_paragraph(inner[0].__doc__) if len(inner) == 1 else "")


def chapter(key: str, part: type[BaseModel], seen: set[type[BaseModel]]) -> list[str]:
    """Return the chapter on a part and, after it, those on the parts in it."""
    said, rows, below = documented(part), [], []
    for name, info in part.model_fields.items():
        if name == "use":
            continue
        inner = parts_in(info.annotation)
        place = f"{key}.{name}" if key else name
        below += [(place, one) for one in inner if one.model_fields]
        rows.append(
            (
                f"`{name}`",
                default_of(info),
                re.sub(r"\bNone\b", "null", cell(meaning_of(name, said, inner))).rstrip("."),
            )
        )
    lines = [f"## {title_of(key, part)}" if key else "## At the top", "", cell(first_paragraph(part.__doc__)), ""]
    lines += table(("key", "default", "meaning"), rows) if rows else ["It has no keys but `use`.", ""]
    for place, one in below:
        if (place, one) not in seen and one.__name__ != "StageEntry":
            seen.add((place, one))  # type: ignore[arg-type]
            lines += chapter(place, one, seen)
    return lines


def manifest_page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *chapter("", Manifest, set())]).rstrip() + "\n"
