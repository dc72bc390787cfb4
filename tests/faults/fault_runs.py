"""Manifests for runs that are broken on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import yaml

STAGES = [
    {"validate": {"min_short_side": 144}},
    "shots",
    "rectify",
    "quality",
    "dynamics",
    "dedup",
    "consistency",
    "partners",
    "enrich",
    "audit",
    {"expand": {"elsewhere": 0.7}},
    "need",
]


def write_manifest(path: Path, clips: Path, **changes: object) -> Path:
    """Write a manifest over ``clips`` and return its path."""
    value = {
        "version": 1,
        "name": "faults",
        "inputs": [{"clips": str(clips)}],
        "shard_clips": 2,
        "executor": {"use": "serial"},
        "stages": STAGES,
        "media": {"frames": 4, "short_side": 96},
        **changes,
    }
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    return path


def start(manifest: Path, out: Path, *options: str, command: str = "run") -> subprocess.Popen[str]:
    """Start the command line in a process group of its own, with the faulty plugin at hand."""
    plugin = str(Path(__file__).with_name("plugin"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([plugin, os.environ.get("PYTHONPATH", "")])}
    target = [str(manifest), "--out", str(out)] if command == "run" else [str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "synflow", command, *target, *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], seconds: float = 600) -> tuple[int, str]:
    """Wait for a command; return its exit code and what it printed."""
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output


def outcome(out: Path) -> tuple[dict[str, str], set[str]]:
    """Return record id -> reason of the rejects, and the ids of the records kept."""
    rejects = pq.read_table(out / "index" / "rejects.parquet").to_pylist()
    clips = pq.read_table(out / "index" / "clips.parquet").to_pylist()
    return {row["record_id"]: row["reason"] for row in rejects}, {row["record_id"] for row in clips if row["kept"]}
