"""Negatives: the nearest that are near but not too near; never a copy, the same source, or the same words."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probers import Prober, scattered

from synflow.asks import Item
from synflow.errors import Damage, Incomplete, Refused, ServiceDown, UsageError
from synflow.mining import Settings, mine
from synflow.store.layout import RunLayout
from synflow.store.negatives import read_negatives, versions
from synflow.store.reader import open_dataset
from synflow.store.verify import verify

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from kit.datasets import Album, write_dataset

COUNTS: dict[Any, int] = {"t2v": 40, "ti2v": 12, "t2t": 10}


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("made") / "run", COUNTS, samples=15)


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


LOOSE = Settings(share=2.0, delta=2.0, same=2.0)
"""Everything below the own positive may be taken."""


def test_tables_stand_beside_untouched_shards(root: Path) -> None:
    before = tree(root)
    found = mine(root, Prober(scattered), {"use": "made-up"}, LOOSE)
    after = tree(root)
    assert {name: data for name, data in after.items() if name in before and name != "lock"} == before
    assert all(name.startswith("negatives/") or name == "lock" for name in set(after) - set(before))
    assert found.fresh and versions(RunLayout(root)) == [found.version]
    assert not [f for f in (*verify(root).litter, *verify(root).damage) if f.path.startswith("negatives")]
    negatives = read_negatives(root)
    assert set(negatives) == {"t2v", "ti2v"}
    dataset = open_dataset(root)
    for task, by_pair in negatives.items():
        for pair_id, rows in by_pair.items():
            pair = dataset.pair(pair_id)
            assert pair.task == task and len(rows) == 1
            other = dataset.pair(rows[0]["negative_pair_id"])
            assert other.record["clip_id"] == rows[0]["negative_clip_id"]
            assert other.target.digest != pair.target.digest
            assert other.record["source_id"] != pair.record["source_id"]
            assert (rows[0]["kind"], rows[0]["prober"], rows[0]["negative_text"]) == ("mined", "prober-1", "")


def vector_of(item: Item) -> np.ndarray:
    values = scattered(item)
    return values / np.linalg.norm(values)


def test_the_nearest_below_the_own_positive_is_taken(root: Path) -> None:
    mine(root, Prober(scattered), {}, Settings(share=1.0, delta=2.0, same=2.0, negatives={"t2v": 3}))
    dataset = open_dataset(root)
    pairs = list(dataset.stream(["t2v", "ti2v"]))

    def item(side: Any, instruction: str = "") -> Item:
        from synflow.asks import Picture
        from synflow.ids import digest

        jpegs = side.frames or ((side.image,) if side.image else ())
        return Item(side.text, tuple(Picture(j, digest(j), 0.0) for j in jpegs), instruction)

    targets = {pair.target.digest: vector_of(item(pair.target)) for pair in pairs}
    media = {pair.id: pair.target.digest for pair in pairs}
    negatives = read_negatives(root)
    for pair in pairs:
        query = vector_of(item(pair.query))
        own = float(query @ targets[media[pair.id]])
        others = sorted(
            ((float(query @ t), name) for name, t in targets.items() if name != media[pair.id]), reverse=True
        )
        wanted = [(score, name) for score, name in others if score < own][: 3 if pair.task == "t2v" else 1]
        rows = negatives[pair.task].get(pair.id, [])
        for row in rows:
            assert row["score"] == pytest.approx(float(query @ targets[media[row["negative_pair_id"]]]), abs=2e-3)
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        assert [row["score"] for row in rows] == pytest.approx([score for score, _ in wanted], abs=2e-3)


def line(angles: Mapping[str, float]) -> Any:
    """Place texts and the first pictures of videos on a circle, by their names."""

    def place(item: Item) -> np.ndarray | None:
        name = item.text if item.text and not item.pictures else item.pictures[0].digest
        angle = angles.get(str(name))
        return None if angle is None else np.array([np.cos(angle), np.sin(angle)])

    return place


ALBUM, FRAMES = Album(400), 2


def first_picture(number: int) -> str:
    """Return the digest of the first picture of the target of pair ``number`` of t2v."""
    return ALBUM.frame(number * 2 * (FRAMES + 1) + FRAMES + 1).digest


def ring(
    tmp_path: Path, texts: list[str], sources: list[str] | None = None, starts: list[float] | None = None, **more: Any
) -> tuple[Path, list[str]]:
    """Write t2v pairs with these texts; return the run, and ids in the order of the texts."""
    told: dict[Any, dict[str, Any]] = {("t2v", n): {"query": text} for n, text in enumerate(texts)}
    for name, values in (("source", sources), ("start", starts)):
        for n, value in enumerate(values or ()):
            told["t2v", n][name] = value
    root = write_dataset(tmp_path / "ring", {"t2v": len(texts)}, more=told, **more)
    by_text = {p.record["record_id"]: p.id for p in open_dataset(root).stream()}
    return root, [by_text[f"rt2v{n}"] for n in range(len(texts))]


def chosen(root: Path, ids: list[str], pair: int, kind: str = "mined") -> list[int]:
    rows = read_negatives(root)["t2v"].get(ids[pair], [])
    return [ids.index(row["negative_pair_id"]) for row in rows if row["kind"] == kind]


def angles(texts: list[str], own: list[float], shown: list[float]) -> dict[str, float]:
    return {**dict(zip(texts, own, strict=True)), **{first_picture(n): angle for n, angle in enumerate(shown)}}


def test_what_is_too_near_is_passed_over(tmp_path: Path) -> None:
    texts = [f"text number {n}" for n in range(5)]
    root, ids = ring(tmp_path, texts)
    # Query 0 is at 0, its own target at 0.5 (0.878), the others at 0.955, 0.853, 0.814 and 0.362.
    place = line(angles(texts, [0.0, 3, 3, 3, 3], [0.5, 0.3, 0.55, 0.62, 1.2]))
    mine(root, Prober(place), {}, Settings(same=2.0, delta=2.0, share=0.95))
    assert chosen(root, ids, 0) == [3], "0.853 of 0.878 is more than 95 %"
    shutil.rmtree(root / "negatives")
    mine(root, Prober(place), {}, Settings(same=2.0, delta=2.0, share=1.0))
    assert chosen(root, ids, 0) == [2]
    shutil.rmtree(root / "negatives")
    mine(root, Prober(place), {}, Settings(same=2.0, delta=2.0, share=1.0, first=2))
    assert chosen(root, ids, 0) == [3]
    shutil.rmtree(root / "negatives")
    mine(root, Prober(place), {}, Settings(same=2.0, delta=2.0, share=1.0, first=2, last=2, negatives={"t2v": 3}))
    assert chosen(root, ids, 0) == [3]
    shutil.rmtree(root / "negatives")
    # The mean positive is (0.878 + the others') / 5, far below: only what is below it is left.
    found = mine(root, Prober(place), {}, Settings(same=2.0, delta=0.0, share=1.0))
    assert found.report["tasks"]["t2v"]["mean_positive"] < 0.3
    assert chosen(root, ids, 0) == []
    assert found.report["tasks"]["t2v"]["none-left"] >= 1


def test_copies_same_sources_and_same_words_are_no_negatives(tmp_path: Path) -> None:
    texts = ["A red ball.", "another", "a RED  ball", "a third", "a fourth"]
    root, ids = ring(tmp_path, texts, sources=["one", "one", "two", "three", "four"])
    place = line(angles(texts, [0.0, 3, 3, 3, 3], [0.1, 0.5, 0.6, 0.15, 0.8]))
    found = mine(root, Prober(place), {}, Settings(same=0.99, share=1.0, delta=2.0, segments=0))
    # 1 is of the same source, 2 has the same words, 3 has nearly the vector of the own target.
    assert chosen(root, ids, 0) == [4]
    report = found.report["tasks"]["t2v"]
    assert report["same-source"] >= 1 and report["same-text"] >= 1 and report["copy"] >= 1


def clip_row(dataset_pair: Any, phash: str) -> dict[str, Any]:
    record = dataset_pair.record
    return {
        "record_id": record["record_id"], "clip_id": record["clip_id"], "source_uri": "", "start": 0.0, "end": 4.0,
        "width": 1, "height": 1, "fps": 1.0, "codec": "", "measures": [], "labels": [], "phash": phash, "kept": True,
    }  # fmt: skip


def test_sources_that_dedup_found_alike_count_as_one(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(4)]
    plain, _ = ring(tmp_path / "plain", texts, sources=["one", "two", "three", "four"])
    pairs = {p.record["record_id"]: p for p in open_dataset(plain).stream()}
    clips = [clip_row(pairs[f"rt2v{n}"], f"{n:016x}" if n < 2 else f"{(1 << 60) - 1 << n:016x}") for n in range(4)]
    drop = {"record_id": "rt2v2", "clip_id": "x", "stage": "dedup", "reason": "near-duplicate",
            "detail": clips[0]["clip_id"], "source_uri": "", "measures": [], "labels": []}  # fmt: skip
    root, ids = ring(tmp_path, texts, ["one", "two", "three", "four"], clips=clips, rejects=[drop])
    place = line(angles(texts, [0.0, 3, 3, 3], [0.1, 0.5, 0.6, 0.8]))
    mine(root, Prober(place), {}, Settings(same=2.0, share=1.0, delta=2.0))
    # 1 has the picture hash of 0 but for one bit; a clip of the video of 2 was a copy of that of 0.
    assert chosen(root, ids, 0) == [3]


def test_another_part_of_the_same_video_is_a_negative_of_its_own_kind(tmp_path: Path) -> None:
    texts, sources = [f"text {n}" for n in range(6)], ["one"] * 5 + ["two"]
    starts = [0.0, 10.0, 20.0, 2.0, 30.0, 0.0]
    plain, _ = ring(tmp_path / "plain", texts, sources, starts)
    pairs = {p.record["record_id"]: p for p in open_dataset(plain).stream()}
    hashes = ["00" * 8, "ff" * 8, "00" * 7 + "0f", "f0" * 8, "0f" * 8, "3c" * 8]
    clips = [clip_row(pairs[f"rt2v{n}"], phash) for n, phash in enumerate(hashes)]
    root, ids = ring(tmp_path, texts, sources, starts, clips=clips)
    place = line(angles(texts, [0.0, 3, 3, 3, 3, 3], [0.1, 0.6, 0.3, 0.4, 0.5, 0.8]))
    settings = Settings(same=2.0, share=1.0, delta=2.0, segments=3)
    mine(root, Prober(place), {}, settings)
    # 2 looks the same as 0 and 3 overlaps it; 4 is nearer than 1; the only one mined is of the other video.
    assert chosen(root, ids, 0, "segment") == [4, 1] and chosen(root, ids, 0) == [5]
    rows = [row for row in read_negatives(root)["t2v"][ids[0]] if row["kind"] == "segment"]
    assert [row["rank"] for row in rows] == [None, None] and rows[0]["score"] == pytest.approx(np.cos(0.5), abs=2e-3)
    mine(root, Prober(place), {}, settings.model_copy(update={"share": 0.85}))
    (version,) = (
        v for v in versions(RunLayout(root)) if "0.85" in (root / "negatives" / v / "negatives.json").read_text()
    )
    # cos 0.5 is 88 % of cos 0.1, cos 0.6 is 83 %.
    found = [row for row in read_negatives(root, version)["t2v"][ids[0]] if row["kind"] == "segment"]
    assert [ids.index(row["negative_pair_id"]) for row in found] == [1]


def test_negatives_that_were_made_with_a_pair_stand_in_the_tables_too(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synflow.mining import corpus

    made = [
        {"kind": "reversed-order", "negative_text": "B, then A."},
        {"kind": "attribute", "negative_text": "A blue A."},
        {"kind": "reversed-video", "negative_clip_id": "c1"},
    ]
    place = {"t2v": 3, "t2t": 1}
    chosen_pairs = {task: list(open_dataset(root).stream(task))[n].id for task, n in place.items()}
    plain = corpus.Dataset.__getitem__

    def with_negatives(self: Any, at: int) -> Any:
        pair = plain(self, at)
        return (
            dataclasses.replace(pair, record={**pair.record, "negatives": made})
            if pair.id in chosen_pairs.values()
            else pair
        )

    monkeypatch.setattr(corpus.Dataset, "__getitem__", with_negatives)
    for prober in (Prober(scattered), Prober(lambda item: None, "blind")):
        found = mine(root, prober, {}, LOOSE)
        negatives = read_negatives(root, found.version)
        for task, pair in chosen_pairs.items():
            rows = [row for row in negatives[task][pair] if row["kind"] in {one["kind"] for one in made}]
            names = ("kind", "negative_text", "negative_clip_id")
            assert [{name: row[name] for name in names if row[name]} for row in rows] == made
            assert all(row["negative_pair_id"] == "" for row in rows), "no target of another pair is meant"
            assert all(row["score"] is None and row["rank"] is None for row in rows)
            assert found.report["tasks"][task]["made"] == 3
        assert set(negatives["t2t"]) == {chosen_pairs["t2t"]}


class Killed(BaseException):
    """Ends an attempt where it stands, as a lost machine would."""


def test_a_mining_that_dies_anywhere_is_made_whole_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synflow import durable

    whole = mine(shutil.copytree(root, root.parent / "whole"), Prober(scattered), {}, LOOSE)
    wanted = {name: data for name, data in tree(whole.folder).items() if name != "negatives.json"}
    calls = 0

    def dying(name: str, last: int) -> Any:
        real = getattr(durable.os, name)

        def call(*args: Any, **kw: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == last:
                raise Killed
            return real(*args, **kw)

        return call

    died = 0
    # Every third of about 40 operations: all of them take 15 seconds, and have been tried.
    for last in range(1, 200, 3):
        calls = 0
        shutil.rmtree(root / "negatives", ignore_errors=True)
        with monkeypatch.context() as patch:
            for name in ("link", "rename", "fsync", "write", "mkdir"):
                patch.setattr(durable.os, name, dying(name, last))
            try:
                mine(root, Prober(scattered), {}, LOOSE)
            except Killed:
                died += 1
            else:
                break
        if versions(RunLayout(root)):
            read_negatives(root)
        assert not verify(root).sound or not [f for f in verify(root).damage if "negatives" in f.path]
        again = mine(root, Prober(scattered), {}, LOOSE)
        assert {name: data for name, data in tree(again.folder).items() if name != "negatives.json"} == wanted
    assert died > 8


def test_interrupted_embedding_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synflow.mining import vectors

    monkeypatch.setattr(vectors, "BATCH", 8)
    monkeypatch.setattr(vectors, "BLOCK", 16)
    whole = mine(shutil.copytree(root, root.parent / "whole"), Prober(scattered), {}, LOOSE)
    needed = Prober(scattered)

    class Tired(Prober):
        def embed(self, items: Any) -> Any:
            if self.asked >= 48:
                raise ServiceDown("gone", "wait")
            return super().embed(items)

    with pytest.raises(ServiceDown):
        mine(root, Tired(scattered), {}, LOOSE)
    assert versions(RunLayout(root)) == []
    found = mine(root, needed, {}, LOOSE)
    total = found.report["vectors"]["embedded"] + found.report["vectors"]["known"]
    assert found.report["vectors"]["known"] == 48 and needed.asked == total - 48
    ours, theirs = tree(found.folder), tree(whole.folder)
    del ours["negatives.json"], theirs["negatives.json"]
    assert ours == theirs
    again = Prober(scattered)
    assert not mine(root, again, {}, LOOSE).fresh
    assert mine(root, again, {}, LOOSE.model_copy(update={"last": 63})).report["vectors"]["embedded"] == 0
    assert again.asked == 0
    assert len(versions(RunLayout(root))) == 2


def test_another_prober_has_vectors_and_tables_of_its_own(root: Path) -> None:
    one = mine(root, Prober(scattered), {}, LOOSE)
    other = Prober(scattered, "prober-2")
    two = mine(root, other, {}, LOOSE)
    assert one.version != two.version and other.asked > 0
    with pytest.raises(UsageError, match="2 sets"):
        read_negatives(root)
    rows = read_negatives(root, two.version)["t2v"]
    assert {row["prober"] for by_pair in rows.values() for row in by_pair} == {"prober-2"}


def test_damaged_vectors_are_made_again_and_damaged_tables_are_told(root: Path) -> None:
    found = mine(root, Prober(scattered), {}, LOOSE)
    block = next((root / "negatives/vectors").glob("*/*.parquet"))
    block.write_bytes(b"x" + block.read_bytes())
    assert any("vectors" in finding.path for finding in verify(root).litter)
    again = Prober(scattered)
    shutil.rmtree(found.folder)
    same = mine(root, again, {}, LOOSE)
    assert same.version == found.version and again.asked > 0
    table = found.folder / "t2v.parquet"
    table.write_bytes(table.read_bytes()[:-1])
    assert any(finding.path.endswith("t2v.parquet") for finding in verify(root).damage)
    with pytest.raises(Damage):
        read_negatives(root)
    (found.folder / "negatives.json").unlink()
    assert any("did not end" in finding.what for finding in verify(root).litter)
    mine(root, Prober(scattered), {}, LOOSE)
    assert read_negatives(root)["t2v"]


def test_a_run_that_changed_does_not_get_old_negatives(root: Path) -> None:
    found = mine(root, Prober(scattered), {}, LOOSE)
    value = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps({**value, "name": "other"}))
    with pytest.raises(Refused):
        read_negatives(root, found.version)
    assert any("another state" in finding.what for finding in verify(root).litter)
    assert mine(root, Prober(scattered), {}, LOOSE).version != found.version


class Meddler(Prober):
    """Changes the run while it is mined."""

    root = Path()

    def embed(self, items: Any) -> Any:
        path = self.root / "dataset.json"
        path.write_text(path.read_text() + " ")
        return super().embed(items)


def test_a_run_that_changes_meanwhile_is_refused(root: Path) -> None:
    meddler = Meddler(scattered)
    meddler.root = root
    with pytest.raises(Refused):
        mine(root, meddler, {}, LOOSE)
    assert versions(RunLayout(root)) == []


def test_unfinished_runs_and_mixed_up_vectors_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        mine(tmp_path / "nothing", Prober(scattered), {})
    (root / "dataset.json").rename(root / "kept.json")
    with pytest.raises(Incomplete):
        mine(root, Prober(scattered), {})
    (root / "kept.json").rename(root / "dataset.json")

    class Mixed(Prober):
        def embed(self, items: Any) -> Any:
            return list(reversed(super().embed(items)))

    with pytest.raises(ServiceDown, match="other pictures"):
        mine(root, Mixed(scattered), {}, LOOSE)


def test_a_prober_that_abstains_gives_no_negatives(root: Path) -> None:
    found = mine(root, Prober(lambda item: None), {}, LOOSE)
    assert found.report["tasks"]["t2v"]["abstained"] == 40
    assert found.report["vectors"]["abstained"] == found.report["vectors"]["embedded"]
    assert read_negatives(root) == {"t2v": {}, "ti2v": {}}


def test_texts_are_mined_where_asked_for(root: Path) -> None:
    mine(
        root,
        Prober(scattered),
        {},
        Settings(share=2, delta=2, same=2, negatives={"t2t": 2, "t2v": 0, "ti2v": 0, "tv2v": 0}),
    )
    negatives = read_negatives(root)
    assert set(negatives) == {"t2t"} and negatives["t2t"]
    dataset = open_dataset(root)
    for rows in negatives["t2t"].values():
        for row in rows:
            assert dataset.pair(row["negative_pair_id"]).target.text == row["negative_text"] != ""


@pytest.mark.parametrize("threads", [1, 2])
def test_the_index_finds_nearly_what_a_comparison_of_all_finds(threads: int) -> None:
    import faiss

    from synflow.mining.neighbours import Search

    rng = np.random.default_rng(5)
    centres = rng.normal(size=(40, 32))
    raw = centres[rng.integers(0, 40, 4000)] + 0.5 * rng.normal(size=(4000, 32))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float16)
    targets, queries = np.arange(3000), np.arange(3000, 4000)
    bars = np.full(1000, 2.0)
    bars[7] = np.nan
    faiss.omp_set_num_threads(threads)
    both = []
    for exact in (10_000, 100):
        search = Search(vectors, targets, Settings(exact=exact, last=10, probes=8))
        assert search.exact == (exact > 3000)
        found = list(search.near(queries, bars, lambda done, total: None))
        assert found[7] == ([], [])
        for query, (items, scores) in zip(queries, found, strict=True):
            assert scores == sorted(scores, reverse=True)
            if items:
                score = vectors[query].astype(float) @ vectors[items[0]].astype(float)
                assert scores[0] == pytest.approx(float(score), abs=1e-5)
        both.append([set(items[:10]) for items, _ in found])
    recall = np.mean([len(a & b) / len(a) for a, b in zip(*both, strict=True) if a])
    assert recall >= 0.9
    again = list(
        Search(vectors, targets, Settings(exact=100, last=10, probes=8)).near(queries, bars, lambda d, t: None)
    )
    assert again == found
