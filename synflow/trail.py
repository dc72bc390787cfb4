"""The trail of a shard: what was found out by looking at pictures, so that another run need not look again.

A step of a trail says which stage measured, under which key (version, parameters, and what else it asked for), what
the sample was that it saw, and what it made of it. A later run that comes to the same step with the same sample takes
the answer from here and only decides again. Line 1 of the object says how pictures were read; then follows a line for
each input record, with the probe of its source, which is how a changed file is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from synflow.contract import Drop, Keep, Outcome, Split
from synflow.ids import ID_LENGTH, digest_of
from synflow.records import Facts, Sample

Step = dict[str, Any]
"""A step as JSON: ``stage`` (``rows:`` before its name for rows), ``of`` (key), ``asks``, ``in`` (what it saw)."""

SET_BY_ENGINE: dict[str, Any] = {
    "trace": True, "pairs": True, "frames_object": True, "source": {"line"}, "frames": {"__all__": {"offset"}},
}  # fmt: skip
"""Parts of a sample that say where it stands, not what it is."""

ADDED = ("measures", "facts")
"""Fields to which stages add."""


def state_of(sample: Sample, reads: Collection[str] | None = None) -> str:
    """Return a digest of what a stage sees of ``sample``.

    Args:
        sample: as it comes to the stage.
        reads: the fields that the stage declares to read; None: all.
    """
    value = sample.model_dump(mode="json", exclude=SET_BY_ENGINE, include=None if reads is None else _included(reads))
    return digest_of(value)[:ID_LENGTH]


def _included(reads: Collection[str]) -> dict[str, Any]:
    """Return field names, and those of the members of fields (``captions.text``), as pydantic takes them."""
    found: dict[str, Any] = {}
    for field, _, inner in (name.partition(".") for name in sorted(reads)):
        if inner and found.get(field, {}) is not True:
            found.setdefault(field, {"__all__": set()})["__all__"].add(inner)
        elif not inner:
            found[field] = True
    return found


def key_of(name: str, version: int, config: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """Return the key of a step: all but the sample that determines the answer.

    Args:
        name: of the stage.
        version: of the stage.
        config: the parameters that it measured with.
        others: what else it asked for (``seed``, ``embed``), and what that was.
    """
    return digest_of([name, version, config, others])[:ID_LENGTH]


def measuring(stage: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a stage that its measures or rows depend on: not those that only decide."""
    decides = frozenset(getattr(stage, "decides", ())) | frozenset(getattr(stage, "settles", ()))
    return {name: value for name, value in config.items() if name not in decides}


def delta_of(before: Sample, after: Sample) -> dict[str, Any] | None:
    """Return what a stage changed, as JSON by field; None where a trail cannot say it."""
    old, new = (one.model_dump(mode="json", exclude={"trace"}) for one in (before, after))
    changes: dict[str, Any] = {}
    for name in new:
        if new[name] == old[name]:
            continue
        if name in ADDED:
            if set(old[name]) - set(new[name]):
                return None
            changes[name] = {key: value for key, value in new[name].items() if old[name].get(key, ...) != value}
        elif name == "source":
            if {**old[name], "digest": new[name]["digest"]} != new[name]:
                return None
            changes["digest"] = new[name]["digest"]
        elif name in ("pairs", "frames", "frames_digest", "frames_object"):
            return None
        else:
            changes[name] = new[name]
    return changes


def patched(sample: Sample, delta: Mapping[str, Any]) -> Sample:
    """Return ``sample`` with what `delta_of` found."""
    plain = {name: value for name, value in delta.items() if name not in (*ADDED, "digest")}
    read = Sample.model_validate({"source": sample.source, **plain})
    changes: dict[str, Any] = {name: getattr(read, name) for name in plain}
    changes.update({name: delta[name] for name in ADDED if name in delta})
    if "digest" in delta:
        changes["source"] = sample.source.model_copy(update={"digest": delta["digest"]})
    return sample.having(**changes)


def told(before: Sample, outcome: Outcome) -> dict[str, Any] | None:
    """Return an outcome as JSON; None where a trail cannot say it."""
    if isinstance(outcome, Drop):
        return {"drop": [outcome.reason, outcome.detail, dict(outcome.measures)]}
    if isinstance(outcome, Keep):
        delta = delta_of(before, outcome.sample)
        return None if delta is None else {"keep": delta}
    deltas = [delta_of(before, sample) for sample in outcome.samples]
    return None if None in deltas else {"split": deltas}


def untold(before: Sample, value: Mapping[str, Any]) -> Outcome:
    """Return the outcome that `told` told."""
    if "drop" in value:
        reason, detail, measures = value["drop"]
        return Drop(reason, detail, measures)
    if "keep" in value:
        return Keep(patched(before, value["keep"]))
    return Split(tuple(patched(before, delta) for delta in value["split"]))


class Trail:
    """The trail of a shard that is under way.

    Args:
        reading: digest of how pictures are read.
        embedder: id of the model that embeds.
    """

    def __init__(self, reading: str, embedder: str) -> None:
        self.reading, self.embedder = reading, embedder
        self._steps: dict[str, list[Step]] = {}
        self._probes: dict[str, Facts] = {}

    def add(self, record_id: str, step: Step) -> None:
        """Note a step of a record."""
        self._steps.setdefault(record_id, []).append(step)

    def probed(self, record_id: str, facts: Facts) -> None:
        """Note what the probe told of the source of a record."""
        self._probes[record_id] = facts

    def lines(self, records: Iterable[str], failed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the lines of the object.

        Args:
            records: ids in the order of the inputs.
            failed: of sources that could not be probed: id -> digest of the bytes, empty where they cannot be read.
        """
        yield {"reading": self.reading, "embedder": self.embedder}
        for name in records:
            facts = self._probes.get(name)
            yield {
                "record": name,
                "facts": facts.model_dump(mode="json") if facts else None,
                "failed": failed.get(name),
                "steps": self._steps.get(name, []),
            }
