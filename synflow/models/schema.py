"""Checks an answer against the JSON Schema that it was asked for; knows the keywords that prompts use.

Servers are asked to enforce the schema, and some do not or do it wrongly, so every answer is checked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

KEYWORDS = frozenset(
    {
        "$schema", "additionalProperties", "description", "enum", "items", "maxItems", "maxLength", "maximum",
        "minItems", "minLength", "minimum", "properties", "required", "title", "type",
    }
)  # fmt: skip
"""Keywords that `fault` understands; another one in a prompt is a mistake that a test finds."""

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
}


def fault(value: Any, schema: Mapping[str, Any], path: str = "answer") -> str:
    """Return the first thing in ``value`` that ``schema`` does not allow; empty where all is well.

    Raises:
        ValueError: the schema uses a keyword that is not understood.
    """
    unknown = set(schema) - KEYWORDS
    if unknown:
        raise ValueError(f"schema of {path}: keyword {min(unknown)!r} is not supported")
    wanted = schema.get("type")
    kinds = [wanted] if isinstance(wanted, str) else list(wanted or ())
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        return f"{path} is no {' or '.join(kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{path} is none of the values allowed"
    if isinstance(value, dict):
        return _object(value, schema, path)
    if isinstance(value, list):
        return _array(value, schema, path)
    return _scalar(value, schema, path)


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> str:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"{path}.{name} is missing"
    others = schema.get("additionalProperties", True)
    for name in sorted(value):
        inner = properties.get(name, others)
        if inner is False:
            return f"{path} has a field that is not allowed: {name[:40]!r}"
        found = fault(value[name], inner, f"{path}.{name}") if isinstance(inner, Mapping) else ""
        if found:
            return found
    return ""


def _array(value: list[Any], schema: Mapping[str, Any], path: str) -> str:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"{path} has {len(value)} items"
    items = schema.get("items")
    if isinstance(items, Mapping):
        for i, item in enumerate(value):
            found = fault(item, items, f"{path}[{i}]")
            if found:
                return found
    return ""


def _scalar(value: Any, schema: Mapping[str, Any], path: str) -> str:
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return f"{path} has {len(value)} characters"
    number = _TYPES["number"](value)
    if number and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{path} is out of range"
    return ""
