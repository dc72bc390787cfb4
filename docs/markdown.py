"""From docstrings to Markdown: what the generated pages are built of."""

from __future__ import annotations

import inspect
import re


def attributes_of(doc: str) -> dict[str, str]:
    """Return what the ``Attributes:`` section of a docstring says of each name; ``a, b: text`` counts for both."""
    section = re.search(r"^Attributes:\n((?:[ \t]+.*\n?|\n)+)", inspect.cleandoc(doc), re.MULTILINE)
    if section is None:
        return {}
    said: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(section[1]).splitlines():
        start = re.match(r"([a-z_][\w, ]*?): (.*)", line)
        if start and not line.startswith(" "):
            names = [name.strip() for name in start[1].split(",")]
            said.update(dict.fromkeys(names, start[2].strip()))
        elif names and line.strip():
            said.update({name: f"{said[name]} {line.strip()}" for name in names})
    return said


def first_paragraph(doc: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(inspect.cleandoc(doc or "").split("\n\n")[0].split())


def cell(text: str) -> str:
    """Return ``text`` as it may stand in a cell of a table."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table."""
    lines = [heads, ("---",) * len(heads), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]
