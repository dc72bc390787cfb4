from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from stages.near.cells import cells, neighbours
from stages.near.kin import LOOK, Bounds, Kin
from stages.partners import Partners, PartnersConfig
from stages.rules.kinship import COLOR_NAMES, colored, number_of, tokens
from synflow.contract import CorpusStage, Keep
from synflow.records import Sample, Source


def row(
    name: str, look: int = 0, caption: str = "", record: str = "", source: str = "", tint: int = 0
) -> dict[str, Any]:
    values = np.full(LOOK, look, np.int8)
    return {
        "key": name,
        "record": record or name,
        "source": source or name,
        "look": base64.b64encode(values.tobytes()).decode(),
        "tokens": [number_of(token) for token in tokens(caption)],
        "colored": [[number_of(t), COLOR_NAMES.index(c)] for t, c in sorted(colored(caption).items())],
    }


def settled(rows: list[dict[str, Any]], seed: int = 1, **config: Any) -> dict[str, dict[str, str]]:
    decisions = Partners(PartnersConfig(**config)).settle(rows, seed)
    assert all(decision.beside == tuple(key for key, _, _ in decision.note) for decision in decisions)
    return {r["key"]: {kind: key for key, kind, _ in d.note} for r, d in zip(rows, decisions, strict=True)}


def test_is_a_corpus_stage_that_drops_nothing() -> None:
    assert isinstance(Partners(), CorpusStage)
    assert Partners.reasons == {}


def test_what_looks_alike_is_of_one_scene_and_what_does_not_is_not() -> None:
    found = settled([row("a", 0), row("b", 3), row("c", 60), row("d", 62)])
    assert found == {"a": {"scene": "b"}, "b": {"scene": "a"}, "c": {"scene": "d"}, "d": {"scene": "c"}}


def test_one_subject_in_another_place_is_told_by_words_that_few_captions_have() -> None:
    rows = [row("a", 0, "A man plays an acoustic guitar."), row("b", 70, "An acoustic guitar leans on a wall.")]
    rows += [row(f"x{i}", -70 + 25 * i, f"Some {word} here.") for i, word in enumerate(("tulips", "trains", "kites"))]
    found = settled(rows)
    assert found["a"]["subject"] == "b"
    assert found["b"]["subject"] == "a"
    assert not any("subject" in found[f"x{i}"] for i in range(3))


def test_a_changed_colour_of_one_thing_is_an_attribute() -> None:
    rows = [
        row("a", 0, "A red kite in the sky."),
        row("b", 8, "A blue kite rises."),
        row("c", 7, "A red kite falls."),
    ]
    found = settled(rows, alike=1.0)
    assert found["a"]["attribute"] == "b"
    assert found["c"]["attribute"] == "b"
    assert found["b"]["attribute"] in ("a", "c")


def test_clips_of_one_record_or_one_video_are_no_partners() -> None:
    rows = [row("a1", 0, record="a"), row("a2", 0, record="a"), row("b", 1, source="s"), row("c", 1, source="s")]
    found = settled(rows)
    assert found["a1"]["scene"] in ("b", "c")
    assert found["b"]["scene"] in ("a1", "a2")
    assert settled(rows[:2]) == {"a1": {}, "a2": {}}


def test_the_seed_draws_and_the_same_seed_draws_the_same() -> None:
    rows = [row(f"r{i}", i % 7) for i in range(40)]
    assert settled(rows, 1) == settled(rows, 1)
    assert settled(rows, 1) != settled(rows, 2)


def test_no_rows_no_partners() -> None:
    assert Partners().settle([], 1) == []
    assert [len(one) for one in Kin([row("a")], 1, Bounds(14, 18)).partners()] == [0]


def test_a_scene_cannot_be_alike_and_different() -> None:
    with pytest.raises(ValueError, match="alike must be less than other"):
        PartnersConfig(alike=20, other=10)


def test_apply_notes_who_they_are() -> None:
    sample = Sample(source=Source(record_id="a", uri="a.mp4"))
    (decision, _) = Partners().settle([row("a"), row("b")], 1)
    kept = Partners().apply(sample, decision)
    assert isinstance(kept, Keep)
    assert kept.sample.facts["partners"] == [["b", "scene", 0.0]]
    assert kept.sample.measures["partners.found"] == 1


@pytest.mark.parametrize("size", [16, 50, 1000])
def test_every_place_is_in_one_cell_and_neighbours_are_nearest_there(size: int) -> None:
    vectors = np.random.default_rng(5).integers(-90, 90, (300, 12), dtype=np.int8)
    parts = list(cells(vectors, 3, size))
    assert sorted(np.concatenate(parts).tolist()) == list(range(300))
    assert max(map(len, parts)) <= 2 * size


def test_neighbours_are_those_of_brute_force() -> None:
    vectors = np.random.default_rng(6).integers(-90, 90, (200, 12), dtype=np.int8)
    found = dict(neighbours(vectors, 3, 5))
    for place in range(200):
        gaps = ((vectors.astype(int) - vectors[place].astype(int)) ** 2).sum(axis=1)
        gaps[place] = 10**9
        assert gaps[found[place]].tolist() == sorted(gaps)[:5]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("A red kite and a blue boat", {"kite": "red", "boat": "blue"}),
        ("Two red kites", {"kite": "red"}),
        ("A red kite above a green kite", {}),
        ("not a red kite", {}),
    ],
)
def test_colours_of_things(text: str, held: dict[str, str]) -> None:
    assert colored(text) == held
