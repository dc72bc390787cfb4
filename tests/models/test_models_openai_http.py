from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from vlm_conformance import CAPTIONS, SPOILT, VlmConformance

from synflow.asks import Answer, Ask, Item, Picture, Refusal
from synflow.durable import append_lines
from synflow.errors import ServiceDown, UsageError
from synflow.ids import digest
from synflow.models.contract import open_embedder, open_vlm, preflight
from synflow.models.journal import PASSING, Journalled
from synflow.models.openai_chat import OpenAiOptions, chat_body
from synflow.models.openai_http import OpenAiHttp, OpenAiServer, Route
from synflow.models.resilience import Breaker, Outage, Retrying, TransientFailure

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 1}},
    "required": ["query"],
    "additionalProperties": False,
}
Act = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Lists one model; answers a chat request as the server's script says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ScriptedServer

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        self.server.listings += 1
        self.send(200, {"data": [{"id": m} for m in self.server.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.keys.append(self.headers.get("Authorization", ""))
            act = self.server.script.pop(0) if self.server.script else well
        act(self, body)

    def send(self, status: int, value: Any, **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class ScriptedServer(ThreadingHTTPServer):
    """A model server on a free port whose next replies are scripted; without a script it answers well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Act] = []
        self.models = ["tiny"]
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.listings = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


def said(text: str, reason: str = "stop") -> Act:
    def act(handler: Handler, body: dict[str, Any]) -> None:
        handler.send(
            200,
            {
                "choices": [{"message": {"content": text}, "finish_reason": reason}],
                "usage": {
                    "prompt_tokens": 50,
                    "completion_tokens": 7,
                    "prompt_tokens_details": {"cached_tokens": 32},
                },
            },
        )

    return act


def well(handler: Handler, body: dict[str, Any]) -> None:
    text = body["messages"][-1]["content"][-1]["text"]
    said(json.dumps({"query": text}))(handler, body)


def status(code: int, body: Any = b"", **headers: str) -> Act:
    return lambda handler, _: handler.send(code, body, **headers)


def reset(handler: Handler, body: dict[str, Any]) -> None:
    handler.close_connection = True
    handler.connection.close()


def hang(handler: Handler, body: dict[str, Any]) -> None:
    time.sleep(2.5)
    handler.close_connection = True


def drip(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(50):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)
    handler.close_connection = True


def cut(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


@pytest.fixture
def second() -> Iterator[ScriptedServer]:
    with ScriptedServer() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def options(*servers: ScriptedServer, **more: Any) -> OpenAiOptions:
    return OpenAiOptions(**{"base_url": tuple(s.url for s in servers), "model": "tiny", "timeout": 1.0, **more})


def ask(text: str = "say", affinity: str = "") -> Ask:
    pictures = tuple(Picture(name.encode(), digest(name.encode()), i / 2) for i, name in enumerate(("one", "two")))
    return Ask("composed-image", "d", text, SCHEMA, pictures, system="be true", affinity=affinity, seed=5)


def patient(one: ScriptedServer, pauses: list[float]) -> Retrying:
    breaker = Breaker(OpenAiServer(one.url, options(one)), sleep=lambda _: None)
    return Retrying(Route([breaker]), sleep=pauses.append)


def test_request_has_system_then_pictures_then_instruction(server: ScriptedServer) -> None:
    (given,) = OpenAiHttp(options(server), "secret").answer([ask("look")])
    assert isinstance(given, Answer)
    assert given.value == {"query": "look"}
    assert given.bound == (digest(b"one"), digest(b"two"))
    assert given.request == ask("look").digest("tiny")
    assert (given.prompt_tokens, given.cached_tokens, given.answer_tokens) == (50, 32, 7)
    (body,) = server.bodies
    system, user = body["messages"]
    assert system == {"role": "system", "content": "be true"}
    urls = [part["image_url"]["url"] for part in user["content"][:2]]
    assert [base64.b64decode(u.removeprefix("data:image/jpeg;base64,")) for u in urls] == [b"one", b"two"]
    assert user["content"][2] == {"type": "text", "text": "look"}
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (body["seed"], body["max_tokens"], body["temperature"]) == (5, 1024, 0.7)
    assert server.keys == ["Bearer secret"]


FAULTS: dict[str, tuple[Act, str]] = {
    "429": (status(429, {"error": {"message": "busy"}}), "rate-limit"),
    "429 with Retry-After": (status(429, Retry_After="3"), "rate-limit"),
    "500": (status(500, {"error": {"message": "boom"}}, Connection="close"), "server-error"),
    "503": (status(503, Retry_After="2"), "server-error"),
    "redirect": (status(302, Location="http://127.0.0.1:1/"), "server-error"),
    "reset": (reset, "reset"),
    "hang": (hang, "timeout"),
    "drip": (drip, "timeout"),
    "cut": (cut, "reset"),
    "HTML": (status(200, b"<html>login</html>"), "bad-reply"),
    "empty": (status(200), "bad-reply"),
    "invalid UTF-8": (status(200, b'{"choices": "\xff"}'), "bad-reply"),
    "list": (status(200, []), "bad-reply"),
    "no choices": (status(200, {"choices": []}), "bad-reply"),
    "wrong shape": (status(200, {"choices": [{"message": "hi"}]}), "bad-reply"),
    "no text": (status(200, {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}), "bad-reply"),
    "5 MB": (status(200, b" " * (5 << 20)), "bad-reply"),
    "400": (status(400, {"error": {"message": "too many images"}}), "request-refused"),
    "413": (status(413), "request-refused"),
    "401": (status(401), "server-error"),
    "403": (status(403), "server-error"),
    "404": (status(404, {"error": {"message": "no such model"}}), "server-error"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_passing_fault_is_named_and_survived(server: ScriptedServer, name: str) -> None:
    act, reason = FAULTS[name]
    server.script = [act]
    one = OpenAiServer(server.url, options(server))
    with pytest.raises(TransientFailure) as caught:
        one.answer([ask()])
    assert caught.value.reason == reason
    assert caught.value.after == {"429 with Retry-After": 3.0, "503": 2.0}.get(name)
    pauses: list[float] = []
    server.script = [act]
    (given,) = patient(server, pauses).answer([ask()])
    assert isinstance(given, Answer)
    assert len(pauses) == 1


REFUSALS: dict[str, tuple[Act, str]] = {
    "truncated": (said('{"query": "a', "length"), "answer-truncated"),
    "filtered": (said("", "content_filter"), "answer-refused"),
    "prose": (said("Sure! Here it is."), "answer-schema"),
    "fenced": (said('```json\n{"query": "a"}\n```'), "answer-schema"),
    "missing": (said("{}"), "answer-schema"),
    "more": (said('{"query": "a", "b": 1}'), "answer-schema"),
    "wrong type": (said('{"query": 3}'), "answer-schema"),
    "empty": (said('{"query": ""}'), "answer-schema"),
    "NaN": (said('{"query": NaN}'), "answer-schema"),
    "deep": (said("[" * 100_000), "answer-schema"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_useless_answer_is_a_refusal_and_not_asked_again(server: ScriptedServer, name: str) -> None:
    act, reason = REFUSALS[name]
    server.script = [act]
    first, other = OpenAiHttp(options(server, concurrency=1)).answer([ask("a"), ask("b")])
    assert isinstance(first, Refusal)
    assert first.reason == reason
    assert first.request == ask("a").digest("tiny")
    assert isinstance(other, Answer)
    assert len(server.bodies) == 2


@pytest.mark.parametrize("number", ["1e999", "-1e400", "9" * 400 + ".5", "9" * 5000])
def test_a_number_that_cannot_be_written_down_is_a_refusal(server: ScriptedServer, tmp_path: Path, number: str) -> None:
    """Beside what a schema asks for a model may write anything, where it does not forbid more."""
    server.script = [said(f'{{"query": "a", "odd": {number}}}')]
    open_schema = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    vlm = Journalled(OpenAiHttp(options(server, concurrency=1)), tmp_path / "journal.jsonl", append_lines)
    refused, other = vlm.answer([replace(ask("a"), schema=open_schema), ask("b")])
    assert isinstance(refused, Refusal)
    assert refused.reason == "answer-schema"
    assert isinstance(other, Answer)


def test_wrong_model_names_those_that_are_served(server: ScriptedServer) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAiHttp(options(server, model="huge")).check()
    assert "'huge'" in caught.value.cause
    assert "tiny" in caught.value.remedy
    with pytest.raises(UsageError):
        OpenAiHttp(options(server, model="huge")).answer([ask()])


def test_the_model_is_looked_up_once(server: ScriptedServer) -> None:
    vlm = OpenAiHttp(options(server))
    vlm.check()
    vlm.answer([ask(str(i)) for i in range(6)])
    assert server.listings == 1


@pytest.mark.parametrize("code", [401, 403, 404])
def test_refused_key_and_lost_path_are_usage_errors(server: ScriptedServer, code: int) -> None:
    server.script = [status(code, {"error": {"message": "no"}})] * 8
    with pytest.raises(UsageError):
        patient(server, []).answer([ask()])
    assert len(server.bodies) == 8


def test_a_denial_by_a_server_that_answered_is_an_outage(server: ScriptedServer) -> None:
    vlm = patient(server, [])
    vlm.answer([ask("a")])
    server.script = [status(404)] * 40
    with pytest.raises(Outage, match="404"):
        vlm.answer([ask("b")])


def test_a_request_that_the_server_cannot_bear_is_refused_alone(server: ScriptedServer) -> None:
    def act(handler: Handler, body: dict[str, Any]) -> None:
        poison = body["messages"][-1]["content"][-1]["text"] == "poison"
        (status(500) if poison else well)(handler, body)

    server.script = [act] * 100
    pauses: list[float] = []
    poison, other = patient(server, pauses).answer([ask("poison"), ask("b")])
    assert isinstance(poison, Refusal)
    assert poison.reason == "server-error"
    assert poison.reason in PASSING
    assert isinstance(other, Answer)
    assert len(pauses) == 11


def test_a_request_that_the_server_refuses_is_refused_after_all_attempts(server: ScriptedServer) -> None:
    server.script = [status(400, {"error": {"message": "too many images"}})] * 12
    pauses: list[float] = []
    refused, other = patient(server, pauses).answer([ask("a"), ask("b")])
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.detail) == ("request-refused", "400 too many images")
    assert isinstance(other, Answer)
    assert sum(pauses) < 15


def test_a_server_that_refuses_everything_stops_the_run(server: ScriptedServer) -> None:
    server.script = [status(400, {"error": {"message": "at most 4 images"}})] * 200
    with pytest.raises(Outage, match="at most 4 images") as caught:
        patient(server, []).answer([ask(str(i)) for i in range(20)])
    assert len(caught.value.answered) == 7


def test_no_server_is_a_service_that_is_down() -> None:
    with ScriptedServer() as gone:
        url = gone.url
    server = OpenAiServer(url, OpenAiOptions(base_url=url, model="tiny"))
    with pytest.raises(ServiceDown, match="reset"):
        Retrying(Breaker(server, threshold=2, probes=2, sleep=lambda _: None), sleep=lambda _: None).answer([ask()])


def test_a_clip_stays_with_one_server_and_moves_when_it_is_down(server: ScriptedServer, second: ScriptedServer) -> None:
    breakers = [Breaker(OpenAiServer(s.url, options(s)), threshold=1, probes=1, sleep=lambda _: None)
                for s in (server, second)]  # fmt: skip
    route = Route(breakers)
    asks = [ask(f"{clip} {n}", affinity=f"clip-{clip}") for clip in range(12) for n in range(3)]
    route.answer(asks)
    places: dict[str, set[int]] = {}
    for i, one in enumerate((server, second)):
        for body in one.bodies:
            places.setdefault(body["messages"][-1]["content"][-1]["text"].split()[0], set()).add(i)
    assert len(places) == 12
    assert all(len(found) == 1 for found in places.values())
    assert server.bodies and second.bodies
    server.script = [status(500)] * 3
    assert all(isinstance(a, Answer) for a in Retrying(route, sleep=lambda _: None).answer(asks))
    assert breakers[0].down
    assert not breakers[1].down


def test_thirty_percent_faults_change_no_answer(server: ScriptedServer) -> None:
    asks = [ask(str(i)) for i in range(60)]
    whole = patient(server, []).answer(asks)
    kinds = [a for name, (a, _) in FAULTS.items() if name not in ("hang", "drip", "5 MB")]
    server.script = [kinds[(i // 3) % len(kinds)] if i % 3 == 0 else well for i in range(90)]
    pauses: list[float] = []
    assert patient(server, pauses).answer(asks) == whole
    assert len(pauses) == 30


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"use": "magic"}, "'magic'"),
        ({}, "''"),
        ({"use": "signals", "model": "x"}, "'model'"),
        ({"use": "openai_http", "base_url": "http://x"}, "model"),
        ({"use": "openai_http", "base_url": [], "model": "m"}, "base_url"),
        ({"use": "openai_http", "base_url": "http://x", "model": "m", "timeout": -1}, "timeout"),
        ({"use": "openai_http", "base_url": "http://x", "model": "m", "odd": 1}, "odd"),
        ({"use": "openai_http", "base_url": "http://x", "model": "m", "api_key": {"env": "SYNFLOW_NO_KEY"}},
         "SYNFLOW_NO_KEY"),
    ],
)  # fmt: skip
def test_wrong_specs_are_usage_errors(spec: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_vlm(spec)
    assert cause in caught.value.cause
    assert caught.value.remedy


def test_opens_what_a_manifest_names(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNFLOW_TEST_KEY", "k1")
    base = server.url.removesuffix("/v1") + "/"
    vlm = open_vlm({"use": "openai_http", "base_url": [base], "model": "tiny", "revision": "r", "max_pixels": 784,
                    "api_key": {"env": "SYNFLOW_TEST_KEY"}})  # fmt: skip
    assert vlm.model == "tiny@r?max_pixels=784"
    (given,) = vlm.answer([ask()])
    assert isinstance(given, Answer)
    assert (given.model, given.revision) == ("tiny", "r")
    assert server.keys == ["Bearer k1"]
    assert server.bodies[0]["mm_processor_kwargs"] == {"max_pixels": 784}
    assert open_embedder({"use": "signals"}).model


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://[", "", "http://host:port", "http://"])
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        OpenAiHttp(OpenAiOptions(base_url=url, model="m", attempts=1)).answer([ask()])


def vector(*values: Any) -> Act:
    return status(200, {"data": [{"embedding": list(values)}]})


def embedder(server: ScriptedServer, **more: Any) -> Any:
    spec = {"use": "openai_http", "base_url": [server.url], "model": "tiny", "concurrency": 1, **more}
    return open_embedder(spec)


def test_served_embedder_gives_unit_vectors_bound_to_what_was_shown(server: ScriptedServer) -> None:
    server.script = [vector(3.0, 4.0), vector(0.0, 2.0), *[status(400)] * 3]
    shown = ask().pictures
    items = [Item(text="a", instruction="find"), Item(), Item(pictures=shown), Item(text="too long")]
    first, empty, second, refused = embedder(server, attempts=3).embed(items)
    assert first.values.tolist() == pytest.approx([0.6, 0.8])
    assert second.values.tolist() == [0.0, 1.0]
    assert second.bound == (digest(b"one"), digest(b"two"))
    assert empty.values is refused.values is None
    assert server.bodies[0]["messages"] == [
        {"role": "system", "content": "find"},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
    ]
    assert [part["type"] for part in server.bodies[1]["messages"][0]["content"]] == ["image_url", "image_url"]


def test_frames_are_sent_as_one_video_where_the_manifest_says_so(server: ScriptedServer) -> None:
    server.script = [vector(1.0, 0.0)] * 3
    frames = tuple(Picture(one, digest(one), 0.25 * place) for place, one in enumerate((b"one", b"two", b"three")))
    items = [Item("a <|im_end|>", frames), Item(pictures=frames[:1]), Item(pictures=tuple([frames[0]] * 2))]
    served = embedder(server, frames="video")
    served.embed(items)
    assert served.model != embedder(server).model
    film, single, still = server.bodies
    url = "data:video/jpeg;base64," + ",".join(base64.b64encode(one.jpeg).decode() for one in frames)
    assert film["messages"][0]["content"] == [
        {"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": "a < |im_end|>"},
    ]  # fmt: skip
    assert film["media_io_kwargs"] == {"video": {"num_frames": -1, "fps": 4.0}}
    assert [part["type"] for part in single["messages"][0]["content"]] == ["image_url"]
    assert "media_io_kwargs" not in single
    assert still["media_io_kwargs"] == {"video": {"num_frames": -1}}


@pytest.mark.parametrize("bad", [status(200, {"data": []}), vector(), vector(0.0, 0.0), vector("x"), vector(None)])
def test_a_reply_without_a_vector_is_asked_again(server: ScriptedServer, bad: Act) -> None:
    server.script = [bad, vector(1.0, 0.0)]
    (given,) = embedder(server).embed([Item(text="a")])
    assert given.values.tolist() == [1.0, 0.0]


def test_vectors_of_different_lengths_stop_the_run(server: ScriptedServer) -> None:
    server.script = [vector(1.0), vector(1.0, 0.0)]
    with pytest.raises(ServiceDown, match="1 and 2"):
        embedder(server).embed([Item(text="a"), Item(text="b")])


def test_preflight_finds_mistakes_before_a_run(server: ScriptedServer) -> None:
    served = {"use": "openai_http", "base_url": server.url, "model": "tiny"}
    preflight({"vlm": {"use": "signals"}, "embed": {"use": "signals"}})
    preflight({"vlm": served, "embed": served})
    with pytest.raises(UsageError, match=r"embed.*'huge'"):
        preflight({"vlm": {"use": "signals"}, "embed": {**served, "model": "huge"}})
    for use in ("transformers", "vllm_engine"):
        with pytest.raises(UsageError) as caught:
            preflight({"vlm": served, "embed": {"use": use, "model": "m"}})
        assert "signals" in caught.value.remedy
    with ScriptedServer() as gone:
        url = gone.url
    with pytest.raises(ServiceDown):
        preflight({"vlm": {**served, "base_url": url}, "embed": served})


def looking(handler: Handler, body: dict[str, Any]) -> None:
    """Answer as a server that decodes what it is shown: a picture that is none is a 400, the schema is filled."""
    shown = [part["image_url"]["url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
    if any(url.endswith(base64.b64encode(SPOILT.jpeg).decode()) for url in shown):
        handler.send(400, {"error": {"message": "cannot identify image file"}})
        return
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    said(json.dumps(dict.fromkeys(properties, "a red square")))(handler, body)


@pytest.mark.parametrize("system", ["", 'Look at "it".\n'])
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("text", ["", 'say "\\" é \x00 \ud800'])
def test_a_body_in_pieces_is_one_json_object(system: str, count: int, text: str) -> None:
    pictures = tuple(Picture(bytes([n]) * 300, f"p{n % 2}", 0.5) for n in range(count))
    one = Ask("p", "d", text, SCHEMA, pictures, system=system, seed=3)
    body = json.loads(b"".join(chat_body(one, OpenAiOptions(base_url="http://h", model="tiny", max_pixels=784))))
    messages = body.pop("messages")
    assert [m["role"] for m in messages] == (["system", "user"] if system else ["user"])
    assert not system or messages[0]["content"] == system
    shown = [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in messages[-1]["content"][:count]]
    assert shown == [picture.jpeg for picture in pictures]
    assert [part["text"] for part in messages[-1]["content"][count:]] == ([text] if text else [])
    assert body == {
        "model": "tiny", "temperature": 0.7, "max_tokens": 1024, "seed": 3, "mm_processor_kwargs": {"max_pixels": 784},
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA, "strict": True},
        },
    }  # fmt: skip


class TestConformance(VlmConformance):
    schema = CAPTIONS

    @pytest.fixture
    def vlm(self, server: ScriptedServer) -> OpenAiHttp:
        server.script = [looking] * 500
        return OpenAiHttp(OpenAiOptions(base_url=server.url, model="tiny", concurrency=4, attempts=2))
