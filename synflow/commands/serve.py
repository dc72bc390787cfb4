"""``synflow serve``: the vLLM server(s) that a manifest names, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from synflow.commands.output import write_json
from synflow.console import people
from synflow.errors import ServiceDown, UsageError
from synflow.models.vllm_options import server_flags, tensor_parallel
from synflow.models.vllm_server import Place, Server, Servers, executable, release

LOCAL = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})


def serve(
    manifest: Path, sets: Sequence[str], *, host: str, port: int, wait: float, logs: Path | None, dry_run: bool
) -> int:
    """Start the servers of ``models.vlm``, tell when they answer, end them on Ctrl-C; return the exit code."""
    from synflow.manifest import load_manifest

    loaded = load_manifest(manifest, sets)
    spec = served_spec(loaded.models.vlm.model_dump(mode="json"))
    places = with_gpus(places_of(spec, host, port), tensor_parallel(spec), visible_gpus())
    flags = server_flags(spec, loaded.media.frames, release())
    if dry_run:
        for place in places:
            write_json({"url": place.url, "gpus": place.gpus, "command": ["vllm", "serve", *flags]})
        return 0
    executable()
    for place in places:
        _free(place)
    folder = logs or Path("runs") / "serve"
    folder.mkdir(parents=True, exist_ok=True)
    console = people()
    console.print(f"starting {len(places)} x {spec['model']}; output in {folder}/", soft_wrap=True)

    def tell(server: Server) -> None:
        console.print(f"  {server.place.url} answers", soft_wrap=True)

    with contextlib.closing(Servers(flags, spec["model"], places, folder)) as servers:
        try:
            servers.wait(wait, tell)
            urls = ", ".join(place.url for place in places)
            print(f"models: {{vlm: {{use: openai_http, base_url: [{urls}], model: {spec['model']}}}}}", flush=True)
            console.print("Ctrl-C ends them", soft_wrap=True)
            while True:
                servers.check()
                time.sleep(1)
        except KeyboardInterrupt:
            console.print("ending the servers ...", soft_wrap=True)
    return 0


def served_spec(model: dict[str, Any]) -> dict[str, Any]:
    """Return ``models.vlm`` with the parameters of loading beside the others.

    Raises:
        UsageError: it is no model that vLLM serves.
    """
    if model["use"] == "signals":
        raise UsageError(
            "models.vlm: signals needs no server", "name a model: {use: openai_http, base_url: ..., model: ...}"
        )
    return {**model, **model.pop("serve", {})}


def places_of(spec: dict[str, Any], host: str, port: int) -> list[Place]:
    """Return where to listen: at the manifest's addresses, or for an engine's replicas at successive ports.

    Raises:
        UsageError: an address is not on this machine.
    """
    if spec["use"] == "vllm_engine":
        return [Place(host, port + number) for number in range(spec["replicas"])]
    places = []
    for url in spec["base_url"]:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOCAL | {socket.gethostname()}:
            raise UsageError(
                f"models.vlm.base_url: {url} is not on this machine",
                "call `synflow serve` there, with --set models.vlm.base_url=http://127.0.0.1:PORT/v1 --host 0.0.0.0",
            )
        listens = host if host != "127.0.0.1" else str(parts.hostname).replace("localhost", "127.0.0.1")
        places.append(Place(listens, parts.port or 80))
    return places


def with_gpus(places: list[Place], each: int, gpus: Sequence[str]) -> list[Place]:
    """Return the places with ``each`` GPUs of their own; without any GPU, vLLM says itself what it can do.

    Raises:
        UsageError: there are too few.
    """
    if not gpus:
        return places
    if len(places) * each > len(gpus):
        raise UsageError(
            f"{len(places)} servers of {each} GPUs need {len(places) * each}, and there are {len(gpus)}",
            "name fewer addresses (or replicas), or lower tensor_parallel",
        )
    return [Place(p.host, p.port, ",".join(gpus[i * each : (i + 1) * each])) for i, p in enumerate(places)]


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that may be used: those that CUDA_VISIBLE_DEVICES names, else all that nvidia-smi lists."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(one.strip() for one in named.split(",") if one.strip() not in ("", "-1"))
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False, timeout=30).stdout
    return tuple(str(i) for i, line in enumerate(one for one in listed.splitlines() if one.startswith("GPU ")))


def _free(place: Place) -> None:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except OSError as error:
            raise ServiceDown(
                f"{place.url}: {error.strerror}", "end what listens there, or choose another port"
            ) from error
