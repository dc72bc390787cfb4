"""Embeds through a served pooling model: ``/v1/embeddings`` with chat messages, as vLLM serves GME and its like.

The same road as for a served model that writes: affinity, retries, breaker and bounds are those of `openai_http`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synflow.asks import Answer, Ask, Item, Refusal, Vector, said_digest
from synflow.errors import ServiceDown
from synflow.models.embedder_families import harmless
from synflow.models.openai_chat import OpenAiOptions, with_messages, with_video
from synflow.models.openai_http import OpenAiHttp, OpenAiServer, opened
from synflow.models.resilience import Reply, TransientFailure


class EmbeddingServer(OpenAiServer):
    """One pooling server; the value of an answer is a list of numbers."""

    role = "embed"
    path = "/embeddings"

    def body(self, ask: Ask) -> list[bytes]:
        """Return the request, in pieces: pictures first, then the text."""
        video = self.options.frames == "video" and len(ask.pictures) > 1
        return (with_video if video else with_messages)({"model": self.options.model, "encoding_format": "float"}, ask)

    def read(self, ask: Ask, request: str, reply: Mapping[str, Any]) -> Reply:
        """Return the numbers of a reply.

        Raises:
            TransientFailure: the reply holds no usable vector.
        """
        try:
            values = [float(v) for v in reply["data"][0]["embedding"]]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise TransientFailure("bad-reply", f"{self.name}: the reply holds no embedding") from error
        length = math.sqrt(sum(v * v for v in values))
        if not math.isfinite(length) or length < 1e-12:
            raise TransientFailure("bad-reply", f"{self.name}: the embedding has no direction")
        return Answer(request, values, self.options.model, self.options.revision, ask.sent())


class OpenAiEmbedder:
    """An embedder that asks one or several pooling servers."""

    joint = True
    """Text and pictures of one item go to the model in one message."""

    def __init__(self, options: OpenAiOptions, key: str = "") -> None:
        self._http = OpenAiHttp(options, key, EmbeddingServer)
        self.check = self._http.check
        self.close = self._http.close

    @property
    def model(self) -> str:
        """Id of the model."""
        return self._http.model

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        """Return one unit vector for each item; abstain where it is empty or the server will not take it.

        Raises:
            ServiceDown: no server answers any more, or two answers have different lengths.
        """
        asked = [i for i, item in enumerate(items) if item.text or item.pictures]
        replies = self._http.answer([_ask(items[i]) for i in asked])
        vectors = [Vector(None, tuple(p.digest for p in item.pictures)) for item in items]
        for i, reply in zip(asked, replies, strict=True):
            if isinstance(reply, Refusal):
                continue
            values = np.asarray(reply.value, dtype=np.float64)
            unit = (values / np.linalg.norm(values)).astype(np.float32)
            vectors[i] = Vector(unit, reply.bound, said_digest(items[i].text))
        sizes = {v.values.size for v in vectors if v.values is not None}
        if len(sizes) > 1:
            raise ServiceDown(f"{self.model}: embeddings of {min(sizes)} and {max(sizes)} numbers", "check the servers")
        return vectors


def open_openai_embedder(options: Mapping[str, Any]) -> OpenAiEmbedder:
    """Return the served embedder that a manifest entry describes; connects to nothing yet.

    Raises:
        UsageError: a parameter is wrong, or the environment variable of the key is not set.
    """
    return OpenAiEmbedder(*opened("embed", options))


def _ask(item: Item) -> Ask:
    """Return an item as a request; all items that begin with the same picture go to one server."""
    first = item.pictures[0].digest if item.pictures else ""
    # A server reads what looks like a special token as one; the embedder in the workers does not.
    text, system = harmless(item.text or ""), harmless(item.instruction or "")
    return Ask("embed", "", text, {}, item.pictures, system=system, affinity=first)
