"""Pages of documentation, their fenced blocks, and how a command of theirs is typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    notes: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page; ``notes`` are the words key=value after the language."""
    found, text = [], page.read_text(encoding="utf-8")
    for fence in re.finditer(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        notes = dict(word.split("=", 1) if "=" in word else (word, "") for word in fence[2].split())
        found.append(Block(page, text.count("\n", 0, fence.start()) + 1, fence[1], notes, fence[3]))
    return found


def environment(**more: str) -> dict[str, str]:
    """Return what a shell of a user has, with the scripts of this environment first on the path."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "COLUMNS": "120", "NO_COLOR": "1", **more}


def typed(command: str, folder: Path, timeout: float = 280, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a user would in ``folder``."""
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
