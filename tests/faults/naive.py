"""A deliberately naive shard writer: no staging, no fsync, no receipts; what exists counts as done."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

SHARDS, PARTS = 6, 5


def run(folder: Path) -> None:
    """Write six shards of five parts and a list of what was done."""
    if not folder.exists():
        os.mkdir(folder)
    for shard in range(SHARDS):
        path = folder / f"{shard:03d}.tar"
        if path.exists():
            continue
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for part in range(PARTS):
            os.write(descriptor, hashlib.sha256(f"{shard}/{part}".encode()).digest() * 64)
        os.close(descriptor)
        log = os.open(folder / "done.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(log, f"{shard:03d}.tar\n".encode())
        os.close(log)


def result(folder: Path) -> str:
    """Return what a reader would find."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.tar"))]
    return "\n".join([*digests, (folder / "done.txt").read_text()])
