"""YAML is read strictly, `--set` does what it says, and nothing but `UsageError` ever escapes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from synflow.errors import UsageError
from synflow.manifest import parse_manifest
from synflow.manifest.parts import bytes_of
from synflow.manifest.settings import Settings, override, read_yaml, spelled

KEYS = ("version", "name", "seed", "inputs", "stages", "targets", "media", "executor", "models", "output")
STAGES = ("validate", "dynamics", "quota")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(codec="ascii"), max_size=8).filter(lambda k: "\0" not in k), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    read = read_yaml(json.dumps(value), "x").value
    assert read == value
    assert json.dumps(read) == json.dumps(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1e-3", 0.001),
        ("1_000", "1_000"),
        ("010", 10),
        ("0x1F", 31),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("12:30:45", "12:30:45"),
        ("~", None),
        ("", None),
        ("+7", 7),
        ("-.5", -0.5),
        ("true", True),
        ("'true'", "true"),
        ("{<<: {a: 1}}", {"<<": {"a": 1}}),
        ("=", "="),
        ("x-{000..099}.tar", "x-{000..099}.tar"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    read = read_yaml(text, "x").value
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: &x 2\n", "m:2: an anchor (&x) is not allowed"),
        ("a: 1\nb: *x\n", "m:2: an alias (*x) is not allowed"),
        ("a: 1\n\nb: !!python/object:os.system {}\n", "m:3: a tag"),
        ("a: !x 1", "m:1: a tag"),
        ("a: ! 1", "m:1: a tag"),
        ("a: 1\nb: 2\na: 3\n", "m:3: the key `a` stands twice"),
        ("a:\n  b: 1\n  b: 1\n", "m:3: the key `a.b` stands twice"),
        ("a: [{b: 1, b: 1}]", "m:1: the key `a[0].b` stands twice"),
        ("? [a]\n: 1\n", "m:1: a key must be a single word"),
        ("a: 1\n---\nb: 2\n", "m:2: not valid YAML"),
        ("a: [1\n", "m:2: not valid YAML"),
        ("a: b: c\n", "m:1: not valid YAML"),
        ("a:\n\t- 1\n", "m:2: not valid YAML"),
        ("a: .nan", "m:1: .nan is not a finite number"),
        ("a: 1e999", "m:1: 1e999 is not a finite number"),
        ("a: -.inf", "m:1: -.inf is not a finite number"),
        ("a: " + "9" * 5000, "m:1: 9999"),
        ("a: 1\nb: \x07\n", "m:2: a character that YAML does not allow"),
        ('a: "\\0"', "m:1: a text may not hold NUL"),
        ('a: "\\ud800"', "m:1: a text may not hold NUL or half a character"),
        ('a: "\\UFFFFFFFF"', "m: not valid YAML"),
        ("a: " + "[" * 100, "m:1: more than 40 levels"),
        ("[" * 5000, "m:1: more than 40 levels"),
        ("%YAML 9.9\n---\na: 1\n", "m:1: not valid YAML"),
    ],
)
def test_what_is_more_than_plain_data_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_yaml(text, "m")
    assert caught.value.cause.startswith(said)
    assert "\n" not in caught.value.cause


@given(st.text(st.sampled_from("abn0.:-[]{},&*!|>'\"%@#?~ \n\t\\x\ufeff\x85\u2028e+_<="), max_size=60))
@settings(max_examples=400, deadline=None)
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        json.dumps(read_yaml(text, "m").value, allow_nan=False).encode()
    except UsageError as error:
        assert error.cause.startswith("m")


@given(st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        parse_manifest("version: 1\n" + data.decode("latin-1"), "m", Path("/"))
    except UsageError as error:
        assert error.cause


def settled(*sets: str) -> Any:
    text = """
seed: 1
inputs: [{clips: a.jsonl}, {clips: b.jsonl}]
executor: {use: ray, address: local, cpus: 2}
stages:
  - validate: {min_duration: 2}
  - dynamics
