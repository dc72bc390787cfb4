"""What is wrong with settings, in words: the key path, what it must be, what it is, and the nearest name."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from synflow.errors import UsageError
from synflow.manifest.settings import Key, Origin, Settings, spelled
from synflow.registry import nearest

MOST = 5
"""Complaints that are printed at a time."""

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "mapping": "a mapping",
}
_BOUNDS = ("ge", "gt", "le", "lt")
_WORDS = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than"}
_SECRET = re.compile(r"key|secret|token|password|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong, where it stands, and what to do about it."""

    key: Key
    message: str
    remedy: str = ""

    def under(self, key: Key, remedy: str) -> Complaint:
        """Return it with ``key`` put before its own, and a remedy where it has none."""
        return replace(self, key=(*key, *self.key), remedy=self.remedy or remedy)


def raise_all(found: Sequence[Complaint], settings: Settings) -> NoReturn:
    """Raise the first few complaints as one `UsageError`: one line each, in the order of the file."""
    lines = {one: settings.origin(one.key) for one in found}
    ordered = sorted(lines, key=lambda one: lines[one].line)
    said = [_line(one, lines[one]) for one in ordered[:MOST]]
    if len(ordered) > MOST:
        said.append(f"and {len(ordered) - MOST} more")
    raise UsageError("\n".join(said), ordered[0].remedy or "`synflow stages --schema` prints what a manifest may hold")


def _line(one: Complaint, origin: Origin) -> str:
    key = spelled(one.key)
    where = [str(origin)] if origin.label == f"--set {key}" or not key else [str(origin), key]
    return ": ".join([*where, one.message])


def complaints_of(error: ValidationError, model: type[BaseModel], raw: Any) -> list[Complaint]:
    """Return what pydantic found, in our words.

    Args:
        error: from validating ``raw``.
        model: what it was validated as.
        raw: the value as it was given.
    """
    found = []
    for one in error.errors(include_url=False):
        given, least = one.get("input"), one.get("ctx", {}).get("min_length", 0)
        if one["type"] == "too_short" and isinstance(given, list) and len(given) >= least:
            continue  # pydantic counts only the entries that were right, and each wrong one is reported itself
        found.append(_complaint(dict(one), model, raw))
    return list(dict.fromkeys(found))


def _complaint(one: dict[str, Any], model: type[BaseModel], raw: Any) -> Complaint:
    kind, where, given = str(one["type"]), tuple(one["loc"]), one.get("input")
    context: dict[str, Any] = one.get("ctx", {})
    bounds, models = _field_at(model, where[:-1] if kind == "extra_forbidden" else where)
    key = _key_of(where, raw, keep_last=kind in ("missing", "extra_forbidden"))
    if kind == "missing":
        return Complaint(key, "is required")
    if kind == "extra_forbidden":
        names = sorted({name for one in models for name in one.model_fields})
        near = nearest(str(where[-1]), names)
        message = f"unknown key; did you mean `{near}`?" if near else "unknown key"
        return Complaint(key, message, f"keys here: {', '.join(names)}" if names else "there are no keys here")
    if kind == "union_tag_invalid":
        tags = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
        near = nearest(str(context.get("tag", "")), tags)
        hint = f"; did you mean `{near}`?" if near else ""
        return Complaint((*key, "use"), f"must be one of {', '.join(tags)}, got {_shown(context.get('tag'))}{hint}")
    if kind == "union_tag_not_found":
        kinds = [str(tag) for one in models for tag in get_args(one.model_fields["use"].annotation)]
        return Complaint(key, f"must say what to `use`: one of {', '.join(kinds)}")
    # What a validator of ours says names what is wrong itself.
    told = kind == "value_error" and isinstance(given, dict | list)
    got = "" if told or _hides(key, given) else f", got {_shown(given)}"
    return Complaint(key, _must(kind, one, bounds) + got)


def _must(kind: str, one: dict[str, Any], bounds: dict[str, Any]) -> str:
    context: dict[str, Any] = one.get("ctx", {})
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        return _bounded(bounds or {name: context[name] for name in _BOUNDS if name in context}, one.get("input"))
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        near = nearest(str(one.get("input")), choices)
        hint = f" (did you mean `{near}`?)" if near else ""
        return f"must be one of {', '.join(choices) or context.get('expected')}{hint}"
    if kind == "value_error":
        return str(context.get("error", one["msg"]))
    if kind == "too_short":
        return f"must hold at least {context.get('min_length')}"
    if kind == "string_too_short":
        least = context.get("min_length")
        return "must not be empty" if least == 1 else f"must have {least} letters"
    if kind == "string_pattern_mismatch":
        return f"must match {context.get('pattern')}"
    named = _KINDS.get(kind.removesuffix("_type").removesuffix("_from_float").removesuffix("_parsing"))
    if named:
        return f"must be {named}"
    message = str(one["msg"]).replace("\n", " ")
    return message[:1].lower() + message[1:]


def _bounded(bounds: dict[str, Any], given: Any) -> str:
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if low is not None and high is not None:
        excluded = given in (bounds.get("gt"), bounds.get("lt"))
        return f"must be between {low} and {high}" + (f", {given} excluded" if excluded else "")
    said = [f"{_WORDS[name]} {bounds[name]}" for name in _BOUNDS if name in bounds]
    return f"must be {' and '.join(said)}"


def _field_at(model: type[BaseModel], where: tuple[Any, ...]) -> tuple[dict[str, Any], list[type[BaseModel]]]:
    """Return the bounds of the field that ``where`` leads to, and the models that may stand there."""
    models: list[type[BaseModel]] = [model]
    field: FieldInfo | None = None
    for part in where:
        if isinstance(part, int):
            continue
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        if fields:
            field = fields[0]
            models = [inner for one in fields for inner in _models_in(one.annotation)]
        else:
            # A tag of a union is no key: it tells which of the models is meant.
            tagged = [
                one
                for one in models
                if "use" in one.model_fields and part in get_args(one.model_fields["use"].annotation)
            ]
            models, field = tagged or models, None
    held = field.metadata if field else []
    bounds = {name: getattr(one, name) for one in held for name in _BOUNDS if getattr(one, name, None) is not None}
    return bounds, models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _key_of(where: tuple[Any, ...], raw: Any, keep_last: bool) -> Key:
    """Leave out of pydantic's location what is no key of the value: tags and branches of unions."""
    key: list[str | int] = []
    holder = raw
    for place, part in enumerate(where):
        if (isinstance(holder, dict) and part in holder) or (
            isinstance(holder, list) and isinstance(part, int) and part < len(holder)
        ):
            key.append(part)
            holder = holder[part]
        elif keep_last and place == len(where) - 1:
            key.append(part)
    return tuple(key)


def _hides(key: Key, given: Any) -> bool:
    """Tell whether a value might be a secret that must not be printed."""
    named = any(isinstance(part, str) and _SECRET.search(part) for part in key)
    return named or (isinstance(given, str) and "://" in given and ("@" in given or "?" in given))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
