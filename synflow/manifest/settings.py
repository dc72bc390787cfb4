"""Strict YAML to plain values that know their line, and ``--set`` on top of them.

What YAML can do beyond plain data is refused: tags, anchors, aliases, repeated keys, several documents. Scalars follow
the core schema of YAML 1.2 (``no`` is a text, ``1e-3`` a number, ``2024-01-01`` a text), not the 1.1 of PyYAML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from synflow.errors import UsageError
from synflow.registry import nearest

Key = tuple[str | int, ...]
"""Where a value stands: names of mappings, places in lists."""

DEEPEST = 40
LONGEST = 4 << 20
"""Levels and characters that a manifest may have; more is a mistake, or an attack on the parser."""

_TAG = "tag:yaml.org,2002:"
_CORE: tuple[tuple[str, str, str], ...] = (
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+.0123456789",
    ),
)
_PART = re.compile(r"\.?([^.\[\]=\s]+)|\[([0-9]{1,6})\]")
_REMEDY = "write plain YAML: mappings, lists and single values"


@dataclass(frozen=True)
class Origin:
    """Where a value came from: a file, or a ``--set``; ``line`` counts from 1, 0 for a ``--set``."""

    label: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.label}:{self.line}" if self.line else self.label


@dataclass
class Settings:
    """Plain values (JSON), and where each of them came from."""

    value: Any
    origins: dict[Key, Origin] = field(default_factory=dict)

    def origin(self, key: Key) -> Origin:
        """Return where the value at ``key`` came from, or else the nearest one around it."""
        while key and key not in self.origins:
            key = key[:-1]
        return self.origins.get(key, Origin("manifest"))

    def forget(self, key: Key) -> None:
        """Forget the origins of what stands at and below ``key``."""
        for old in [old for old in self.origins if old[: len(key)] == key]:
            del self.origins[old]


def spelled(key: Key) -> str:
    """Return ``key`` as people read it: ``stages[2].consistency.drop_quantile``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


class _Refused(yaml.MarkedYAMLError):
    """Valid YAML that a manifest may not use."""


class _Loader(yaml.SafeLoader):
    """Composes nodes, and refuses what is more than plain data."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML fills it for each class

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(problem=f"an alias (*{event.anchor}) is not allowed", problem_mark=mark)
        if event.anchor is not None:
            raise _Refused(problem=f"an anchor (&{event.anchor}) is not allowed", problem_mark=mark)
        if event.tag is not None:
            raise _Refused(problem=f"a tag ({event.tag}) is not allowed", problem_mark=mark)
        if self.depth >= DEEPEST:
            raise _Refused(problem=f"more than {DEEPEST} levels are not allowed", problem_mark=mark)
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _name, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), ["" if c == "\0" else c for c in _first])


def text_of(path: Path, kind: str, remedy: str) -> str:
    """Return the text of a YAML file that a user names; ``kind`` is what it is, for messages.

    Raises:
        UsageError: there is none, it cannot be read, or it is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such {kind}", remedy) from error
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: the {kind} cannot be read: {cause}", remedy) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not UTF-8 text", f"save the {kind} as UTF-8") from error


def read_yaml(text: str, label: str, first_line: int = 1) -> Settings:
    """Return what ``text`` holds.

    Args:
        text: one YAML document.
        label: what error messages call it: the path of the file.
        first_line: number of its first line; 0 for a text of one line that needs no number.

    Raises:
        UsageError: the text is no YAML, or uses what is refused; it names ``label:line``.
    """
    if len(text) > LONGEST:
        raise UsageError(f"{label}: longer than {LONGEST >> 20} Mi characters", "is this a manifest?")
    settings = Settings(None, {(): Origin(label, first_line)})
    try:
        node = _Loader(text).get_single_node()
        if node is not None:
            settings.value = _value(node, (), label, settings.origins)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        refused = isinstance(error, _Refused)
        problem = f"{'' if refused else 'not valid YAML: '}{error.problem or error.context}"
        where = Origin(label, first_line and first_line + (mark.line if mark else 0))
        raise UsageError(f"{where}: {problem}", _REMEDY) from error
    except yaml.reader.ReaderError as error:
        line = Origin(label, first_line and first_line + text.count("\n", 0, error.position))
        raise UsageError(f"{line}: a character that YAML does not allow: {error.character!r}", _REMEDY) from error
    except (ValueError, OverflowError, IndexError) as error:
        # PyYAML lets some escapes ("\UFFFFFFFF") through to chr().
        raise UsageError(f"{label}: not valid YAML: {error}", _REMEDY) from error
    return settings


def _value(node: yaml.Node, key: Key, label: str, origins: dict[Key, Origin]) -> Any:
    origins[key] = Origin(label, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*key, place), label, origins) for place, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for name, item in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise _Refused(problem="a key must be a single word", problem_mark=name.start_mark)
            word = _text(name)
            if word in found:
                raise _Refused(problem=f"the key `{spelled((*key, word))}` stands twice", problem_mark=name.start_mark)
            found[word] = _value(item, (*key, word), label, origins)
            origins[(*key, word)] = Origin(label, name.start_mark.line + 1)
        return found
    return _scalar(node)


