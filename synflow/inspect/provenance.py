"""How a pair came to be, as a chain: source, clip, stages, model answers, audit, and the place in a shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synflow.console import duration_of, number_of, size_of
from synflow.inspect.index import DOMAINS, RunIndex
from synflow.inspect.sampler import Stored
from synflow.inspect.spread import GROUPED


@dataclass(frozen=True)
class Link:
    """One link of the chain: what it is, its name, and what is known of it, in order."""

    kind: str
    title: str
    facts: dict[str, str]


SHORT = 12
"""Characters of a digest that people are shown; ``--json`` gives all of them."""


def chain(index: RunIndex, pair: Stored) -> list[Link]:
    """Return the chain of a pair, from the source to its place in the dataset."""
    steps = pair.record.get("provenance", {})
    return [
        *_sources(pair),
        *_clips(index, pair),
        *(_stage(step) for step in steps.get("steps", ())),
        *(_model(use) for use in steps.get("models", ())),
        *_audit(pair),
        _pair(pair),
        _place(pair),
    ]


def _sources(pair: Stored) -> list[Link]:
    """Return the source of the target, and that of the query's picture or clip where it is another one."""
    row = pair.row
    own = {"record": row["record_id"], "source id": row["source_id"]}
    links = [Link("source", row["source_uri"], _known({"licence": row.get("target_licence") or row["licence"], **own}))]
    if (other := row.get("query_source_uri")) and other != row["source_uri"]:
        links.append(Link("query source", other, _known({"licence": row.get("query_licence") or ""})))
    return links


def _clips(index: RunIndex, pair: Stored) -> list[Link]:
    target, query = pair.row["clip_id"], pair.row["query_clip_id"]
    named = {"clip": target} if query in ("", target) else {"query clip": query, "target clip": target}
    wanted = sorted({clip for clip in named.values() if clip})
    rows = {row["clip_id"]: row for row in index.rows("clips", "clip_id", wanted)}
    links = []
    for kind, clip in named.items():
        row = rows.get(clip)
        if row is None:
            continue
        facts = {
            "span": f"{row['start']:.2f}-{row['end']:.2f} s ({duration_of(row['end'] - row['start'])})",
            "picture": f"{row['width']}x{row['height']} at {row['fps']:.2f} fps, {row['codec']}",
            "measures": " · ".join(
                f"{name} {_measure(value)}"
                for name, value in sorted(row["measures"].items())
                if not name.startswith(GROUPED)
            ),
        }
        links.append(Link(kind, clip, _known(facts)))
    return links


def _stage(step: dict[str, Any]) -> Link:
    facts = {"version": str(step.get("version", "")), "config": str(step.get("config", ""))[:SHORT]}
    return Link("stage", str(step.get("stage", "")), _known(facts))


def _model(use: dict[str, Any]) -> Link:
    facts = {
        "revision": str(use.get("revision", "")),
        "prompt": f"{use.get('prompt', '')} ({str(use.get('prompt_digest', ''))[:SHORT]})" if use.get("prompt") else "",
        "request": str(use.get("request", ""))[:SHORT],
        "seed": str(use.get("seed", "")),
    }
    return Link("model", str(use.get("model", "")), _known(facts))


def _audit(pair: Stored) -> list[Link]:
    """Return what the audit found, where the record tells it: as verdicts, or as scores of its own."""
    facts = {name: _measure(value) for name, value in pair.row["scores"].items() if name.startswith("audit.")}
    verdicts = pair.record.get("verdicts")
    if isinstance(verdicts, dict):
        facts.update({str(claim): str(verdict) for claim, verdict in verdicts.items()})
    return [Link("audit", "", facts)] if facts else []


def _pair(pair: Stored) -> Link:
    row = pair.row
    facts = {
        "licence": row["licence"],
        "domain": DOMAINS.get(row["domain"], row["domain"]),
        "style": row["style"] or "",
        "emphasis": row["emphasis"] or "",
        "relation": str(pair.record.get("relation", "")),
        "scores": " · ".join(f"{name} {_measure(value)}" for name, value in sorted(row["scores"].items())),
        "made negatives": " · ".join(_negative(one) for one in pair.record.get("negatives") or ()),
    }
    return Link("pair", f"{row['task']} {row['id']}", _known(facts))


def _negative(made: dict[str, Any]) -> str:
    """Return a negative that was made with a pair: its kind, and the text where it is one."""
    told = made.get("negative_text") or "the target, from its last frame to its first"
    return f"{made.get('kind', '')}: {told}"


def _place(pair: Stored) -> Link:
    row = pair.row
    return Link(
        "shard", str(row["shard"]), {"key": row["key"], "bytes": f"{size_of(row['bytes'])} at {row['offset']:,}"}
    )


def _measure(value: object) -> str:
    return number_of(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _known(facts: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}
