"""A manifest is strict, complete and explains what is wrong with it."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import jsonschema
import pytest
import yaml
from pydantic import Field

from synflow import registry
from synflow.contract import StageConfig
from synflow.errors import UsageError
from synflow.manifest import Manifest, RaySpec, SerialSpec, json_schema, load_manifest, parse_manifest
from synflow.records import Task

ROOT = Path(__file__).resolve().parent.parent

WHOLE = """\
version: 1
name: demo
seed: 42
inputs:
  - clips: data/videos.jsonl
    root: data
    licence: CC-BY-4.0
output: runs/demo
shard_clips: 64
executor: {use: ray, address: local, cpus: 2}
models:
  vlm:   {use: signals}
  embed: {use: signals}
stages:
  - validate: {min_short_side: 240, min_duration: 2}
  - dynamics
  - consistency: {drop_quantile: 0.15}
targets: {t2v: 879000, t2i: 210000}
media: {video: frames, frames: 8, short_side: 360, jpeg_quality: 90}
shards: {max_samples: 1000, max_bytes: 512MiB}
"""
SMALL = "version: 1\nname: small\ninputs: [{clips: a.jsonl}]\nstages: []\n"


class ValidateConfig(StageConfig):
    min_short_side: int = Field(240, ge=1)
    min_duration: float = Field(2.0, ge=0)


class DynamicsConfig(StageConfig):
    min_residual: float = Field(0.25, gt=0)
    languages: tuple[str, ...] = ("en",)


class ConsistencyConfig(StageConfig):
    drop_quantile: float = Field(0.15, ge=0, le=1)
    min_score: float | None = None
    share: float = Field(0.5, gt=0, lt=1)


class QuotaConfig(StageConfig):
    targets: dict[Task, int] | None = None
    balance: bool = True


def stage(name: str, config: type[StageConfig]) -> type:
    held: dict[str, Any] = {
        "name": name,
        "version": 2,
        "Config": config,
        "reasons": {},
        "whole_shard": False,
        "uses": frozenset(),
        "__call__": lambda self, samples, ctx: [],
    }
    return type(name.title(), (), held)


CONFIGS: dict[str, type[StageConfig]] = {
    "validate": ValidateConfig,
    "dynamics": DynamicsConfig,
    "consistency": ConsistencyConfig,
    "quota": QuotaConfig,
}


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put small stages in place of the installed ones."""
    module = ModuleType("toys_of_the_manifest")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points: dict[str, EntryPoint] = {}
    for name, config in sorted(CONFIGS.items()):
        setattr(module, name, stage(name, config))
        points[name] = EntryPoint(name, f"{module.__name__}:{name}", registry.GROUP)
    monkeypatch.setattr(registry, "found", lambda: points)


def parse(text: str, *sets: str) -> Manifest:
    return parse_manifest(text, "m.yaml", Path("/work"), sets)


