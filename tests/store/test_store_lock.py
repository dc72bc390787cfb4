"""The lock of a run directory: one holder, refused at once, and nothing left of what was never begun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from synflow.errors import Refused
from synflow.store.lock import Lock, early_lock


def test_a_second_driver_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"):
        code = f"from pathlib import Path\nfrom synflow.store.lock import Lock\nLock(Path({str(tmp_path / 'lock')!r}))"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert other.returncode != 0 and "in use by another driver" in other.stderr and '"pid"' in other.stderr
    with Lock(tmp_path / "lock") as again:
        assert not again.made


def test_a_lock_whose_file_was_taken_away_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking, the last holder withdraws: the lock that counts is that of the new file."""
    import fcntl

    path, real, turns = tmp_path / "lock", fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        turns.append(descriptor)
        if len(turns) == 1:
            path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with Lock(path):
        assert len(turns) == 2 and path.exists()
        with pytest.raises(Refused):
            Lock(path)


@pytest.mark.parametrize("existed", [False, True])
def test_an_error_before_anything_was_written_leaves_nothing(tmp_path: Path, existed: bool) -> None:
    root = tmp_path / "out"
    if existed:
        root.mkdir()
    lock = early_lock(root)
    assert lock is not None
    with pytest.raises(ValueError, match="bad manifest"), lock:
        raise ValueError("bad manifest")
    assert root.exists() is existed and not (root / "lock").exists()


def test_an_error_after_something_was_written_leaves_it_and_the_lock(tmp_path: Path) -> None:
    lock = early_lock(tmp_path / "out")
    assert lock is not None
    with pytest.raises(ValueError, match="later"), lock:
        (tmp_path / "out" / "run.json").write_text("{}")
        raise ValueError("later")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"lock", "run.json"}


def test_it_is_not_taken_among_files_of_others_nor_without_a_parent(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert early_lock(tmp_path) is None
    assert early_lock(tmp_path / "a" / "b") is None and not (tmp_path / "a").exists()
    assert early_lock(tmp_path / "notes.txt") is None
    with Lock(tmp_path / "lock"), pytest.raises(Refused):
        early_lock(tmp_path)
