from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from curation_films import Films, Gray, facts_of, sample_of, texture, walk

import stages.near.pairs as module
from stages.dedup import Dedup, DedupConfig
from stages.near.buckets import Entries, candidates
from stages.near.likewise import packed_course
from synflow.contract import CorpusStage, Decision, Drop, Keep, Row, Stage
from synflow.hashlist import caption_line, head_line, video_lines
from synflow.ids import canonical
from synflow.media.signature import Signature, pack, unpack
from synflow.media.spans import clip_of
from synflow.models.signals.embedder import SignalsEmbedder
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


def random_rows(count: int) -> list[Row]:
    rng = np.random.default_rng(1)
    return [
        {"clip": f"{place:05d}", "source": f"{place + 1:016x}", "span": [0, 4], "pixels": 1, "said": 0, "captions": [],
         "thumbs": pack(Signature(rng.integers(0, 63, (8, 12, 12), np.uint8)))}
        for place in range(count)
    ]  # fmt: skip


def test_many_clips_are_settled_without_comparing_all_of_them(monkeypatch: pytest.MonkeyPatch):
    compared = []

    def counted(pairs: list[object]) -> object:
        compared.extend(pairs)
        return compare_all(pairs)

    compare_all = module.compare_all
    monkeypatch.setattr(module, "compare_all", counted)
    assert all(decision.drop is None for decision in Dedup().settle(random_rows(300), 0))
    assert len(compared) < 0.05 * 300 * 299 / 2


def test_what_very_many_clips_share_neither_hides_copies_nor_makes_all_be_compared(monkeypatch: pytest.MonkeyPatch):
    """Each clip begins with the same picture; one of them has a copy."""
    opening = np.random.default_rng(2).integers(0, 63, (1, 12, 12), np.uint8)
    rows = random_rows(200)
    for row in rows:
        own = unpack(row["thumbs"]).thumbs
        row["thumbs"] = pack(Signature(np.concatenate([opening, own[1:]])))
    rows.append({**rows[7], "clip": "copy", "source": "f" * 16, "said": -1})
    compared = []
    compare_all = module.compare_all
    monkeypatch.setattr(module, "compare_all", lambda pairs: (compared.extend(pairs), compare_all(pairs))[1])
    decisions = Dedup().settle(rows, 0)
    assert [place for place, one in enumerate(decisions) if one.drop] == [200]
    assert decisions[200].drop is not None
    assert decisions[200].drop.detail == "00007"
    assert len(compared) < 0.05 * 200 * 199 / 2


def test_groups_do_not_depend_on_the_order_of_the_inputs():
    films = {
        "a": film(1),
        "b": film(1)[5:90],
        "c": film(2),
        "d": np.ascontiguousarray(film(1)[:, :, ::-1]),
        "e": film(2),
    }
    samples = [clip_sample(name, pictures) for name, pictures in films.items()]
    rows = [row for row in Dedup().rows(samples, Films(films)) if row is not None]

    def told(chosen: list[Row]) -> dict[str, str]:
        decisions = Dedup().settle(chosen, 0)
        return {row["clip"]: one.drop.detail for row, one in zip(chosen, decisions, strict=True) if one.drop}

    expected = told(rows)
    assert len(expected) == 3
    assert all(told([*rows[turn:], *rows[:turn]]) == expected for turn in range(1, 5))
    assert told(rows[::-1]) == expected


def films_rows(count: int) -> list[Row]:
    """Return rows of clips that wander over smooth pictures, and of copies: marked, cut at a corner, mirrored."""
    rng = np.random.default_rng(9)
    cubic = cv2.INTER_CUBIC
    smooth = [cv2.resize(rng.standard_normal((8, 8)), (48, 48), interpolation=cubic) for _ in range(2 * count)]
    rows = []
    for place in range(count):
        scene, thing = smooth[2 * place : 2 * place + 2]
        steps = np.linspace(-1, 1, 9)[:, None, None]
        pictures = scene + steps * thing + np.sin(4 * steps) * thing.T
        marked = pictures.copy()
        marked[:, 2:9, 38:46] = pictures.max()
        turned, corner = pictures[:, :, ::-1], pictures[:, 3:, :-3]
        for name, one in (("", pictures), ("mark", marked), ("corner", corner), ("turned", turned)):
            thumbs = np.stack([cv2.resize(picture, (12, 12), interpolation=cv2.INTER_AREA) for picture in one])
            thumbs -= thumbs.mean(axis=(1, 2), keepdims=True)
            levels = np.clip(np.round(32 + 12.3 * thumbs / thumbs.std(axis=(1, 2), keepdims=True)), 0, 63)
            clip = f"{(place * 7919) % 9973:04d}{name}"
            source = f"{1 + 8 * place + len(name):016x}"
            rows.append({"clip": clip, "source": source, "span": [0, 4], "pixels": 1 if name else 2, "said": 0,
                         "captions": [], "thumbs": pack(Signature(levels.astype(np.uint8)))})  # fmt: skip
    return rows


