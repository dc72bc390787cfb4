"""The HTML report of a finished run: one file, without scripts from elsewhere, the same bytes for the same run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synflow.console import size_of
from synflow.errors import Damage
from synflow.inspect.charts import drawn
from synflow.inspect.effort import effort
from synflow.inspect.funnel import funnel
from synflow.inspect.index import DOMAINS, RunIndex, overview
from synflow.inspect.mined import Mined
from synflow.inspect.pages import environment, static
from synflow.inspect.provenance import chain
from synflow.inspect.rejected import duplicates, rejected
from synflow.inspect.sampler import SIDES, Stored, draw, read_pair
from synflow.inspect.sheets import Sheet, Sources, pair_sheet
from synflow.inspect.spread import cut_spreads, distributions, read_spread
from synflow.inspect.wording import crossed, quotas, word_counts
from synflow.records import TASKS

PAIRS = 4
"""Pairs of each task, where no number is asked for."""

REJECTS = 6
"""Samples of each reason."""

DUPLICATES = 8

MOST_PICTURES = 11 << 20
"""Bytes of all pictures; what would go over is left out, with a word in its place. Base64 makes a third more."""


@dataclass
class Album:
    """Turns sheets into data URLs as long as there is room for them."""

    room: int = MOST_PICTURES
    left_out: int = 0

    def url(self, sheet: Sheet) -> str:
        """Return a data URL; empty where there is no picture, or no room for it."""
        if not sheet.jpeg:
            return ""
        if len(sheet.jpeg) > self.room:
            self.left_out += 1
            return ""
        self.room -= len(sheet.jpeg)
        return "data:image/jpeg;base64," + base64.b64encode(sheet.jpeg).decode("ascii")


@dataclass
class Card:
    """A pair as the report shows it: its sides, and what is known of it; or why it cannot be read."""

    row: dict[str, Any]
    pair: Stored | None = None
    sheets: dict[str, Sheet] = field(default_factory=dict)
    chain: Sequence[Any] = ()
    negatives: Sequence[Mapping[str, Any]] = ()
    trouble: str = ""


def card_of(index: RunIndex, row: dict[str, Any], sources: Sources, mined: Mined) -> Card:
    """Return a pair ready to be shown; where its shard is damaged, that is what is shown."""
    try:
        pair = read_pair(index.root, row)
    except Damage as damage:
        return Card(row, trouble=damage.cause)
    sheets = {side: one for side in SIDES if (one := pair_sheet(pair, side, sandbox=sources.sandbox)) is not None}
    return Card(row, pair, sheets, chain(index, pair), mined.of(pair))


def html_report(index: RunIndex, *, task: str | None = None, sample: int | None = None, seed: int = 0) -> str:
    """Return the report of a run.

    Args:
        index: of the run.
        task: show pairs of this task alone.
        sample: how many pairs of each task.
        seed: another seed shows other pairs and other rejects.

    Raises:
        UsageError: there is no such task.
    """
    facts = overview(index)
    spread = read_spread(index)
    cuts = cut_spreads(index, spread)
    tasks = [task] if task else [name for name in TASKS if facts["tasks"].get(name)]
    mined = Mined(index.root)
    with Sources() as sources:
        drawn_rows = {name: draw(index, name, sample or PAIRS, seed) for name in tasks}
        pairs = {name: [card_of(index, row, sources, mined) for row in rows] for name, rows in drawn_rows.items()}
        rejects = rejected(index, sources, REJECTS, seed)
        twins = duplicates(index, sources, DUPLICATES, seed)
    album = Album()
    shown = environment(album.url, drawn)
    script = static("look.js")
    return shown.get_template("report.html").render(
        index=index,
        facts=facts,
        records=index.dataset.get("records", {}),
        audit=index.dataset.get("audit"),
        steps=funnel(index, facts["kept"]),
        rejects=rejects,
        twins=twins,
        cuts=cuts,
        measures=distributions(spread),
        step=spread.step,
        texts=word_counts(index),
        crossed=crossed,
        quotas=quotas(facts, index.run),
        domains=DOMAINS,
        effort=effort(index.root),
        pairs=pairs,
        album=album,
        seed=seed,
        style=static("look.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        size=size_of(facts["bytes"]),
    )


def write_report(index: RunIndex, path: Path, **choice: Any) -> int:
    """Write the report to a file, whole or not at all; return its bytes."""
    data = html_report(index, **choice).encode("utf-8", errors="replace")
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)
    return len(data)
