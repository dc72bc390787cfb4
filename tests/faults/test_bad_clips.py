"""Clips that crash, hang or bloat what works on them cost themselves, never their neighbours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fault_runs import finish, outcome, start, write_manifest

PLUGIN_DECODER = "faulty:FaultyDecoder"
RAY = {"use": "ray", "cpus": 2}


def many_files(folder: Path, world: Path, number: int, bad: dict[int, str]) -> Path:
    """Fill ``folder`` with ``number`` links to rendered clips; those in ``bad`` get telling names."""
    sources = sorted((world / "videos").glob("*.mp4"))
    folder.mkdir()
    lines = []
    for place in range(number):
        source = sources[place % len(sources)]
        name = f"{bad.get(place, 'clip')}-{place:03d}.mp4"
        os.link(source, folder / name)
        lines.append(json.dumps({"id": f"{place:03d}", "path": name, "caption": f"A shape moves, number {place}."}))
    (folder / "videos.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "videos.jsonl"


def faulty_manifest(tmp_path: Path, clips: Path, **changes: object) -> Path:
    stages = [{"validate": {"min_short_side": 144}}, "boom", "shots"]
    media = {"frames": 2, "short_side": 96, "decoder": PLUGIN_DECODER, "deadline": 4.0, "memory": "768MiB"}
    return write_manifest(tmp_path / "manifest.yaml", clips, stages=stages, media=media, **changes)


EXPECTED = {"segv": "kills-worker", "hang": "decode-timeout", "bloat": "decode-memory"}


def check_run_with_faults(tmp_path: Path, world: Path, number: int, bad: dict[int, str], shard: int) -> None:
    clips = many_files(tmp_path / "clips", world, number, bad)
    manifest = faulty_manifest(tmp_path, clips, executor=RAY, shard_clips=shard)
    code, output = finish(start(manifest, tmp_path / "out"))
    assert code == 0, output
    rejected, kept = outcome(tmp_path / "out")
    assert rejected == {f"{place:03d}": EXPECTED[name] for place, name in bad.items()}
    assert kept == {f"{place:03d}" for place in range(number) if place not in bad}


def test_bad_clips_harm_only_themselves(tmp_path: Path, small_world: Path) -> None:
    check_run_with_faults(tmp_path, small_world, 12, {2: "segv", 7: "hang", 9: "bloat"}, shard=6)


@pytest.mark.slow
def test_five_bad_clips_among_200(tmp_path: Path, small_world: Path) -> None:
    bad = {11: "segv", 70: "segv", 71: "segv", 120: "hang", 190: "bloat"}
    check_run_with_faults(tmp_path, small_world, 200, bad, shard=32)


@pytest.mark.parametrize("executor", [RAY, {"use": "serial"}], ids=["ray", "serial"])
def test_a_bug_fails_its_shard_and_resume_failed_mends_it(tmp_path: Path, small_world: Path, executor: dict) -> None:
    clips = many_files(tmp_path / "clips", small_world, 6, {3: "bug"})
    marker = tmp_path / "marker"
    marker.write_text("the bug is there")
    manifest = faulty_manifest(tmp_path, clips, executor=executor, shard_clips=2)
    text = manifest.read_text().replace("- boom\n", f"- boom: {{marker: {marker}}}\n")
    manifest.write_text(text)
    code, output = finish(start(manifest, tmp_path / "out"))
    assert code == 3, output
    assert "Traceback" not in output
    code, output = finish(start(manifest, tmp_path / "out", command="status"))
    assert code in (0, 3) and "a bug in a stage" in output
    assert not (tmp_path / "out" / "dataset.json").exists()
    marker.unlink()
    code, output = finish(start(manifest, tmp_path / "out", "--failed", command="resume"))
    assert code == 0, output
    _, kept = outcome(tmp_path / "out")
    assert kept == {f"{place:03d}" for place in range(6)}
