"""What the client of a served model costs: requests/s, tokens, latency and CPU beside bare asyncio loops.

``python benchmarks/enrich.py`` asks a server of fixed latency in a process of its own, where only clients differ;
``--url http://127.0.0.1:8000/v1 --model NAME`` asks a real one. The same requests (N clips, each with several prompts)
go out as a run sends them, `Journalled` and all, and from bare loops: ``httpx.AsyncClient`` and a semaphore, the same
with all bodies encoded before the clock starts, and aiohttp where it is installed. Equal numbers are in flight, and
bodies are equal byte by byte but for the number of the round in the system text: it stands before the pictures, so
that no round finds its prompts in the cache that another one filled. Rounds alternate. With ``--vllm`` the texts and
pictures also go out by ``vllm bench serve``, where that is installed, as a way of its own.

Ends with 1 where the client gives less than 95 % of a bare loop's requests a second.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from kit.bare_loops import Round, bare_aiohttp, bare_httpx, clocked, plain_body, ready_httpx
from kit.chat_server import MODEL, fixed
from kit.vllm_bench import by_vllm

from synflow.asks import Answer, Ask, Picture
from synflow.durable import append_lines
from synflow.ids import digest
from synflow.models.journal import Journalled
from synflow.models.openai_chat import OpenAiOptions, chat_body
from synflow.models.openai_http import OpenAiHttp, OpenAiServer
from synflow.models.resilience import Reply

SCHEMA = {"type": "object", "properties": {"says": {"type": "string", "enum": ["yes", "no"]}}, "required": ["says"]}
LEAST = 0.95
"""Of a bare loop's requests a second, in the median of the rounds."""


HEAD = (
    f"{'':<16} {'req/s':>8} {'CPU ms/req':>10} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'prompt':>11} {'cached':>7} "
    f"{'written':>9} {'answered':>12}"
)


def row(name: str, figures: Sequence[float]) -> str:
    """Return a line of the table."""
    rate, cpu, p50, p90, p99, prompt, cached, written, answered, count = figures
    return (
        f"{name:<16} {rate:8.2f} {cpu:10.2f} {p50:8.0f} {p90:8.0f} {p99:8.0f} {prompt:11,.0f} {cached:7.1%} "
        f"{written:9,.0f} {answered:5.0f}/{count:.0f}"
    )


def pictures_of(clip: int, frames: int, size: tuple[int, int]) -> tuple[Picture, ...]:
    """Return the frames of a clip: rough noise, of which a JPEG is as large as one of a film."""
    rng = np.random.default_rng(clip)
    pictures = []
    for frame in range(frames):
        rough = rng.integers(0, 255, (size[1] // 10, size[0] // 10, 3), np.uint8)
        jpeg = cv2.imencode(".jpg", cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()
        pictures.append(Picture(jpeg, digest(jpeg), frame / 2))
    return tuple(pictures)


def asks_of(clips: Sequence[tuple[Picture, ...]], prompts: int, number: int) -> list[Ask]:
    """Return the requests of one round, those on a clip one after another."""
    return [
        Ask("bench", "d", f"Question {n:02d}: does anything in these pictures move?", SCHEMA, pictures,
            system=f"Round {number:012d}. Answer with JSON only.", affinity=f"clip-{place}", seed=n, max_tokens=32)
        for place, pictures in enumerate(clips)
        for n in range(prompts)
    ]  # fmt: skip


def timed(done: Round) -> type[OpenAiServer]:
    """Return a server class that notes the time of each call and the tokens of each reply."""
    lock = threading.Lock()

    class Timed(OpenAiServer):
        def _one(self, ask: Ask) -> Reply:
            began = time.perf_counter()
            reply = super()._one(ask)
            done.latencies.append(time.perf_counter() - began)
            return reply

        def read(self, ask: Ask, request: str, reply: Mapping[str, Any]) -> Reply:
            with lock:
                done.count(reply["usage"])
            return super().read(ask, request, reply)

    return Timed


def ours(asks: list[Ask], options: OpenAiOptions) -> Round:
    """Send them as a run does: journalled, retried, behind breakers, every answer checked."""
    done = Round()
    client = OpenAiHttp(options, server=timed(done))
    client.check()
    with tempfile.TemporaryDirectory() as folder, clocked(done):
        replies = Journalled(client, Path(folder) / "journal.jsonl", append_lines).answer(asks)
    client.close()
    done.answered = sum(isinstance(one, Answer) for one in replies)
    return done


def ways(vllm: bool) -> dict[str, Callable[[list[Ask], OpenAiOptions], Round]]:
    """Return the ways of sending, ours first; with ``vllm`` also by vLLM's own benchmark."""
    found: dict[str, Callable[[list[Ask], OpenAiOptions], Round]] = {
        "openai_http": ours, "bare httpx": bare_httpx, "bodies ready": ready_httpx,
    }  # fmt: skip
    with contextlib.suppress(ImportError):
        import aiohttp  # noqa: F401

        found["bare aiohttp"] = bare_aiohttp
    if vllm:
        found["vllm bench"] = by_vllm
    return found


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", action="append", help="address of a server; may be repeated; else one is started")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that the server of fixed latency takes")
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--prompts", type=int, default=4, help="requests on each clip")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 360), help="width and height of a picture")
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight at each address")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--vllm", action="store_true", help="send them by `vllm bench serve` as well")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    with contextlib.ExitStack() as stack:
        urls = given.url or [stack.enter_context(fixed(given.latency))]
        options = OpenAiOptions(base_url=tuple(urls), model=given.model, concurrency=given.concurrency, timeout=600)
        return compared(given, options)


def compared(given: argparse.Namespace, options: OpenAiOptions) -> int:
    """Send the rounds in turn, print the table; return the exit code."""
    cv2.setNumThreads(1)
    clips = [pictures_of(clip, given.frames, tuple(given.size)) for clip in range(given.clips)]
    (sample,) = asks_of(clips[:1], 1, 0)
    body = b"".join(chat_body(sample, options))
    assert json.loads(body) == plain_body(sample, options)
    print(f"{len(body):,} bytes a request, {options.concurrency} in flight at each address")
    # Rounds of another call on the same server have other numbers too.
    number = time.time_ns() // 1_000_000 % 10**11 * 10
    senders = ways(given.vllm)
    for way in senders.values():
        if way is by_vllm:
            continue  # a process of its own, which a round before does not warm
        way(asks_of(clips[:2], given.prompts, number), options)
        number += 1
    print(HEAD)
    rounds: dict[str, list[Round]] = {name: [] for name in senders}
    for run in range(given.runs):
        order = list(senders)[run % len(senders) :] + list(senders)[: run % len(senders)]
        for name in order:
            done = senders[name](asks_of(clips, given.prompts, number), options)
            number += 1
            rounds[name].append(done)
            print(row(name, done.figures()), flush=True)
    print("median and spread of requests/s")
    worst = 1.0
    for name, found in rounds.items():
        figures = [statistics.median(column) for column in zip(*(one.figures() for one in found), strict=True)]
        rates = [one.figures()[0] for one in found]
        print(row(name, figures), f" {min(rates):.2f} to {max(rates):.2f}")
        if name != "openai_http":
            shares = [bare.wall / own.wall for own, bare in zip(rounds["openai_http"], found, strict=True)]
            share = statistics.median(shares)
            print(
                f"openai_http gives {share:.1%} of it (median of {given.runs}, {min(shares):.1%} to {max(shares):.1%})"
            )
            worst = min(worst, share)
    return 0 if worst >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
