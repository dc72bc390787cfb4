"""What a plan counts: every kind of request that the stages make, by their parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from synflow.estimate import PROMPT_TOKENS, Estimate, estimate, largest_request, vision
from synflow.manifest import Manifest, parse_manifest
from synflow.records import InputRecord

SERVED = {"use": "openai_http", "base_url": "http://127.0.0.1:9/v1", "model": "m"}


def manifest(*stages: Any, vlm: dict[str, Any] | None = None) -> Manifest:
    value = {"version": 1, "name": "n", "inputs": [{"clips": "x.jsonl"}], "stages": list(stages),
             "models": {"vlm": vlm or SERVED}, "media": {"frames": 8}}  # fmt: skip
    return parse_manifest(yaml.safe_dump(value), "m", Path("/nowhere"))


def records(count: int) -> list[InputRecord]:
    return [InputRecord(record_id=f"r{n}") for n in range(count)]


def told(*stages: Any, count: int = 100, **more: Any) -> Estimate:
    return estimate(manifest(*stages, **more), records(count))


def test_every_kind_of_request_is_counted() -> None:
    found = told("enrich", {"audit": {"ask": True}}, {"expand": {"judge": True}})
    kept = found.kept
    composed = round(0.9 * kept) + round(0.7 * kept)
    assert found.asked == {
        "captions": kept, "frame captions": kept,
        "retries": 2 * round(0.25 * kept) + round(0.25 * round(0.9 * kept)) + round(0.25 * round(0.7 * kept)),
        "audit questions": 2 * 2 * round(0.8 * 5 * kept), "composed": composed, "judge": composed,
    }  # fmt: skip
    assert found.calls == sum(found.asked.values())
    assert 0 < found.tokens["cached"] < found.tokens["prompt"]
    assert found.gpu_hours > 0


@pytest.mark.parametrize(
    ("stage", "lacks"),
    [
        ({"enrich": {"retry": False}}, "retries"),
        ({"enrich": {"frame_captions": False}}, "frame captions"),
        ({"audit": {"ask": False}}, "audit questions"),
        ({"expand": {"judge": False}}, "judge"),
        ({"expand": {"tasks": ["t2v", "i2v"], "judge": True}}, "composed"),
    ],
)
def test_what_a_parameter_turns_off_is_not_counted(stage: dict[str, Any], lacks: str) -> None:
    stages = {"enrich": {}, "audit": {"ask": True}, "expand": {"judge": True, "retry": False}, **stage}
    found = told(*({one: config} for one, config in stages.items()))
    assert lacks not in found.asked
    assert set(found.asked) < {"captions", "frame captions", "retries", "audit questions", "composed", "judge"}


def test_more_key_frames_are_more_captions_and_more_questions() -> None:
    one = told("enrich", {"audit": {"ask": True}}).asked
    three = told({"enrich": {"key_frames": 3}}, {"audit": {"ask": True}}).asked
    assert three["frame captions"] == 3 * one["frame captions"]
    assert three["audit questions"] == pytest.approx(2 * one["audit questions"], abs=4)


def test_what_is_not_served_costs_no_tokens_and_is_not_asked_again() -> None:
    found = told("enrich", "expand", vlm={"use": "signals"})
    assert (found.tokens, found.gpu_hours) == ({}, 0)
    assert "retries" not in found.asked
    assert told("validate").calls == 0


def test_the_largest_request_holds_two_clips_and_the_longest_answer() -> None:
    clip = vision(manifest("enrich"))["clip"]
    assert largest_request(manifest({"enrich": {"max_tokens": 2000}})) == clip + PROMPT_TOKENS + 2000
    assert largest_request(manifest("enrich", "expand")) == 2 * clip + PROMPT_TOKENS + 1024
