"""Exclude: pairs, clips and sources that somebody listed, such as those marked bad in an earlier run, are left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from synflow.contract import Context, Drop, Keep, Outcome, StageConfig
from synflow.datafile import DataFile, NamedFile
from synflow.errors import UsageError
from synflow.records import Pair, Sample

KINDS: Mapping[str, tuple[str, ...]] = {
    "pair": ("pair", "pairs"),
    "clip": ("clip", "clips"),
    "record": ("record", "records"),
    "source": ("source", "source_id", "source_ids", "source_uri", "source_uris"),
}
"""What a line may name, and under which names: one id, or a list of them."""


class ExcludeConfig(StageConfig):
    """What is left out. The paper has no such step: all of this is ours.

    Attributes:
        lists: JSON lines, each an object that names what to leave out: ``pair``, ``clip`` or ``record`` by its id,
            ``source`` by the sha256 of its file or by its address; a ``withdrawn.jsonl`` of another run is read as it
            is; paths relative to the manifest.
    """

    lists: tuple[DataFile, ...] = ()


class Exclude:
    """Leaves out what is on a list: single pairs, clips, or everything from a record or a source.

    Placed after ``expand`` it sees the pairs, and those that lead from or to a source on a list go with it; what it
    leaves out can be made up for by `quota`. Ids are digests of content, so those of an earlier run are the same here.
    """

    name: ClassVar[str] = "exclude"
    version: ClassVar[int] = 1
    Config: ClassVar[type[StageConfig]] = ExcludeConfig
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[Mapping[str, str]] = {"excluded": "it is on the list that the detail names"}

    def __init__(self, config: ExcludeConfig | None = None) -> None:
        self.config = config or ExcludeConfig()
        self._listed: dict[tuple[str, str], str] | None = None

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample; it looks at no picture."""
        return [self._outcome(sample) for sample in samples]

    def _outcome(self, sample: Sample) -> Outcome:
        clip = sample.clip.id if sample.clip else ""
        source = sample.source
        own = (("clip", clip), ("record", source.record_id), ("source", source.digest), ("source", source.uri))
        if found := self._on_a_list(own):
            return Drop("excluded", found, sample.measures)
        left = tuple(pair for pair in sample.pairs if not self._on_a_list(_names(pair)))
        gone = len(sample.pairs) - len(left)
        return Keep(sample.having(pairs=left, measures={"exclude.pairs": gone}))

    def _on_a_list(self, names: Sequence[tuple[str, str]]) -> str:
        """Return list and id of the first of ``names`` that is listed; empty where none is."""
        if self._listed is None:
            self._listed = {key: file.name for file in reversed(self.config.lists) for key in entries(file)}
        return next((f"{self._listed[key]}: {key[1]}" for key in names if key[1] and key in self._listed), "")


def _names(pair: Pair) -> tuple[tuple[str, str], ...]:
    shown = [side.video or side.image for side in (pair.query, pair.target)]
    clips = [side.clip_id for side in shown if side is not None]
    return (
        ("pair", pair.id), *(("clip", clip) for clip in clips), ("record", pair.query_record_id),
        ("source", pair.query_source_id), ("source", pair.query_source_uri),
    )  # fmt: skip


def entries(file: NamedFile) -> Iterator[tuple[str, str]]:
    """Yield kind and id of all that a list names.

    Raises:
        UsageError: a line is no object, or names nothing of what can be left out.
    """
    for number, line in enumerate(file.read().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value: Any = json.loads(line)
        except ValueError:
            value = None
        found = list(_of(value)) if isinstance(value, dict) else []
        if not found:
            remedy = "give one JSON object a line, with pair, clip, record or source"
            raise UsageError(f"{file.path}:{number}: names nothing to leave out", remedy)
        yield from found


def _of(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, names in KINDS.items():
        for name in names:
            held = value.get(name, [])
            for one in held if isinstance(held, list) else [held]:
                if isinstance(one, str) and one:
                    yield kind, one
