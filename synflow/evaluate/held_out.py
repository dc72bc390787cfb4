"""A finished synflow run as a held-out set: its pairs as queries and targets, by task and ability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synflow.evaluate.collection import Collection, Entry
from synflow.evaluate.media import Decoder, Stored
from synflow.ids import digest_of
from synflow.records import TASKS
from synflow.store.reader import Dataset, StoredSide, open_dataset

Tell = Callable[[str, int, int], None]


@dataclass
class _Task:
    """What is collected of one task: its targets, and its queries by ability."""

    corpus: list[Entry] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    queries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    relevant: dict[tuple[str, str], dict[int, None]] = field(default_factory=dict)


def read_run(
    root: Path, name: str, decoder: Decoder, tasks: Sequence[str] = (), most: int | None = None,
    tell: Tell = lambda what, done, total: None,
) -> list[Collection]:  # fmt: skip
    """Return the pairs of a run as datasets ``NAME/t2v/s``: task and ability.

    The corpus of each is all targets of its task; targets that show the same are one, and queries that ask the same
    are one, with all of their targets relevant.

    Args:
        root: folder of the run.
        name: what the datasets are called.
        decoder: for pairs that hold an mp4.
        tasks: of the pairs; empty: all.
        most: pairs of a task, in the order of the shards; None: all.
        tell: is told how far it is.

    Raises:
        UsageError: there is no run. Incomplete: it is not finished. Damage: it is not as it promises.
    """
    dataset = open_dataset(root)
    found: list[Collection] = []
    for task in [one for one in TASKS if one in (tasks or TASKS) and dataset.tasks.get(one)]:
        held = _Task()
        chosen = dataset.places((task,), 0, 0, window=1).tolist()
        places = sorted(chosen)[:most]
        for done, place in enumerate(places):
            if done % 1000 == 0:
                tell(f"read {task}", done, len(places))
            _add(held, dataset, place, decoder)
        for domain, asked in sorted(held.queries.items()):
            relevant = [tuple(held.relevant[domain, key]) for key in asked]
            count = len(asked)
            found.append(
                Collection(
                    f"{name}/{task}/{domain}", domain.upper(), "R@1", tuple(asked.values()), tuple(held.corpus),
                    tuple(relevant), (0,) * count, (None,) * count,
                )
            )  # fmt: skip
    return found


def _add(held: _Task, dataset: Dataset, place: int, decoder: Decoder) -> None:
    pair = dataset[place]
    target = _key(pair.target)
    if target not in held.places:
        held.places[target] = len(held.corpus)
        held.corpus.append(_entry(dataset, place, "target", pair.target, f"{pair.id}", "", decoder))
    domain = str(pair.record.get("domain", "cg"))
    query = digest_of([_key(pair.query), pair.instruction])
    asked = held.queries.setdefault(domain, {})
    if query not in asked:
        asked[query] = _entry(dataset, place, "query", pair.query, pair.id, pair.instruction, decoder)
    held.relevant.setdefault((domain, query), {})[held.places[target]] = None


def _key(side: StoredSide) -> str:
    return digest_of([side.text or "", side.digest])


def _entry(
    dataset: Dataset, place: int, name: str, side: StoredSide, own: str, instruction: str, decoder: Decoder
) -> Entry:
    media = Stored(dataset, place, name, side.digest, decoder) if side.digest else None
    return Entry(own, side.text, media, bool(side.frames or side.clip), instruction)