def failure(text: str, *sets: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse(text, *sets)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.remedy
    return caught.value


@pytest.mark.usefixtures("toys")
class TestWhole:
    def test_everything_is_read_and_defaults_are_filled_in(self) -> None:
        manifest = parse(WHOLE)
        assert manifest.name == "demo"
        assert manifest.executor == RaySpec(cpus=2)
        assert [entry.name for entry in manifest.stages] == ["validate", "dynamics", "consistency", "quota"]
        assert manifest.stages[0].config == {"min_short_side": 240, "min_duration": 2.0}
        assert manifest.stages[1].config == {"min_residual": 0.25, "languages": ["en"]}
        assert manifest.stages[3].config == {"targets": {"t2v": 879000, "t2i": 210000}, "balance": True}
        assert manifest.shards.max_bytes == 512 * 2**20
        assert manifest.media.memory == 2**31
        assert manifest.folder == Path("/work")
        assert manifest.out == Path("/work/runs/demo")

    def test_a_small_one_is_enough(self) -> None:
        manifest = parse(SMALL)
        assert manifest.seed == 42
        assert manifest.stages == ()
        assert manifest.targets is None
        assert manifest.models.vlm.use == manifest.models.embed.use == "signals"
        assert manifest.executor.use == "ray"
        assert manifest.out == Path("/work/runs/small")

    def test_it_survives_being_stored_sent_and_given_another_executor(self) -> None:
        manifest = parse(WHOLE)
        again = Manifest.restored(json.loads(json.dumps(manifest.model_dump(mode="json"))), manifest.folder)
        assert again == manifest
        assert again.folder == manifest.folder
        assert pickle.loads(pickle.dumps(manifest)).folder == manifest.folder
        serial = manifest.with_executor({"use": "serial"})
        assert serial.executor == SerialSpec()
        assert serial.folder == manifest.folder
        assert serial.identity() == manifest.identity()
        with pytest.raises(UsageError, match="executor"):
            manifest.with_executor({"use": "dask"})

    def test_a_file_with_a_byte_order_mark_and_windows_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "m.yaml"
        path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
        assert load_manifest(path).folder == tmp_path
        assert load_manifest(path).located(Path("/work")) == parse(WHOLE)

    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        latin = tmp_path / "latin.yaml"
        latin.write_bytes("version: 1\nname: d\xe9mo\n".encode("latin-1"))
        for path, said in (
            (tmp_path / "no.yaml", "no such manifest"),
            (tmp_path, "cannot be read"),
            (latin, ":2: not UTF-8"),
        ):
            with pytest.raises(UsageError, match=said) as caught:
                load_manifest(path)
            assert str(path) in caught.value.cause


@pytest.mark.usefixtures("toys")
class TestComplaints:
    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("0.15}", "15}", "m.yaml:17: stages[2].consistency.drop_quantile: must be between 0 and 1, got 15"),
            ("0.15}", "0.15, share: 7}", "stages[2].consistency.share: must be between 0 and 1, got 7"),
            ("0.15}", "0.15, share: 1}", "stages[2].consistency.share: must be between 0 and 1, 1 excluded, got 1"),
            ("0.15}", "'x'}", "m.yaml:17: stages[2].consistency.drop_quantile: must be a number, got 'x'"),
            (
                "drop_quantile",
                "quantile",
                "m.yaml:17: stages[2].consistency.quantile: unknown key; did you mean `drop_quantile`?",
            ),
            ("- dynamics", "- dynamic", "m.yaml:16: stages[1]: unknown stage `dynamic`; did you mean `dynamics`?"),
            (
                "- validate:",
                "- validat:",
                "m.yaml:15: stages[0].validat: unknown stage `validat`; did you mean `validate`?",
            ),
            ("- dynamics", "- validate: {}", "m.yaml:16: stages[1]: the stage `validate` stands at stages[0] already"),
            (
                "- dynamics",
                "- dynamics: {min_residual: 0}",
                "stages[1].dynamics.min_residual: must be greater than 0, got 0",
            ),
            ("- dynamics", "- dynamics: 3", "stages[1].dynamics: its parameters must be a mapping"),
            ("- dynamics", "- 3", "stages[1]: must be one stage"),
            ("- dynamics", "- {dynamics: {}, quota: {}}", "stages[1]: must be one stage"),
            ("seed: 42", "sede: 42", "m.yaml:3: sede: unknown key; did you mean `seed`?"),
            ("seed: 42", "seed: '42'", "m.yaml:3: seed: must be a whole number, got '42'"),
            ("seed: 42", "seed: true", "m.yaml:3: seed: must be a whole number, got true"),
            ("seed: 42", "seed: 4.5", "m.yaml:3: seed: must be a whole number, got 4.5"),
            ("seed: 42", "seed: -1", "m.yaml:3: seed: must be between 0 and 9223372036854775807, got -1"),
            ("version: 1", "version: 2", "m.yaml:1: version: must be one of 1, got 2"),
            ("name: demo", "name: a/b", "m.yaml:2: name: must match"),
            (
                "use: ray,",
                "use: rya,",
                "m.yaml:10: executor.use: must be one of serial, ray, got 'rya'; did you mean `ray`?",
            ),
            ("use: ray,", "", "m.yaml:10: executor: must say what to `use`"),
            ("cpus: 2", "cpu: 2", "m.yaml:10: executor.cpu: unknown key; did you mean `cpus`?"),
            ("frames: 8", "frames: 0", "m.yaml:19: media.frames: must be between 1 and 64, got 0"),
            (
                "video: frames",
                "video: clips",
                "media.video: must be one of frames, clip (did you mean `clip`?), got 'clips'",
            ),
            ("512MiB", "512MXB", "m.yaml:20: shards.max_bytes: must be a size such as 512MiB"),
            ("t2v: 879000", "t2w: 879000", "m.yaml:18: targets.t2w: must be one of t2v"),
            ("t2v: 879000", "t2v: -1", "m.yaml:18: targets.t2v: must be at least 0, got -1"),
            ("    root: data", "    rot: data", "m.yaml:6: inputs[0].rot: unknown key; did you mean `root`?"),
            ("clips: data/videos.jsonl", "clips: ''", "m.yaml:5: inputs[0].clips: must not be empty"),
            ("clips: data/videos.jsonl", "clips: 3", "m.yaml:5: inputs[0].clips: must be a text, got 3"),
        ],
    )
    def test_one_line_says_where_and_what(self, old: str, new: str, said: str) -> None:
        assert old in WHOLE
        error = failure(WHOLE.replace(old, new, 1))
        assert said in error.cause
        assert "\n" not in error.cause
        assert error.remedy

    def test_several_are_told_in_the_order_of_the_file_and_the_rest_is_counted(self) -> None:
        text = WHOLE.replace("seed: 42", "seed: x").replace("0.15", "15").replace("frames: 8", "frames: 0")
        lines = failure(text).cause.splitlines()
        assert [line.split(":")[1] for line in lines] == ["3", "17", "19"]
        many = "stages:\n" + "".join(f"  - nosuch{n}\n" for n in range(9))
        lines = failure(SMALL.replace("stages: []\n", many)).cause.splitlines()
        assert len(lines) == 6
        assert lines[-1] == "and 4 more"

    @pytest.mark.parametrize("key", ["version", "name", "inputs", "stages"])
    def test_what_is_required(self, key: str) -> None:
        text = "".join(line for line in SMALL.splitlines(True) if not line.startswith(f"{key}:"))
        assert failure(text).cause == f"m.yaml:1: {key}: is required"

    @pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "3", "just words"])
    def test_what_is_no_mapping(self, text: str) -> None:
        assert failure(text).cause.startswith("m.yaml")

    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            ("{use: openai_http, model: q}", "models.vlm.base_url: is required"),
            ("{use: openai_http, base_url: 'ftp://x', model: q}", "models.vlm.base_url: must be an address"),
            ("{use: openai_http, base_url: [], model: q}", "models.vlm.base_url: must hold at least 1"),
            ("{use: openai_http, base_url: 3, model: q}", "models.vlm.base_url: must be a list"),
            (
                "{use: openai_http, base_url: 'http://a/v1', modle: q}",
                "models.vlm.modle: unknown key; did you mean `model`?",
            ),
            ("{use: transformers, model: q}", "models.vlm.use: must be one of signals, openai_http, vllm_engine"),
            ("signals", "models.vlm: must be a mapping"),
        ],
    )
    def test_models(self, spec: str, said: str) -> None:
        assert said in failure(SMALL + f"models: {{vlm: {spec}}}\n").cause

    @pytest.mark.parametrize(
        "spec",
        [
            "{use: openai_http, base_url: 'http://u:hunter2@h/v1', model: q}",
            "{use: openai_http, base_url: 'http://h/v1?key=hunter2', model: q}",
            "{use: openai_http, base_url: 'http://h/v1', model: q, api_key: hunter2}",
            "{use: openai_http, base_url: 'http://h/v1', model: q, api_key: {env: 'hunter2!'}}",
            "{use: openai_http, base_url: 'http://h/v1', model: q, apikey: hunter2}",
        ],
    )
    def test_a_secret_is_refused_and_never_printed(self, spec: str) -> None:
        error = failure(SMALL + f"models: {{vlm: {spec}}}\n")
        assert "hunter2" not in error.cause + error.remedy
        error = failure(SMALL, f"models.vlm={spec}")
        assert "hunter2" not in error.cause + error.remedy


