"""Bare asyncio loops that send the requests of a client: what it is measured against."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from synflow.asks import Ask
from synflow.models.openai_chat import OpenAiOptions, chat_body, sampling_of

JSON = {"Content-Type": "application/json"}


@dataclass
class Round:
    """One way of sending all requests: seconds of wall and CPU, latencies in seconds, tokens of all answers."""

    wall: float = 0.0
    cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)
    prompt: int = 0
    cached: int = 0
    written: int = 0
    answered: int = 0

    def count(self, usage: Mapping[str, Any]) -> None:
        """Add what an answer says that it took, also one that cannot be used."""
        self.prompt += usage["prompt_tokens"]
        self.written += usage["completion_tokens"]
        self.cached += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0

    def figures(self) -> list[float]:
        """Return requests/s, CPU ms a request, three percentiles of the latency in ms, tokens."""
        ranked = sorted(self.latencies)
        ranks = [1000 * ranked[min(len(ranked) - 1, int(len(ranked) * share))] for share in (0.5, 0.9, 0.99)]
        count = len(ranked)
        rest = [self.prompt, self.cached / max(1, self.prompt), self.written, self.answered, count]
        return [count / self.wall, 1000 * self.cpu / count, *ranks, *rest]


def cpu() -> float:
    """Return the CPU-seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def clocked(done: Round) -> Iterator[None]:
    """Note what a block takes."""
    began, used = time.perf_counter(), cpu()
    yield
    done.wall, done.cpu = time.perf_counter() - began, cpu() - used


def plain_body(ask: Ask, options: OpenAiOptions) -> dict[str, Any]:
    """Return the body of a request as whoever writes a loop in an hour would: a dict that the client encodes."""
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(p.jpeg).decode()}"}}
        for p in ask.pictures
    ]
    return {
        "model": options.model,
        **sampling_of(ask, options),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": ask.prompt, "schema": dict(ask.schema), "strict": True},
        },
        "messages": [
            {"role": "system", "content": ask.system},
            {"role": "user", "content": [*content, {"type": "text", "text": ask.text}]},
        ],
    }


def _took(done: Round, began: float, value: Mapping[str, Any]) -> None:
    """Note an answer as a bare loop gets it."""
    done.latencies.append(time.perf_counter() - began)
    done.count(value["usage"])
    if value["choices"][0]["finish_reason"] == "stop":
        json.loads(value["choices"][0]["message"]["content"])
        done.answered += 1


def bare_httpx(asks: list[Ask], options: OpenAiOptions) -> Round:
    """Send them with nothing but httpx: no retry, no check, no affinity."""
    return _by_httpx(len(asks), lambda place: json.dumps(plain_body(asks[place], options)).encode(), options)


def ready_httpx(asks: list[Ask], options: OpenAiOptions) -> Round:
    """Send bodies that were all encoded before the clock starts: less can hardly be done."""
    bodies = [b"".join(chat_body(ask, options)) for ask in asks]
    return _by_httpx(len(asks), bodies.__getitem__, options)


def _by_httpx(count: int, body_of: Callable[[int], bytes], options: OpenAiOptions) -> Round:
    done = Round()

    async def everything() -> None:
        most = options.concurrency * len(options.addresses)
        gate, limits = asyncio.Semaphore(most), httpx.Limits(max_connections=most, max_keepalive_connections=most)

        async def one(place: int) -> None:
            url = options.addresses[place % len(options.addresses)]
            async with gate:
                began = time.perf_counter()
                reply = await client.post(f"{url}/chat/completions", content=body_of(place), headers=JSON)
                _took(done, began, reply.json())

        async with httpx.AsyncClient(timeout=options.timeout, trust_env=False, limits=limits) as client:
            await asyncio.gather(*(one(place) for place in range(count)))

    with clocked(done):
        asyncio.run(everything())
    return done


def bare_aiohttp(asks: list[Ask], options: OpenAiOptions) -> Round:
    """Send them with nothing but aiohttp."""
    import aiohttp

    done = Round()

    async def everything() -> None:
        most = options.concurrency * len(options.addresses)
        gate = asyncio.Semaphore(most)

        async def one(place: int, ask: Ask) -> None:
            url = options.addresses[place % len(options.addresses)]
            async with gate:
                began = time.perf_counter()
                async with session.post(f"{url}/chat/completions", json=plain_body(ask, options)) as reply:
                    _took(done, began, await reply.json())

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=most)) as session:
            await asyncio.gather(*(one(place, ask) for place, ask in enumerate(asks)))

    with clocked(done):
        asyncio.run(everything())
    return done