def told(rows: list[Row]) -> dict[str, str]:
    decisions = Dedup().settle(rows, 0)
    return {row["clip"]: one.drop.detail for row, one in zip(rows, decisions, strict=True) if one.drop}


def test_copies_are_found_among_many_whatever_the_order_the_threads_and_the_chunks(monkeypatch: pytest.MonkeyPatch):
    rows = films_rows(40)
    found = told(rows)
    right = [clip for clip, kept in found.items() if clip[:4] == kept]
    assert len(right) == len(found)
    assert len(right) >= 0.98 * 120
    monkeypatch.setattr(module, "THREADS", 1)
    assert told(rows) == found
    monkeypatch.setattr(module, "THREADS", 3)
    monkeypatch.setattr(module, "CHUNK", 37)
    monkeypatch.setattr(module, "HELD", 50)
    monkeypatch.setattr("stages.near.buckets.PART", 1 << 13)
    monkeypatch.setattr("stages.near.buckets.HELD", 20_000)
    monkeypatch.setattr("stages.near.gather.CHUNK", 41)
    assert told(rows[::-1]) == found


def near_pairs(entries: Entries, near: int) -> set[tuple[int, int]]:
    """Return the clips with hashes that differ by so many bits at most, by comparing all with all."""
    return {
        (min(a, b), max(a, b))
        for words in entries.words
        for one, a in zip(entries.words[0], entries.owner.tolist(), strict=True)
        for b in entries.owner[np.bitwise_count(words ^ one) <= near].tolist()
        if a != b
    }