@pytest.mark.usefixtures("toys")
class TestTargets:
    def test_quota_takes_its_place_and_its_parameters(self) -> None:
        text = WHOLE.replace("- dynamics\n", "- quota: {balance: false}\n")
        manifest = parse(text)
        assert [entry.name for entry in manifest.stages] == ["validate", "quota", "consistency"]
        assert manifest.stages[1].config == {"targets": {"t2v": 879000, "t2i": 210000}, "balance": False}

    def test_targets_of_the_stage_alone_are_enough(self) -> None:
        manifest = parse(SMALL.replace("stages: []", "stages: [{quota: {targets: {t2v: 3}}}]"))
        assert manifest.targets == {"t2v": 3}

    def test_an_empty_quota_stage_takes_all(self) -> None:
        manifest = parse(SMALL.replace("stages: []", "stages: [quota]"))
        assert manifest.targets is None
        assert [entry.name for entry in manifest.stages] == ["quota"]

    def test_two_different_targets_are_refused(self) -> None:
        text = SMALL.replace("stages: []", "stages: [{quota: {targets: {t2v: 3}}}]")
        assert "stages[0].quota.targets: differs from `targets`" in failure(text + "targets: {t2v: 4}\n").cause
        assert parse(text + "targets: {t2v: 3}\n").targets == {"t2v": 3}

    def test_null_means_all(self) -> None:
        assert [entry.name for entry in parse(SMALL + "targets: null\n").stages] == []


