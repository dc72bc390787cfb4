"""Stages are found by name, checked, and never those of another package called `stages`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from pydantic import Field

from synflow import registry
from synflow.contract import StageConfig
from synflow.errors import UsageError


class Limits(StageConfig):
    share: float = Field(0.5, ge=0, le=1)
    words: tuple[str, ...] = ("a",)


class Toy:
    name: ClassVar[str] = "toy"
    version: ClassVar[int] = 3
    Config: ClassVar[type[StageConfig]] = Limits
    reasons: ClassVar[Mapping[str, str]] = {"too-toyish": "it is a toy"}
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset({"media"})

    def __init__(self, config: Limits) -> None:
        self.config = config

    def __call__(self, samples: Any, ctx: Any) -> Any:
        return []


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Register classes under names, in place of the installed stages."""
    module = ModuleType("registered_for_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def put(**stages: object) -> None:
        points = {}
        for name, stage in stages.items():
            setattr(module, name, stage)
            points[name] = EntryPoint(name, f"{module.__name__}:{name}", registry.GROUP)
        monkeypatch.setattr(registry, "found", lambda: points)
        registry._load.cache_clear()

    yield put
    registry._load.cache_clear()


def test_a_stage_is_built_with_its_parameters(register: Callable[..., None]) -> None:
    register(toy=Toy)
    stage = registry.build("toy", {"share": 0.25, "words": ["b", "c"]})
    assert isinstance(stage, Toy)
    assert stage.config == Limits(share=0.25, words=("b", "c"))
    assert registry.stage_names() == ("toy",)
    assert registry.stage_classes() == {"toy": Toy}


def test_an_unknown_stage_names_the_nearest(register: Callable[..., None]) -> None:
    register(toy=Toy)
    with pytest.raises(UsageError, match=r"unknown stage `toi`; did you mean `toy`\?") as error:
        registry.stage_class("toi")
    assert "toy" in error.value.remedy
    with pytest.raises(UsageError, match=r"unknown stage `zzzzzz`$"):
        registry.stage_class("zzzzzz")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "other"}, "its name is 'other'"),
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"Config": dict}, "Config"),
        ({"reasons": None}, "reasons"),
        ({"reasons": {"Too_Small": "x"}}, "'Too_Small' is not kebab-case"),
        ({"reasons": {"too--small": "x"}}, "'too--small' is not kebab-case"),
        ({"whole_shard": None}, "whole_shard"),
        ({"uses": frozenset({"disk"})}, "uses"),
        ({"__call__": None, "rows": None}, "whole_shard|neither"),
    ],
)
def test_a_class_that_breaks_the_contract_is_refused(
    register: Callable[..., None], changes: dict[str, Any], said: str
) -> None:
    held = {name: value for name, value in {**vars(Toy), **changes}.items() if value is not None or name == "reasons"}
    register(toy=type("Broken", (), held))
    with pytest.raises(UsageError, match=said) as error:
        registry.stage_class("toy")
    assert "\n" not in error.value.cause


def test_what_is_no_class_or_cannot_be_imported_is_refused(
    register: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(toy=len)
    with pytest.raises(UsageError, match="not a class"):
        registry.stage_class("toy")
    gone = {"gone": EntryPoint("gone", "no_such_module_at_all:Gone", registry.GROUP)}
    monkeypatch.setattr(registry, "found", lambda: gone)
    with pytest.raises(UsageError, match="cannot be imported: ModuleNotFoundError"):
        registry.stage_class("gone")


def test_the_built_in_stages_are_those_beside_the_package() -> None:
    assert {"validate", "dedup", "quota"} <= set(registry.stage_names())


def test_another_package_called_stages_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").write_text("")
    code = (
        "from synflow import registry\nfrom synflow.errors import UsageError\n"
        "try:\n    registry.stage_names()\nexcept UsageError as error:\n    print(error.exit_code, error.cause)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("2 the import package `stages` is not synflow's")
    assert str(tmp_path / "stages") in lines[0]


def test_two_packages_may_not_register_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("toy", f"{module}:Toy", registry.GROUP) for module in ("one", "two")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry.found.cache_clear()
    try:
        with pytest.raises(UsageError, match="two packages register a stage `toy`: one:Toy and two:Toy"):
            registry.found()
        monkeypatch.setattr(registry, "entry_points", lambda group: [])
        with pytest.raises(UsageError, match="no stage is registered"):
            registry.found()
    finally:
        registry.found.cache_clear()


@pytest.mark.parametrize(
    ("name", "names", "near"),
    [
        ("dynamic", ["dynamics", "dedup"], "dynamics"),
        ("drop-quantile", ["drop_quantile"], "drop_quantile"),
        ("FRAMES", ["frames", "video"], "frames"),
        ("xyz", ["frames", "video"], ""),
        ("a", [], ""),
    ],
)
def test_the_nearest_name(name: str, names: list[str], near: str) -> None:
    assert registry.nearest(name, names) == near