def _text(node: yaml.Node) -> str:
    try:
        # JSON, which is YAML too, may spell one character as two halves ("\\ud83d\\ude00").
        text = str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise _Refused(problem="a text may not hold NUL or half a character", problem_mark=node.start_mark)
    return text


def _scalar(node: yaml.Node) -> Any:
    text, kind = _text(node), node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int" and len(text) <= 40:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if kind in ("int", "float"):
        number = float(text.replace(".inf", "inf").replace(".nan", "nan")) if kind == "float" else math.inf
        if not math.isfinite(number):
            raise _Refused(problem=f"{text[:40]} is not a finite number", problem_mark=node.start_mark)
        return number
    return text


def override(settings: Settings, text: str, keys: Collection[str], stages: Collection[str]) -> None:
    """Set one value: ``media.frames=4``, ``inputs[0].clips=x.jsonl``, ``stages.dynamics.min_residual=0.4``.

    A stage's name as the first part means that stage. Setting ``use`` to another kind starts that entry afresh,
    because the parameters of the old kind are not those of the new.

    Args:
        settings: changed in place.
        text: path, ``=`` and a value in YAML.
        keys: the keys of a manifest.
        stages: the names of all registered stages.

    Raises:
        UsageError: the path is no path, or names nothing that can be set.
    """
    path, equals, written = text.partition("=")
    path = path.strip()
    parts = _parts(path)
    if not equals or not parts:
        raise UsageError(f"--set {path[:80]}: not of the form key.path=value", "for example --set media.frames=4")
    label = f"--set {path}"
    if parts[0] not in keys:
        if parts[0] not in stages:
            near = nearest(str(parts[0]), [*keys, *stages])
            hint = f"; did you mean `{near}`?" if near else ""
            raise UsageError(
                f"{label}: unknown key `{parts[0]}`{hint}", f"keys: {', '.join(keys)}, or the name of a stage"
            )
        parts = ("stages", *parts)
    value = read_yaml(written, label, first_line=0)
    if not isinstance(settings.value, dict):
        settings.value = {}
    if parts[0] == "stages" and len(parts) > 1:
        parts = _stage_parts(settings, parts, label, stages)
    _put(settings, parts, value.value, label)


def _parts(path: str) -> Key:
    parts: list[str | int] = []
    place = 0
    while place < len(path):
        match = _PART.match(path, place)
        if match is None or (place == 0) != (not path.startswith((".", "["), place)):
            return ()
        parts.append(match[1] if match[1] is not None else int(match[2]))
        place = match.end()
    return tuple(parts)


def _stage_parts(settings: Settings, parts: Key, label: str, stages: Collection[str]) -> Key:
    """Turn ``stages.NAME...`` into the place of that stage in the list."""
    listed = settings.value.get("stages")
    entries: list[Any] = listed if isinstance(listed, list) else []
    for place, entry in enumerate(entries):
        if isinstance(entry, str):
            entries[place] = {entry: {}}
    if isinstance(parts[1], int):
        return parts
    name = parts[1]
    names = [str(next(iter(entry))) for entry in entries if isinstance(entry, dict) and entry]
    if name in names:
        return ("stages", names.index(name), *parts[1:])
    if name == "quota" and name in stages:
        entries.append({name: {}})
        settings.value["stages"] = entries
        return ("stages", len(entries) - 1, *parts[1:])
    if name in stages:
        raise UsageError(f"{label}: the manifest has no stage `{name}`", f"add `- {name}: {{}}` to its stages")
    near = nearest(name, names or stages)
    hint = f"; did you mean `{near}`?" if near else ""
    raise UsageError(f"{label}: unknown stage `{name}`{hint}", f"stages of this manifest: {', '.join(names)}")


def _put(settings: Settings, key: Key, value: Any, label: str) -> None:
    holder = settings.value
    for depth, part in enumerate(key):
        last = depth == len(key) - 1
        if isinstance(part, int):
            if not isinstance(holder, list) or part >= len(holder):
                have = f"has only {len(holder)}" if isinstance(holder, list) else "is no list"
                raise UsageError(f"{label}: {spelled(key[:depth])} {have}", "places count from 0")
        elif not isinstance(holder, dict):
            raise UsageError(
                f"{label}: {spelled(key[:depth])} holds no keys", "give it a mapping first, or set it whole"
            )
        elif last and part == "use" and holder.get("use") != value:
            holder.clear()
            settings.forget(key[:depth])
        if last:
            holder[part] = value
        else:
            if isinstance(part, str) and holder.get(part) is None:
                holder[part] = {}
            holder = holder[part]
    settings.forget(key)
    settings.origins[key] = Origin(label)


def apply_sets(settings: Settings, sets: Sequence[str], keys: Collection[str], stages: Collection[str]) -> None:
    """Apply all ``--set`` in order; a later one wins."""
    for text in sets:
        override(settings, text, keys, stages)
