"""``vllm bench serve`` as one more way of sending the requests of a client."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.bare_loops import Round, plain_body
from synflow.asks import Ask
from synflow.models.openai_chat import OpenAiOptions
from synflow.models.vllm_server import executable


def by_vllm(asks: Sequence[Ask], options: OpenAiOptions) -> Round:
    """Send the same texts and pictures by ``vllm bench serve`` to the first address.

    Pictures go as data URLs: a path becomes a ``file://`` reference, which a server refuses unless it was started with
    ``--allowed-local-media-path``. There is no system message and no seed of its own for each request; the system text
    stands before the pictures all the same. Answers come as streams.

    Returns:
        What it measured itself, its start not included. Its CPU is 0: most of it goes into importing vLLM.

    Raises:
        RuntimeError: it failed, or a request of it did.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "asks.jsonl").write_text("\n".join(json.dumps({"content": _content(ask)}) for ask in asks))
        command = [
            executable(), "bench", "serve", "--backend", "openai-chat", "--endpoint", "/v1/chat/completions",
            "--base-url", options.addresses[0].removesuffix("/v1"), "--model", options.model,
            "--dataset-name", "custom_image", "--dataset-path", str(place / "asks.jsonl"), "--disable-shuffle",
            "--num-prompts", str(len(asks)), "--max-concurrency", str(options.concurrency), "--custom-output-len",
            str(asks[0].max_tokens), "--num-warmups", "0", "--ready-check-timeout-sec", "0", "--disable-tqdm",
            "--extra-body", json.dumps(_shared(asks[0], options)),
            "--save-result", "--save-detailed", "--result-dir", folder, "--result-filename", "result.json",
        ]  # fmt: skip
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode:
            last = (told.stderr.strip().splitlines() or [""])[-1][:300]
            raise RuntimeError(f"vllm bench serve ended with {told.returncode}: {last}")
        result = json.loads((place / "result.json").read_text())
    if errors := [error for error in result["errors"] if error]:
        raise RuntimeError(f"vllm bench serve: {len(errors)} of {len(asks)} failed: {errors[0].strip()[-300:]}")
    return read(result)


def read(result: dict[str, Any]) -> Round:
    """Return what a result file of it tells; how much of the prompts was cached it does not."""
    return Round(
        wall=result["duration"],
        latencies=list(result["latencies"]),
        prompt=result["total_input_tokens"],
        written=result["total_output_tokens"],
        answered=sum(_is_json(text) for text in result["generated_texts"]),
    )


def _content(ask: Ask) -> list[dict[str, str]]:
    pictures = [f"data:image/jpeg;base64,{base64.b64encode(one.jpeg).decode()}" for one in ask.pictures]
    return [
        {"type": "text", "text": ask.system},
        *({"type": "image", "image": url} for url in pictures),
        {"type": "text", "text": ask.text},
    ]


def _shared(ask: Ask, options: OpenAiOptions) -> dict[str, Any]:
    """Return what the bodies of all requests share beside messages, model and seed."""
    body = plain_body(ask, options)
    return {name: body[name] for name in ("temperature", "max_tokens", "response_format")}


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
