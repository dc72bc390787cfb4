"""What synflow relies on, asked of a real vLLM: `make test-vllm`."""

from __future__ import annotations

import json
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from vlm_conformance import FIVE_WORDS, VlmConformance

from synflow.asks import Answer, Ask, Picture, Refusal, Vlm
from synflow.checkpoints import picture_tokens
from synflow.errors import UsageError
from synflow.ids import digest
from synflow.models.contract import open_vlm
from synflow.models.schema import fault
from synflow.models.vllm_server import Servers

pytestmark = pytest.mark.vllm
YES_NO = {
    "type": "object",
    "properties": {"says": {"type": "string", "enum": ["yes", "no"]}, "times": {"type": "array", "maxItems": 3,
                   "items": {"type": "boolean"}}},
    "required": ["says", "times"], "additionalProperties": False,
}  # fmt: skip
WIDE, HIGH = 252, 140


def picture(seed: int, size: tuple[int, int] = (WIDE, HIGH)) -> Picture:
    rough = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()
    return Picture(jpeg, digest(jpeg), float(seed))


def ask(text: str, clip: int = 0, frames: int = 8, seed: int = 1, schema: dict[str, Any] = YES_NO, **more: Any) -> Ask:
    pictures = tuple(picture(100 * clip + i) for i in range(frames))
    given = {"system": "You look at pictures. Answer with JSON only.", "affinity": f"clip-{clip}", **more}
    return Ask("real", "d", text, schema, pictures, seed=seed, max_tokens=given.pop("max_tokens", 64), **given)


def opened(servers: Servers, model: str, **more: Any) -> Any:
    urls = [one.place.url for one in servers.all]
    return open_vlm({"use": "openai_http", "base_url": urls, "model": model, "concurrency": 4, **more})


def test_answers_satisfy_the_schema_over_100_seeds(servers: Servers, tiny: str) -> None:
    replies = opened(servers, tiny).answer([ask("Is it red?", seed=seed, frames=1) for seed in range(100)])
    answers = [one for one in replies if isinstance(one, Answer)]
    print(f"\n{len(answers)} of 100 answered, {len({json.dumps(a.value) for a in answers})} different")
    assert len(answers) == 100
    assert all(not fault(one.value, YES_NO) for one in answers)
    assert len({json.dumps(one.value) for one in answers}) > 1


def test_an_answer_that_is_cut_is_refused_as_such(servers: Servers, tiny: str) -> None:
    free = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    (reply,) = opened(servers, tiny).answer([ask("Tell.", schema=free, max_tokens=3)])
    assert isinstance(reply, Refusal)
    assert reply.reason == "answer-truncated"


def test_later_requests_on_a_clip_come_from_the_cache_and_clips_stay_with_a_server(servers: Servers, tiny: str) -> None:
    vlm = opened(servers, tiny)
    clips, prompts, vision = 8, 4, 8 * picture_tokens(WIDE, HIGH)
    replies = vlm.answer([ask(f"Question {n}: what moves?", clip=c + 10) for c in range(clips) for n in range(prompts)])
    hits = [one.cached_tokens >= 0.9 * vision for one in replies if isinstance(one, Answer)]
    print(f"\n{sum(hits)} of {len(hits)} found the pictures of their clip cached")
    assert len(hits) == clips * prompts
    # One on each clip goes ahead, and all that follow it find what it brought.
    assert sum(hits) == clips * (prompts - 1)


@pytest.mark.parametrize("frames", [1, 8, 20])
def test_all_pictures_arrive_whole(servers: Servers, tiny: str, frames: int) -> None:
    vlm = opened(servers, tiny)
    (none,) = vlm.answer([ask("Is it red?", frames=0)])
    (given,) = vlm.answer([ask("Is it red?", clip=5, frames=frames)])
    assert isinstance(none, Answer)
    assert isinstance(given, Answer)
    # Each picture brings its tokens and two that mark its begin and end.
    assert given.prompt_tokens - none.prompt_tokens == frames * (picture_tokens(WIDE, HIGH) + 2)


