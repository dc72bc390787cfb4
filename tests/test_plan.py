"""Passes follow from the order of stages; the plan is frozen and its digests do not know this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synflow.durable import Attempt
from synflow.plan import freeze, passes_of, read_records, read_shards
from synflow.records import InputRecord, Location


def stage(name: str, *methods: str, rank: int = 50, uses: frozenset[str] = frozenset()) -> type:
    body: dict[str, Any] = {"name": name, "rank": rank, "uses": uses}
    body.update({method: (lambda self, *_: None) for method in methods})
    return type(name, (), body)


WALK, SETTLE = ("__call__",), ("rows", "settle", "apply")
VALIDATE = stage("validate", *WALK, uses=frozenset({"media"}))
RECTIFY = stage("rectify", *WALK, *SETTLE, rank=20)
QUALITY = stage("quality", *WALK, uses=frozenset({"media"}))
DEDUP = stage("dedup", *SETTLE, rank=10, uses=frozenset({"media"}))
CONSISTENCY = stage("consistency", *SETTLE, rank=30, uses=frozenset({"embed", "media"}))
ENRICH = stage("enrich", *WALK, uses=frozenset({"vlm", "media"}))
EXPAND = stage("expand", *WALK, uses=frozenset({"vlm", "media"}))
QUOTA = stage("quota", *SETTLE, rank=90)


def shape(*stages: type) -> list[tuple[str, tuple[str, ...], tuple[str, ...], bool]]:
    return [(one.name, one.stages, one.corpus, one.stores_frames) for one in passes_of(stages)]


def test_full_pipeline() -> None:
    assert shape(VALIDATE, RECTIFY, QUALITY, DEDUP, CONSISTENCY, ENRICH, EXPAND, QUOTA) == [
        ("curate", ("validate", "rectify", "quality"), ("dedup", "rectify", "consistency"), True),
        ("expand", ("enrich", "expand"), ("quota",), False),
        ("close", (), (), False),
    ]


def test_prefix_without_corpus_stage_is_one_pass() -> None:
    assert shape(VALIDATE, QUALITY) == [("curate", ("validate", "quality"), (), False)]


def test_what_is_settled_last_is_applied_by_a_pass_of_its_own() -> None:
    assert shape(VALIDATE, DEDUP) == [("curate", ("validate",), ("dedup",), False), ("close", (), (), False)]
    assert shape(RECTIFY)[-1] == ("close", (), (), False)


def test_no_stage_at_all_is_one_pass() -> None:
    assert shape() == [("curate", (), (), False)]


def test_frames_are_stored_where_a_model_will_see_them() -> None:
    assert shape(VALIDATE, ENRICH)[0][3] is True
    assert shape(VALIDATE, DEDUP, QUALITY)[0][3] is True


def records(folder: str, number: int = 10) -> list[InputRecord]:
    return [
        InputRecord(record_id=f"r{i}", uri=f"{i}.mp4", location=Location(path=f"{folder}/{i}.mp4"), line=i + 1)
        for i in range(number)
    ]


def frozen(tmp_path: Path, folder: str) -> Any:
    with Attempt(tmp_path) as attempt:
        draft = attempt.draft("plan")
        shards = freeze(records(folder), 4, "curate", draft)
        draft.close()
        kept = tmp_path / "plan.jsonl"
        kept.write_bytes(draft.path.read_bytes())
    return shards, kept


def test_plan_reads_back_as_it_was_frozen(tmp_path: Path) -> None:
    shards, path = frozen(tmp_path, "/data")
    assert [(shard.id, shard.records) for shard in shards] == [("000000", 4), ("000001", 4), ("000002", 2)]
    assert tuple(read_shards(path)) == shards
    assert [record["record_id"] for record in read_records(path, shards[1])] == ["r4", "r5", "r6", "r7"]


def test_inputs_digest_does_not_know_where_files_lie(tmp_path: Path) -> None:
    here, _ = frozen(tmp_path, "/data")
    there, _ = frozen(tmp_path, "/mnt/elsewhere")
    assert [shard.inputs for shard in here] == [shard.inputs for shard in there]
