"""``synflow export``: a finished dataset as parquet, or as the Hugging Face hub lays data sets out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synflow.commands.output import existing_folder, shell, write_json
from synflow.console import listed, people
from synflow.errors import UsageError


def export_run(folder: Path, out: Path, layout: str, what: str, tasks: Sequence[str], *, as_json: bool) -> int:
    """Write pairs or index of a run into a new folder; return the exit code."""
    from rich.text import Text

    from synflow.store.export import FORMATS, PARTS, export

    for name, given, known in (("--to", layout, FORMATS), ("--what", what, PARTS)):
        if given not in known:
            raise UsageError(f"{name} {given}: there is no such one", f"it is {' or '.join(known)}")
    if tasks and what == "index":
        raise UsageError("--task chooses pairs, and the index was asked for", "leave one of them out")
    counts = export(existing_folder(folder), out, layout, what, tasks)
    if as_json:
        write_json({"folder": str(out), "rows": counts})
        return 0
    people().print(Text(f"{shell(out)}  {listed(counts, 10)}"), soft_wrap=True)
    return 0
