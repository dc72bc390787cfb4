"""A finished run that was made by hand, once for all tests of looking."""

from __future__ import annotations

from pathlib import Path

import pytest
from handmade import write_run


@pytest.fixture(scope="session")
def handmade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("handmade"))
