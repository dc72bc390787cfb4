"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the checkout; tests that want it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "videos.jsonl").is_file():
        pytest.skip("real clips (../shared/data) are absent")
    return folder
