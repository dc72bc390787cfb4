from __future__ import annotations

import json

import jsonschema
import pytest

from synflow import prompts
from synflow.answers import SHAPES, schema_of
from synflow.errors import UsageError
from synflow.ids import digest
from synflow.models.schema import fault as schema_fault

SLOTS = {
    "video-captions": {"caption", "emphasis", "readability", "education", "fault"},
    "frame-captions": {"caption", "emphasis", "fault"},
    "composed-image": {"strategy", "kinship", "caption", "fault"},
    "composed-video": {"relation", "kinship", "caption", "fault"},
    "audit": {"claims", "polarity"},
    "pair-judge": {"query", "reference"},
}


def test_all_prompts_are_found_with_their_slots():
    assert set(prompts.names()) == set(SLOTS)
    for name, slots in SLOTS.items():
        prompt = prompts.load(name)
        assert (prompt.name, prompt.version, set(prompt.slots)) == (name, prompts.versions(name)[-1], slots)


def test_digest_is_that_of_the_file():
    data = (prompts.folder() / "audit" / "v1.md").read_bytes()
    assert prompts.load("audit").digest == digest(data)


def test_schemas_are_valid_and_have_no_max_length():
    for name in SLOTS:
        schema = prompts.load(name).schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "maxLength" not in json.dumps(schema)
    five = prompts.load("video-captions").schema
    jsonschema.validate({str(i): "a" for i in range(1, 6)}, five)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"1": "a"}, five)


def test_the_system_text_is_shared_so_that_requests_on_a_clip_share_their_prefix():
    assert len({prompts.load(name).system for name in SLOTS}) == 1


def test_requirements_of_the_paper_are_in_the_prompts():
    text = prompts.load("video-captions").template
    assert prompts.load("video-captions").lengths == {
        "1": (10, 25), "2": (80, 200), "3": (30, 100), "4": (5, 30), "5": (10, 70),
    }  # fmt: skip
    for wanted in ("10 to 25", "80 to 200", "30 to 100", "5 to 30", "10 to 70", "fewer than 20", "more than 100"):
        assert wanted in text
    assert "at most 50 words" in prompts.load("composed-image").template
    assert "5 to 15 words" in prompts.load("composed-video").template
    frame = prompts.load("frame-captions").template
    assert "never the past or the future" in frame
    for name in ("video-captions", "frame-captions"):
        assert "never what is missing, absent" in prompts.load(name).template
    for axis in ("spatial:", "temporal:", "topical:", "stylistic:", "background", "meaning", "highlight"):
        assert axis in text
    for wanted in ("nine in ten", "at least half", "useless without the picture", "picture is useless without it"):
        assert wanted in prompts.load("composed-image").template.replace("\n", " ")
    assert "similar video" in prompts.load("composed-video").template
    assert "No exact times" in prompts.load("composed-video").template


def test_render_fills_slots_and_never_reads_them_as_templates():
    text = prompts.load("audit").render(claims="1. {x} {{y}}", polarity="true")
    assert "1. {x} {{y}}" in text
    assert '{"answers": ["yes", "..."]}' in text


@pytest.mark.parametrize("name", sorted(SLOTS))
def test_every_prompt_renders_and_asks_for_the_shape_that_reads_its_answer(name):
    prompt = prompts.load(name)
    text = prompt.render(**{slot: f"value of {slot}" for slot in prompt.slots})
    assert all(f"value of {slot}" in text for slot in prompt.slots)
    assert "{" + "fault}" not in text
    assert text.rindex("Answer with JSON only: {") > len(text) - 120
    assert dict(prompt.schema) == schema_of(SHAPES[name])
    assert set(SHAPES) == set(SLOTS)
    empty = prompt.render(**dict.fromkeys(prompt.slots, ""))
    assert "\n\n\n" not in empty


def test_schemas_use_only_what_is_checked_and_what_servers_enforce():
    for name in SLOTS:
        assert schema_fault({}, prompts.load(name).schema) != ""


@pytest.mark.parametrize("slots", [{}, {"claims": "1. a"}, {"claims": "1. a", "polarity": "true", "other": "b"}])
def test_render_refuses_missing_and_unknown_slots(slots):
    with pytest.raises(KeyError, match="slot"):
        prompts.load("audit").render(**slots)


@pytest.mark.parametrize(("name", "version"), [("no-such", None), ("audit", 99), ("../audit", None)])
def test_unknown_prompts_are_usage_errors(name, version):
    with pytest.raises(UsageError) as failure:
        prompts.load(name, version)
    assert failure.value.remedy


FRONT = "---\nname: x\nversion: 1\nslots: {a: b}\nschema: {type: object}\n---\n"


@pytest.mark.parametrize(
    "text",
    [
        "no front matter",
        FRONT + "## user\n{a}\n",
        FRONT + "stray\n## system\ns\n## user\n{a}\n",
        FRONT + "## system\ns\n## user\nno slot\n",
        FRONT + "## system\ns\n## user\n{a} {b}\n",
        FRONT.replace("name: x", "name: y") + "## system\ns\n## user\n{a}\n",
        FRONT.replace("slots", "slot") + "## system\ns\n## user\n{a}\n",
    ],
)
def test_files_that_are_not_prompts_are_refused(text):
    with pytest.raises(UsageError):
        prompts.parse(text.encode(), "x", 1)


def test_wrapped_lines_are_joined_but_lists_are_kept():
    text = FRONT + "## system\none\ntwo\n\n## user\nfirst\nsecond {a}\n\n- item\n  goes on\n- next\n"
    prompt = prompts.parse(text.encode(), "x", 1)
    assert prompt.system == "one two"
    assert prompt.render(a="A") == "first second A\n\n- item goes on\n- next"
