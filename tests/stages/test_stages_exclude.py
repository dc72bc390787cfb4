"""What is on a list is left out: pairs, clips, records, sources, either side of a pair; nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.exclude import Exclude, ExcludeConfig
from synflow.contract import Drop, Keep
from synflow.datafile import NamedFile
from synflow.errors import UsageError
from synflow.records import Clip, Facts, Pair, Sample, Side, Source, Text, Video

FACTS = Facts(
    digest="d1", bytes=1, container="mp4", codec="h264", pix_fmt="", duration=2, fps=1, frames=2, width=8, height=8
)


def video(clip: str) -> Side:
    return Side(video=Video(clip_id=clip, start=0, end=1, frames=(), digest=""))


def pair(name: str, **more: Any) -> Pair:
    told: dict[str, Any] = {
        "instruction": "i",
        "domain": "cg",
        "record_id": "r1",
        "source_id": "d1",
        "source_uri": "a.mp4",
    }
    query = Side(text=Text(text="a dog"))
    return Pair(id=name, task="t2v", query=more.pop("query", query), target=video("c1"), licence="MIT", **told, **more)


OTHER = {"query_record_id": "r9", "query_source_id": "d9", "query_source_uri": "b.mp4"}
SAMPLE = Sample(
    source=Source(record_id="r1", uri="videos/a.mp4", digest="d1"),
    clip=Clip(id="c1", start=0, end=2, facts=FACTS),
    pairs=(pair("p1"), pair("p2"), pair("p3", query=video("c9"), **OTHER)),
)


def judged(folder: Path, *lines: Any) -> Drop | list[str]:
    path = folder / "list.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    stage = Exclude(ExcludeConfig(lists=(NamedFile(path=str(path)).opened(folder),)))
    (outcome,) = stage([SAMPLE], None)  # type: ignore[arg-type]
    if isinstance(outcome, Drop):
        return outcome
    assert isinstance(outcome, Keep)
    assert outcome.sample.measures["exclude.pairs"] == len(SAMPLE.pairs) - len(outcome.sample.pairs)
    return [one.id for one in outcome.sample.pairs]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ({"pair": "p2"}, ["p1", "p3"]), ({"pairs": ["p1", "p2"]}, ["p3"]), ({"pair": "p"}, ["p1", "p2", "p3"]),
        ({"clip": "c9"}, ["p1", "p2"]), ({"record": "r9"}, ["p1", "p2"]), ({"source": "b.mp4"}, ["p1", "p2"]),
        ({"asked": "b.mp4", "records": ["r9"], "source_ids": ["d9"], "source_uris": ["b.mp4"]}, ["p1", "p2"]),
        ({"clip": "p1", "note": "an id of another kind"}, ["p1", "p2", "p3"]),
    ],
)  # fmt: skip
def test_pairs(tmp_path: Path, line: dict[str, Any], left: list[str]) -> None:
    assert judged(tmp_path, line, "") == left


@pytest.mark.parametrize("line", [{"clip": "c1"}, {"record": "r1"}, {"source": "d1"}, {"source_uri": "videos/a.mp4"}])
def test_clips_and_sources(tmp_path: Path, line: dict[str, str]) -> None:
    found = judged(tmp_path, {"pair": "other"}, line)
    assert isinstance(found, Drop) and found.reason == "excluded"
    assert found.detail == f"list.jsonl: {next(iter(line.values()))}"


@pytest.mark.parametrize("line", ["not json", "[]", "{}", '{"pair": ""}', '{"pair": 7}', '{"pears": "p1"}'])
def test_a_line_that_names_nothing_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"list\.jsonl:2: names nothing"):
        judged(tmp_path, {"pair": "p1"}, line)


def test_without_lists_nothing_is_left_out() -> None:
    (outcome,) = Exclude()([SAMPLE], None)  # type: ignore[arg-type]
    assert isinstance(outcome, Keep) and outcome.sample.pairs == SAMPLE.pairs
