"""``synflow inspect``: counts, sample pairs, one pair's provenance, and what other thresholds would keep."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synflow.commands.output import shell, write_json
from synflow.console import people

if TYPE_CHECKING:
    from synflow.inspect.index import RunIndex

EXAMPLES = 2
"""Rejected records shown for each reason."""

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
    from synflow.inspect.reasons import meaning, meanings
    from synflow.inspect.sampler import described, draw, examples, read_pair
    from synflow.inspect.thresholds import nearest

    facts, words = overview(index), meanings()
    found = examples(index, EXAMPLES, seed)
    rejects = [
        {
            "stage": stage,
            "reason": reason,
            "meaning": meaning(stage, reason, words),
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
    from synflow.inspect.reasons import meanings
    from synflow.inspect.sampler import draw, examples, read_pair
    from synflow.inspect.terminal import heading, show_overview, show_pair, show_rejects, show_thresholds
    from synflow.inspect.thresholds import configs, nearest

    console = people()
    rows = draw(index, task, sample, seed)
    whole = task is None and sample is None
    if whole:
        facts = overview(index)
        show_overview(console, index, facts)
        show_rejects(console, facts, examples(index, EXAMPLES, seed), meanings(), configs(index.run))
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
