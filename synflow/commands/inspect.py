"""``synflow inspect``: counts, sample pairs, one pair's provenance, and what other thresholds would keep."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synflow.commands.output import shell, write_json
from synflow.console import people, size_of

if TYPE_CHECKING:
    from synflow.inspect.index import RunIndex

EXAMPLES = 2
"""Rejected records shown for each reason."""

TOKEN = "SYNFLOW_INSPECT_TOKEN"
"""Environment variable with a token that stays the same, for Prometheus; otherwise each start draws one."""

NEIGHBOURS = 3
"""Clips shown on each side of a cut."""


def inspect_run(
    folder: Path, *, task: str | None, sample: int | None, seed: int, pair: str | None, as_json: bool
) -> int:
    """Show a finished run, or one pair of it; return the exit code."""
    from synflow.inspect.index import open_index

    index = open_index(folder)
    if pair is not None:
        _one(index, pair, as_json=as_json)
    elif as_json:
        write_json(_everything(index, task, sample, seed))
    else:
        _show(index, task, sample, seed)
    return 0


def report_run(folder: Path, file: Path, *, task: str | None, sample: int | None, seed: int) -> int:
    """Write the HTML report of a finished run; return the exit code."""
    from rich.text import Text

    from synflow.errors import UsageError
    from synflow.inspect.index import open_index
    from synflow.inspect.report import write_report

    index = open_index(folder)
    if file.is_dir() or not file.absolute().parent.is_dir():
        cause = f"--html {file}: it is a folder" if file.is_dir() else f"--html {file}: there is no such folder"
        raise UsageError(cause, "name a file in a folder that exists, for example report.html")
    size = write_report(index, file, task=task, sample=sample, seed=seed)
    people().print(Text(f"{file}  {size_of(size)}, opens in any browser"))
    return 0


def serve_pages(folder: Path, *, host: str, port: int, against: Path | None) -> int:
    """Serve the web page of a run until Ctrl-C; return the exit code."""
    import secrets

    import uvicorn
    from rich.text import Text

    from synflow.inspect.web.app import LOCAL, web_app
    from synflow.replay import replay

    token = os.environ.get(TOKEN) or secrets.token_urlsafe(18)
    local = host in LOCAL
    app = web_app(
        folder,
        token,
        other=against,
        replayer=lambda root, sets: replay(root, sets).as_json(),
        hosts=LOCAL if local else (),
    )
    opened = _listening(host, port)
    shown = f"[{host}]" if ":" in host else host
    console = people()
    console.print(Text(f"http://{shown}:{opened.getsockname()[1]}/?token={token}"), soft_wrap=True)
    console.print(
        Text("Ctrl-C ends it" if local else "anyone who has this address can look; Ctrl-C ends it"), style="dim"
    )
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
    try:
        uvicorn.Server(config).run(sockets=[opened])
    except KeyboardInterrupt:
        # This is how one ends it.
        return 0
    finally:
        app.state.desk.pictures.close()
        opened.close()
    return 0


def _listening(host: str, port: int) -> socket.socket:
    """Return an open socket.

    Raises:
        UsageError: nobody can listen there.
    """
    from synflow.errors import UsageError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        # Before the address is shown: who opens it at once waits, and is not refused.
        opened.listen(128)
    except OSError as error:
        opened.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", "--port 0 takes a free one"
        ) from error
    return opened


def _one(index: RunIndex, pair: str, *, as_json: bool) -> None:
    from synflow.inspect.provenance import chain
    from synflow.inspect.sampler import described, find, read_pair

    stored = read_pair(index.root, find(index, pair))
    links = chain(index, stored)
    if as_json:
        write_json({"pair": described(stored), "chain": [dataclasses.asdict(link) for link in links]})
        return
    from synflow.inspect.terminal import show_chain, show_pair

    console = people()
    show_pair(console, stored)
    show_chain(console, links)


def _everything(index: RunIndex, task: str | None, sample: int | None, seed: int) -> dict[str, Any]:
    from synflow.inspect.index import overview
    from synflow.inspect.reasons import meaning
    from synflow.inspect.sampler import described, draw, examples, read_pair
    from synflow.inspect.thresholds import nearest

    facts = overview(index)
    found = examples(index, EXAMPLES, seed)
    rejects = [
        {
            "stage": stage,
            "reason": reason,
            "meaning": meaning(stage, reason),
            "count": facts["drops"].get(f"{stage}/{reason}", 0),
            "examples": rows,
        }
        for (stage, reason), rows in found.items()
    ]
    return {
        "counts": facts,
        "sample": [described(read_pair(index.root, row)) for row in draw(index, task, sample, seed)],
        "rejects": rejects,
        "thresholds": [near.as_json() for near in nearest(index, NEIGHBOURS)],
    }


def _show(index: RunIndex, task: str | None, sample: int | None, seed: int) -> None:
    """Print the view for people; where pairs of a task or a number of them are asked for, those alone."""
    from rich.text import Text

    from synflow.inspect.index import overview
    from synflow.inspect.sampler import draw, examples, read_pair
    from synflow.inspect.terminal import heading, show_overview, show_pair, show_rejects, show_thresholds
    from synflow.inspect.thresholds import configs, nearest

    console = people()
    rows = draw(index, task, sample, seed)
    whole = task is None and sample is None
    if whole:
        facts = overview(index)
        show_overview(console, index, facts)
        show_rejects(console, facts, examples(index, EXAMPLES, seed), configs(index.run))
        show_thresholds(console, nearest(index, NEIGHBOURS))
        console.print(heading("Sample pairs", "one of each task" if rows else "none"))
    elif not rows:
        console.print(Text(f"there are no pairs of task {task}" if task else "there are no pairs"))
    for row in rows:
        show_pair(console, read_pair(index.root, row))
    if rows:
        name = shell(index.root)
        more = f"synflow inspect {name} --task {rows[0]['task']} --sample 5 --seed {seed + 1}"
        console.print(heading("Next"))
        console.print(Text.assemble(f"  {more}", ("   other pairs", "dim")), soft_wrap=True)
        console.print(
            Text.assemble(f"  synflow inspect {name} --pair {rows[0]['id'][:10]}", ("   where one comes from", "dim")),
            soft_wrap=True,
        )
