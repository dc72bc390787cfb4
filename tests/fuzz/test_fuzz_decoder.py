"""Seeded mutations of videos through the sandbox: one outcome each, no crash, no hang, neighbours unharmed."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from synflow.errors import ClipFailure
from synflow.media.sandbox import Sandbox
from synflow.records import Location

sys.path.insert(0, str(Path(__file__).parent.parent / "media"))
from media_barcode import BY_NAME, make

SEEDS = ("h264-b-frames", "h264-transport-stream", "hevc", "vp8", "vp9", "av1", "mpeg4-avi", "mpeg2", "gif")
REASONS = {"unreadable", "no-video", "decode-timeout", "decode-memory"}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One mutation: flipped bits, a shorter file, shuffled blocks, an edited header, or a hole."""
    kind = rng.choice(("bits", "cut", "shuffle", "header", "hole", "header"))
    changed = bytearray(data)
    if kind == "bits":
        for _ in range(rng.randint(1, 40)):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del changed[rng.randrange(len(changed)) :]
    elif kind == "shuffle":
        size = rng.choice((64, 188, 512))
        blocks = [changed[k : k + size] for k in range(0, len(changed), size)]
        for _ in range(rng.randint(1, 5)):
            a, b = rng.randrange(len(blocks)), rng.randrange(len(blocks))
            blocks[a], blocks[b] = blocks[b], blocks[a]
        changed = bytearray(b"".join(blocks))
    elif kind == "header":
        # Both ends: the index of an mp4 stands at either.
        near = [rng.randrange(min(4096, len(changed))), max(0, len(changed) - 1 - rng.randrange(4096))]
        for _ in range(rng.randint(1, 6)):
            at = rng.choice(near) + rng.randrange(64)
            changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", rng.randbytes(4)))
    else:
        at = rng.randrange(len(changed))
        changed[at : at + rng.randint(1, 2000)] = b""
    return bytes(changed)


def outcome(sandbox: Sandbox, path: Path) -> str:
    location = Location(path=str(path))
    try:
        facts = sandbox.facts(location)
        scan = sandbox.scan(location, 96)
        _, rgb = sandbox.stills(location, 0.0, facts.duration, 8, 96)
    except ClipFailure as failure:
        assert "\n" not in failure.detail
        assert str(path.parent) not in failure.detail
        return failure.reason
    assert len(scan.luma) > 0
    assert len(rgb) > 0
    return "damaged" if scan.errors else "whole"


def run(files: list[Path], count: int, folder: Path) -> tuple[Counter[str], Sandbox, float]:
    """Send ``count`` mutations through one sandbox; a good neighbour in between must not change."""
    outcomes: Counter[str] = Counter()
    good = Location(path=str(files[0]))
    slowest = 0.0
    with Sandbox(deadline=30.0) as sandbox:
        before = sandbox.stills(good, 0.0, 1.9, 4, 96)[1].tobytes()
        for number in range(count):
            rng = random.Random(number)
            path = folder / f"mutated{number % 2}"
            path.write_bytes(mutated(files[number % len(files)].read_bytes(), rng))
            began = time.monotonic()
            found = outcome(sandbox, path)
            slowest = max(slowest, time.monotonic() - began)
            outcomes[found] += 1
            assert found in REASONS | {"whole", "damaged"}, f"mutation {number}: {found}: {list(sandbox.stderr)}"
            if number % 20 == 0:
                assert sandbox.stills(good, 0.0, 1.9, 4, 96)[1].tobytes() == before
        assert outcomes["decode-timeout"] == 0
    return outcomes, sandbox, slowest


def test_sixty_mutations_have_one_outcome_each(tmp_path: Path) -> None:
    files = [make(BY_NAME[name], tmp_path) for name in SEEDS]
    outcomes, sandbox, _ = run(files, 60, tmp_path)
    assert sum(outcomes.values()) == 60
    assert sandbox.starts <= 1 + outcomes["decode-memory"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_mutations(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    files = [make(BY_NAME[name], tmp_path) for name in SEEDS]
    data = Path(__file__).resolve().parents[3] / "shared" / "data"
    real = [p for p in sorted(data.glob("videos/*")) if p.stat().st_size < 400_000]
    outcomes, sandbox, slowest = run([*files, *real], 1000, tmp_path)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        told = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
        print(f"\n1,000 mutations of {len(files) + len(real)} files: {told}; {sandbox.starts} children, "
              f"peak {sandbox.peak / 1e6:.0f} MB, slowest {slowest:.1f} s")  # fmt: skip
    assert sum(outcomes.values()) == 1000
    assert sandbox.starts <= 1 + outcomes["decode-memory"]
