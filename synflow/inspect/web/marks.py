"""Good or bad, and a note: what people thought of pairs, kept in ``marks.jsonl`` beside the run.

A line is added for each mark and the last one of a pair counts, so that nothing a person said is ever overwritten.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synflow.durable import append_lines
from synflow.inspect.sheets import planned

FILE = "marks.jsonl"
KINDS = ("good", "bad")
NOTE_LIMIT = 2000
EXCLUDED = {"pairs": "id", "clips": "clip_id", "records": "record_id"}
"""What the next run may leave out because of a bad pair: it alone, its clip, or all of its source's record."""


class Marks:
    """The marks of a run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The table beside the run."""
        return self.root / FILE

    def all(self) -> dict[str, dict[str, Any]]:
        """Return pair id -> its mark, in the order in which pairs were first marked."""
        found: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            if line.get("mark") in KINDS:
                found[line["id"]] = line
            else:
                found.pop(line["id"], None)
        return found

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and isinstance(value.get("id"), str):
                yield value

    def set(self, row: dict[str, Any], mark: str, note: str) -> None:
        """Mark a pair; a ``mark`` that is neither good nor bad takes its mark away."""
        told = {name: row[name] for name in ("id", "task", "record_id", "clip_id", "source_uri")}
        line = {**told, "mark": mark if mark in KINDS else "", "note": " ".join(note.split())[:NOTE_LIMIT]}
        with self._lock:
            append_lines(self.path, [json.dumps(line, ensure_ascii=False).encode("utf-8", errors="replace")])

    def export(self, kind: str = "") -> str:
        """Return the marks as JSON lines; of one kind where asked for."""
        lines = [line for line in self.all().values() if not kind or line["mark"] == kind]
        return "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)

    def excluded(self, kind: str) -> str:
        """Return what bad pairs say of one of `EXCLUDED`, one a line, each once: what the stage `exclude` takes."""
        column = EXCLUDED[kind]
        bad = [line for line in self.all().values() if line["mark"] == "bad" and line.get(column)]
        found = {str(line[column]): line.get("note", "") for line in reversed(bad)}
        name = kind.removesuffix("s")
        lines = [{name: value, **({"note": note} if note else {})} for value, note in reversed(found.items())]
        return "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)

    def exclusion(self) -> str:
        """Return the sources of bad pairs as clip records, one each: what `synflow fingerprint` takes as a list."""
        bad = [line for line in self.all().values() if line["mark"] == "bad"]
        records = planned(self.root, {line["record_id"] for line in bad})
        found = []
        for name in dict.fromkeys(line["record_id"] for line in bad):
            location = (records.get(name) or {}).get("location") or {}
            place = {"path": location["path"]} if location.get("path") else {"url": location.get("url", "")}
            if any(place.values()):
                found.append({**place, "id": name})
        return "".join(json.dumps(one, ensure_ascii=False, sort_keys=True) + "\n" for one in found)
