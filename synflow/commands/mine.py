"""``synflow mine``: hard negatives for a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synflow.commands.output import existing_folder, shell, write_json
from synflow.commands.ticker import Ticker
from synflow.console import clean, count_of, people
from synflow.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from synflow.mining import Mined, Settings


def mine_run(folder: Path, embedder: str, sets: Sequence[str], options: Sequence[str], *, as_json: bool) -> int:
    """Make the hard negatives of a run; return 0."""
    from synflow.mining import mine
    from synflow.models.contract import open_embedder, preflight

    existing_folder(folder)
    settings = _settings(options)
    chosen = _chosen(folder, embedder, sets)
    spec = chosen.model_dump(mode="json")
    preflight({"embed": spec})
    try:
        found = mine(folder, open_embedder(spec), chosen.identity(), settings, Ticker())
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; what was embedded is kept", "type the command again: it goes on from there"
        ) from None
    if as_json:
        write_json({"version": found.version, "folder": str(found.folder), "fresh": found.fresh, **found.report})
    else:
        _show(folder, found)
    return 0


def _settings(options: Sequence[str]) -> Settings:
    """Return the settings of the mining.

    Raises:
        UsageError: one of them is unknown, or out of range.
    """
    from pydantic import ValidationError

    from synflow.mining import Settings
    from synflow.records import TASKS

    given: dict[str, Any] = {}
    numbers: dict[str, str] = {}
    known = [name for name in Settings.model_fields if name != "negatives"]
    for text in options:
        name, _, value = text.partition("=")
        if name not in known and name not in TASKS:
            options_are = f"options are {', '.join(known)}; and tasks, for example t2v=2"
            raise UsageError(f"--option {text}: there is no option {name!r}", options_are)
        (numbers if name in TASKS else given)[name] = value
    try:
        return Settings(negatives=numbers, **given)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][-1]) if first["loc"] else "first and last"
        cause = f"--option {where}: {first['msg'].removeprefix('Value error, ')}"
        raise UsageError(cause, "docs/hard-negatives.md tells what each may be") from error


def _chosen(folder: Path, embedder: str, sets: Sequence[str]) -> Any:
    """Return the prober, as a manifest would name it under ``models.embed``.

    Raises:
        UsageError: it is no such embedder, or a parameter is wrong.
    """
    from synflow.inspect.index import open_index
    from synflow.manifest import changed_manifest

    index = open_index(folder)
    held = index.run.get("manifest") or {}
    own = (held.get("models") or {}).get("embed") or {"use": "signals"}
    known = ("signals", "transformers", "openai_http")
    if embedder not in ("run", *known):
        raise UsageError(f"--embedder {embedder}: there is no such embedder", f"use one of: run, {', '.join(known)}")
    spec = own if embedder == "run" else {"use": embedder}
    dump = {"version": 1, "name": "mine", "inputs": held.get("inputs") or [{"clips": "videos.jsonl"}]}
    changes = [f"models.embed.{one}" for one in sets]
    place = Path(index.run.get("folder") or folder)
    return changed_manifest({**dump, "models": {"embed": spec}, "stages": []}, place, changes).models.embed


def _show(folder: Path, found: Mined) -> None:
    from rich.table import Table
    from rich.text import Text

    console = people()
    state = "made" if found.fresh else "there already: nothing to do"
    console.print(Text.assemble(("hard negatives ", "bold"), f"{found.version}: {state}"))
    console.print(Text(clean(str(found.folder), 4096), style="dim"), soft_wrap=True)
    vectors = found.report["vectors"]
    console.print(
        Text(
            f"{vectors['embedded']:,} embedded, {vectors['known']:,} known before; the prober abstains from "
            f"{vectors['abstained']:,}",
            style="dim",
        )
    )
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for title in ("task", "pairs", "mined", "segments", "made", "without"):
        table.add_column(title, justify="left" if title == "task" else "right", no_wrap=True)
    for task, told in found.report["tasks"].items():
        counts = [told["pairs"], told.get("mined", 0), told.get("segment", 0), told.get("made", 0)]
        table.add_row(task, *(f"{number:,}" for number in [*counts, told["negatives"].get("0", 0)]))
    console.print(table)
    for task, told in found.report["tasks"].items():
        why = [("abstained", "the prober abstains"), ("none-left", "nothing near enough is left")]
        parts = [f"{count_of(told[name], 'pair')}: {words}" for name, words in why if told.get(name)]
        if parts:
            console.print(Text(f"  {task}  {'; '.join(parts)}", style="dim"), soft_wrap=True)
    next_line = f"\n  synflow verify {shell(folder)}"
    console.print(Text.assemble("\n", ("Next", "bold"), next_line, ("   hashes the tables too", "dim")), soft_wrap=True)
