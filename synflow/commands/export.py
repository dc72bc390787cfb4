"""``synflow export``: a finished dataset as parquet, or as the Hugging Face hub lays data sets out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from synflow.commands.output import existing_folder, shell, write_json
from synflow.commands.ticker import Ticker
from synflow.console import clean, count_of, listed, people, size_of
from synflow.errors import UsageError


def export_run(folder: Path, out: str, layout: str, what: str, tasks: Sequence[str], *, as_json: bool) -> int:
    """Write pairs or index of a run into a new folder, or copy its dataset to a URL; return the exit code."""
    from rich.text import Text

    from synflow.store.export import FORMATS, PARTS, export

    for name, given, known in (("--to", layout, (*FORMATS, "shards")), ("--what", what, PARTS)):
        if given not in known:
            raise UsageError(f"{name} {given}: there is no such one", f"it is {' or '.join(known)}")
    if tasks and what == "index":
        raise UsageError("--task chooses pairs, and the index was asked for", "leave one of them out")
    if layout == "shards":
        if tasks or what != "pairs":
            raise UsageError("--to shards copies the whole dataset", "leave --task and --what out")
        return _copy(existing_folder(folder), out, as_json=as_json)
    if "://" in out:
        raise UsageError(f"{out}: {layout} is written into a folder", "only --to shards goes to a URL")
    counts = export(existing_folder(folder), Path(out), layout, what, tasks)
    if as_json:
        write_json({"folder": str(out), "rows": counts})
        return 0
    people().print(Text(f"{shell(Path(out))}  {listed(counts, 10)}"), soft_wrap=True)
    return 0


def _copy(folder: Path, out: str, *, as_json: bool) -> int:
    """Copy the dataset of a run to a folder or a URL."""
    from rich.text import Text

    from synflow.store.upload import upload

    url = out if "://" in out else Path(out).absolute().as_uri()
    done = upload(folder, url, partial(Ticker(), "files"))
    if as_json:
        write_json({"url": out, "sent": done.sent, "bytes": done.bytes, "there": done.there})
        return 0
    said = f"{count_of(done.sent, 'file')} sent, {size_of(done.bytes)}; {count_of(done.there, 'file')} there already"
    people().print(Text(f"{clean(out, 4096)}  {said}"), soft_wrap=True)
    return 0