@pytest.mark.usefixtures("toys")
class TestIdentity:
    SERVED = SMALL + "models: {vlm: {use: openai_http, base_url: http://a:8000/v1, model: q, api_key: {env: K}}}\n"

    @pytest.mark.parametrize(
        "change",
        [
            "output=elsewhere",
            "executor={use: serial}",
            "executor={use: ray, cpus: 7}",
            "inputs[0].clips=/somewhere/else/a.jsonl",
            "inputs[0].root=b",
            "models.vlm.base_url=[http://b/v1, http://c/v1]",
            "models.vlm.api_key.env=OTHER",
            "models.vlm.timeout=5",
            "models.vlm.concurrency=5",
        ],
    )
    def test_what_does_not_determine_bytes_may_differ(self, change: str) -> None:
        assert parse(self.SERVED, change).identity() == parse(self.SERVED).identity()

    @pytest.mark.parametrize(
        "change",
        [
            "seed=7",
            "name=other",
            "shard_clips=2",
            "inputs[0].licence=MIT",
            "models.vlm.model=other",
            "models.vlm.revision=abc",
            "models.vlm={use: signals}",
            "stages=[validate]",
            "targets.t2v=3",
            "media.frames=4",
            "media.decoder=decord",
            "media.deadline=5",
            "shards.max_samples=5",
            "prompts={video-captions: 1}",
        ],
    )
    def test_what_determines_bytes_is_in_it(self, change: str) -> None:
        assert parse(self.SERVED, change).identity() != parse(self.SERVED).identity()

    def test_it_holds_versions_and_no_place(self, tmp_path: Path) -> None:
        manifest = parse(WHOLE, f"inputs[0].clips={tmp_path}/a.jsonl").located(tmp_path)
        text = json.dumps(manifest.identity())
        assert str(tmp_path) not in text
        assert manifest.identity()["stages"][0]["version"] == 2


class TestSchema:
    @pytest.mark.usefixtures("toys")
    def test_it_says_what_the_reader_says(self) -> None:
        checker = jsonschema.Draft202012Validator(json_schema())
        checker.check_schema(json_schema())
        assert checker.is_valid(yaml.safe_load(WHOLE))
        assert checker.is_valid(yaml.safe_load(SMALL))
        for old, new in (
            ("0.15", "15"),
            ("- dynamics", "- dynamic"),
            ("seed: 42", "sede: 1"),
            ("use: ray", "use: rya"),
        ):
            assert not checker.is_valid(yaml.safe_load(WHOLE.replace(old, new, 1))), new

    def test_the_manifests_that_come_along_are_valid(self) -> None:
        checker = jsonschema.Draft202012Validator(json_schema())
        found: Mapping[str, Any] = {
            path.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "manifests").glob("*.yaml"))
        }
        wrong = {name: [error.message for error in checker.iter_errors(value)] for name, value in found.items()}
        assert not {name: errors for name, errors in wrong.items() if errors}
        for name in found:
            assert load_manifest(ROOT / "manifests" / name).stages


class TestNothing:
    NAMES: ClassVar[tuple[str, ...]] = ("stages", "inputs", "models", "executor", "media")

    @pytest.mark.usefixtures("toys")
    @pytest.mark.parametrize("value", ["null", "3", "[]", "{}", "x", "[[]]", "[null]", "{'': null}", "[{'': {}}]"])
    @pytest.mark.parametrize("name", NAMES)
    def test_odd_values_are_read_or_refused_with_words(self, name: str, value: str) -> None:
        try:
            parse(SMALL, f"{name}={value}")
        except UsageError as error:
            assert name in error.cause
