from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow import prompts
from synflow.models.schema import KEYWORDS, fault

CAPTIONS = {
    "type": "object",
    "properties": {
        "a": {"type": "string", "minLength": 2, "maxLength": 4},
        "b": {"type": ["integer", "null"], "minimum": 0, "maximum": 9},
        "c": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}, "minItems": 1, "maxItems": 2},
        "d": {"type": "number"},
        "e": {"type": "boolean"},
    },
    "required": ["a"],
    "additionalProperties": False,
}
LEAVES = st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from(["", "x", "y", "abc", "abcde", 0.5])
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(
    st.sampled_from("abcdez"), LEAVES | st.lists(LEAVES, max_size=3), max_size=4
)  # fmt: skip


@given(VALUES)
def test_agrees_with_jsonschema(value: Any) -> None:
    assert (fault(value, CAPTIONS) == "") == jsonschema.Draft202012Validator(CAPTIONS).is_valid(value)


def test_names_the_place() -> None:
    assert fault({"a": "ab", "c": ["x", "q"]}, CAPTIONS) == "answer.c[1] is none of the values allowed"
    assert fault({}, CAPTIONS) == "answer.a is missing"
    with pytest.raises(ValueError, match="oneOf"):
        fault(1, {"oneOf": []})


def keywords(schema: Any) -> set[str]:
    found = set(schema)
    for inner in schema.get("properties", {}).values():
        found |= keywords(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            found |= keywords(schema[name])
    return found


def test_knows_all_keywords_of_the_prompts() -> None:
    assert prompts.names()
    for name in prompts.names():
        assert keywords(prompts.load(name).schema) <= KEYWORDS
