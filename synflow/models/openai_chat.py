"""The OpenAI chat protocol without the wire: what a request holds and what a reply means."""

from __future__ import annotations

import binascii
import email.utils
import json
import math
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from synflow.asks import PICTURES_AT_HAND, Answer, Ask, Refusal
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
        frames: whether several pictures of an item to embed are sent as ``images`` or as one ``video``.
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
    frames: Literal["images", "video"] = "images"

    @property
    def identity(self) -> str:
        """What request digests name: the model, its revision, and what else changes its answers."""
        revision = f"@{self.revision}" if self.revision else ""
        names = ("max_pixels", "top_p", "top_k", "repetition_penalty")
        given = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name) is not None]
        given += ["frames=video"] if self.frames == "video" else []
        return f"{self.model}{revision}{'?' if given else ''}{'&'.join(given)}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers, each ending in ``/v1``."""
        urls = (self.base_url,) if isinstance(self.base_url, str) else self.base_url
        bare = [url.rstrip("/").removesuffix("/v1") for url in urls]
        return tuple(f"{url}/v1" for url in dict.fromkeys(bare))


def chat_body(ask: Ask, options: OpenAiOptions) -> list[bytes]:
    """Return the body of a request for an answer that satisfies the ask's schema, in pieces."""
    body: dict[str, Any] = {
        "model": options.model,
        **sampling_of(ask, options),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": ask.prompt, "schema": dict(ask.schema), "strict": True},
        },
    }
    if options.max_pixels is not None:
        body["mm_processor_kwargs"] = {"max_pixels": options.max_pixels}
    return with_messages(body, ask)


def with_messages(body: Mapping[str, Any], ask: Ask) -> list[bytes]:
    """Return a body with the messages of an ask: system text, pictures in order of time, instruction last.

    Pictures are most of its bytes. They are encoded once for all requests that show them, do not pass through the JSON
    encoder, which would look at each of their characters, and are sent from where they lie: hence the pieces.
    """
    return _messages(
        body, ask, [_image_part(one.jpeg, b"," if place else b"") for place, one in enumerate(ask.pictures)]
    )


def with_video(body: Mapping[str, Any], ask: Ask) -> list[bytes]:
    """Return a body with the messages of an ask whose pictures are the frames of one video at their mean rate.

    That is vLLM's ``video/jpeg``; it takes the rate from ``media_io_kwargs``.
    """
    gap = (ask.pictures[-1].time - ask.pictures[0].time) / (len(ask.pictures) - 1)
    how = {"num_frames": -1, **({"fps": 1 / gap} if gap > 0 else {})}
    frames = [(b"," if place else b"") + _encoded(picture.jpeg) for place, picture in enumerate(ask.pictures)]
    opened = b'{"type":"video_url","video_url":{"url":"data:video/jpeg;base64,'
    return _messages({**body, "media_io_kwargs": {"video": how}}, ask, [opened, *frames, b'"}}'])


def _messages(body: Mapping[str, Any], ask: Ask, pictures: Sequence[bytes]) -> list[bytes]:
    system = _json({"role": "system", "content": ask.system}) + b"," if ask.system else b""
    text = _json({"type": "text", "text": ask.text}) if ask.text else b""
    return [
        _json(body)[:-1] + b',"messages":[' + system + b'{"role":"user","content":[',
        *pictures,
        (b"," if text and pictures else b"") + text + b"]}]}",
    ]


def _json(value: Any) -> bytes:
    # Escaped to ASCII, so that a lone surrogate in a text is JSON as well.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


@lru_cache(maxsize=PICTURES_AT_HAND)
def _image_part(jpeg: bytes, comma: bytes) -> bytes:
    """Return one picture as a part of a message, in JSON."""
    return b'%b{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,%b"}}' % (comma, _encoded(jpeg))


def _encoded(jpeg: bytes) -> bytes:
    return binascii.b2a_base64(jpeg, newline=False)


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
    if reason != "length" and not isinstance(text, str) and not _is_refused(choice):
        raise TransientFailure("bad-reply", "the reply holds no text")
    usage = reply.get("usage")
    cost = {
        "prompt_tokens": _count(usage, "prompt_tokens"),
        "cached_tokens": _count(usage, "prompt_tokens_details", "cached_tokens"),
        "answer_tokens": _count(usage, "completion_tokens"),
    }
    if reason == "length":
        return Refusal(request, "answer-truncated", f"cut at {ask.max_tokens} tokens", **cost)
    if _is_refused(choice):
        return Refusal(request, "answer-refused", "the model would not answer", **cost)
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return Refusal(request, "answer-schema", "the answer is no JSON", **cost)
    if found := fault(value, ask.schema):
        return Refusal(request, "answer-schema", found, **cost)
    return Answer(
        request=request, value=value, model=options.model, revision=options.revision, bound=ask.sent(), **cost
    )


def _is_refused(choice: Mapping[str, Any]) -> bool:
    return bool(choice["finish_reason"] == "content_filter" or choice["message"].get("refusal"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(number: str) -> float:
    """Return a number; one that is JSON but beyond all floats could not be written down again."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:20]} is beyond all floats")
    return value


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
