from __future__ import annotations

import numpy as np
import pytest
from curation_films import Films, Gray, facts_of, sample_of, texture, walk

import stages.dedup as module
from stages.dedup import Dedup
from synflow.contract import CorpusStage, Decision, Drop, Keep, Row, Stage
from synflow.ids import canonical
from synflow.media.spans import clip_of
from synflow.records import Sample


def film(seed: int, seconds: float = 4.0, speed: float = 1.5) -> Gray:
    return walk(texture(seed), seconds, speed=speed, row=10 + 7 * (seed % 8))


def clip_sample(name: str, film_: Gray, *texts: str, width: int = 640, start: float = 0.0, file: str = "") -> Sample:
    facts = facts_of(file or name, width=width, height=width * 9 // 16)
    return sample_of(name, *texts).having(clip=clip_of(facts, start, len(film_) / 25))


def settled(samples: list[Sample], films: dict[str, Gray]) -> list[Decision]:
    stage = Dedup()
    rows = stage.rows(samples, Films(films))
    assert all(row is not None for row in rows)
    return list(stage.settle([row for row in rows if row is not None], 0))


def test_is_a_pure_corpus_stage():
    assert isinstance(Dedup(), CorpusStage)
    assert not isinstance(Dedup(), Stage)


def test_the_copy_with_fewer_pixels_is_dropped_and_names_the_other():
    films = {"a": film(1), "b": film(1), "c": film(2)}
    samples = [clip_sample("a", films["a"], width=640), clip_sample("b", films["b"], width=1280),
               clip_sample("c", films["c"])]  # fmt: skip
    first, second, third = settled(samples, films)
    assert first.drop is not None
    assert first.drop.reason == "near-duplicate"
    assert samples[1].clip is not None
    assert first.drop.detail == samples[1].clip.id
    assert second.drop is None
    assert third.drop is None


def test_of_equal_pictures_the_better_told_stays():
    films = {"a": film(1), "b": film(1)}
    samples = [clip_sample("a", films["a"], "a cat"), clip_sample("b", films["b"], "a cat walks over a red carpet")]
    first, second = settled(samples, films)
    assert first.drop is not None
    assert second.drop is None


def test_an_excerpt_is_dropped_for_the_longer():
    films = {"a": film(1, 8)[60:120], "b": film(1, 8)}
    first, second = settled([clip_sample(name, pictures) for name, pictures in films.items()], films)
    assert first.drop is not None
    assert second.drop is None


def test_mirrored_copies_meet():
    films = {"a": film(1), "b": np.ascontiguousarray(film(1)[:, :, ::-1])}
    decisions = settled([clip_sample(name, pictures) for name, pictures in films.items()], films)
    assert [decision.drop is not None for decision in decisions] == [False, True]


def test_the_same_file_twice_is_a_copy_though_the_scan_differs():
    films = {"a": film(1), "b": film(2)}
    samples = [clip_sample("a", films["a"], file="f"), clip_sample("b", films["b"], file="f")]
    decisions = settled(samples, films)
    assert [decision.drop is not None for decision in decisions] == [False, True]


def test_different_spans_of_one_file_are_no_copies():
    pictures = np.concatenate([film(1), film(2)])
    whole = clip_sample("a", pictures)
    assert whole.clip is not None
    parts = [whole.having(clip=clip_of(whole.clip.facts, *span, "shots/1")) for span in ((0.0, 4.0), (4.0, 8.0))]
    assert [decision.drop for decision in settled(parts, {"a": pictures})] == [None, None]


def test_look_alikes_stay():
    films = {"a": film(1, speed=1.5), "b": walk(texture(1), 4, speed=1.0, row=60, tone=0)}
    decisions = settled([clip_sample(name, pictures) for name, pictures in films.items()], films)
    assert [decision.drop for decision in decisions] == [None, None]


def test_apply_drops_or_notes_the_hash():
    films = {"a": film(1), "b": film(1)}
    samples = [clip_sample(name, pictures) for name, pictures in films.items()]
    outcomes = [Dedup().apply(*pair) for pair in zip(samples, settled(samples, films), strict=True)]
    assert isinstance(outcomes[0], Keep)
    assert isinstance(outcomes[1], Drop)
    phash = outcomes[0].sample.measures["dedup.phash"]
    assert isinstance(phash, str)
    assert len(phash) == 16


def test_rows_are_small_json_and_a_sample_without_a_clip_has_none():
    films = {"a": film(1, 30)}
    rows = Dedup().rows([clip_sample("a", films["a"]), sample_of("a")], Films(films))
    assert rows[0] is not None
    assert len(canonical(rows[0])) < 12_000
    assert rows[1] is None


def test_nothing_to_settle():
    assert Dedup().settle([], 0) == []


def test_many_clips_are_settled_without_comparing_all_of_them(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(1)
    rows: list[Row] = []
    for place in range(300):
        thumbs = rng.integers(0, 255, (8, 16, 16), np.uint8)
        rows.append({"clip": str(place), "source": str(place), "span": [0, 4], "pixels": 1, "said": 0,
                     "thumbs": module.pack(thumbs)})  # fmt: skip
    compared = []

    def counted(one: np.ndarray, other: np.ndarray) -> object:
        compared.append(1)
        return compare(one, other)

    compare = module.compare
    monkeypatch.setattr(module, "compare", counted)
    assert all(decision.drop is None for decision in Dedup().settle(rows, 0))
    assert len(compared) < 0.5 * 300 * 299 / 2
