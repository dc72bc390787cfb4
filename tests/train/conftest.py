"""A finished run with pictures; and one tiny model for all tests that need torch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made import write_pictures


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("made") / "run")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="the trainer needs torch: make test-train")
    pytest.importorskip("peft", reason="the trainer needs peft: make test-train")
    os.environ["HF_HUB_OFFLINE"] = "1"
    from synflow.train.tiny import make

    return make(tmp_path_factory.mktemp("base") / "tiny", 0)


@pytest.fixture(scope="session")
def tiny_qwen3(tiny_base: Path) -> Path:
    from synflow.train.tiny import make

    return make(tiny_base.parent / "tiny-qwen3", 0, family="qwen3_vl")