def test_candidates_are_those_that_have_near_hashes():
    """All that are equal but for a bit or two are met, and none that differs by more than is asked for."""
    rng = np.random.default_rng(4)
    base = rng.integers(0, 1 << 63, 400, np.uint64)
    other = base[:200] ^ (np.uint64(1) << rng.integers(0, 63, 200).astype(np.uint64))
    plain = np.concatenate([base, other])
    words = np.stack([plain, rng.integers(0, 1 << 63, 600, np.uint64)])
    words[1, 300] = plain[500] ^ np.uint64(1)
    entries = Entries(words, np.arange(600, dtype=np.int32) // 2)
    found = {tuple(pair) for pair in candidates(entries, 48, near=6).tolist()}
    assert near_pairs(entries, 2) <= found <= near_pairs(entries, 6)
    assert (150, 250) in found
    assert candidates(Entries.nothing(), 48).shape == (0, 2)


def test_of_few_clips_all_pairs_are_candidates():
    owner = np.array([2, 2, 5, 9], np.int32)
    words = np.random.default_rng(6).integers(0, 1 << 63, (1, 4), np.uint64)
    assert candidates(Entries(words, owner), 48).tolist() == [[2, 5], [2, 9], [5, 9]]


def test_of_very_many_equal_hashes_each_meets_those_that_go_on_alike():
    rng = np.random.default_rng(5)
    following = rng.integers(0, 1 << 63, 300, np.uint64)
    following[200] = following[10]
    plain = np.stack([np.full(300, 12345, np.uint64), following], axis=1).ravel()
    entries = Entries(plain[None], np.arange(600, dtype=np.int32) // 2)
    found = candidates(entries, 4, near=6, tables=2)
    assert (10, 200) in {tuple(pair) for pair in found.tolist()}
    assert len(found) < 300 * 4 * 2 + 300


class Forbidden:
    """A hash list in a file."""

    def __init__(self, folder: Path, *lines: dict[str, object]) -> None:
        self.path = folder / "bench.jsonl"
        self.path.write_bytes(b"".join(canonical(line) + b"\n" for line in (head_line("bench"), *lines)))

    def stage(self) -> Dedup:
        return Dedup(DedupConfig.model_validate({"forbidden": (str(self.path),)}))


def listed(name: str, pictures: Gray) -> list[dict[str, object]]:
    return list(video_lines(name, "e" * 64, np.arange(len(pictures)) / 25, pictures))


@pytest.mark.parametrize("cut", [slice(None), slice(40, 120), slice(0, 150)], ids=["whole", "part", "beginning"])
def test_copies_of_forbidden_videos_are_dropped(cut: slice, tmp_path: Path):
    forbidden = film(1, 8)
    other = np.concatenate([film(4, 3), forbidden])[75:] if cut.stop is None else forbidden[cut]
    films = {"a": np.ascontiguousarray(other[:, 4:-4, 6:-6]), "b": film(2)}
    stage = Forbidden(tmp_path, *listed("video7", forbidden)).stage()
    samples = [clip_sample(name, pictures, "a thing") for name, pictures in films.items()]
    first, second = stage.settle([row for row in stage.rows(samples, Films(films)) if row], 0)
    assert first.drop == Drop(
        "forbidden-video", "bench.jsonl: video7", {"dedup.phash": first.drop.measures["dedup.phash"]}
    )
    assert second.drop is None


def test_a_file_that_is_forbidden_is_known_by_its_bytes(tmp_path: Path):
    films = {"a": film(1)}
    (sample,) = (clip_sample(name, pictures) for name, pictures in films.items())
    assert sample.clip is not None
    line = {**listed("video7", film(3))[0], "digest": sample.clip.facts.digest}
    stage = Forbidden(tmp_path, line).stage()
    (decision,) = stage.settle([row for row in stage.rows([sample], Films(films)) if row], 0)
    assert decision.drop is not None
    assert decision.drop.reason == "forbidden-video"


def test_forbidden_captions_are_removed_and_a_clip_without_another_is_dropped(tmp_path: Path):
    films = {"a": film(1), "b": film(2), "c": film(3)}
    texts = {"a": ("A man PLAYS the guitar!", "two cats"), "b": ("a man plays the  guitar",), "c": ("a guitar",)}
    samples = [clip_sample(name, films[name], *said) for name, said in texts.items()]
    stage = Forbidden(tmp_path, caption_line("video7", "a man plays the guitar.")).stage()
    decisions = stage.settle([row for row in stage.rows(samples, Films(films)) if row], 0)
    first, second, third = (stage.apply(*both) for both in zip(samples, decisions, strict=True))
    assert isinstance(first, Keep)
    assert [caption.text for caption in first.sample.captions] == ["two cats"]
    assert first.sample.measures["dedup.forbidden"] == 1
    assert first.sample.facts["captions_removed"][0]["reason"] == "forbidden-caption"
    assert isinstance(second, Drop)
    assert (second.reason, second.detail) == ("forbidden-caption", "bench.jsonl: video7")
    assert isinstance(third, Keep)
    assert "dedup.forbidden" not in third.sample.measures


def test_without_a_learned_embedder_nothing_is_embedded():
    films = {"a": film(1)}
    stage = Dedup(DedupConfig(embedding=0.9))
    (row,) = stage.rows([clip_sample("a", films["a"])], Films(films, embedder=SignalsEmbedder()))
    assert row is not None
    assert row["course"] == ""


def courses(seed: int, motion: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    place, ways = rng.standard_normal(512), np.random.default_rng(100 + motion).standard_normal((3, 512))
    steps = np.linspace(0, 1, 16)[:, None]
    walk = place + 0.9 * sum(np.sin(6 * steps * (k + 1) + motion) * way for k, way in enumerate(ways)) / 2
    walk = walk + noise * np.random.default_rng(5).standard_normal(walk.shape)
    return (walk / np.linalg.norm(walk, axis=1, keepdims=True)).astype(np.float32)


def test_what_only_an_embedder_shows_to_be_a_copy_is_one_and_another_take_is_not():
    rows = random_rows(40)
    for place, row in enumerate(rows):
        row["course"] = packed_course(courses(place, place, 0))
    rows[1]["course"] = packed_course(courses(0, 0, 0.1))
    rows[2]["course"] = packed_course(courses(0, 2, 0))
    rows[3]["course"] = packed_course(np.repeat(courses(0, 0, 0)[:1], 16, axis=0))
    decisions = Dedup(DedupConfig(embedding=0.9)).settle(rows, 0)
    assert [place for place, one in enumerate(decisions) if one.drop] == [1]
    assert [one.drop for one in Dedup().settle(rows, 0)] == [None] * 40