def test_more_than_32_frames_of_a_video_arrive_whole(servers: Servers, tiny: str) -> None:
    import base64

    def tokens(frames: int) -> int:
        encoded = ",".join(base64.b64encode(picture(i).jpeg).decode() for i in range(frames))
        body = {"model": tiny, "max_tokens": 1, "messages": [{"role": "user", "content": [
            {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{encoded}"}}]}]}  # fmt: skip
        reply = httpx.post(f"{servers.all[0].place.url}/chat/completions", json=body, timeout=120)
        assert reply.status_code == 200, reply.text
        return int(reply.json()["usage"]["prompt_tokens"])

    # Two frames make one grid of tokens.
    assert tokens(48) - tokens(16) == 16 * picture_tokens(WIDE, HIGH)


def test_wrong_requests_are_told_apart(servers: Servers, tiny: str) -> None:
    with pytest.raises(UsageError, match="does not serve 'huge'"):
        opened(servers, "huge").check()
    bad = Picture(b"no jpeg", digest(b"no jpeg"), 0.0)
    spoilt = Ask("real", "d", "Is it red?", YES_NO, (bad,), affinity="x", max_tokens=32)
    refused, whole = opened(servers, tiny, attempts=2).answer([spoilt, ask("Is it red?")])
    assert isinstance(refused, Refusal)
    assert refused.reason in ("request-refused", "server-error")
    assert isinstance(whole, Answer)
    huge = Ask("real", "d", "word " * 30_000, YES_NO, affinity="y", max_tokens=32)
    long, whole = opened(servers, tiny, attempts=2).answer([huge, ask("Is it blue?")])
    assert isinstance(long, Refusal)
    assert isinstance(whole, Answer)


def test_a_schema_that_the_server_refuses_costs_its_own_answer_alone(servers: Servers, tiny: str) -> None:
    ahead = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)y"}}, "required": ["a"]}
    vlm = opened(servers, tiny, attempts=2)
    for schema in (ahead, {"type": "array", "uniqueItems": True}, {"$ref": "#/nowhere"}):
        whole, refused = vlm.answer([ask("Is it red?"), ask("Is it blue?", schema=schema)])
        assert isinstance(whole, Answer)
        assert isinstance(refused, Refusal)
        assert refused.reason == "request-refused"
        assert "Grammar error" in refused.detail


def test_a_connection_survives_a_500(servers: Servers, tiny: str) -> None:
    """A file that the server may not read is a 500; the request after it, on the same client, is answered."""
    body = {"model": tiny, "max_tokens": 1, "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "file:///etc/hostname"}}]}]}  # fmt: skip
    with httpx.Client(timeout=60) as client:
        status = client.post(f"{servers.all[0].place.url}/chat/completions", json=body).status_code
    assert status >= 400
    (given,) = opened(servers, tiny).answer([ask("Is it red?")])
    assert isinstance(given, Answer)


def test_an_engine_in_an_actor_answers_the_same_prompts(engine: Vlm, served: Vlm, tiny: str) -> None:
    asks = [ask(f"Question {n}?", clip=c, frames=4) for c in range(2) for n in range(3)]
    assert engine.model == served.model == tiny
    given = engine.answer(asks)
    for here, there, one in zip(given, served.answer(asks), asks, strict=True):
        assert isinstance(here, Answer)
        assert isinstance(there, Answer)
        assert not fault(here.value, YES_NO)
        assert here.prompt_tokens == there.prompt_tokens
        assert here.request == there.request == one.digest(tiny)
        assert here.bound == one.bound
    vision = 4 * picture_tokens(WIDE, HIGH)
    later = [given[place] for place in (1, 2, 4, 5)]
    assert all(isinstance(one, Answer) and one.cached_tokens >= 0.9 * vision for one in later)
    spoilt = Ask("real", "d", "x", YES_NO, (Picture(b"no", digest(b"no"), 0.0),), max_tokens=8)
    refused = engine.answer([spoilt])[0]
    assert isinstance(refused, Refusal)
    assert refused.reason == "request-refused"


class TestServedConformance(VlmConformance):
    schema = FIVE_WORDS

    @pytest.fixture
    def vlm(self, servers: Servers, tiny: str) -> Vlm:
        return opened(servers, tiny, attempts=2)


class TestEngineConformance(VlmConformance):
    schema = FIVE_WORDS

    @pytest.fixture
    def vlm(self, engine: Vlm) -> Vlm:
        return engine
