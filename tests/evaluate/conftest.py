"""An oracle as a plugin, and evaluations of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml

from synflow.evaluate import embedders


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `oracles.opened` known as the embedder ``oracle``, as a package would."""
    point = EntryPoint("oracle", "oracles:opened", embedders.GROUP)
    monkeypatch.setattr(embedders, "plugins", lambda: {"oracle": point})


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe with the oracle; keywords are its further entries."""

    def written(name: str = "oracle", **more: Any) -> Path:
        path = tmp_path / f"{name}.yaml"
        told = {"version": 1, "name": name, "embedder": {"use": "oracle"}, "output": f"out-{name}", **more}
        path.write_text(yaml.safe_dump(told), encoding="utf-8")
        return path

    return written


@pytest.fixture
def evaluated(plugin: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Type ``synflow evaluate`` and return what it answers as JSON."""
    from synflow.cli import main

    def typed(path: Path, *more: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert main(["evaluate", str(path), "--json", *more]) == code
        value = json.loads(capsys.readouterr().out)
        assert isinstance(value, dict)
        return value

    return typed
