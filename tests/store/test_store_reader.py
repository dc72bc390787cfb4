"""What is read back: every pair once, in an order that seed and epoch alone decide, by any number of readers."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synflow.errors import Damage, Incomplete, UsageError
from synflow.store.reader import Dataset, StoredPair, combined, open_dataset
from synflow.store.tar import members_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from kit.datasets import Album, write_dataset

COUNTS: dict[Any, int] = {"t2v": 57, "t2i": 9, "i2v": 8, "t2t": 11, "ti2v": 7, "v2v": 6, "tv2v": 5}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("made") / "run", COUNTS, samples=10)


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return open_dataset(root)


def ids(pairs: Any) -> list[str]:
    return [pair.id for pair in pairs]


def test_counts_and_random_access(root: Path, dataset: Dataset) -> None:
    assert dataset.tasks == COUNTS
    assert len(dataset) == sum(COUNTS.values())
    rows = pq.read_table(root / "index/pairs.parquet").to_pylist()
    for place, row in enumerate(rows):
        pair = dataset[place]
        assert (pair.id, pair.task) == (row["id"], row["task"])
        assert dataset.pair(row["id"]) == pair
        with tarfile.open(root / row["shard"]) as tar:
            for member in tar:
                if member.name.startswith(row["key"]):
                    assert row["offset"] < member.offset_data < row["offset"] + row["bytes"]
    for absent in ("", "0" * 24, "z"):
        with pytest.raises(KeyError):
            dataset.pair(absent)
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_sides_are_as_the_task_says(dataset: Dataset) -> None:
    album, seen = Album(400), Counter[str]()
    for pair in dataset.stream():
        seen[pair.task] += 1
        ask, goal = pair.task.split("2")
        for side, kinds in ((pair.query, ask), (pair.target, goal)):
            assert (side.text is not None) == ("t" in kinds)
            assert (side.image is not None) == ("i" in kinds)
            assert bool(side.frames) == ("v" in kinds) and len(side.times) == len(side.frames)
            assert side.clip is None and bool(side.digest) == (kinds != "t")
            for picture in (*side.frames, *([side.image] if side.image else [])):
                assert len(picture) == album.size and picture[:2] == b"\xff\xd8"
        assert pair.instruction == pair.record["instruction"]
    assert seen == COUNTS


def test_the_order_is_drawn_from_seed_and_epoch(dataset: Dataset) -> None:
    first = ids(dataset.stream("t2v", seed=3, epoch=1))
    assert len(set(first)) == 57
    assert ids(dataset.stream("t2v", seed=3, epoch=1)) == first
    others = [ids(dataset.stream("t2v", seed=s, epoch=e)) for s, e in ((3, 2), (4, 1))]
    assert all(sorted(other) == sorted(first) and other != first for other in others)
    stream = dataset.stream("t2v", seed=3, epoch=0)
    list(stream)
    stream.set_epoch(1)
    assert ids(stream) == first


def test_pairs_are_mixed_within_the_window_alone(dataset: Dataset) -> None:
    plain = dataset.places(["t2v"], 1, 0, window=1).tolist()
    mixed = dataset.places(["t2v"], 1, 0, window=8).tolist()
    assert plain != mixed
    for start in range(0, len(plain), 8):
        assert sorted(plain[start : start + 8]) == sorted(mixed[start : start + 8])


@given(parts=st.integers(1, 9), seed=st.integers(0, 3), window=st.sampled_from([1, 7, 4096]))
@settings(deadline=None, max_examples=25)
def test_readers_side_by_side_give_the_order_of_one(dataset: Dataset, parts: int, seed: int, window: int) -> None:
    alone = ids(dataset.stream(seed=seed, window=window))
    shares = [dataset.stream(seed=seed, part=part, parts=parts, window=window) for part in range(parts)]
    assert [len(share) for share in shares] == [len(alone[part::parts]) for part in range(parts)]
    turns = itertools.zip_longest(*(ids(share) for share in shares))
    assert [one for turn in turns for one in turn if one is not None] == alone


def take(stream: Any, number: int) -> list[StoredPair]:
    return list(itertools.islice(stream, number))


@given(stops=st.lists(st.integers(0, 30), min_size=1, max_size=4), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=25)
def test_one_reader_goes_on_in_the_same_order(dataset: Dataset, stops: list[int], seed: int) -> None:
    whole = ids(dataset.stream(seed=seed, part=1, parts=2))
    found: list[str] = []
    stream = dataset.stream(seed=seed, part=1, parts=2)
    for stop in stops:
        found += ids(take(stream, stop))
        state = json.loads(json.dumps(stream.state_dict()))
        stream = dataset.stream(seed=seed, part=1, parts=2)
        stream.load_state_dict(state)
    assert found + ids(stream) == whole


@given(taken=st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=5), min_size=1, max_size=3))
@settings(deadline=None, max_examples=40)
def test_another_number_of_readers_goes_on_and_loses_nothing(dataset: Dataset, taken: list[list[int]]) -> None:
    """Each generation has as many readers as it has numbers; they stop unevenly, as workers with prefetch do."""
    state: dict[str, Any] | None = None
    found: list[str] = []
    for numbers in taken:
        streams = [dataset.stream(seed=2, part=part, parts=len(numbers)) for part in range(len(numbers))]
        for stream, number in zip(streams, numbers, strict=True):
            if state is not None:
                stream.load_state_dict(state)
            found += ids(take(stream, number))
        state = json.loads(json.dumps(combined([stream.state_dict() for stream in streams])))
    rest = dataset.stream(seed=2)
    rest.load_state_dict(state or {})
    found += ids(rest)
    assert sorted(found) == sorted(ids(dataset.stream()))


def test_readers_that_stopped_evenly_go_on_in_the_order_of_one(dataset: Dataset) -> None:
    order = ids(dataset.stream(seed=9))
    before = [dataset.stream(seed=9, part=part, parts=3) for part in range(3)]
    assert [ids(take(stream, 8)) for stream in before] == [order[part:24:3] for part in range(3)]
    state = combined([stream.state_dict() for stream in before])
    assert (state["start"], state["done"]) == (24, [])
    after = [dataset.stream(seed=9, part=part, parts=4) for part in range(4)]
    for stream in after:
        stream.load_state_dict(state)
    turns = itertools.zip_longest(*(ids(stream) for stream in after))
    assert [one for turn in turns for one in turn if one] == order[24:]


def test_states_that_do_not_belong_together_are_refused(dataset: Dataset) -> None:
    state = dataset.stream("t2v", seed=1, part=0, parts=2).state_dict()
    for other in (
        dataset.stream("t2v", seed=2, parts=2),
        dataset.stream(seed=1, parts=2),
        dataset.stream("t2v", seed=1),
    ):
        with pytest.raises(UsageError):
            other.load_state_dict(state)
    for states in ([], [state], [state, state], [state, dataset.stream("t2v", seed=2, part=1, parts=2).state_dict()]):
        with pytest.raises(UsageError):
            combined(states)
    with pytest.raises(UsageError):
        dataset.stream("x2v")
    with pytest.raises(UsageError):
        dataset.stream(part=2, parts=2)


def test_a_dataset_goes_to_another_process(dataset: Dataset) -> None:
    stream = dataset.stream("t2t", seed=1)
    begun = ids(take(stream, 4))
    there = pickle.loads(pickle.dumps(stream))
    assert begun + ids(there) == ids(dataset.stream("t2t", seed=1))


def test_a_url_gives_the_same(root: Path, dataset: Dataset) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(root), "/bucket/run", recursive=True)
    try:
        there = open_dataset("memory://bucket/run")
        assert list(there.stream(seed=4)) == list(dataset.stream(seed=4))
        assert pickle.loads(pickle.dumps(there))[3] == dataset[3]
        memory.rm("/bucket/run/shards/t2t/t2t-000000.tar")
        with pytest.raises(Damage):
            list(there.stream("t2t"))
        with pytest.raises(UsageError):
            open_dataset("memory://bucket/other")
    finally:
        memory.rm("/bucket", recursive=True)
    assert open_dataset(f"file://{root}")[0] == dataset[0]
    with pytest.raises(UsageError):
        open_dataset("nosuch://bucket/run")


def test_what_is_no_finished_run_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_dataset(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(Incomplete):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(Damage):
        open_dataset(tmp_path)
    shutil.copy(root / "dataset.json", tmp_path / "dataset.json")
    (tmp_path / "index").mkdir()
    (tmp_path / "index/pairs.parquet").write_bytes((root / "index/pairs.parquet").read_bytes() + b" ")
    with pytest.raises(Damage):
        open_dataset(tmp_path)


def test_a_damaged_shard_is_told(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "run")
    row = pq.read_table(copy / "index/pairs.parquet").to_pylist()[0]
    path = copy / row["shard"]
    sound = path.read_bytes()
    for broken in (
        sound[: row["offset"]] + b"x" + sound[row["offset"] + 1 :],
        sound[: row["offset"] + row["bytes"] // 2],
        sound[:512] + sound,
    ):
        path.write_bytes(broken)
        with pytest.raises(Damage):
            open_dataset(copy).pair(row["id"])


def test_headers_are_read_as_tarfile_reads_them(root: Path) -> None:
    path = root / "shards/tv2v/tv2v-000000.tar"
    with tarfile.open(path) as tar:
        wanted = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
        end = tar.offset
    assert list(members_of(path.read_bytes()[:end])) == wanted


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_plain_webdataset_reads_the_same(root: Path, dataset: Dataset) -> None:
    import webdataset as wds

    urls = [str(path) for path in sorted((root / "shards").glob("*/*.tar"))]
    found = {sample["__key__"]: sample for sample in wds.WebDataset(urls, shardshuffle=False, empty_check=False)}
    assert len(found) == len(dataset)
    for pair in dataset.stream():
        sample = found[pair.id]
        assert json.loads(sample["json"]) == pair.record
        assert sample.get("query.txt", b"").decode() == (pair.query.text or "")
        assert sample.get("target.jpg") == pair.target.image
        assert tuple(sample[f"target.{i}.jpg"] for i in range(len(pair.target.times))) == pair.target.frames


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_hugging_face_datasets_reads_the_same(
    root: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hf = pytest.importorskip("datasets")
    urls = [str(path) for path in sorted((root / "shards/t2t").glob("*.tar"))]
    rows = list(hf.load_dataset("webdataset", data_files={"train": urls}, split="train", streaming=True))
    assert {row["__key__"]: row["query.txt"] for row in rows} == {
        pair.id: pair.query.text for pair in dataset.stream("t2t")
    }
    # It knows no maps, so the column `scores` has to stay out.
    index = pq.read_table(root / "index/pairs.parquet", columns=["id", "query_text"])
    assert hf.Dataset(index)["id"][:] == index.column("id").to_pylist()
