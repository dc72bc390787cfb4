"""A copy of a dataset is whole or not there: readers open it from a URL, and sending again mends it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.bucket import Bucket
from synflow.cli import main
from synflow.manifest import load_manifest
from synflow.store.reader import open_dataset
from synflow.store.upload import MARK
from synflow.world.render import render_world

URL = "memory://copies/set"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose videos lie in a bucket; two of them are not there."""
    folder = tmp_path_factory.mktemp("upload")
    render_world(folder / "world", clips=6, seed=5, defects=0.0, workers=1)
    store = fsspec.filesystem("memory")
    store.put(f"{folder}/world/", "/videos/world/", recursive=True)
    names = [json.loads(line)["path"] for line in (folder / "world/videos.jsonl").read_bytes().splitlines()]
    for name in names[:2]:
        store.rm(f"/videos/world/{name}")
    stages = [{"validate": {"min_short_side": 144}}, "expand"]
    manifest = write_manifest(folder / "m.yaml", folder / "world/videos.jsonl", stages=stages)
    spec = load_manifest(manifest, ["inputs[0].root=memory://videos/world"])
    assert engine.run(spec, folder / "out").complete
    store.rm("/videos", recursive=True)
    return folder / "out"


@pytest.fixture(autouse=True)
def copies() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    yield store
    if store.exists("/copies"):
        store.rm("/copies", recursive=True)


def sent(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    capsys.readouterr()
    assert main(["export", str(run), URL, "--to", "shards", "--json"]) == 0
    found: dict[str, int] = json.loads(capsys.readouterr().out)
    return found


def test_videos_in_a_bucket_make_pairs_and_what_is_not_there_is_a_drop(run: Path) -> None:
    import pyarrow.parquet as pq

    rejects = pq.read_table(run / "index/rejects.parquet").to_pylist()
    assert [(one["reason"], one["detail"]) for one in rejects] == [("unreachable", "there is no such object")] * 2
    assert len({one["clip_id"] for one in pq.read_table(run / "index/clips.parquet").to_pylist() if one["kept"]}) >= 4


def test_a_copy_reads_as_the_run_does(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = sent(run, capsys)
    facts = json.loads((run / "dataset.json").read_bytes())
    assert first["sent"] == len(facts["shards"]) + len(facts["index"]) + sum(
        (run / name).exists() for name in ("README.md", "croissant.json", "report.html")
    )
    here, there = open_dataset(run), open_dataset(URL)
    assert [there[place].record for place in range(len(there))] == [here[place].record for place in range(len(here))]
    assert MARK not in Bucket(URL).names()


def test_sending_again_sends_nothing_and_mends_what_differs(
    run: Path, copies: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first = sent(run, capsys)
    assert sent(run, capsys) == {"url": URL, "sent": 0, "bytes": 0, "there": first["sent"]}
    whole = copies.cat_file("/copies/set/index/pairs.parquet")
    copies.pipe_file("/copies/set/index/pairs.parquet", whole[:-1] + bytes([whole[-1] ^ 1]))
    again = sent(run, capsys)
    assert (again["sent"], copies.cat_file("/copies/set/index/pairs.parquet")) == (1, whole)


def test_a_sending_that_stopped_is_no_dataset_and_goes_on(
    run: Path, copies: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = type(copies).put_file, []

    def fails(self: Any, *arguments: Any, **more: Any) -> None:
        calls.append(arguments)
        if len(calls) > 3:
            raise RuntimeError("the credentials have expired")
        put(self, *arguments, **more)

    monkeypatch.setattr(type(copies), "put_file", fails)
    assert main(["export", str(run), URL, "--to", "shards"]) == 3
    assert "the credentials have expired" in capsys.readouterr().err
    names = Bucket(URL).names()
    assert MARK in names
    assert "dataset.json" not in names
    monkeypatch.setattr(type(copies), "put_file", put)
    done = sent(run, capsys)
    assert done["there"] == 3
    assert len(open_dataset(URL)) == len(open_dataset(run))


def test_another_dataset_is_never_written_over(
    run: Path, copies: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.pipe_file("/copies/set/dataset.json", b'{"name": "another"}')
    assert main(["export", str(run), URL, "--to", "shards"]) == 4
    copies.rm("/copies/set/dataset.json")
    copies.pipe_file(f"/copies/set/{MARK}", b"another")
    assert main(["export", str(run), URL, "--to", "shards"]) == 4
    assert "another dataset" in capsys.readouterr().err


def test_damage_is_never_sent(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hurt = tmp_path / "hurt"
    shutil.copytree(run, hurt)
    shard = next(hurt.glob("shards/*/*.tar"))
    data = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert main(["export", str(hurt), str(tmp_path / "copy"), "--to", "shards"]) == 5
    assert shard.name in capsys.readouterr().err
    assert not (tmp_path / "copy/dataset.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        (["--to", "hf"], 2, "is written into a folder"),
        (["--to", "shards", "--task", "t2v"], 2, "copies the whole dataset"),
        (["--to", "shards", "--what", "index"], 2, "copies the whole dataset"),
    ],
)
def test_wrong_requests(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, cause: str
) -> None:
    assert main(["export", str(run), URL, *arguments]) == code
    assert cause in capsys.readouterr().err


def test_a_run_works_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "m.yaml").write_text("version: 1\nname: x\ninputs: [{clips: v}]\noutput: s3://b/x\nstages: []\n")
    for more in ([], ["--out", "s3://b/x"]):
        assert main(["run", str(tmp_path / "m.yaml"), *more]) == 2
        assert "--to shards" in capsys.readouterr().err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m.yaml", "v"]
