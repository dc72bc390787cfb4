"""Asks a served model over the OpenAI chat protocol: a vLLM server, several of them, or anything compatible.

A request is the system text, then the pictures as data URLs, then the instruction: so all requests about one clip
share a prefix, which the server computes once. All requests of a clip go to one server.

What a real server taught (vLLM 0.29 and 0.32): ``guided_json`` is silently ignored, ``response_format`` is what
counts; an answer cut by ``max_tokens`` is a 200 with broken JSON, so ``finish_reason`` is looked at; after a 500 the
connection is reset; grammar-constrained answers can still be invalid JSON. So every answer is checked here.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from synflow.asks import Ask
from synflow.errors import UsageError
from synflow.ids import seed_of
from synflow.models.flight import Limited
from synflow.models.openai_chat import OpenAiOptions, chat_body, message_of, read_reply, retry_after
from synflow.models.resilience import REFUSED, Breaker, Outage, Reply, Retrying, TransientFailure

CHECKS = 4
"""How often a server is asked for its models before it counts as not there; with pauses of 0.2, 0.4 and 0.8 s."""

DENIALS = 8
"""So many 401, 403 or 404 in a row from a server that never answered, and the manifest is wrong, not a gateway."""

MOST_BYTES = 4 << 20
"""Longest reply that is read, in bytes: a thousand times an ordinary one."""


class OpenAiServer:
    """One server. Every answer is checked; a failure that may pass is a `TransientFailure`.

    Args:
        url: address that ends in ``/v1``.
        options: parameters. ``key``: bearer token; empty for none.

    Attributes:
        role: key of the manifest under ``models``, for messages; ``path``: what is called for each ask.
    """

    role: ClassVar[str] = "vlm"
    path: ClassVar[str] = "/chat/completions"

    def __init__(self, url: str, options: OpenAiOptions, key: str = "") -> None:
        self.url = url
        self.name = re.sub(r"//[^/@]*@", "//", url)
        if not _is_address(url):
            raise self._no_address()
        self.options = options
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        limits = httpx.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)
        wait = httpx.Timeout(options.timeout, connect=min(10.0, options.timeout), pool=None)
        self._client = httpx.Client(headers=headers, limits=limits, timeout=wait, trust_env=False)
        self.close = weakref.finalize(self, self._client.close)
        self._checked = False
        self._check = threading.Lock()
        self._answered = False
        self._denials = 0

    @property
    def model(self) -> str:
        """What request digests name."""
        return self.options.identity

    def check(self) -> None:
        """Make sure, once, that the server has the model.

        Raises:
            UsageError: it has others, or wants a key. TransientFailure: it does not answer.
        """
        with self._check:
            if self._checked:
                return
            listing = self._listing()
            try:
                served = [str(entry["id"]) for entry in listing["data"]]
            except (KeyError, TypeError) as error:
                raise TransientFailure("bad-reply", f"{self.name}/models does not list models") from error
            if self.options.model not in served:
                names = ", ".join(sorted(served)[:5]) or "none"
                raise UsageError(
                    f"models.{self.role}: {self.name} does not serve {self.options.model!r}",
                    f"use one that it serves ({names}), or start it with that model",
                )
            self._checked = True

    def _listing(self) -> dict[str, Any]:
        """Return what the server lists; a first failure is not believed."""
        for attempt in range(1, CHECKS + 1):
            try:
                return self._call("GET", "/models", ())
            except _Denied as denied:
                if attempt == CHECKS:
                    raise denied.usage from denied
            except TransientFailure:
                if attempt == CHECKS:
                    raise
            time.sleep(0.1 * 2**attempt)
        raise TransientFailure("server-error", self.name)

    def answer(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Return one answer or refusal for each ask, in order.

        Raises:
            TransientFailure: a call failed in a way that may pass.
        """
        self.check()
        return [self._one(ask) for ask in asks]

    def _one(self, ask: Ask) -> Reply:
        """Send one ask and read the reply."""
        request = ask.digest(self.model)
        try:
            reply = self._call("POST", self.path, self.body(ask))
        except _Denied as denied:
            self._denials += 1
            if not self._answered and self._denials >= DENIALS:
                raise denied.usage from denied
            raise
        read = self.read(ask, request, reply)
        self._answered = True
        return read

    def body(self, ask: Ask) -> list[bytes]:
        """Return the body of the request for one ask, in pieces."""
        return chat_body(ask, self.options)

    def read(self, ask: Ask, request: str, reply: Mapping[str, Any]) -> Reply:
        """Return what a reply says."""
        return read_reply(ask, request, reply, self.options)

    def _call(self, method: str, path: str, body: Sequence[bytes]) -> dict[str, Any]:
        """Make one call; return the JSON object that came back."""
        ends = time.monotonic() + self.options.timeout
        data = bytearray()
        # With its length given, a body in pieces is sent as it is, and not in chunks.
        length = {"Content-Length": str(sum(map(len, body)))} if body else {}
        try:
            with self._client.stream(method, self.url + path, content=body or None, headers=length) as response:
                for block in response.iter_bytes():
                    data += block
                    if len(data) > MOST_BYTES:
                        raise TransientFailure("bad-reply", f"{self.name}: a reply of more than {MOST_BYTES} bytes")
                    if time.monotonic() > ends:
                        raise TransientFailure("timeout", f"{self.name}: no whole reply in {self.options.timeout:g} s")
        except httpx.TimeoutException as error:
            raise TransientFailure("timeout", f"{self.name}: no reply in {self.options.timeout:g} s") from error
        except httpx.InvalidURL as error:
            raise self._no_address() from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise TransientFailure("reset", f"{self.name}: {error or type(error).__name__}") from error
        if response.status_code != 200:
            self._failed(response, bytes(data))
        try:
            reply = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise TransientFailure("bad-reply", f"{self.name}: the reply is no JSON") from error
        if not isinstance(reply, dict):
            raise TransientFailure("bad-reply", f"{self.name}: the reply is no JSON object")
        return reply

    def _no_address(self) -> UsageError:
        return UsageError(f"models.{self.role}.base_url: {self.name!r} is no address", "write http://host:port")

    def _failed(self, response: httpx.Response, data: bytes) -> NoReturn:
        """Raise what a status other than 200 means."""
        status, said = response.status_code, message_of(data)
        after = retry_after(response.headers.get("Retry-After", ""))
        if status in (401, 403):
            raise _Denied(
                f"{self.name}: {status} {said}",
                UsageError(
                    f"models.{self.role}: {self.name} refuses the key ({status})",
                    f"set models.{self.role}.api_key.env to the environment variable that holds a valid key",
                ),
            )
        if status == 404:
            raise _Denied(
                f"{self.name}: {status} {said}",
                UsageError(
                    f"models.{self.role}: {self.name} has no such model or path: {said}",
                    f"check models.{self.role}.base_url and model",
                ),
            )
        if status == 429:
            raise TransientFailure("rate-limit", f"{self.name}: {status} {said}", after)
        if status in (408, 409, 425) or status >= 500 or 300 <= status < 400:
            raise TransientFailure("server-error", f"{self.name}: {status} {said}", after)
        if 400 <= status < 500:
            raise TransientFailure(REFUSED, f"{status} {said}", after)
        raise TransientFailure("bad-reply", f"{self.name}: status {status}")


