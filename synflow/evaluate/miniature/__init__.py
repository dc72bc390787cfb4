"""UVRB's 16 tasks in miniature, over worlds that are rendered: the same abilities and metrics, and all truth known.

It is written in the layout in which UVRB was released, so that the same reader reads it. Its seeds are its own: a model
that was trained on a world of `synflow world` has not seen its clips.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from synflow.errors import UsageError
from synflow.evaluate.miniature.studio import Studio
from synflow.evaluate.miniature.tasks import TASKS, Cast
from synflow.evaluate.outcome import read, write

VERSION = 1
"""Raised when the same seed would give other data."""

MARK = "miniature.json"


def write_miniature(
    folder: Path, clips: int, seed: int, tell: Callable[[str, int, int], None] = lambda what, done, total: None
) -> None:
    """Write the 16 datasets into ``folder``; what stands there for the same numbers is left as it is.

    Args:
        folder: made where it is missing.
        clips: of the common corpus.
        seed: draws all.
        tell: is told how far it is.

    Raises:
        UsageError: the folder holds something else.
    """
    made_from = {"version": VERSION, "clips": clips, "seed": seed}
    if read(folder / MARK) == made_from:
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(f"miniature.folder: {folder} holds something else", "name an empty or new folder")
    # An earlier miniature of other numbers stands there, or one that was not finished.
    write(folder / MARK, {"unfinished": True})
    studio = Studio(folder / "studio")
    cast = Cast.of(seed, clips)
    for done, (name, task) in enumerate(TASKS.items()):
        tell("render", done, len(TASKS))
        place = folder / name
        studio.begin(place)
        queries, corpus, instances = task(cast, studio)
        for label, rows in (("queries", queries), ("corpus", corpus), ("instances", instances)):
            (place / "jsonl").mkdir(parents=True, exist_ok=True)
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (place / "jsonl" / f"{label}.jsonl").write_text(lines, encoding="utf-8")
    write(folder / MARK, made_from)