"""
    held = read_yaml(text, "m")
    for one in sets:
        override(held, one, KEYS, STAGES)
    return held.value


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("seed=7", ["seed"], 7),
        (" seed = 7", ["seed"], 7),
        ("media.frames=4", ["media", "frames"], 4),
        ("inputs[1].clips=c=d.jsonl", ["inputs", 1, "clips"], "c=d.jsonl"),
        ("inputs[0].clips=/t/x-{000..099}.tar", ["inputs", 0, "clips"], "/t/x-{000..099}.tar"),
        ("stages.dynamics.min_residual=0.4", ["stages", 1, "dynamics", "min_residual"], 0.4),
        ("dynamics.min_residual=0.4", ["stages", 1, "dynamics", "min_residual"], 0.4),
        ("stages[0].validate.min_duration=0.4", ["stages", 0, "validate", "min_duration"], 0.4),
        ("validate={min_duration: 1}", ["stages", 0, "validate"], {"min_duration": 1}),
        ("targets.t2v=10", ["targets"], {"t2v": 10}),
        ("quota.targets.t2v=10", ["stages", 2], {"quota": {"targets": {"t2v": 10}}}),
        ("executor={use: serial}", ["executor"], {"use": "serial"}),
        ("executor.use=serial", ["executor"], {"use": "serial"}),
        ("executor.use=ray", ["executor"], {"use": "ray", "address": "local", "cpus": 2}),
        ("executor.cpus=4", ["executor"], {"use": "ray", "address": "local", "cpus": 4}),
        ("models.vlm.use=signals", ["models", "vlm"], {"use": "signals"}),
        ("stages=[validate]", ["stages"], ["validate"]),
        ("output=", ["output"], None),
    ],
)
def test_a_set_lands_where_it_says(text: str, path: list[Any], value: Any) -> None:
    found = settled(text)
    for part in path:
        found = found[part]
    assert found == value


def test_a_later_set_wins_and_use_starts_afresh() -> None:
    assert settled("seed=1", "seed=2")["seed"] == 2
    assert settled("executor.use=serial", "executor.use=ray", "executor.cpus=9")["executor"] == {
        "use": "ray",
        "cpus": 9,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed", "--set seed: not of the form key.path=value"),
        ("", "--set : not of the form"),
        ("=3", "--set : not of the form"),
        (".seed=3", "--set .seed: not of the form"),
        ("seed.=3", "not of the form"),
        ("a..b=3", "not of the form"),
        ("inputs[x].clips=3", "not of the form"),
        ("sede=3", "--set sede: unknown key `sede`; did you mean `seed`?"),
        ("dynamic.min_residual=3", "--set dynamic.min_residual: unknown key `dynamic`; did you mean `dynamics`?"),
        ("stages.dynamic.x=3", "unknown stage `dynamic`; did you mean `dynamics`?"),
        ("inputs[7].clips=x", "--set inputs[7].clips: inputs has only 2"),
        ("seed[0]=x", "--set seed[0]: seed is no list"),
        ("seed.x.y=x", "--set seed.x.y: seed holds no keys"),
        ("inputs.x=3", "--set inputs.x: inputs holds no keys"),
        ("stages[9].x=3", "stages has only 2"),
        ("seed=[", "--set seed: not valid YAML"),
        ("seed=*x", "--set seed: an alias (*x) is not allowed"),
        ("[0]=x", "not of the form"),
    ],
)
def test_a_set_that_names_nothing(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        settled(text)
    assert said in caught.value.cause
    assert "\n" not in caught.value.cause + caught.value.remedy


def test_a_stage_that_is_not_listed() -> None:
    held = Settings({"stages": ["validate"]})
    with pytest.raises(UsageError, match="has no stage `dynamics`") as caught:
        override(held, "dynamics.min_residual=1", KEYS, STAGES)
    assert caught.value.remedy == "add `- dynamics: {}` to its stages"


keys = st.lists(
    st.sampled_from(["seed", "media", "frames", "stages", "dynamics", "inputs", "use", "x"]), min_size=1, max_size=4
)


@given(keys, st.lists(st.integers(0, 3), max_size=2), st.text(max_size=12))
@settings(max_examples=200, deadline=None)
def test_no_set_raises_anything_else(parts: list[str], places: list[int], value: str) -> None:
    path = ".".join(parts) + "".join(f"[{place}]" for place in places)
    try:
        settled(f"{path}={value}")
    except UsageError as error:
        assert error.remedy


@given(scalars, keys)
@settings(max_examples=100, deadline=None)
def test_a_set_of_any_scalar_is_read_back(value: Any, parts: list[str]) -> None:
    path = ["media", *parts[1:]]
    found = settled(f"{'.'.join(path)}={json.dumps(value)}")
    for part in path:
        found = found[part]
    assert found == value


def test_a_key_is_spelled_as_people_read_it() -> None:
    assert spelled(("stages", 2, "consistency", "drop_quantile")) == "stages[2].consistency.drop_quantile"


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MiB", 512 * 2**20), ("2 GiB", 2**31), ("1.5kb", 1500), ("7", 7), ("7B", 7), ("1TB", 10**12), ("0.5KiB", 512)],
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1MiB", "1XiB", "1 Mi B", "1e3", "nan", "1" * 40])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        bytes_of(text)


def test_numbers_that_pyyaml_reads_as_text_are_numbers() -> None:
    assert yaml.safe_load("1e-3") == "1e-3"
    assert math.isclose(read_yaml("1e-3", "x").value, 0.001)
