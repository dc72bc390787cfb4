"""What the client of a served model costs: requests/s, tokens, latency and CPU beside a bare asyncio loop.

``python benchmarks/enrich.py --url http://127.0.0.1:8000/v1 --model NAME [--clips N] [--prompts N] [--runs N]`` sends
the same requests (N clips, each with several prompts) once through `openai_http` with all its care, once with nothing
but ``httpx.AsyncClient`` and a semaphore. Every run has its own instructions, so that no answer comes from a cache that
the other one filled; the share of prompts that the server had cached is told for both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import cv2
import httpx
import numpy as np

from synflow.asks import Answer, Ask, Picture
from synflow.ids import digest
from synflow.models.openai_chat import OpenAiOptions, chat_body
from synflow.models.openai_http import OpenAiHttp, OpenAiServer
from synflow.models.resilience import Reply

SCHEMA = {"type": "object", "properties": {"says": {"type": "string", "enum": ["yes", "no"]}}, "required": ["says"]}


@dataclass
class Round:
    """One way of sending all requests: seconds of wall and CPU, latencies in seconds, tokens."""

    wall: float
    cpu: float
    latencies: list[float]
    prompt: int
    cached: int
    answered: int

    def row(self, name: str) -> str:
        """Return a line of the table."""
        ranked = sorted(self.latencies)
        shares = [1000 * ranked[min(len(ranked) - 1, int(len(ranked) * share))] for share in (0.5, 0.9, 0.99)]
        count = len(ranked)
        return (
            f"{name:<12} {count / self.wall:8.2f} {1000 * self.cpu / count:10.2f} "
            + " ".join(f"{one:8.0f}" for one in shares)
            + f" {self.prompt:10,} {self.cached / max(1, self.prompt):8.1%} {self.answered:>6}/{count}"
        )


def asks_of(clips: int, prompts: int, frames: int, size: tuple[int, int], run: str) -> list[Ask]:
    """Return the requests of one round; the pictures of a clip are those of no other round."""
    asks = []
    for clip in range(clips):
        rng = np.random.default_rng([clip, *run.encode()])
        pictures = []
        for frame in range(frames):
            rough = rng.integers(0, 255, (18, 32, 3), np.uint8)
            jpeg = cv2.imencode(".jpg", cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()
            pictures.append(Picture(jpeg, digest(jpeg), frame / 2))
        asks += [
            Ask("bench", "d", f"Question {n}: does it move?", SCHEMA, tuple(pictures), system="Answer with JSON only.",
                affinity=f"{run}-{clip}", seed=n, max_tokens=32)
            for n in range(prompts)
        ]  # fmt: skip
    return asks


class Timed(OpenAiServer):
    """Notes how long each call takes."""

    latencies: list[float] = []  # noqa: RUF012  shared on purpose, emptied for each round
    lock = threading.Lock()

    def _one(self, ask: Ask) -> Reply:
        began = time.perf_counter()
        reply = super()._one(ask)
        with self.lock:
            self.latencies.append(time.perf_counter() - began)
        return reply


def cpu() -> float:
    """Return the CPU-seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ours(asks: list[Ask], options: OpenAiOptions) -> Round:
    """Send them as a run does."""
    Timed.latencies.clear()
    client = OpenAiHttp(options, server=Timed)
    client.check()
    began, used = time.perf_counter(), cpu()
    replies = client.answer(asks)
    wall, spent = time.perf_counter() - began, cpu() - used
    client.close()
    answers = [one for one in replies if isinstance(one, Answer)]
    tokens, cached = (sum(getattr(a, name) for a in answers) for name in ("prompt_tokens", "cached_tokens"))
    return Round(wall, spent, list(Timed.latencies), tokens, cached, len(answers))


def bare(asks: list[Ask], options: OpenAiOptions) -> Round:
    """Send them with a bare loop: no retry, no check, no affinity."""
    latencies: list[float] = []
    totals = {"prompt": 0, "cached": 0, "answered": 0}

    async def one(client: httpx.AsyncClient, gate: asyncio.Semaphore, place: int, ask: Ask) -> None:
        url = options.addresses[place % len(options.addresses)]
        async with gate:
            began = time.perf_counter()
            reply = await client.post(f"{url}/chat/completions", json=chat_body(ask, options))
            value: dict[str, Any] = reply.json()
            latencies.append(time.perf_counter() - began)
        choice = value["choices"][0]
        totals["prompt"] += value["usage"]["prompt_tokens"]
        totals["cached"] += (value["usage"].get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        if choice["finish_reason"] == "stop":
            json.loads(choice["message"]["content"])
            totals["answered"] += 1

    async def everything() -> None:
        gate = asyncio.Semaphore(options.concurrency * len(options.addresses))
        async with httpx.AsyncClient(timeout=options.timeout, trust_env=False) as client:
            await asyncio.gather(*(one(client, gate, place, ask) for place, ask in enumerate(asks)))

    began, used = time.perf_counter(), cpu()
    asyncio.run(everything())
    return Round(time.perf_counter() - began, cpu() - used, latencies, *totals.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", action="append", required=True, help="address of a server; may be repeated")
    parser.add_argument("--model", required=True)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--prompts", type=int, default=4, help="requests on each clip")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 180), help="width and height of a picture")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    options = OpenAiOptions(
        base_url=tuple(given.url), model=given.model, concurrency=given.concurrency, timeout=600, attempts=3
    )
    print(f"{'':<12} {'req/s':>8} {'CPU ms/req':>10} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'prompt':>10} "
          f"{'cached':>8} {'answered':>8}")  # fmt: skip
    shape = (given.prompts, given.frames, (given.size[0], given.size[1]))
    bare(asks_of(2, *shape, f"warm-up-{time.time_ns()}"), options)
    ratios = []
    for run in range(given.runs):
        rounds: dict[str, Round] = {}
        ways = [("openai_http", ours), ("bare loop", bare)]
        for name, way in ways if run % 2 == 0 else ways[::-1]:
            rounds[name] = way(asks_of(given.clips, *shape, f"{time.time_ns()}-{name}"), options)
            print(rounds[name].row(name), flush=True)
        ratios.append(rounds["bare loop"].wall / rounds["openai_http"].wall)
    share = statistics.median(ratios)
    print(f"openai_http gives {share:.1%} of the bare loop's requests/s (median of {given.runs})")
    return 0 if share >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
