"""What the pages of the web app show, worked out from the index, the shards, the journal and the marks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from synflow import prompts
from synflow.errors import Incomplete, SynflowError, UsageError
from synflow.inspect.funnel import funnel
from synflow.inspect.index import DOMAINS, RunIndex, open_index, overview
from synflow.inspect.mined import Mined
from synflow.inspect.provenance import chain
from synflow.inspect.reasons import meaning
from synflow.inspect.rejected import against
from synflow.inspect.sampler import SIDES, Stored, read_pair
from synflow.inspect.sheets import Sheet, planned, sheet
from synflow.inspect.spread import CutSpread, cut_spreads, read_spread
from synflow.inspect.strip import decode
from synflow.inspect.thresholds import configs
from synflow.inspect.web.compare import Comparison, compare
from synflow.inspect.web.marks import Marks
from synflow.inspect.web.media import Pictures
from synflow.inspect.web.query import PAGE, SORTS, Tables, Wish, wish
from synflow.inspect.wording import quotas
from synflow.records import Pair
from synflow.store.layout import RunLayout
from synflow.store.metrics import metrics_of
from synflow.store.newest import newest_pairs, pictures_of
from synflow.store.survey import RunState, survey

NEWEST = 6
"""Pairs that the page of a run under way shows."""

SEEN = 60
"""Pairs shown before whose pictures may still be asked for."""

Replayer = Callable[[Path, Sequence[str]], dict[str, Any]]
"""Returns what a run would be with ``stage.parameter=value``; see `synflow.replay`, which stands above this package."""


class Desk:
    """One run, opened for looking; a run under way is opened when it is finished.

    Args:
        root: of the run.
        other: of another one to compare it with.
        replayer: tells what other thresholds would do.
    """

    def __init__(self, root: Path, other: Path | None = None, replayer: Replayer | None = None) -> None:
        self.root, self._replayer = root, replayer
        self.marks = Marks(root)
        self.pictures = Pictures()
        self._lock = threading.Lock()
        self._index: RunIndex | None = None
        self._seen: dict[str, Pair] = {}
        try:
            self._index = open_index(root)
        except Incomplete:
            survey(root)
        self.other = Tables(open_index(other)) if other else None

    def state(self) -> RunState | None:
        """Return how far a run under way is; None where it is finished."""
        if self._index is None:
            state = survey(self.root)
            if not state.complete:
                return state
            self._index = open_index(self.root)
        return None

    @property
    def index(self) -> RunIndex:
        """The index of the finished run.

        Raises:
            Incomplete: it is not finished.
        """
        if self._index is None:
            self._index = open_index(self.root)
        return self._index

    @property
    def name(self) -> str:
        """Name of the run."""
        return self._index.name if self._index else self.root.name

    @cached_property
    def tables(self) -> Tables:
        """The index tables, opened once."""
        return Tables(self.index)

    @cached_property
    def mined(self) -> Mined:
        """The hard negatives of the run."""
        return Mined(self.root)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Counts by task, ability, reason."""
        return overview(self.index)

    def home(self) -> dict[str, Any]:
        """Return the funnel and the counts."""
        return {
            "facts": self.facts,
            "records": self.index.dataset.get("records", {}),
            "steps": funnel(self.index, self.facts["kept"]),
            "quotas": quotas(self.facts, self.index.run),
            "domains": DOMAINS,
        }

    def row(self, table: str, place: int) -> dict[str, Any]:
        """Return a row by its place.

        Raises:
            UsageError: the table is shorter.
        """
        found = self.tables.rows(table, [place])
        if not found:
            raise UsageError(f"there is no row {place}", "go back and choose one from the list")
        return found[0]

    def pairs(self, given: dict[str, str]) -> dict[str, Any]:
        """Return a page of pairs."""
        marks = self.marks.all()
        kind = given.get("marked", "")
        ids = tuple(name for name, line in marks.items() if line["mark"] == kind) if kind in ("good", "bad") else None
        asked = wish("pairs", given, ids)
        return {**self._page(asked, given), "marks": marks, "choices": self.tables.choices, "sorts": SORTS}

    def dropped(self, given: dict[str, str]) -> dict[str, Any]:
        """Return a page of what was dropped, each with its measure against the threshold."""
        asked = wish("rejects", given)
        found = self._page(asked, given)
        limits = configs(self.index.run)
        captions = planned(self.index.root, {row["record_id"] for row in found["rows"]})
        for row in found["rows"]:
            row["against"] = against(row, limits)
            row["meaning"] = meaning(row["stage"], row["reason"])
            row["caption"] = str(((captions.get(row["record_id"]) or {}).get("captions") or [""])[0])
        return {**found, "choices": self.tables.choices, "sorts": SORTS}

    def _page(self, asked: Wish, given: dict[str, str]) -> dict[str, Any]:
        places = self.tables.places(asked)
        rest = {name: value for name, value in given.items() if name != "start" and value}
        return {
            "rows": self.tables.rows(asked.table, places[:PAGE]),
            "total": self.tables.count(asked),
            "asked": asked,
            "given": given,
            "later": urlencode({**rest, "start": asked.start + PAGE}) if len(places) > PAGE else "",
            "earlier": urlencode({**rest, "start": max(0, asked.start - PAGE)}) if asked.start else "",
        }

    def pair(self, name: str) -> dict[str, Any]:
        """Return one pair with its chain, its prompts and the answers of models."""
        row = self.tables.find(name)
        found: dict[str, Any] = {
            "row": row,
            "pair": None,
            "chain": [],
            "asked": [],
            "trouble": "",
            "words": SIDES,
            "negatives": [],
        }
        found["mark"] = self.marks.all().get(row["id"], {})
        try:
            pair = read_pair(self.index.root, row)
        except SynflowError as error:
            return {**found, "trouble": error.cause}
        found["negatives"] = self.mined.of(pair)
        return {**found, "pair": pair, "chain": chain(self.index, pair), "asked": self._asked(pair)}

    def _asked(self, pair: Stored) -> list[dict[str, str]]:
        """Return what models were asked for a pair: the prompt file, if it is still the same, and the answer."""
        uses = pair.record.get("provenance", {}).get("models", ())
        answers = self._answers({str(use.get("request", "")) for use in uses})
        told = []
        for use in uses:
            name, digest = str(use.get("prompt", "")), str(use.get("prompt_digest", ""))
            text = prompt_of(name, digest)
            note = "" if text else "the prompt file of this run is not installed any more"
            request = str(use.get("request", ""))
            told.append(
                {
                    "model": str(use.get("model", "")), "prompt": name, "text": text, "note": note, "request": request,
                    **answers.get(request, {"answer": "", "sent": "", "pictures": 0}),
                }
            )  # fmt: skip
        return told

    def _answers(self, requests: set[str]) -> dict[str, dict[str, Any]]:
        """Return request digest -> the prompt as sent and the answer as received, from the journals of the run."""
        found: dict[str, dict[str, Any]] = {}
        wanted = [request.encode() for request in requests if request]
        for path in sorted((RunLayout(self.root).root / "journal").glob("*/*.jsonl")) if wanted else ():
            for line in path.read_bytes().splitlines():
                if not any(one in line for one in wanted):
                    continue
                try:
                    value = json.loads(line)
                    answer, sent = value["answer"], value.get("sent") or {}
                    told = {
                        "answer": json.dumps(answer["value"], indent=1, ensure_ascii=False),
                        "sent": "\n\n".join(sent[name] for name in ("system", "text") if sent.get(name)),
                        "pictures": len(answer["bound"]),
                    }
                    found.setdefault(answer["request"], told)
                except (ValueError, KeyError, TypeError):
                    continue
            if len(found) == len(wanted):
                break
        return found

    def cuts(self) -> list[CutSpread]:
        """Return the rules of the run with their clips; worked out once."""
        with self._lock:
            return self._cuts

    @cached_property
    def _cuts(self) -> list[CutSpread]:
        return cut_spreads(self.index, read_spread(self.index))

    def replay(self, key: str, value: str) -> dict[str, Any]:
        """Return what the run would be with another threshold.

        Raises:
            UsageError: replay cannot tell that.
        """
        allowed = {f"{cut.cut.stage}.{cut.parameter}" for cut in self.cuts() if cut.parameter}
        try:
            float(value)
        except ValueError:
            raise UsageError(f"{value!r} is no number", "move the slider, or type a number") from None
        if key not in allowed:
            raise UsageError(f"{key!r} is no threshold of this run", "choose one on the page of thresholds")
        if self._replayer is None:
            raise UsageError("this server cannot replay", "`synflow replay` can")
        return self._replayer(self.root, [f"{key}={value}"])

    def compare(self) -> Comparison | None:
        """Return what differs from the other run; None where there is none."""
        return compare(self.tables, self.other) if self.other else None

    def newest(self) -> list[Pair]:
        """Return the newest pairs of a run under way; their pictures can be asked for afterwards."""
        found = newest_pairs(RunLayout(self.root), NEWEST)
        with self._lock:
            self._seen = {pair.id: pair for pair in (*found, *list(self._seen.values())[:SEEN])}
        return found

    def newest_sheet(self, name: str, side: str) -> Sheet | None:
        """Return the pictures of one side of a pair that `newest` gave; None where there is none."""
        with self._lock:
            pair = self._seen.get(name)
        shown = getattr(pair, side, None) if side in SIDES else None
        jpegs = pictures_of(RunLayout(self.root), shown.video or shown.image) if shown else []
        return sheet([rgb for rgb in map(decode, jpegs) if rgb is not None]) if jpegs else None

    def metrics(self) -> bytes:
        """Return the run in numbers, for Prometheus."""
        return metrics_of(RunLayout(self.root)).text()

    def mark(self, id: str, mark: str, note: str) -> None:
        """Mark a pair.

        Raises:
            UsageError: there is no such pair.
        """
        self.marks.set(self.tables.find(id), mark, note)

    def reject_sheet(self, place: int) -> Sheet | None:
        """Return pictures of what was dropped."""
        row = self.row("rejects", place)
        rows = self.index.rows("clips", "clip_id", [row["clip_id"]]) if row["clip_id"] else []
        span = (rows[0]["start"], rows[0]["end"]) if rows else None
        sound = span is not None and None not in span and span[1] > span[0]
        return self.pictures.clip(self.index, row, span if sound else None)


def prompt_of(name: str, digest: str) -> str:
    """Return the prompt of that name and digest; empty where no version that is installed has it."""
    try:
        for version in prompts.versions(name):
            found = prompts.load(name, version)
            if found.digest == digest:
                return f"{found.system}\n\n{found.template}".strip()
    except SynflowError:
        return ""
    return ""
