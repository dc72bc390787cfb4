"""``synflow stages``: what is registered, its parameters and its reasons; and the JSON Schema of the manifest."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from synflow.commands.output import write_json
from synflow.console import clean, people

if TYPE_CHECKING:
    from rich.console import Console


def show_stages(name: str | None, *, schema: bool, as_json: bool) -> int:
    """Print the registered stages, one of them in full, or a schema; return the exit code."""
    from synflow.registry import stage_class, stage_classes

    if schema:
        from synflow.manifest import json_schema

        write_json(stage_class(name).Config.model_json_schema() if name else json_schema())
        return 0
    stages = {name: stage_class(name)} if name else stage_classes()
    if as_json:
        write_json({one: described(stage) for one, stage in stages.items()})
        return 0
    console = people()
    if name:
        _show_one(console, stages[name])
    else:
        _show_all(console, stages)
    return 0


def described(stage: type[Any]) -> dict[str, Any]:
    """Return what a stage says of itself, as JSON."""
    return {
        "name": stage.name,
        "version": stage.version,
        "about": first_sentence(stage),
        "kind": kind_of(stage),
        "uses": sorted(stage.uses),
        "parameters": parameters(stage.Config),
        "reasons": dict(stage.reasons),
    }


def kind_of(stage: type[Any]) -> str:
    """Return how a stage works: on each sample, on the whole corpus, or both."""
    walks, settles = "__call__" in dir_of(stage), "settle" in dir_of(stage)
    return "clip, corpus" if walks and settles else "corpus" if settles else "clip"


def dir_of(stage: type[Any]) -> set[str]:
    """Return the names that a class and its bases define themselves."""
    return {name for base in stage.__mro__ for name in vars(base)}


def first_sentence(thing: object) -> str:
    """Return the first line of a docstring, without its mark-up."""
    lines = (inspect.getdoc(thing) or "").strip().splitlines()
    return plain(lines[0]) if lines else ""


def plain(text: str) -> str:
    """Return a text of a docstring without backquotes, on one line."""
    return re.sub(r"`+", "", " ".join(text.split()))


def parameters(config: type[Any]) -> list[dict[str, Any]]:
    """Return the parameters of a stage: name, type, default, and what the class says of each."""
    docs = attribute_docs(inspect.getdoc(config) or "")
    found = []
    for name, field in config.model_fields.items():
        kind = field.annotation
        found.append(
            {
                "name": name,
                "type": kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else plain_type(kind),
                "default": json.loads(json.dumps(field.get_default(call_default_factory=True), default=str)),
                "about": plain(field.description or docs.get(name, "")),
            }
        )
    return found


def plain_type(kind: object) -> str:
    """Return a type as people write it: no module names."""
    return re.sub(r"\b(?:typing|collections\.abc|synflow\.\w+|stages\.\w+)\.", "", str(kind))


def attribute_docs(doc: str) -> dict[str, str]:
    """Return what the ``Attributes:`` of a docstring say; one entry may name several (``low, high: seconds``)."""
    _, _, listed = doc.partition("Attributes:\n")
    entries: list[tuple[str, str]] = []
    for line in listed.splitlines():
        if line.strip() and not line.startswith(" "):
            break
        # Further names may begin within a line: "deadline: seconds; ``memory``: bytes".
        entry = re.match(r" {4}(\w+(?:, \w+)*)(?: \([^)]*\))?: (.*)", line)
        if entry:
            entries.append((entry[1], entry[2]))
        elif entries and line.strip():
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}")
    return {name: text for names, text in entries for name in names.split(", ")}


def _show_all(console: Console, stages: Mapping[str, type[Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("works on", no_wrap=True)
    table.add_column("does, and what it drops for", ratio=1)
    for name, stage in stages.items():
        does = Text(clean(first_sentence(stage)))
        if stage.reasons:
            does.append("\n" + "  ".join(stage.reasons), style="yellow dim")
        table.add_row(Text(name, style="bold"), Text(kind_of(stage), style="dim"), does)
    console.print(table)
    console.print(Text("\nsynflow stages NAME shows one in full; --schema prints the JSON Schema", style="dim"))


def _show_one(console: Console, stage: type[Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    about = described(stage)
    uses = f" · uses {', '.join(about['uses'])}" if about["uses"] else ""
    console.print(
        Text.assemble((about["name"], "bold"), (f"  version {about['version']} · {about['kind']}{uses}", "dim"))
    )
    console.print(Text(about["about"]))
    for title, rows in (("Parameters", _parameter_rows(about)), ("Reasons", list(about["reasons"].items()))):
        if not rows:
            continue
        console.print(Text.assemble("\n", (title, "bold")))
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="cyan" if title == "Parameters" else "yellow")
        for _ in rows[0][1:-1]:
            table.add_column(no_wrap=True, max_width=16, overflow="ellipsis")
        table.add_column(ratio=1, style="dim")
        for row in rows:
            table.add_row(Text(f"  {row[0]}"), *(Text(plain(str(cell))) for cell in row[1:]))
        console.print(table)


def _parameter_rows(about: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(one["name"], json.dumps(one["default"]), one["about"]) for one in about["parameters"]]
