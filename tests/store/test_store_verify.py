"""Whatever is changed in a finished run, `verify` sees it, and `resume` makes the same dataset again."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.commands.verify import verify_run
from synflow.errors import UsageError
from synflow.manifest import load_manifest
from synflow.store.verify import verify
from synflow.world.render import render_world


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verified")
    render_world(folder / "world", clips=4, seed=3, defects=0.25, workers=1)
    stages = [{"validate": {"min_short_side": 144}}, "dynamics", "dedup", {"expand": {"tasks": ["i2v", "v2v"]}}]
    manifest = write_manifest(folder / "m.yaml", folder / "world/videos.jsonl", stages=stages)
    assert engine.run(load_manifest(manifest), folder / "out").complete
    return folder / "out"


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    assert verify(out).sound
    return out


def edit_dataset(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def harm(run: Path) -> None:
        value = json.loads((run / "dataset.json").read_bytes())
        change(value)
        (run / "dataset.json").write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")

    return harm


def edit_file(pattern: str, change: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    def harm(run: Path) -> None:
        path = sorted(run.glob(pattern))[0]
        data = change(path.read_bytes())
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)

    return harm


def flipped(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def swap_shards(run: Path) -> None:
    one, other = (run / f"shards/{task}/{task}-000000.tar" for task in ("i2v", "v2v"))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def drop_a_row(run: Path) -> None:
    path = run / "index/clips.parquet"
    table = pq.read_table(path)
    path.unlink()
    pq.write_table(table.slice(1), path)


HARMS: dict[str, Callable[[Path], None]] = {
    "card flipped": edit_file("README.md", flipped),
    "card gone": edit_file("README.md", lambda data: None),
    "plan edited": edit_file("plan.jsonl", lambda data: data.replace(b'"captions":["', b'"captions":["Not ', 1)),
    "plan cut": edit_file("plan.jsonl", lambda data: data[:100]),
    "plan gone": edit_file("plan.jsonl", lambda data: None),
    "receipt of the first pass gone": edit_file("receipts/curate/*.json", lambda data: None),
    "receipt of a shard gone": edit_file("receipts/pack/*.json", lambda data: None),
    "receipt miscounts": edit_file("receipts/curate/*.json", lambda data: data.replace(b'"inputs":2', b'"inputs":3')),
    "settlement gone": edit_file("settled/*.json", lambda data: None),
    "settlement cut": edit_file("settled/*.json", lambda data: data[:20]),
    "dataset cut": edit_file("dataset.json", lambda data: data[:-3]),
    "dataset is a list": edit_file("dataset.json", lambda data: b"[]"),
    "dataset spelled otherwise": edit_file("dataset.json", lambda data: data + b"\n"),
    "pairs moved": edit_dataset(lambda value: value["pairs"].update(i2v=value["pairs"]["i2v"] + 1)),
    "records": edit_dataset(lambda value: value["records"].update(kept=0)),
    "clips": edit_dataset(lambda value: value["clips"].update(kept=99)),
    "drops": edit_dataset(lambda value: value["drops"].update({"quality/black": 9})),
    "a shard left out": edit_dataset(lambda value: value["shards"].pop()),
    "a table left out": edit_dataset(lambda value: value["index"].pop("clips.parquet")),
    "fingerprint": edit_dataset(lambda value: value.update(fingerprint="0" * 64)),
    "shards swapped": swap_shards,
    "a row of a table gone": drop_a_row,
}


@pytest.mark.parametrize("name", HARMS)
def test_every_harm_is_found_and_mended(run: Path, name: str) -> None:
    wanted = (run / "dataset.json").read_bytes(), (run / "README.md").read_bytes(), (run / "plan.jsonl").read_bytes()
    HARMS[name](run)
    report = verify(run)
    assert report.damage or report.accounts
    assert verify_run(run, as_json=True) == 5
    assert engine.resume(run).complete
    assert verify(run).sound, verify(run)
    assert ((run / "dataset.json").read_bytes(), (run / "README.md").read_bytes()) == wanted[:2]
    assert (run / "plan.jsonl").read_bytes() == wanted[2]


@pytest.mark.parametrize("harm", [lambda data: None, lambda data: data[:50], lambda data: b"{}"])
def test_a_damaged_identity_is_damage(run: Path, harm: Callable[[bytes], bytes | None]) -> None:
    edit_file("run.json", harm)(run)
    assert [finding.path for finding in verify(run).damage] == ["run.json"]


def test_an_edited_fingerprint_is_found(run: Path) -> None:
    edit_file("run.json", lambda data: data.replace(b'"seed": 0', b'"seed": 1').replace(b'"seed": 42', b'"seed": 43'))(
        run
    )
    assert not verify(run).sound


@pytest.mark.parametrize("path", ["objects/junk", "staging/junk", "index/junk.parquet", "shards/t2v/t2v-000009.tar"])
def test_litter_is_told_and_harmless(run: Path, path: str) -> None:
    (run / path).parent.mkdir(exist_ok=True)
    (run / path).write_bytes(b"x")
    report = verify(run)
    assert report.sound
    assert [finding.path for finding in report.litter] == [path]


def test_a_run_that_is_not_complete_is_sound(run: Path) -> None:
    (run / "dataset.json").unlink()
    sorted(run.glob("receipts/expand/*.json"))[0].unlink()
    report = verify(run)
    assert report.sound and not report.complete


def test_where_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        verify(tmp_path)
