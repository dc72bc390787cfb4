"""A small world for tests that break runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from synflow.world.render import render_world


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six rendered clips."""
    folder = tmp_path_factory.mktemp("world")
    render_world(folder, clips=6, seed=7, workers=1)
    return folder
