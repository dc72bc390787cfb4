"""Where answers go: JSON to stdout for machines, lines and tables to stderr for people."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from synflow.console import clean
from synflow.errors import UsageError


def write_json(value: Any) -> None:
    """Write one JSON document to stdout; what is not ASCII is escaped, so that no terminal obeys it."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def shell(path: Path) -> str:
    """Return a path as it may be pasted into a command line."""
    text = str(path)
    plain = text and all(char.isalnum() or char in "/._-+=:@%," for char in text)
    return text if plain else "'" + clean(text, 4096).replace("'", "'\\''") + "'"


def existing_folder(path: Path) -> Path:
    """Return ``path`` if it is a folder.

    Raises:
        UsageError: it is not.
    """
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise UsageError(f"{path} {what}", "give the output folder of a run")
    return path