def _is_address(url: str) -> bool:
    """Tell whether an address can be one of a server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


class _Denied(TransientFailure):
    """401, 403 or 404: a gateway in trouble, or a manifest that names a wrong key, model or path (``usage``)."""

    def __init__(self, detail: str, usage: UsageError) -> None:
        super().__init__("server-error", detail)
        self.usage = usage

    def __reduce__(self) -> tuple[type[_Denied], tuple[str, UsageError]]:  # type: ignore[override]
        """Keep all fields when the error crosses a process boundary."""
        return (type(self), (self.detail, self.usage))


class Route:
    """Several servers as one: every clip has its own, and another takes over where that is down.

    Args:
        servers: at least one, each behind its breaker.
    """

    def __init__(self, servers: Sequence[Breaker]) -> None:
        self.servers = tuple(servers)

    @property
    def model(self) -> str:
        """Id of the model; all servers have the same."""
        return self.servers[0].model

    def answer(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Return one answer or refusal for each ask, in order.

        Raises:
            TransientFailure: a call failed. Outage: all servers are down.
        """
        return [self._one(ask) for ask in asks]

    def _one(self, ask: Ask) -> Reply:
        first = seed_of("affinity", ask.affinity or ask.digest(self.model)) % len(self.servers)
        for step in range(len(self.servers)):
            server = self.servers[(first + step) % len(self.servers)]
            last = step == len(self.servers) - 1
            if server.down and not last:
                continue
            try:
                return server.answer([ask])[0]
            except Outage:
                if last:
                    raise
        raise Outage(f"{self.model}: all model servers are down", "start them again, then `synflow resume` the run")


class OpenAiHttp:
    """The served model with all its resilience: what the manifest's ``use: openai_http`` opens."""

    def __init__(self, options: OpenAiOptions, key: str = "", server: type[OpenAiServer] = OpenAiServer) -> None:
        self.servers = tuple(server(url, options, key) for url in options.addresses)
        self._chain = Limited(
            Retrying(
                Route([Breaker(s, pause=options.probe_every, probes=options.probes) for s in self.servers]),
                options.attempts,
                options.patience,
            ),
            options.concurrency * len(self.servers),
        )

    @property
    def model(self) -> str:
        """Id of the model, part of every request digest."""
        return self._chain.model

    def answer(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Return one answer or refusal for each ask, in order; raises `Outage` where no server answers any more."""
        return self._chain.answer(asks)

    def close(self) -> None:
        """Close all connections; what is asked afterwards fails. Without it they close when this is forgotten."""
        for server in self.servers:
            server.close()

    def check(self) -> None:
        """Make sure that every server is there and has the model, before a run begins.

        Raises:
            UsageError: no such model, or the key is refused. TransientFailure: a server does not answer.
        """
        for server in self.servers:
            server.check()


def open_openai(options: Mapping[str, Any]) -> OpenAiHttp:
    """Return the served model that a manifest entry describes; connects to nothing yet.

    Raises:
        UsageError: a parameter is wrong, or the environment variable of the key is not set.
    """
    return OpenAiHttp(*opened("vlm", options))


def opened(role: str, options: Mapping[str, Any]) -> tuple[OpenAiOptions, str]:
    """Return the parameters of ``models.<role>`` and the key that they name.

    Raises:
        UsageError: a parameter is wrong, or the environment variable of the key is not set.
    """
    try:
        parsed = OpenAiOptions(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"models.{role}.{where}: {first['msg']}", "see `synflow stages --schema`") from error
    if not parsed.addresses:
        raise UsageError(f"models.{role}.base_url: no address is given", "write http://host:port")
    if parsed.api_key is None:
        return parsed, ""
    name = parsed.api_key.get("env", "")
    key = os.environ.get(name, "")
    if not key:
        raise UsageError(f"models.{role}.api_key: the environment variable {name!r} is not set", f"export {name}=...")
    return parsed, key
