"""Prompt files: found, hashed, parsed and rendered.

A prompt is ``prompts/<name>/v<N>.md``: a YAML front matter between two ``---`` lines (``name``, ``version``,
``slots``: slot -> what goes there, ``schema``: the JSON Schema of the answer, ``lengths``: key of the answer ->
least and most words) and two sections, ``## system`` and ``## user``. ``{slot}`` stands for a slot, ``{{`` and
``}}`` for braces. A file never changes once a run has used it: a better wording is a new version.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from synflow.errors import UsageError
from synflow.ids import digest

_FILE = re.compile(r"\A---\n(?P<front>.*?)\n---\n(?P<body>.*)\Z", re.DOTALL)
_SECTION = re.compile(r"^## (system|user)[ \t]*$", re.MULTILINE)
_VERSION = re.compile(r"v([1-9][0-9]*)\.md")
_KEYS = {"name", "version", "slots", "schema", "lengths"}


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt file.

    Attributes:
        digest: sha256 of the bytes of the file.
        system: the system turn; it has no slots, so that all asks of a prompt share one prefix.
        template: the user turn before its slots are filled.
        slots: slot -> what goes there.
        schema: JSON Schema of the answer; without ``maxLength``, which some servers answer with invalid JSON.
        lengths: key of the answer -> (least, most) words, checked after parsing.
    """

    name: str
    version: int
    digest: str
    system: str
    template: str
    slots: Mapping[str, str] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    lengths: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def render(self, **slots: object) -> str:
        """Return the user turn with all its slots filled; what is filled in is never read as a template.

        Raises:
            KeyError: a slot is missing or unknown.
        """
        for wrong in sorted(set(self.slots) ^ set(slots)):
            state = "missing" if wrong in self.slots else "unknown"
            raise KeyError(f"prompt {self.name}: slot {wrong!r} is {state}")
        filled = self.template.format_map({name: str(value) for name, value in slots.items()})
        return re.sub(r"\n{3,}", "\n\n", filled).strip()


def folder() -> Path:
    """Return where the prompt files are: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    beside = package.parent / "prompts"
    # `pyproject.toml` tells a checkout from a site-packages that happens to hold a folder of that name.
    if beside.is_dir() and (package.parent / "pyproject.toml").is_file():
        return beside
    return package / "data" / "prompts"


def names() -> tuple[str, ...]:
    """Return the names of all prompts, sorted."""
    return tuple(sorted(path.name for path in folder().iterdir() if path.is_dir() and versions(path.name)))


def versions(name: str) -> tuple[int, ...]:
    """Return the versions of the prompt ``name``, lowest first; none where there is no such prompt."""
    place = folder() / name
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not place.is_dir():
        return ()
    found = (_VERSION.fullmatch(path.name) for path in place.iterdir())
    return tuple(sorted(int(match[1]) for match in found if match))


def load(name: str, version: int | None = None) -> Prompt:
    """Return the prompt ``name``, in its newest version unless one is asked for.

    Raises:
        synflow.errors.UsageError: there is no such prompt or version, or the file is not a prompt.
    """
    known = versions(name)
    if not known:
        raise UsageError(f"there is no prompt {name!r}", f"known prompts: {', '.join(names())}")
    chosen = known[-1] if version is None else version
    if chosen not in known:
        listed = ", ".join(str(number) for number in known)
        raise UsageError(f"prompt {name!r} has no version {chosen}", f"its versions: {listed}")
    return _read(folder() / name / f"v{chosen}.md")


@functools.lru_cache(maxsize=64)
def _read(path: Path) -> Prompt:
    return parse(path.read_bytes(), name=path.parent.name, version=int(path.stem[1:]))


def parse(data: bytes, name: str, version: int) -> Prompt:
    """Return the prompt that the file bytes ``data`` hold.

    Raises:
        synflow.errors.UsageError: ``data`` is not a prompt file, or names another prompt or version.
    """
    label = f"prompts/{name}/v{version}.md"
    match = _FILE.match(data.decode("utf-8"))
    front = yaml.safe_load(match["front"]) if match else None
    if match is None or not isinstance(front, dict) or set(front) - _KEYS:
        raise UsageError(f"{label}: not a prompt file", f"begin it with a front matter of {', '.join(sorted(_KEYS))}")
    if (front.get("name"), front.get("version")) != (name, version):
        raise UsageError(f"{label}: its front matter names another prompt or version", "make both agree")
    parts = _SECTION.split(match["body"])
    sections = {title: text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    if set(sections) != {"system", "user"} or parts[0].strip():
        raise UsageError(f"{label}: needs the sections '## system' and '## user', and nothing before them")
    slots = {str(slot): str(meaning) for slot, meaning in (front.get("slots") or {}).items()}
    used = {slot for _, slot, _, _ in string.Formatter().parse(sections["user"]) if slot is not None}
    if used != set(slots):
        raise UsageError(f"{label}: slots {sorted(used ^ set(slots))} are used or declared, but not both")
    return Prompt(
        name=name,
        version=version,
        digest=digest(data),
        system=_flow(sections["system"]),
        template=_flow(sections["user"]),
        slots=MappingProxyType(slots),
        schema=front.get("schema") or {},
        lengths=MappingProxyType({str(k): (int(low), int(high)) for k, (low, high) in _lengths(front)}),
    )


def _lengths(front: Mapping[str, Any]) -> list[tuple[str, tuple[int, int]]]:
    return list((front.get("lengths") or {}).items())


def _flow(text: str) -> str:
    """Join the lines of each paragraph and list item: the files are wrapped for people, not for models."""
    return re.sub(r"(?<!\n)\n[ \t]*(?!\n|- )", " ", text)
