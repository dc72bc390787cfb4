"""Asks a served model over the OpenAI chat protocol: a vLLM server, several of them, or anything compatible.

A request is the system text, then the pictures as data URLs, then the instruction: so all requests about one clip
share a prefix, which the server computes once. All requests of a clip go to one server.

What a real server taught (vLLM 0.29 and 0.32): ``guided_json`` is silently ignored, ``response_format`` is what
counts; an answer cut by ``max_tokens`` is a 200 with broken JSON, so ``finish_reason`` is looked at; after a 500 the
connection is reset; grammar-constrained answers can still be invalid JSON. So every answer is checked here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ValidationError

from synflow.asks import Ask
from synflow.errors import UsageError
from synflow.ids import seed_of
from synflow.models.connection import Connection, Denied
from synflow.models.flight import Limited
from synflow.models.openai_chat import OpenAiOptions, chat_body, read_reply
from synflow.models.resilience import Breaker, Outage, Reply, Retrying, TransientFailure

CHECKS = 4
"""How often a server is asked for its models before it counts as not there; with pauses of 0.2, 0.4 and 0.8 s."""

DENIALS = 8
"""So many 401, 403 or 404 in a row from a server that never answered, and the manifest is wrong, not a gateway."""


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
        self.options = options
        self._connection = Connection(url, options, key, self.role)
        self.name, self.close = self._connection.name, self._connection.close
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
                return self._connection.call("GET", "/models")
            except Denied as denied:
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
            reply = self._connection.call("POST", self.path, self.body(ask))
        except Denied as denied:
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
