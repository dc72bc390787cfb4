"""The OpenAI chat protocol without the wire: what a request holds and what a reply means."""

from __future__ import annotations

import base64
import email.utils
import json
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from synflow.asks import Answer, Ask, Refusal
from synflow.models.resilience import Reply, TransientFailure
from synflow.models.schema import fault


class OpenAiOptions(BaseModel):
    """Parameters of a served model.

    Attributes:
        base_url: one address or several, each with or without ``/v1``.
        api_key: ``{"env": NAME}``: the environment variable that holds the key.
        timeout: seconds that one call may take in all; ``patience``: seconds that one ask may take, retries included.
        attempts: calls for one ask at most; ``concurrency``: asks in flight at each address.
        probe_every: seconds between probes of a server that fails time after time; ``probes`` that may fail.
        max_pixels: pixels of a picture that the model sees at most, asked of the server (vLLM's
            ``--trust-request-mm-kwargs``); None: as the server is set.
        top_p, top_k, repetition_penalty: of sampling; None: as the server is set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str | tuple[str, ...]
    model: str
    revision: str = ""
    api_key: dict[str, str] | None = None
    timeout: float = Field(120.0, gt=0)
    attempts: int = Field(12, ge=1)
    patience: float = Field(1800.0, gt=0)
    concurrency: int = Field(16, ge=1)
    probe_every: float = Field(5.0, gt=0)
    probes: int = Field(12, ge=1)
    max_pixels: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None

    @property
    def identity(self) -> str:
        """What request digests name: the model, its revision, and what else changes its answers."""
        revision = f"@{self.revision}" if self.revision else ""
        names = ("max_pixels", "top_p", "top_k", "repetition_penalty")
        given = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name) is not None]
        return f"{self.model}{revision}{'?' if given else ''}{'&'.join(given)}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers, each ending in ``/v1``."""
        urls = (self.base_url,) if isinstance(self.base_url, str) else self.base_url
        bare = [url.rstrip("/").removesuffix("/v1") for url in urls]
        return tuple(f"{url}/v1" for url in dict.fromkeys(bare))


def chat_messages(ask: Ask) -> list[dict[str, Any]]:
    """Return the messages of a request: system text, pictures in order of time, instruction last."""
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(p.jpeg).decode()}"}}
        for p in ask.pictures
    ]
    if ask.text:
        content.append({"type": "text", "text": ask.text})
    system: list[dict[str, Any]] = [{"role": "system", "content": ask.system}] if ask.system else []
    return [*system, {"role": "user", "content": content}]


def chat_body(ask: Ask, options: OpenAiOptions) -> dict[str, Any]:
    """Return the body of a request for an answer that satisfies the ask's schema."""
    body: dict[str, Any] = {
        "model": options.model,
        "messages": chat_messages(ask),
        **sampling_of(ask, options),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": ask.prompt, "schema": dict(ask.schema), "strict": True},
        },
    }
    if options.max_pixels is not None:
        body["mm_processor_kwargs"] = {"max_pixels": options.max_pixels}
    return body


def sampling_of(ask: Ask, options: OpenAiOptions) -> dict[str, Any]:
    """Return how an answer is drawn, by the names that the protocol and vLLM share."""
    drawn = {"temperature": ask.temperature, "max_tokens": ask.max_tokens, "seed": ask.seed}
    others = {name: getattr(options, name) for name in ("top_p", "top_k", "repetition_penalty")}
    return {**drawn, **{name: value for name, value in others.items() if value is not None}}


def read_reply(ask: Ask, request: str, reply: Mapping[str, Any], options: OpenAiOptions) -> Reply:
    """Return the answer that a reply of the server holds, or why it is none.

    Raises:
        TransientFailure: the reply has not the shape of a chat completion.
    """
    try:
        choice = reply["choices"][0]
        text, reason = choice["message"]["content"], choice["finish_reason"]
    except (KeyError, IndexError, TypeError) as error:
        raise TransientFailure("bad-reply", "the reply is no chat completion") from error
    if reason == "length":
        return Refusal(request, "answer-truncated", f"cut at {ask.max_tokens} tokens")
    if reason == "content_filter" or choice["message"].get("refusal"):
        return Refusal(request, "answer-refused", "the model would not answer")
    if not isinstance(text, str):
        raise TransientFailure("bad-reply", "the reply holds no text")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Refusal(request, "answer-schema", "the answer is no JSON")
    found = fault(value, ask.schema)
    if found:
        return Refusal(request, "answer-schema", found)
    usage = reply.get("usage")
    return Answer(
        request=request,
        value=value,
        model=options.model,
        revision=options.revision,
        bound=ask.sent(),
        prompt_tokens=_count(usage, "prompt_tokens"),
        cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
        answer_tokens=_count(usage, "completion_tokens"),
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _count(usage: Any, *path: str) -> int:
    """Return a number of the usage block; 0 where the server does not tell."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) and usage >= 0 else 0


def message_of(data: bytes) -> str:
    """Return what an error body says, in one short line."""
    try:
        body = json.loads(data.decode("utf-8"))
        error = body.get("error", body)
        said = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError, RecursionError):
        said = data[:200].decode("utf-8", errors="replace")
    return " ".join(str(said).split())[:200]


def retry_after(given: str) -> float | None:
    """Return the seconds that a ``Retry-After`` header (a number, or a date) asks to wait; None where it does not."""
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
